//! The keywords of libpq 18, their variables, and which of them we honour.

/// One of libpq's connection keywords.
pub(super) struct Keyword {
    pub name: &'static str,
    pub variable: Option<&'static str>,
    pub support: Support,
}

/// What we make of a keyword.
pub(super) enum Support {
    /// It does what it does in libpq.
    Used,
    /// It is accepted, and changes nothing here.
    Ignored,
    /// Only these values are accepted, since they ask for what we do anyway; another would be a broken promise.
    Only(&'static [&'static str]),
}

use Support::{Ignored, Only, Used};

/// Finds a keyword by its name.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

const fn keyword(name: &'static str, variable: &'static str, support: Support) -> Keyword {
    Keyword { name, variable: Some(variable), support }
}

const fn unset(name: &'static str, support: Support) -> Keyword {
    Keyword { name, variable: None, support }
}

/// Every keyword.
pub(super) const KEYWORDS: &[Keyword] = &[
    keyword("service", "PGSERVICE", Used),
    keyword("servicefile", "PGSERVICEFILE", Used),
    keyword("host", "PGHOST", Used),
    keyword("hostaddr", "PGHOSTADDR", Used),
    keyword("port", "PGPORT", Used),
    keyword("dbname", "PGDATABASE", Used),
    keyword("user", "PGUSER", Used),
    keyword("password", "PGPASSWORD", Used),
    keyword("passfile", "PGPASSFILE", Used),
    keyword("options", "PGOPTIONS", Used),
    keyword("application_name", "PGAPPNAME", Used),
    unset("fallback_application_name", Used),
    keyword("connect_timeout", "PGCONNECT_TIMEOUT", Used),
    unset("keepalives", Used),
    unset("keepalives_idle", Used),
    unset("keepalives_interval", Used),
    unset("keepalives_count", Used),
    unset("tcp_user_timeout", Used),
    keyword("target_session_attrs", "PGTARGETSESSIONATTRS", Used),
    keyword("load_balance_hosts", "PGLOADBALANCEHOSTS", Ignored),
    keyword("channel_binding", "PGCHANNELBINDING", Used),
    keyword("sslmode", "PGSSLMODE", Used),
    keyword("sslrootcert", "PGSSLROOTCERT", Used),
    keyword("sslcert", "PGSSLCERT", Used),
    keyword("sslkey", "PGSSLKEY", Used),
    unset("sslpassword", Only(&[])),
    keyword("sslcertmode", "PGSSLCERTMODE", Only(&["allow"])),
    keyword("sslcrl", "PGSSLCRL", Only(&[])),
    keyword("sslcrldir", "PGSSLCRLDIR", Only(&[])),
    keyword("sslsni", "PGSSLSNI", Only(&["1"])),
    keyword("sslcompression", "PGSSLCOMPRESSION", Ignored),
    keyword("sslnegotiation", "PGSSLNEGOTIATION", Only(&["postgres"])),
    unset("sslkeylogfile", Only(&[])),
    keyword("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", Only(&["TLSv1", "TLSv1.1", "TLSv1.2"])),
    keyword("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", Only(&["TLSv1.3"])),
    keyword("min_protocol_version", "PGMINPROTOCOLVERSION", Only(&["3.0"])),
    keyword("max_protocol_version", "PGMAXPROTOCOLVERSION", Ignored),
    keyword("requiressl", "PGREQUIRESSL", Only(&["0"])),
    keyword("requirepeer", "PGREQUIREPEER", Only(&[])),
    keyword("require_auth", "PGREQUIREAUTH", Only(&[])),
    keyword("gssencmode", "PGGSSENCMODE", Only(&["disable", "prefer"])),
    keyword("krbsrvname", "PGKRBSRVNAME", Ignored),
    keyword("gsslib", "PGGSSLIB", Ignored),
    keyword("gssdelegation", "PGGSSDELEGATION", Only(&["0"])),
    keyword("client_encoding", "PGCLIENTENCODING", Ignored),
    unset("replication", Only(&["false", "off", "no", "0"])),
    unset("scram_client_key", Only(&[])),
    unset("scram_server_key", Only(&[])),
    unset("oauth_issuer", Only(&[])),
    unset("oauth_client_id", Only(&[])),
    unset("oauth_client_secret", Only(&[])),
    unset("oauth_scope", Only(&[])),
];
