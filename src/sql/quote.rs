//! How names and values are written in SQL. Every identifier goes through [`ident`], every value through [`literal`].

use crate::catalog::{Ident, QualifiedName};

/// Every key word of PostgreSQL 14 to 18 that cannot stand bare everywhere (`pg_get_keywords()`, all but the unreserved).
const KEYWORDS: &str = "
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both
    case cast char character check coalesce collate collation column concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
    freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect
    interval into is isnull join json json_array json_arrayagg json_exists json_object json_objectagg
    json_query json_scalar json_serialize json_table json_value lateral leading least left like limit
    localtime localtimestamp merge_action national natural nchar none normalize not notnull null nullif
    numeric offset on only or order out outer overlaps overlay placing position precision primary real
    references returning right row select session_user setof similar smallint some substring symmetric
    system_user table tablesample then time timestamp to trailing treat trim true union unique user using
    values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists
    xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
";

/// One identifier; in double quotes only where it needs them, as `quote_ident()` does.
pub fn ident(name: &Ident) -> String {
    let text = name.as_str();
    let mut chars = text.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !KEYWORDS.split_ascii_whitespace().any(|word| word == text);
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// Several identifiers, separated by commas.
pub fn idents(names: &[Ident]) -> String {
    names.iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// A qualified name.
pub fn qualified(name: &QualifiedName) -> String {
    format!("{}.{}", ident(&name.schema), ident(&name.name))
}

/// A text value. With a backslash in it the `E` form is used, which means the same under any
/// `standard_conforming_strings` (PostgreSQL docs, 4.1.2.2).
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A function's body between dollar quotes whose tag ends it nowhere but at its end.
pub fn dollar(body: &str) -> String {
    let tags = (0..).map(|n: u32| if n == 0 { "$fill$".to_owned() } else { format!("$fill{n}$") });
    let ends_last = |tag: &String| format!("{body}{tag}").find(tag.as_str()) == Some(body.len());
    let tag = tags.into_iter().find(ends_last).unwrap_or_default();
    format!("{tag}{body}{tag}")
}

/// A text as one line of an SQL comment.
pub fn comment(text: &str) -> String {
    format!("-- {}", text.replace(['\n', '\r'], " "))
}
