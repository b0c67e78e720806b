//! How far an evaluation is, on standard error.

use std::io::IsTerminal as _;

use firetender_scaling::RunObserver;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(title: &str) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) =
            ProgressStyle::with_template("{prefix:<24} {bar:30} {pos}/{len} {elapsed} left {eta}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(title.to_owned());
        Self(bar)
    }
}

impl RunObserver for Progress {
    fn scored(&mut self, done: usize, total: usize) {
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
