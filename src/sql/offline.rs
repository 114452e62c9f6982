//! The throw-away server's own statements: a role that loads a file and may do nothing else, and a database for it.

use super::Statement;
use super::quote::ident;
use crate::catalog::Ident;

/// The role that loads: no superuser, so that the file's SQL can neither run programs nor read files.
pub const LOADER: &str = "tenantctl_loader";
/// The database that it loads into.
pub const DATABASE: &str = "schema_file";

/// Makes the role.
pub fn create_loader() -> Statement {
    Statement::new(format!("CREATE ROLE {LOADER} LOGIN"))
}

/// Makes a role that the file names, as whose member the loader may give it tables.
pub fn create_role(name: &Ident) -> [Statement; 2] {
    let role = ident(name);
    [Statement::new(format!("CREATE ROLE {role}")), Statement::new(format!("GRANT {role} TO {LOADER}"))]
}

/// Makes the database, empty, in place of the one that was loaded before.
pub fn renew_database() -> [Statement; 2] {
    [
        Statement::new(format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")),
        Statement::new(format!("CREATE DATABASE {DATABASE} OWNER {LOADER}")),
    ]
}
