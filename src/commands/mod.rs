//! One file a subcommand: its arguments, and the wiring.

pub mod conversion;
pub mod planning;
