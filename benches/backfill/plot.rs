//! The results as a plot: for each scenario, bars side by side for what matters most. It follows the reader's choice of
//! light or dark.

use std::fmt::Write;

use super::markdown::grouped;
use super::summary::{Line, Table};

const STYLE: &str = "\
svg { background: #ffffff; } text { font: 12px system-ui, sans-serif; fill: #1f2328; } .title { font-weight: 600; \
font-size: 14px; } .head { fill: #59636e; } .bar { fill: #9aa4ae; } .own { fill: #0969da; } .one { stroke: #d1242f; \
stroke-dasharray: 3 3; } @media (prefers-color-scheme: dark) { svg { background: #0d1117; } text { fill: #e6edf3; } \
.head { fill: #9198a1; } .bar { fill: #545d68; } .own { fill: #4493f8; } .one { stroke: #f85149; } }";

/// The width of the names, in pixels.
const NAMES: f64 = 290.0;
/// The width of one panel with its numbers.
const PANEL: f64 = 190.0;
/// The longest bar.
const BAR: f64 = 120.0;
/// The height of one line.
const LINE: f64 = 20.0;
/// The height of a scenario's title and the heads of its panels.
const HEAD: f64 = 56.0;

/// One column of bars.
struct Panel {
    head: &'static str,
    value: fn(&Line) -> Option<f64>,
    text: fn(f64) -> String,
    /// Whether bars are as long as the value's logarithm: from milliseconds to minutes nothing else fits.
    is_logarithmic: bool,
    /// Whether 1 means something.
    has_one: bool,
}

const PANELS: [Panel; 5] = [
    Panel {
        head: "time, to one UPDATE",
        value: |line| line.to_one_update,
        text: |value| format!("{value:.2}"),
        is_logarithmic: false,
        has_one: true,
    },
    Panel {
        head: "WAL, bytes a row",
        value: |line| line.wal_per_row,
        text: |value| format!("{value:.0}"),
        is_logarithmic: false,
        has_one: false,
    },
    Panel {
        head: "heap, after / before",
        value: |line| line.heap_growth,
        text: |value| format!("{value:.2}"),
        is_logarithmic: false,
        has_one: true,
    },
    Panel {
        head: "indexes, after / before",
        value: |line| line.index_growth,
        text: |value| format!("{value:.2}"),
        is_logarithmic: false,
        has_one: true,
    },
    Panel {
        head: "application's p99, ms (log)",
        value: |line| line.latency.map(|latency| latency.p99),
        text: |value| if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") },
        is_logarithmic: true,
        has_one: false,
    },
];

/// Draws all scenarios, one below the other.
pub fn draw(tables: &[Table]) -> String {
    let mut drawing = String::new();
    let mut top = 0.0;
    for table in tables {
        // Writing to a string cannot fail, here and below.
        let _ = write!(drawing, "<g transform=\"translate(0 {top})\">\n{}</g>\n", scenario(table));
        top += HEAD + LINE * count(table.lines.len()) + 16.0;
    }
    let width = NAMES + PANEL * count(PANELS.len());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {top}\" width=\"{width}\" height=\"{top}\">\n\
         <style>{STYLE}</style>\n{drawing}</svg>\n"
    )
}

fn scenario(table: &Table) -> String {
    let title = escaped(&format!("{} rows: {}", grouped(table.scenario.rows), table.scenario));
    let mut text = format!("<text class=\"title\" x=\"12\" y=\"24\">{title}</text>\n");
    for (number, line) in table.lines.iter().enumerate() {
        let (y, name) = (HEAD + LINE * count(number) + 13.0, escaped(line.title));
        let _ = writeln!(text, "<text x=\"12\" y=\"{y}\">{name}</text>");
    }
    for (number, panel) in PANELS.iter().enumerate() {
        let left = NAMES + PANEL * count(number);
        let _ = write!(text, "<g transform=\"translate({left} 0)\">\n{}</g>\n", bars(panel, &table.lines));
    }
    text
}

fn bars(panel: &Panel, lines: &[Line]) -> String {
    let scale = |value: f64| if panel.is_logarithmic { (1.0 + value.max(0.0)).log10() } else { value.max(0.0) };
    let longest = lines.iter().filter_map(panel.value).map(scale).fold(f64::MIN_POSITIVE, f64::max);
    let length = |value: f64| scale(value) / longest * BAR;
    let mut text = format!("<text class=\"head\" x=\"0\" y=\"44\">{}</text>\n", panel.head);
    for (number, line) in lines.iter().enumerate() {
        let Some(value) = (panel.value)(line) else { continue };
        let top = HEAD + LINE * count(number);
        let class = if line.name.starts_with("tenantctl") { "own" } else { "bar" };
        let (long, x, y) = (length(value).max(1.0), length(value) + 6.0, top + 13.0);
        let _ = writeln!(
            text,
            "<rect class=\"{class}\" y=\"{:.1}\" width=\"{long:.1}\" height=\"14\"/><text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            top + 2.0,
            (panel.text)(value)
        );
    }
    if panel.has_one && longest >= 1.0 {
        let (x, bottom) = (length(1.0), HEAD + LINE * count(lines.len()));
        let _ = writeln!(text, "<line class=\"one\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{HEAD}\" y2=\"{bottom}\"/>");
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[expect(clippy::cast_precision_loss, reason = "a few lines")]
fn count(number: usize) -> f64 {
    number as f64
}
