//! `strftime` for the few directives that chat templates use.

use minijinja::{Error, ErrorKind};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// Formats a time in seconds since 1970-01-01.
pub(super) fn format(seconds: u64, pattern: &str) -> Result<String, Error> {
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let (month_name, day_name) = (MONTHS[(month - 1) as usize % 12], DAYS[(days % 7) as usize]);
    let mut out = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut directive = rest.next();
        let bare = directive == Some('-');
        if bare {
            directive = rest.next();
        }
        let two = |n: u64| {
            if bare {
                n.to_string()
            } else {
                format!("{n:02}")
            }
        };
        out += &match directive {
            Some('Y') => year.to_string(),
            Some('y') => two(year % 100),
            Some('m') => two(month),
            Some('d') => two(day),
            Some('e') => format!("{day:2}"),
            Some('B') => month_name.into(),
            Some('b') => month_name[..3].into(),
            Some('A') => day_name.into(),
            Some('a') => day_name[..3].into(),
            Some('H') => two(hour),
            Some('M') => two(minute),
            Some('S') => two(second),
            Some('%') => "%".into(),
            other => {
                let found = other.map(String::from).unwrap_or_default();
                let what = format!("strftime_now: %{found} is not supported");
                return Err(Error::new(ErrorKind::InvalidOperation, what));
            }
        };
    }
    Ok(out)
}

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar: eras of 400 years have 146,097 days, and a year that
/// starts in March has its leap day at the end.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        assert_eq!(
            format(0, "%Y-%m-%d %H:%M:%S %a").unwrap(),
            "1970-01-01 00:00:00 Thu"
        );
        assert_eq!(
            format(951_782_400, "%d %b %Y, %A").unwrap(),
            "29 Feb 2000, Tuesday"
        );
        assert_eq!(format(1_721_952_000, "%d %B %Y").unwrap(), "26 July 2024");
        assert_eq!(
            format(1_722_816_000, "%-d.%-m.%y 100%%").unwrap(),
            "5.8.24 100%"
        );
        assert!(format(0, "%Q").is_err() && format(0, "%").is_err());
        assert!(format(u64::MAX, "%Y").is_ok());
    }
}
