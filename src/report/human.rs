//! Numbers as people read them: the one place for counts, rates and times.

use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};

/// A count: `1,234,567`.
pub fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// A count of things, `1 table` or `3 tables`.
pub fn counted(number: usize, one: &str, several: &str) -> String {
    format!("{} {}", count(number as u64), if number == 1 { one } else { several })
}

/// Estimated rows: `~1,234,567 rows`, or that nobody knows.
pub fn estimate(rows: Option<u64>) -> String {
    rows.map_or_else(|| "rows unknown".to_owned(), |rows| format!("~{} rows", count(rows)))
}

/// Bytes: `812 B`, `1.20 GiB`.
pub fn bytes(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// Rows in a second: `812 rows/s`, `12.3k rows/s`, `1.2M rows/s`.
pub fn rate(rows_per_second: f64) -> String {
    match rows_per_second {
        rate if rate < 999.5 => format!("{rate:.0} rows/s"),
        rate if rate < 999_950.0 => format!("{:.1}k rows/s", rate / 1e3),
        rate => format!("{:.1}M rows/s", rate / 1e6),
    }
}

/// Foreign text without control characters: an `application_name` or a table may hold what moves a cursor.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A time in its two largest units: `350 ms`, `1.2 s`, `12 s`, `1m 20s`, `2h 5m`, `3d 4h`.
pub fn duration(time: Duration) -> String {
    let (millis, seconds) = (time.as_millis(), time.as_secs_f64().round() as u64);
    match seconds {
        _ if millis < 1_000 => format!("{millis} ms"),
        _ if millis < 9_950 => format!("{:.1} s", time.as_secs_f64()),
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_change_their_unit_where_the_smaller_one_is_full() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (9_949, "9.9 s"),
            (9_950, "10 s"),
            (59_499, "59 s"),
            (59_500, "1m 0s"),
            (80_000, "1m 20s"),
            (3_599_600, "1h 0m"),
            (7_500_000, "2h 5m"),
            (273_600_000, "3d 4h"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn rates_never_show_a_thousand_thousands() {
        let rates = [0.4, 999.4, 999.5, 12_345.0, 999_949.0, 999_950.0];
        let texts = ["0 rows/s", "999 rows/s", "1.0k rows/s", "12.3k rows/s", "999.9k rows/s", "1.0M rows/s"];
        assert_eq!(rates.map(rate), texts);
    }
}
