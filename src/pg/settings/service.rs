//! The connection service file: named groups of settings, `~/.pg_service.conf` or the system's.
//!
//! An `ldap://` line, which asks a directory server for more, is refused.

use std::fs;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use crate::error::{Code, Failure};

/// The settings of one service, and the file that they are from.
pub(super) struct Service {
    pub pairs: Vec<(String, String)>,
    pub file: PathBuf,
}

/// Finds a service: in the file that was named, else the home directory's, then in the system's.
pub(super) fn find(name: &str, named: Option<&str>, env: &Environment) -> Result<Service, Failure> {
    let system = env.get("PGSYSCONFDIR").map_or(env.system_directory.clone(), PathBuf::from).join("pg_service.conf");
    let mine = match named {
        Some(file) => Some(PathBuf::from(file)),
        None => env.at_home(".pg_service.conf").filter(|file| file.exists()),
    };
    let files: Vec<PathBuf> = mine.into_iter().chain(system.exists().then_some(system)).collect();
    for file in &files {
        let text = fs::read_to_string(file).map_err(|error| {
            Failure::new(Code::FileFailed, format!("reading the service file {}: {error}", file.display()))
                .hint("check PGSERVICEFILE, or leave out the service")
        })?;
        if let Some(pairs) = read(&text, name, file)? {
            return Ok(Service { pairs, file: file.clone() });
        }
    }
    let looked: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let looked = if looked.is_empty() { "no service file".to_owned() } else { looked.join(" and ") };
    Err(Failure::new(Code::ConfigInvalid, format!("there is no service \"{name}\": looked in {looked}"))
        .hint(format!("add a section [{name}] to ~/.pg_service.conf, or correct the service's name")))
}

/// The settings of the first section with that name; the first of two equal keys holds.
fn read(text: &str, name: &str, file: &Path) -> Result<Option<Vec<(String, String)>>, Failure> {
    let header = format!("[{name}]");
    let mut pairs: Option<Vec<(String, String)>> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            if pairs.is_some() {
                break;
            }
            pairs = line.starts_with(&header).then(Vec::new);
            continue;
        }
        let Some(pairs) = &mut pairs else { continue };
        let bad = |why: &str| {
            let place = format!("{} line {}", file.display(), number + 1);
            Failure::new(Code::ConfigInvalid, format!("reading the service file {place}: {why}"))
                .hint("a line of a service is key=value, without spaces around the =")
        };
        let (key, value) = line.split_once('=').ok_or_else(|| bad("the line has no ="))?;
        if line.starts_with("ldap://") {
            return Err(bad("services from LDAP are not supported"));
        }
        if matches!(key, "service" | "servicefile") {
            return Err(bad("a service cannot name another"));
        }
        if pairs.iter().all(|(known, _)| known != key) {
            pairs.push((key.to_owned(), value.to_owned()));
        }
    }
    Ok(pairs)
}
