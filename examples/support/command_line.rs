//! Reading the command line: what is wrong with it is one line on standard error, as every other error of an example.

use clap::{Parser, error::ErrorKind};

use crate::printing::mind_the_reader;

/// The arguments of this process: what every example begins with. Ends the process with clap's exit code, 2, when they are wrong,
/// and with 0 after `--help`; from then on a closed pipe ends it quietly (141) wherever it prints.
#[must_use]
#[expect(
    clippy::print_stderr,
    reason = "this is where the examples report errors"
)]
pub fn arguments<A: Parser>() -> A {
    mind_the_reader();
    A::try_parse().unwrap_or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => {
            eprintln!("{}", one_line(&error.render().to_string()));
            std::process::exit(error.exit_code())
        }
    })
}

/// What clap says, up to its usage.
fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim);
    let said: Vec<&str> = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    said.join(" ") + "; --help says more"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser, Debug)]
    struct Two {
        #[arg(long)]
        number: u8,
        #[arg(long)]
        text: String,
    }

    fn said(line: &[&str]) -> String {
        let error = Two::try_parse_from(line).unwrap_err();
        one_line(&error.render().to_string())
    }

    #[test]
    fn one_line_says_what_is_wrong() {
        assert_eq!(
            said(&["two"]),
            "error: the following required arguments were not provided: --number <NUMBER> --text <TEXT>; --help says more"
        );
        assert_eq!(
            said(&["two", "--number", "x", "--text", "t"]),
            "error: invalid value 'x' for '--number <NUMBER>': invalid digit found in string; --help says more"
        );
    }
}
