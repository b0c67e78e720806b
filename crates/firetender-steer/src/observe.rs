//! Progress of long work, for whoever wants to show it. This crate prints nothing.

use crate::CurvePoint;

/// Told about progress; every method does nothing unless you say otherwise.
///
/// ```
/// use firetender_steer::Observer;
/// #[derive(Default)]
/// struct Count(usize);
/// impl Observer for Count {
///     fn read(&mut self, done: usize, _total: usize) {
///         self.0 = done;
///     }
/// }
/// ```
pub trait Observer {
    /// `done` of `total` texts were run while reading activations.
    fn read(&mut self, done: usize, total: usize) {
        let _ = (done, total);
    }

    /// Damage was measured on `done` of `total` prompts (all strengths of a sweep at once).
    fn damaged(&mut self, done: usize, total: usize) {
        let _ = (done, total);
    }

    /// Point `done` of `total` of a sweep is finished.
    fn swept(&mut self, done: usize, total: usize, point: &CurvePoint) {
        let _ = (done, total, point);
    }

    /// Layer `done` of `total` of a calibration is searched.
    fn calibrated(&mut self, done: usize, total: usize) {
        let _ = (done, total);
    }

    /// Cell `done` of `total` of an entanglement matrix is measured.
    fn entangled(&mut self, done: usize, total: usize) {
        let _ = (done, total);
    }
}

/// The observer that nobody hears.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
