//! What is known about versions of PostgreSQL that matters to a conversion.

use super::{Found, Kind, Surroundings};

/// The last day of each major version's support (postgresql.org/support/versioning).
const SUPPORTED_UNTIL: [(u32, &str); 5] =
    [(14, "2026-11-12"), (15, "2027-11-11"), (16, "2028-11-09"), (17, "2029-11-08"), (18, "2030-11-14")];

/// A defect, and the first minor version of each major one that is without it.
struct Defect {
    mended: &'static [(u32, u32)],
    what: &'static str,
}

const DEFECTS: [Defect; 2] = [
    Defect {
        mended: &[(14, 4)],
        what: "CREATE INDEX CONCURRENTLY may build a corrupt index beside writers (release notes of 14.4)",
    },
    Defect {
        mended: &[(14, 19), (15, 14), (16, 10), (17, 6)],
        what: "planner statistics may show values that row-level security hides (CVE-2025-8713)",
    },
];

pub(super) fn examine(around: &Surroundings<'_>, found: &mut Found) {
    let server = &around.catalog.server;
    let (major, minor) = (server.major(), server.version % 10_000);
    let today = around.activity.today.as_str();
    let ended = SUPPORTED_UNTIL.iter().find(|(of, until)| *of == major && today > *until);
    if let Some((_, until)) = ended {
        let text =
            format!("PostgreSQL {major} has had no support since {until}: defects in it are not mended any more");
        found.tell(Kind::VersionUnsupported, None, text);
    }
    for defect in &DEFECTS {
        if let Some((_, mended)) = defect.mended.iter().find(|(of, mended)| *of == major && minor < *mended) {
            let text = format!("PostgreSQL {major}.{minor}: {}; {major}.{mended} mends it", defect.what);
            found.tell(Kind::VersionDefect, None, text);
        }
    }
}
