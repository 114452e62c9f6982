//! Resolving connection settings, without a server.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;
use tenantctl::error::{Code, Failure};
use tenantctl::pg::settings::{Environment, Settings};

/// Everything outside, under our control: the user `ann`, an empty home, the socket directory `/sockets`.
struct World {
    home: TempDir,
}

impl World {
    fn new() -> Self {
        World { home: tempfile::tempdir().unwrap() }
    }

    fn file(self, name: &str, text: &str, mode: u32) -> Self {
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        self
    }

    fn resolve(&self, url: Option<&str>, variables: &[(&str, &str)]) -> Result<Settings, Failure> {
        let env = Environment {
            variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            home: Some(self.home.path().to_owned()),
            user: Some("ann".to_owned()),
            socket_directory: PathBuf::from("/sockets"),
            system_directory: self.home.path().join("etc"),
        };
        Settings::resolve(url, &env)
    }

    #[track_caller]
    fn check(&self, url: Option<&str>, variables: &[(&str, &str)], description: &str) -> String {
        let settings = self.resolve(url, variables).unwrap();
        assert_eq!(settings.describe(), description, "{url:?} {variables:?}");
        format!("{settings:?}")
    }

    #[track_caller]
    fn refuse(&self, url: Option<&str>, variables: &[(&str, &str)], message: &str) -> Failure {
        let failure = self.resolve(url, variables).unwrap_err();
        assert_eq!(failure.message, message, "{url:?} {variables:?}");
        assert!(failure.hint.is_some());
        failure
    }
}

#[test]
fn nothing_given_means_the_local_socket_and_the_users_own_name() {
    World::new().check(None, &[], "/sockets:5432/ann as ann");
}

#[test]
fn urls_are_read_as_libpq_reads_them() {
    let world = World::new();
    for (url, description) in [
        ("postgresql://", "/sockets:5432/ann as ann"),
        ("postgres://db.example", "db.example:5432/ann as ann"),
        ("postgresql://bob@db.example:6432/shop", "db.example:6432/shop as bob"),
        ("postgresql://bob@db.example", "db.example:5432/bob as bob"),
        ("postgresql://b%6Fb:x@db.example/a%2Fb%20c", "db.example:5432/a/b c as bob"),
        ("postgresql://a,b:7000,[::1]:8000/shop", "a:5432,b:7000,[::1]:8000/shop as ann"),
        ("postgresql://[2001:db8::1]/shop", "[2001:db8::1]:5432/shop as ann"),
        ("postgresql://%2Fvar%2Frun:6000/shop", "/var/run:6000/shop as ann"),
        ("postgresql:///shop?host=/run/a,b&port=1,2", "/run/a:1,b:2/shop as ann"),
        ("postgresql://bob:p?w@db.example/shop", "db.example:5432/shop as bob"),
        ("postgresql://a/shop?user=eve&dbname=other&port=1", "a:1/other as eve"),
        ("postgresql://?hostaddr=10.0.0.1", "10.0.0.1:5432/ann as ann"),
        ("postgresql://a?hostaddr=::1", "a:5432/ann as ann"),
        ("postgresql://:@:/", "/sockets:5432/ann as ann"),
    ] {
        world.check(Some(url), &[], description);
    }
}

#[test]
fn connection_strings_are_read_as_libpq_reads_them() {
    let world = World::new();
    for (text, description) in [
        ("host=a port=1 dbname=shop user=bob", "a:1/shop as bob"),
        (" host = a\tdbname\n=  'my shop' ", "a:5432/my shop as ann"),
        (r"host=a dbname='it\'s' user=o\ b", "a:5432/it's as o b"),
        ("host=a user=bob user=eve", "a:5432/eve as eve"),
        ("host='' user=bob", "/sockets:5432/bob as bob"),
        ("host=a,,b port=1,,3 user=bob", "a:1,/sockets:5432,b:3/bob as bob"),
        ("host=a,b port=7", "a:7,b:7/ann as ann"),
        ("user=bob password=", "/sockets:5432/bob as bob"),
    ] {
        world.check(Some(text), &[], description);
    }
}

#[test]
fn every_key_is_taken_from_the_first_that_has_it() {
    let world = World::new().file(".pg_service.conf", "[one]\nhost=from-service\nport=2\nuser=service\n", 0o644);
    let everything = [
        ("PGSERVICE", "one"),
        ("PGHOST", "from-variable"),
        ("PGPORT", "3"),
        ("PGUSER", "variable"),
        ("PGDATABASE", "shop"),
        ("DATABASE_URL", "postgresql://from-database-url"),
    ];
    world.check(Some("host=given"), &everything, "given:2/shop as service");
    world.check(None, &everything, "from-database-url:2/shop as service");
    world.check(None, &everything[..5], "from-service:2/shop as service");
    world.check(None, &everything[1..5], "from-variable:3/shop as variable");
    world.check(None, &[("DATABASE_URL", ""), ("PGHOST", "")], "/sockets:5432/ann as ann");
}

#[test]
fn a_given_url_does_not_inherit_the_password_of_database_url() {
    let debug =
        World::new().check(Some("host=a"), &[("DATABASE_URL", "postgresql://b:s3cret@c/d")], "a:5432/ann as ann");
    assert!(debug.contains("given_password: None"), "{debug}");
}

#[test]
fn a_service_is_looked_up_at_home_then_in_the_system() {
    let world = World::new().file(".pg_service.conf", "[mine]\nhost=home\n", 0o644);
    fs::create_dir(world.home.path().join("etc")).unwrap();
    let world = world.file("etc/pg_service.conf", "[mine]\nhost=system\n[theirs]\nhost=system\n", 0o644);
    world.check(Some("service=mine"), &[], "home:5432/ann as ann");
    world.check(Some("service=theirs"), &[], "system:5432/ann as ann");
    let home = world.home.path().display().to_string();
    world.refuse(
        None,
        &[("PGSERVICE", "absent")],
        &format!("there is no service \"absent\": looked in {home}/.pg_service.conf and {home}/etc/pg_service.conf"),
    );
    let named = world.resolve(Some("service=mine"), &[("PGSERVICEFILE", "/nowhere/services")]).unwrap_err();
    assert_eq!(named.code, Code::FileFailed);
}

#[test]
fn the_other_keywords_arrive() {
    let world = World::new();
    for (url, variables, field) in [
        ("sslmode=verify-full", &[][..], "mode: VerifyFull"),
        ("user=ann sslrootcert=system", &[], "mode: VerifyFull"),
        ("postgresql://?ssl=true", &[], "mode: Require"),
        ("user=ann", &[("PGSSLMODE", "verify-ca")], "mode: VerifyCa"),
        ("user=ann", &[("PGSSLMODE", "")], "mode: Prefer"),
        ("user=ann", &[("PGTARGETSESSIONATTRS", "prefer-standby")], "target: PreferStandby"),
        ("user=ann", &[("PGCHANNELBINDING", "require")], "channel_binding: Require"),
        ("user=ann", &[("PGAPPNAME", "shop")], "application_name: \"shop\""),
        ("fallback_application_name=x", &[("PGAPPNAME", "shop")], "application_name: \"shop\""),
        ("user=ann", &[], "application_name: \"tenantctl\""),
        ("user=ann", &[("PGOPTIONS", "-c geqo=off")], "options: Some(\"-c geqo=off\")"),
        ("user=ann", &[], "connect_timeout: Some(30s)"),
        ("user=ann", &[("PGCONNECT_TIMEOUT", "5")], "connect_timeout: Some(5s)"),
        ("connect_timeout=0", &[("PGCONNECT_TIMEOUT", "5")], "connect_timeout: None"),
        ("keepalives=0 keepalives_idle=7 tcp_user_timeout=1500", &[], "on: false, idle: 7s"),
        ("tcp_user_timeout=1500", &[], "user_timeout: Some(1.5s)"),
        ("gssencmode=prefer krbsrvname=postgres", &[("PGGSSENCMODE", "require")], "mode: Prefer"),
    ] {
        let debug = world.check(Some(url), variables, "/sockets:5432/ann as ann");
        assert!(debug.contains(field), "{url} {variables:?}: {debug}");
    }
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    let world = World::new();
    for (url, variables, name, origin) in [
        ("gssencmode=require", &[][..], "gssencmode", "the connection URL"),
        ("user=ann", &[("PGREQUIREAUTH", "scram-sha-256")], "require_auth", "PGREQUIREAUTH"),
        ("user=ann", &[("PGSSLCRL", "/x.crl")], "sslcrl", "PGSSLCRL"),
        ("user=ann", &[("PGREQUIRESSL", "1")], "requiressl", "PGREQUIRESSL"),
        ("postgresql://?sslnegotiation=direct", &[], "sslnegotiation", "the connection URL"),
        ("requirepeer=postgres", &[], "requirepeer", "the connection URL"),
    ] {
        let message =
            format!("the connection setting {name} from {origin} asks for something that tenantctl does not do");
        assert!(world.refuse(Some(url), variables, &message).hint.unwrap().contains(name));
    }
}

#[test]
fn bad_input_is_refused_without_quoting_it() {
    let world = World::new();
    for (url, message) in [
        ("", "the connection URL is neither a URL nor a connection string"),
        ("mysql://ann:s3cret@host/db?a=b", "the connection URL is neither a URL nor a connection string"),
        ("ann:s3cret@host/db?a=b", "the connection URL has an unknown connection setting"),
        ("mysql://ann:s3cret@host/db", "the connection URL is neither a URL nor a connection string"),
        (
            "postgresql://ann:s3/cret@host/db",
            "reading the connection URL: there is an unescaped @ behind the user and password",
        ),
        (
            "postgresql://ann:p@s3cret@host/db",
            "reading the connection URL: there is an unescaped @ behind the user and password",
        ),
        (
            "postgresql://ann:s3cret%zz@host",
            "reading the connection URL: a % is not followed by two hexadecimal digits",
        ),
        ("postgresql://ann:s3cret%4@host", "reading the connection URL: a % is not followed by two hexadecimal digits"),
        ("postgresql://ann:s3cret%00@host", "reading the connection URL: %00 is not allowed"),
        ("postgresql://ann:s3cret%ff@host", "reading the connection URL: a percent-encoded part is not UTF-8"),
        ("postgresql://[::1/db", "reading the connection URL: an IPv6 address lacks its closing bracket"),
        ("postgresql://[]/db", "reading the connection URL: there is an empty IPv6 address"),
        (
            "postgresql://[::1]s3cret/db",
            "reading the connection URL: something other than a port follows an IPv6 address",
        ),
        ("postgresql://host?s3cret", "reading the connection URL: a parameter behind ? has no ="),
        ("postgresql://host?password=s3cret=1", "reading the connection URL: a parameter behind ? has more than one ="),
        ("postgresql://ann:s3cret/db", "the connection setting port from the connection URL is not valid"),
        ("host=a port=0", "the connection setting port from the connection URL is not valid"),
        ("host=a password=my s3cret", "reading the connection URL: a word has no = behind it"),
        ("host=a password='s3cret", "reading the connection URL: a quoted value does not end"),
        ("= s3cret", "reading the connection URL: a word has no = behind it"),
        ("host=a shoe=s3cret", "the connection URL has an unknown connection setting \"shoe\""),
        ("postgresql://a/b?schema=s3cret", "the connection URL has an unknown connection setting \"schema\""),
        ("hostaddr=s3cret", "the connection setting hostaddr from the connection URL is not valid"),
        ("host=a,b hostaddr=10.0.0.1", "the connection setting hostaddr from the connection URL is not valid"),
        ("host=a,b port=1,2,3", "the connection setting port from the connection URL is not valid"),
        ("host=@s3cret", "the connection setting host from the connection URL is not valid"),
        ("sslmode=s3cret", "the connection setting sslmode from the connection URL is not valid"),
        ("sslrootcert=system sslmode=require", "the connection setting sslmode from the connection URL is not valid"),
        ("connect_timeout=s3cret", "the connection setting connect_timeout from the connection URL is not valid"),
        (
            "target_session_attrs=s3cret",
            "the connection setting target_session_attrs from the connection URL is not valid",
        ),
    ] {
        let failure = world.refuse(Some(url), &[], message);
        assert_eq!(failure.code, Code::ConfigInvalid);
        assert!(!format!("{failure:?}").contains("s3"), "{failure:?}");
    }
    let origin = world.resolve(None, &[("PGPORT", "s3cret")]).unwrap_err();
    assert_eq!(origin.message, "the connection setting port from PGPORT is not valid");
}

#[test]
fn passwords_are_in_no_text_about_the_settings() {
    let world = World::new().file(".pgpass", "*:*:*:*:s3cret\n", 0o600);
    for (url, variables) in [
        ("postgresql://ann:s3cret@host/db", &[][..]),
        ("host=a password=s3cret", &[]),
        ("host=a", &[("PGPASSWORD", "s3cret")]),
        ("host=a", &[]),
    ] {
        let settings = world.resolve(Some(url), variables).unwrap();
        let said = format!("{settings:?} {settings:#?} {} {:?}", settings.describe(), settings.warnings());
        assert!(said.contains("(secret)") && !said.contains("s3cret"), "{said}");
    }
}

#[test]
fn a_password_file_that_others_can_read_is_ignored_with_a_warning() {
    let line = "*:*:*:*:s3cret\n";
    for (mode, ignored) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o610, true)] {
        let settings = World::new().file(".pgpass", line, mode).resolve(None, &[]).unwrap();
        assert_eq!(settings.warnings().iter().any(|warning| warning.contains("run chmod 0600")), ignored, "{mode:o}");
        assert_eq!(format!("{settings:?}").contains("(secret)"), !ignored, "{mode:o}");
    }
    let loose = World::new().file(".pgpass", line, 0o644);
    let unused = loose.resolve(None, &[("PGPASSWORD", "given")]).unwrap();
    assert_eq!(unused.warnings(), [] as [String; 0]);
}
