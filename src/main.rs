//! The program; everything is in the library.

use std::process::ExitCode;

fn main() -> std::io::Result<ExitCode> {
    tenantctl::run()
}
