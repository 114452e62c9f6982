//! Doing it: every loop that talks to the server. No SQL is written here.

pub mod checks;
