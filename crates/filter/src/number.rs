//! Numbers in texts as Java's `Integer.valueOf`, `Long.valueOf` and `Double.valueOf` read them.
//! The errors are Java's texts.

fn refused(text: &str) -> String {
    format!("For input string: \"{text}\"")
}

/// A sign, at most one, and decimal digits.
pub(crate) fn int(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| refused(text))
}

/// As [`int`] with 64 bits.
pub(crate) fn long(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| refused(text))
}

/// Decimal or hexadecimal, with an `f` or `d` behind it, with blanks round it, `NaN`, `Infinity`.
pub(crate) fn double(text: &str) -> Result<f64, String> {
    let trimmed = text.trim_matches(|c| c <= ' ');
    if trimmed.is_empty() {
        return Err("empty String".to_owned());
    }
    let (negative, unsigned) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let value = match unsigned {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        _ => {
            let digits = unsigned.strip_suffix(['f', 'F', 'd', 'D']);
            match unsigned.get(..2) {
                // In a hexadecimal number f and d are digits, except behind the exponent.
                Some("0x" | "0X") => hexadecimal(digits.unwrap_or(unsigned)),
                _ => decimal(digits.unwrap_or(unsigned)),
            }
        }
    };
    value.map(|value| if negative { -value } else { value }).ok_or_else(|| refused(text))
}

/// Rust's grammar minus its words for infinity and NaN.
fn decimal(digits: &str) -> Option<f64> {
    let first = digits.bytes().next()?;
    (first.is_ascii_digit() || first == b'.').then(|| digits.parse().ok()).flatten()
}

/// `0x1.8p3`; the exponent is required.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.get(2..)?.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if whole.len() + fraction.len() == 0
        || unsigned.is_empty()
        || !unsigned.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    // An exponent beyond i32 is zero or infinity in any case.
    let saturated = if exponent.starts_with('-') { -100_000 } else { 100_000 };
    let exponent: i32 = exponent.parse().unwrap_or(saturated);
    let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    Some(value * 2.0_f64.powi(exponent.saturating_sub(shift)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_as_java_reads_them() {
        for (text, value) in [
            (" 1.5 ", 1.5),
            ("1d", 1.0),
            ("2.5F", 2.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("-1e3", -1000.0),
            ("+7", 7.0),
            ("0x1.8p3", 12.0),
            ("0X.8P+1f", 1.0),
            ("Infinity", f64::INFINITY),
            ("1e999", f64::INFINITY),
        ] {
            assert_eq!(double(text), Ok(value), "{text}");
        }
        assert!(double("NaN").unwrap().is_nan());
        for text in ["inf", "infinity", "nan", "1_000", "--1", "1e", "e1", "0x10", "ü", ".", "1dd"]
        {
            assert_eq!(double(text), Err(format!("For input string: \"{text}\"")), "{text}");
        }
        assert_eq!(double("  "), Err("empty String".to_owned()));
    }

    #[test]
    fn integers_as_java_reads_them() {
        assert_eq!(int("+5"), Ok(5));
        assert_eq!(int("-0"), Ok(0));
        assert_eq!(long("9223372036854775807"), Ok(i64::MAX));
        for text in ["", "+", "-", " 1", "1.0", "2147483648", "0x1", "5L"] {
            assert!(int(text).is_err(), "{text}");
        }
    }
}
