//! A question with several answers, on a terminal.

use dialoguer::Select;
use dialoguer::theme::ColorfulTheme;

use crate::error::{Code, Failure};

/// Lets the operator pick one; the first answer is the proposal. Gives its number.
pub(super) fn choose(question: &str, answers: &[String]) -> Result<usize, Failure> {
    let picked = Select::with_theme(&ColorfulTheme::default())
        .with_prompt(question)
        .items(answers)
        .default(0)
        .report(true)
        .interact_opt()
        .map_err(|error| Failure::new(Code::UsageInvalid, format!("the question could not be asked: {error}")))?;
    picked.ok_or_else(|| Failure::new(Code::Declined, "nothing was written: the question was not answered"))
}
