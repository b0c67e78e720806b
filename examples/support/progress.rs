//! Progress on standard error: a bar where a person watches, nothing where none does.

use firetender_steer::{CurvePoint, Observer};
use indicatif::{ProgressBar, ProgressStyle};

/// Shows what `firetender-steer` is doing.
#[derive(Debug)]
pub struct Bars {
    bar: ProgressBar,
}

impl Bars {
    /// A bar with this title; hidden when standard error is not a terminal.
    #[must_use]
    pub fn new(title: &str) -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) =
            ProgressStyle::with_template("{prefix:<28} {bar:30} {pos}/{len} {elapsed} {msg}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(title.to_owned());
        Self { bar }
    }

    fn show(&self, done: usize, total: usize, doing: &'static str) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(doing);
    }
}

impl Bars {
    /// `done` of `total` are done.
    pub fn counted(&self, done: usize, total: usize) {
        self.show(done, total, "");
    }

    /// `done` of `total` texts are written.
    pub fn written(&self, done: usize, total: usize) {
        self.show(done, total, "writing");
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Bars {
    fn read(&mut self, done: usize, total: usize) {
        self.show(done, total, "reading activations");
    }

    fn damaged(&mut self, done: usize, total: usize) {
        self.show(done, total, "measuring damage");
    }

    fn entangled(&mut self, done: usize, total: usize) {
        self.show(done, total, "measuring behaviours");
    }

    fn swept(&mut self, done: usize, total: usize, _point: &CurvePoint) {
        self.show(done, total, "measuring effect");
    }
}
