//! What happens when nobody reads on: `… | head -1` closes the pipe, and `println!` then panics.
//!
//! A panic's report is no answer to that. [`mind_the_reader`] ends the process instead: quietly, with the exit code that a shell
//! gives to a program that a closed pipe stopped, and with one line where the output could not be written for another reason. Programs
//! that write files besides do so before they print.

use std::panic;

/// 128 and the number of the signal that other programs are stopped by (SIGPIPE): some of the output went nowhere.
const CLOSED_PIPE: i32 = 141;

/// From now on a print that fails ends the process without a panic's report; every other panic is reported as before.
#[expect(
    clippy::print_stderr,
    reason = "this is where the examples report errors"
)]
pub(crate) fn mind_the_reader() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        match panic.payload_as_str().and_then(failed_print) {
            None => report(panic),
            Some(Failed { closed: true, .. }) => std::process::exit(CLOSED_PIPE),
            Some(Failed { stdout, why, .. }) => {
                // Where standard error is broken itself, there is nobody left to tell.
                if stdout {
                    eprintln!("error: standard output: {why}");
                }
                std::process::exit(1)
            }
        }
    }));
}

/// Why a print failed.
#[derive(Debug, PartialEq)]
struct Failed<'a> {
    stdout: bool,
    closed: bool,
    why: &'a str,
}

/// Reads the standard library's words for a print that failed.
fn failed_print(message: &str) -> Option<Failed<'_>> {
    let (stream, why) = message
        .strip_prefix("failed printing to ")?
        .split_once(": ")?;
    Some(Failed {
        stdout: stream == "stdout",
        closed: why.contains("Broken pipe") || why.contains("pipe is being closed"),
        why,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_closed_pipe_is_told_from_a_full_disk_and_from_other_panics() {
        let (pipe, full) = (Error::from_raw_os_error(32), Error::from_raw_os_error(28));
        let closed = format!("failed printing to stdout: {pipe}");
        assert!(failed_print(&closed).unwrap().closed);
        let stopped = format!("failed printing to stderr: {full}");
        let stopped = failed_print(&stopped).unwrap();
        assert!(!stopped.closed && !stopped.stdout);
        assert_eq!(stopped.why, full.to_string());
        assert_eq!(failed_print("index out of bounds: Broken pipe"), None);
    }
}
