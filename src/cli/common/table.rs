//! Tables for people, and their times.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tallycam_base::clock;

/// Lines of aligned columns with two blanks between them. `right` names the columns of numbers, which end at one edge.
pub(in crate::cli) fn format_columns(rows: &[Vec<String>], right: impl Fn(usize) -> bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let length = |cell: &String| cell.chars().count();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(length).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cell = |(column, cell): (usize, &String)| match right(column) {
            true => format!("{cell:>wide$}", wide = widths[column]),
            false => format!("{cell:wide$}", wide = widths[column]),
        };
        let cells: Vec<String> = row.iter().enumerate().map(cell).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A time as people write it, "Fri 27 Nov 09:00"; with the year if that is not this year.
pub(in crate::cli) fn short_time(time: &str, zone: &TimeZone) -> String {
    let Ok(time) = time.parse::<Timestamp>() else { return time.to_owned() };
    let time = time.to_zoned(zone.clone());
    let now = Timestamp::from_microsecond(clock::wall_us() as i64).unwrap_or_default();
    let is_this_year = time.year() == now.to_zoned(zone.clone()).year();
    time.strftime(if is_this_year { "%a %-d %b %H:%M" } else { "%a %-d %b %Y %H:%M" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_end_without_blanks() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["line", "in"]), row(&["Tür", "204", "x"]), row(&["Gate", "7", ""])];
        assert_eq!(format_columns(&rows, |column| column == 1), "line   in\nTür   204  x\nGate    7\n");
        assert_eq!(format_columns(&[], |_| true), "");
    }

    #[test]
    fn a_time_of_another_year_has_its_year() {
        assert_eq!(short_time("2019-11-27T09:00:00.000Z", &TimeZone::UTC), "Wed 27 Nov 2019 09:00");
        assert_eq!(short_time("never", &TimeZone::UTC), "never");
    }
}
