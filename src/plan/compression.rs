//! How batches compress the pages that they log as a whole.

use crate::catalog::Server;
use crate::config::{Config, WalCompression};
use crate::error::{Code, Failure};

/// What `wal_compression` is set to in the batches; nothing where it stays as it is.
///
/// # Errors
/// [`Code::ConfigInvalid`] where a method is demanded that the server lacks or the role may not choose.
pub(super) fn choose(config: &Config, server: &Server) -> Result<Option<&'static str>, Failure> {
    let may = |method: WalCompression| server.wal.methods.iter().any(|known| known == method.as_str());
    match config.backfill.wal_compression {
        WalCompression::Off => Ok(None),
        WalCompression::Auto if server.wal.compressed => Ok(None),
        WalCompression::Auto => {
            Ok([WalCompression::Lz4, WalCompression::Zstd].into_iter().find(|method| may(*method)).map(word))
        }
        method if may(method) => Ok(Some(word(method))),
        method => {
            let (path, role) = (&config.path, &server.role);
            let what = format!(
                "{path}: backfill.wal_compression = {:?}: the server lacks it, or {role} may not set it",
                method.as_str()
            );
            Err(Failure::new(Code::ConfigInvalid, what).hint(
                "set \"auto\" or \"off\", or let a superuser say GRANT SET ON PARAMETER wal_compression (15 and later)",
            ))
        }
    }
}

/// `on` is every version's word for pglz.
fn word(method: WalCompression) -> &'static str {
    match method {
        WalCompression::Pglz => "on",
        other => other.as_str(),
    }
}
