//! What only the operator can answer, one question at a time: each answer may change the questions that follow.

use super::{Certainty, Choices, Decision, Proposal, Tenants, Verdict, infer};
use crate::catalog::{Catalog, QualifiedName};

/// A question with its answers; the first one is what is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked, with the reason for asking.
    pub text: String,
    /// What can be answered.
    pub answers: Vec<String>,
    about: About,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum About {
    Root(Vec<Option<QualifiedName>>),
    Table(QualifiedName, Vec<Decision>),
}

/// Proposes, asks what is not certain, and proposes anew with the answers until nothing is left to ask. `ask` gives the
/// number of the chosen answer.
///
/// # Errors
/// Those of `ask`.
pub fn settle<E>(
    catalog: &Catalog,
    mut choices: Choices,
    mut ask: impl FnMut(&Question) -> Result<usize, E>,
) -> Result<Proposal, E> {
    loop {
        let proposal = infer(catalog, &choices);
        let Some(question) = proposal.question(&choices) else { return Ok(proposal) };
        let answer = ask(&question)?.min(question.answers.len().saturating_sub(1));
        match question.about {
            About::Root(roots) => choices.root = Some(roots.get(answer).cloned().flatten()),
            About::Table(name, decisions) => {
                let decision = decisions.get(answer).cloned().unwrap_or(Decision::System);
                choices.tables.insert(name, decision);
            }
        }
    }
}

impl Proposal {
    /// The next thing to ask: which table holds the tenants, then the tables, parents first.
    fn question(&self, choices: &Choices) -> Option<Question> {
        let root = || (choices.root.is_none()).then(|| self.root_question()).flatten();
        root().or_else(|| {
            let open = |(name, verdict): &(&QualifiedName, &Verdict)| {
                verdict.certainty != Certainty::Sure && !choices.tables.contains_key(*name)
            };
            let next = self.tables.iter().filter(open).min_by_key(|(name, verdict)| (verdict.depth, *name));
            next.map(|(name, verdict)| table_question(name, verdict))
        })
    }

    fn root_question(&self) -> Option<Question> {
        if matches!(self.tenants, Tenants::Adopt(_)) {
            return None;
        }
        let adoptable: Vec<_> = self.candidates.iter().filter(|candidate| candidate.root.is_some()).collect();
        if adoptable.is_empty() {
            return None;
        }
        let mut answers = vec!["none: make a new table of tenants, and give all rows to the System Tenant".to_owned()];
        answers.extend(adoptable.iter().map(|c| format!("{}: {}", c.table, c.reason)));
        let roots = adoptable.iter().map(|candidate| Some(candidate.table.clone()));
        Some(Question {
            text: "Which table's rows are the tenants?".to_owned(),
            answers,
            about: About::Root([None].into_iter().chain(roots).collect()),
        })
    }
}

fn table_question(name: &QualifiedName, verdict: &Verdict) -> Question {
    Question {
        text: format!("Who owns the rows of {name}? {}", verdict.reasons.join(" ")),
        answers: verdict.alternatives.iter().map(words).collect(),
        about: About::Table(name.clone(), verdict.alternatives.clone()),
    }
}

fn words(decision: &Decision) -> String {
    match decision {
        Decision::System => "the System Tenant".to_owned(),
        Decision::OwnerColumn => "whom its owner column names".to_owned(),
        Decision::Parent { parent, via } if via.is_empty() => format!("the owner of its row in {parent}"),
        Decision::Parent { parent, via } => {
            let columns: Vec<&str> = via.iter().map(|column| column.as_str()).collect();
            format!("the owner of its row in {parent}, by {}", columns.join(", "))
        }
        Decision::Column(column) => format!("the tenant that its column {column} names"),
        Decision::Expression => "whom the expression names".to_owned(),
        Decision::Shared => "nobody: they are the same for all tenants".to_owned(),
        Decision::Ignored => "nobody: leave the table alone".to_owned(),
    }
}
