//! The tables as a tree that grows to the right from the tenants table: every table stands behind the one that its owner
//! comes through. A layout in whole pixels, the same for the same script.

use std::collections::BTreeMap;

use super::super::super::human;
use super::super::words;
use crate::catalog::QualifiedName;
use crate::sql::{Script, TableOverview, TableOwner, TableScope};

const ROW: u32 = 42;
const GAP: u32 = 10;
const BETWEEN_COLUMNS: u32 = 56;
const MARGIN: u32 = 12;
/// The advance of a character in a name and in a note, both monospaced.
const CHARACTER: f64 = 7.25;
const NOTE_CHARACTER: f64 = 6.35;
const NARROWEST: u32 = 168;
const WIDEST: u32 = 272;
/// What the mark on the left and the air around a text take of a table.
const PADDING: u32 = 24;
/// Tables higher than this hang from the first of them: their middle would be out of sight.
const HIGHEST: u32 = 640;
/// More childless tables than this behind one table stand together in a box.
const LOOSE: usize = 6;
const HEADING: u32 = 26;

/// A drawing of the tenant paths.
pub(super) struct Graph {
    pub width: u32,
    pub height: u32,
    /// The width of a table.
    pub node_width: u32,
    /// The height of a table.
    pub node_height: u32,
    pub nodes: Vec<Node>,
    pub boxes: Vec<Crowd>,
    pub edges: Vec<Edge>,
}

/// A table.
pub(super) struct Node {
    pub x: u32,
    pub y: u32,
    /// The source of its owners in a word: the colour.
    pub source: &'static str,
    /// Its name, cut where it is too long.
    pub name: String,
    /// Its second line.
    pub note: String,
    /// Everything about it.
    pub title: String,
    /// Its place in the list of tables; nothing for the tenants table, which is not in it.
    pub table: Option<usize>,
}

/// Many childless tables of one source behind one table.
pub(super) struct Crowd {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
    pub source: &'static str,
    pub label: String,
}

/// The way that an owner comes.
pub(super) struct Edge {
    pub source: &'static str,
    /// SVG path data.
    pub path: String,
}

/// Lays the tenant-scoped tables out; nothing where there is none.
pub(super) fn graph(script: &Script) -> Option<Graph> {
    let mut children: BTreeMap<&QualifiedName, Vec<Table>> = BTreeMap::new();
    let tables: Vec<Table> = script.tables.iter().enumerate().filter_map(Table::of).collect();
    for table in &tables {
        let known = |parent: &&QualifiedName| tables.iter().any(|other| other.overview.name == **parent);
        let parent = table.parent().filter(known).unwrap_or(&script.tenants);
        children.entry(parent).or_default().push(*table);
    }
    let width = |text: &str, character: f64| (text.chars().count() as f64 * character).ceil() as u32;
    let widths = tables.iter().map(|table| {
        let name = width(&label(script, &table.overview.name), CHARACTER);
        name.max(width(&note(table), NOTE_CHARACTER)) + PADDING
    });
    let node_width = widths.max()?.clamp(NARROWEST, WIDEST);
    let mut layout = Layout {
        script,
        children,
        graph: Graph {
            width: 0,
            height: 0,
            node_width,
            node_height: ROW,
            nodes: Vec::new(),
            boxes: Vec::new(),
            edges: Vec::new(),
        },
    };
    let place = layout.behind(&script.tenants, 0, MARGIN);
    layout.root(place.middle);
    Some(layout.graph)
}

#[derive(Clone, Copy)]
struct Table<'a> {
    number: usize,
    overview: &'a TableOverview,
    source: &'a TableOwner,
}

impl<'a> Table<'a> {
    fn of((number, overview): (usize, &'a TableOverview)) -> Option<Self> {
        match &overview.scope {
            TableScope::Tenant { source, .. } => Some(Table { number, overview, source }),
            TableScope::Shared | TableScope::Ignored => None,
        }
    }

    fn parent(&self) -> Option<&'a QualifiedName> {
        match self.source {
            TableOwner::Parent { table, .. } => Some(table),
            TableOwner::System | TableOwner::Column { .. } | TableOwner::Sql { .. } => None,
        }
    }
}

/// Where a table and all behind it came to stand.
struct Place {
    /// The middle of the table's own row.
    middle: u32,
    /// The first free row below.
    below: u32,
}

struct Layout<'a> {
    script: &'a Script,
    children: BTreeMap<&'a QualifiedName, Vec<Table<'a>>>,
    graph: Graph,
}

impl<'a> Layout<'a> {
    fn column(&self, depth: u32) -> u32 {
        MARGIN + depth * (self.graph.node_width + BETWEEN_COLUMNS)
    }

    /// Places everything behind a table, which itself goes to the middle of it.
    fn behind(&mut self, name: &'a QualifiedName, depth: u32, top: u32) -> Place {
        let tables = self.children.remove(name).unwrap_or_default();
        let (branches, leaves): (Vec<Table>, Vec<Table>) =
            tables.into_iter().partition(|table| self.children.contains_key(&table.overview.name));
        let mut ends: Vec<(u32, &'static str)> = Vec::new();
        let mut below = top;
        for table in branches {
            let place = self.behind(&table.overview.name, depth + 1, below);
            self.node(table, self.column(depth + 1), place.middle - ROW / 2);
            ends.push((place.middle, words::source(table.source)));
            below = place.below;
        }
        let mut sources: BTreeMap<&'static str, Vec<Table>> = BTreeMap::new();
        for leaf in leaves {
            sources.entry(words::source(leaf.source)).or_default().push(leaf);
        }
        for (source, leaves) in sources {
            if leaves.len() > LOOSE {
                let (middle, bottom) = self.crowd(source, &leaves, depth + 1, below);
                ends.push((middle, source));
                below = bottom;
                continue;
            }
            for leaf in leaves {
                self.node(leaf, self.column(depth + 1), below);
                ends.push((below + ROW / 2, source));
                below += ROW + GAP;
            }
        }
        let (first, last) = match (ends.first(), ends.last()) {
            (Some((first, _)), Some((last, _))) => (*first, *last),
            _ => (top + ROW / 2, top + ROW / 2),
        };
        let tall = last - first > HIGHEST;
        let middle = if tall { first } else { (first + last) / 2 };
        let (from, to) = (self.column(depth) + self.graph.node_width, self.column(depth + 1));
        let draw = if tall { trunk } else { curve };
        let edges = ends.into_iter().map(|(end, source)| Edge { source, path: draw(from, middle, to, end) });
        self.graph.edges.extend(edges);
        Place { middle, below: below.max(top + ROW + GAP) }
    }

    /// A box of tables in as many columns as make it about as wide as high. Answers its middle and what is below it.
    fn crowd(&mut self, source: &'static str, tables: &[Table], depth: u32, top: u32) -> (u32, u32) {
        let (wide, high) = (self.graph.node_width + GAP, ROW + GAP);
        let columns = ((tables.len() as f64 * f64::from(high) / f64::from(wide)).sqrt().ceil() as usize).clamp(2, 5);
        let rows = tables.len().div_ceil(columns);
        let (x, width) = (self.column(depth), columns as u32 * wide + GAP);
        let height = HEADING + rows as u32 * high + GAP / 2;
        self.extend(x + width, top + height);
        let label = format!("{} tables, {}", tables.len(), words::way(source));
        self.graph.boxes.push(Crowd { x, y: top, width, height, source, label });
        for (place, table) in tables.iter().enumerate() {
            let (column, row) = ((place / rows) as u32, (place % rows) as u32);
            self.node(*table, x + GAP + column * wide, top + HEADING + row * high);
        }
        (top + height / 2, top + height + GAP)
    }

    fn node(&mut self, table: Table, x: u32, y: u32) {
        let TableScope::Tenant { source, strategy, rows, partitions, .. } = &table.overview.scope else { return };
        let (rows, filled) = (words::table_rows(*rows, *partitions), words::filled(*strategy));
        let title = format!("{}: {}; {rows}, {filled}", table.overview.name, words::owner(source));
        let name = self.fitted(&label(self.script, &table.overview.name), CHARACTER);
        let note = self.fitted(&note(&table), NOTE_CHARACTER);
        let node = Node { x, y, source: words::source(source), name, note, title, table: Some(table.number) };
        self.push(node);
    }

    fn root(&mut self, middle: u32) {
        let tenants = &self.script.tenants;
        self.push(Node {
            x: self.column(0),
            y: middle - ROW / 2,
            source: "root",
            name: self.fitted(&label(self.script, tenants), CHARACTER),
            note: "the tenants".to_owned(),
            title: format!("{tenants}: a row for every tenant, the System Tenant among them"),
            table: None,
        });
    }

    fn push(&mut self, node: Node) {
        self.extend(node.x + self.graph.node_width, node.y + ROW);
        self.graph.nodes.push(node);
    }

    fn extend(&mut self, right: u32, bottom: u32) {
        self.graph.width = self.graph.width.max(right + MARGIN);
        self.graph.height = self.graph.height.max(bottom + MARGIN);
    }

    /// A text that fits into a table.
    fn fitted(&self, text: &str, character: f64) -> String {
        let room = (f64::from(self.graph.node_width - PADDING) / character) as usize;
        match text.chars().count() {
            length if length <= room => text.to_owned(),
            _ => text.chars().take(room - 1).chain(['…']).collect(),
        }
    }
}

/// A table's name, without the schema where all of them share one.
fn label(script: &Script, name: &QualifiedName) -> String {
    let one = script.tables.iter().all(|table| table.name.schema == script.tenants.schema);
    if one { name.name.to_string() } else { name.to_string() }
}

/// How the owner is found, and how many rows wait for it.
fn note(table: &Table) -> String {
    let rows = match &table.overview.scope {
        TableScope::Tenant { rows: Some(rows), .. } => Some(human::estimate(Some(*rows))),
        TableScope::Tenant { rows: None, .. } | TableScope::Shared | TableScope::Ignored => None,
    };
    let way = words::by(table.source);
    rows.map_or_else(|| way.clone(), |rows| format!("{way} · {rows}"))
}

fn curve(x: u32, y: u32, to_x: u32, to_y: u32) -> String {
    let bend = x + (to_x - x) / 2;
    format!("M{x} {y}C{bend} {y} {bend} {to_y} {to_x} {to_y}")
}

/// For many: they share the way down and turn off at their table.
fn trunk(x: u32, y: u32, to_x: u32, to_y: u32) -> String {
    let bend = x + (to_x - x) / 2;
    if y == to_y {
        return format!("M{x} {y}H{to_x}");
    }
    format!("M{x} {y}H{}Q{bend} {y} {bend} {}V{}Q{bend} {to_y} {} {to_y}H{to_x}", bend - 8, y + 8, to_y - 8, bend + 8)
}
