//! Numbers as text: short for readers, exact for machines, the same on every platform.

/// A coordinate in a figure: two decimals, no trailing zeros, no negative zero.
pub(crate) fn coordinate(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

/// Four significant digits, trailing zeros dropped; scientific outside of 0.001 to 100,000.
pub(crate) fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs();
    if !(1e-3..1e5).contains(&magnitude) {
        let text = format!("{value:.3e}");
        return match text.split_once('e') {
            Some((mantissa, exponent)) => format!("{}e{exponent}", trimmed(mantissa)),
            None => text,
        };
    }
    // `{:e}` rounds first, so that 999.96 counts as 1000.
    let exponent: i32 = format!("{value:.3e}")
        .split_once('e')
        .and_then(|(_, e)| e.parse().ok())
        .unwrap_or(0);
    let decimals = usize::try_from(3 - exponent).unwrap_or(0);
    trimmed(&format!("{value:.decimals$}")).to_owned()
}

/// With so many decimals, and never "-0.00".
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        _ => text,
    }
}

/// The shortest text that reads back as the same number, as JSON writes it.
pub(crate) fn exact(value: f64) -> String {
    serde_json::Value::from(value).to_string()
}

/// A tick label: a true minus sign, as typeset.
pub(crate) fn typeset(text: &str) -> String {
    text.replace('-', "−")
}

/// `10⁻³`.
pub(crate) fn power_of_ten(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let mut out = "10".to_owned();
    for c in exponent.to_string().chars() {
        match c.to_digit(10) {
            Some(digit) => out.push(DIGITS[digit as usize]),
            None => out.push('⁻'),
        }
    }
    out
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_keeps_four_digits() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.123_456, "0.1235"),
            (-12.340_04, "-12.34"),
            (999.96, "1000"),
            (99_999.0, "99999"),
            (100_000.0, "1e5"),
            (0.000_123_4, "1.234e-4"),
            (1e300, "1e300"),
            (1200.0, "1200"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn no_negative_zero() {
        assert_eq!(coordinate(-0.001), "0");
        assert_eq!(coordinate(12.5), "12.5");
        assert_eq!(coordinate(100.0), "100");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(-0.01, 2), "-0.01");
    }

    #[test]
    fn exact_reads_back() {
        for value in [0.1, 1e-300, 123_456_789.125, -2.5e10, f64::MAX] {
            assert_eq!(exact(value).parse::<f64>().unwrap(), value);
        }
    }

    #[test]
    fn powers_are_superscripts() {
        assert_eq!(power_of_ten(-12), "10⁻¹²");
        assert_eq!(power_of_ten(0), "10⁰");
    }
}
