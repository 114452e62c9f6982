//! What is read at the end, each in its formats, into a writer.

pub mod checks;
pub mod findings;
