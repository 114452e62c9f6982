//! The answer to a question with yes or no.

use std::io::BufRead;

use crate::error::{Code, Failure};

/// What the operator said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `y` or `yes`.
    Yes,
    /// Anything else, and nothing at all.
    No,
}

impl Answer {
    /// Reads one line.
    pub(super) fn read(input: &mut impl BufRead) -> Result<Self, Failure> {
        let mut line = String::new();
        input.read_line(&mut line).map_err(|error| {
            Failure::new(Code::FileFailed, format!("the answer could not be read from standard input: {error}"))
        })?;
        let yes = ["y", "yes"].iter().any(|word| line.trim().eq_ignore_ascii_case(word));
        Ok(if yes { Answer::Yes } else { Answer::No })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        for (line, answer) in [
            ("y\n", Answer::Yes),
            (" YES \n", Answer::Yes),
            ("yes", Answer::Yes),
            ("yep\n", Answer::No),
            ("n\n", Answer::No),
            ("\n", Answer::No),
            ("", Answer::No),
        ] {
            assert_eq!(Answer::read(&mut line.as_bytes()).unwrap(), answer, "{line:?}");
        }
    }
}
