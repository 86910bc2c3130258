//! Texts in columns, described as Java's tools describe them: `%-32s  %4d %11.2f`.

/// One value of a line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_string())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Cell {
        Cell::Text(text.clone())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl From<i32> for Cell {
    fn from(number: i32) -> Cell {
        Cell::Int(number.into())
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Cell {
        Cell::Int(number)
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Cell {
        Cell::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Cell {
        Cell::Float(number)
    }
}

/// Fills a format. Known are `%s`, `%d` and `%f` with `-`, `0`, a width and a precision, which cuts
/// texts to so many characters. Cells that are missing are empty.
pub(crate) fn printf(format: &str, cells: &[Cell]) -> String {
    let mut out = String::new();
    let mut cells = cells.iter();
    let mut rest = format;
    while let Some((before, spec)) = rest.split_once('%') {
        out.push_str(before);
        let end = spec.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(spec.len());
        let (flags, after) = spec.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        let cell = cells.next().cloned().unwrap_or(Cell::Text(String::new()));
        pad(&mut out, flags, &cell);
    }
    out.push_str(rest);
    out
}

fn pad(out: &mut String, flags: &str, cell: &Cell) {
    let left = flags.starts_with('-');
    let flags = flags.trim_start_matches('-');
    let zero = flags.starts_with('0');
    let (width, precision) = flags.split_once('.').unwrap_or((flags, ""));
    let width: usize = width.parse().unwrap_or(0);
    let precision: Option<usize> = precision.parse().ok();
    let text = match cell {
        Cell::Text(text) => text.chars().take(precision.unwrap_or(usize::MAX)).collect(),
        Cell::Int(number) => number.to_string(),
        Cell::Float(number) => fixed(*number, precision.unwrap_or(6)),
    };
    let fill = width.saturating_sub(text.chars().count());
    let filler = if zero && !left { "0" } else { " " };
    if !left {
        out.push_str(&filler.repeat(fill));
    }
    out.push_str(&text);
    if left {
        out.push_str(&" ".repeat(fill));
    }
}

/// A number with so many digits behind the point. As in Java, halves are rounded away from zero
/// and looked for in the shortest decimal form, not in the binary one.
pub(crate) fn fixed(number: f64, decimals: usize) -> String {
    if !number.is_finite() {
        return rocketmq_common::java::double_to_string(number);
    }
    let text = format!("{}", number.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(decimals).collect();
    let mut digits: Vec<u8> = format!("{whole}{kept}").into_bytes();
    if fraction.as_bytes().get(decimals).is_some_and(|next| *next >= b'5') {
        round_up(&mut digits);
    }
    let digits = String::from_utf8_lossy(&digits).into_owned();
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let point = if decimals == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

fn round_up(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_columns_as_java_does() {
        let cells = [Cell::from("name"), 7.into(), 2.5.into(), "longer than".into(), 3.into()];
        assert_eq!(printf("%-6s|%4d|%8.2f|%-6.6s|%03d", &cells), "name  |   7|    2.50|longer|003");
        assert_eq!(printf("%s ms", &["1".into()]), "1 ms");
        assert_eq!(printf("no cell", &[]), "no cell");
    }

    #[test]
    fn halves_are_rounded_up_in_decimal() {
        for (number, text) in [
            (0.125, "0.13"),
            (2.675, "2.68"),
            (1.005, "1.01"),
            (99.999, "100.00"),
            (0.0, "0.00"),
            (-0.125, "-0.13"),
            (498_727.754_9, "498727.75"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(fixed(number, 2), text);
        }
        assert_eq!(fixed(2.5, 0), "3");
    }
}
