//! YAML 1.1 timestamps: which plain scalars are one, and how Python prints them.

/// A timestamp's fields as written.
#[derive(Default)]
struct Fields<'a> {
    year: &'a str,
    month: &'a str,
    day: &'a str,
    time: Option<Time<'a>>,
}

struct Time<'a> {
    hour: &'a str,
    minute: &'a str,
    second: &'a str,
    fraction: &'a str,
    zone: Option<Zone<'a>>,
}

enum Zone<'a> {
    Utc,
    Offset { negative: bool, hours: &'a str, minutes: &'a str },
}

/// Whether a plain scalar is a timestamp: a date with two-digit month and day, or a date and a time. The date need not
/// exist.
pub(super) fn looks_like(text: &str) -> bool {
    match fields(text) {
        Some(f) => f.time.is_some() || (f.month.len() == 2 && f.day.len() == 2),
        None => false,
    }
}

/// How Python's `str()` prints the date or datetime. An error says why there is no such date or time.
pub(super) fn python_str(text: &str) -> Result<String, String> {
    let fields = fields(text).ok_or_else(|| format!("`{text}` is not a date"))?;
    let (year, month, day) = (number(fields.year), number(fields.month), number(fields.day));
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) {
        return Err(format!("`{text}` looks like a date, but there is no such day"));
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    match fields.time {
        None => Ok(date),
        Some(time) => {
            Ok(format!("{date} {}", python_time(&time).ok_or(format!("`{text}` looks like a date and time, but there is no such time"))?))
        }
    }
}

fn python_time(time: &Time<'_>) -> Option<String> {
    let (hour, minute, second) = (number(time.hour), number(time.minute), number(time.second));
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut text = format!("{hour:02}:{minute:02}:{second:02}");
    let micros = number(&format!("{:0<6.6}", time.fraction));
    if micros > 0 {
        text.push_str(&format!(".{micros:06}"));
    }
    match time.zone {
        None => {}
        Some(Zone::Utc) => text.push_str("+00:00"),
        Some(Zone::Offset { negative, hours, minutes }) => {
            let offset = number(hours) * 60 + number(minutes);
            if offset >= 24 * 60 {
                return None;
            }
            let sign = if negative && offset > 0 { '-' } else { '+' };
            text.push_str(&format!("{sign}{:02}:{:02}", offset / 60, offset % 60));
        }
    }
    Some(text)
}

fn fields(text: &str) -> Option<Fields<'_>> {
    let mut rest = text;
    let year = digits(&mut rest, 4, 4)?;
    literal(&mut rest, "-")?;
    let month = digits(&mut rest, 1, 2)?;
    literal(&mut rest, "-")?;
    let day = digits(&mut rest, 1, 2)?;
    if rest.is_empty() {
        return Some(Fields { year, month, day, time: None });
    }
    let blanks = rest.trim_start_matches([' ', '\t']);
    rest = match rest.strip_prefix(['T', 't']) {
        Some(after) => after,
        None if blanks.len() < rest.len() => blanks,
        None => return None,
    };
    let hour = digits(&mut rest, 1, 2)?;
    literal(&mut rest, ":")?;
    let minute = digits(&mut rest, 2, 2)?;
    literal(&mut rest, ":")?;
    let second = digits(&mut rest, 2, 2)?;
    let mut fraction = "";
    if literal(&mut rest, ".").is_some() {
        fraction = digits(&mut rest, 0, usize::MAX)?;
    }
    let zone = zone(rest)?;
    Some(Fields { year, month, day, time: Some(Time { hour, minute, second, fraction, zone }) })
}

/// `None` if the rest is no zone, `Some(None)` if there is nothing.
fn zone(rest: &str) -> Option<Option<Zone<'_>>> {
    if rest.is_empty() {
        return Some(None);
    }
    let mut rest = rest.trim_start_matches([' ', '\t']);
    if rest == "Z" {
        return Some(Some(Zone::Utc));
    }
    let negative = rest.starts_with('-');
    rest = rest.strip_prefix(['-', '+'])?;
    let hours = digits(&mut rest, 1, 2)?;
    let mut minutes = "0";
    if literal(&mut rest, ":").is_some() {
        minutes = digits(&mut rest, 2, 2)?;
    }
    rest.is_empty().then_some(Some(Zone::Offset { negative, hours, minutes }))
}

fn digits<'a>(rest: &mut &'a str, least: usize, most: usize) -> Option<&'a str> {
    let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    let (taken, left) = rest.split_at(count);
    *rest = left;
    Some(taken)
}

fn literal(rest: &mut &str, expected: &str) -> Option<()> {
    *rest = rest.strip_prefix(expected)?;
    Some(())
}

/// The number of a short run of digits.
fn number(digits: &str) -> u32 {
    digits.bytes().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_as_python_prints_them() {
        let rows = [
            ("2024-01-02", "2024-01-02"),
            ("2024-01-02 03:04:05", "2024-01-02 03:04:05"),
            ("2024-01-02 03:04:05Z", "2024-01-02 03:04:05+00:00"),
            ("2024-1-2T3:04:05.12", "2024-01-02 03:04:05.120000"),
            ("2024-01-02t03:04:05.1234567 -5", "2024-01-02 03:04:05.123456-05:00"),
            ("2024-01-02 03:04:05 +05:30", "2024-01-02 03:04:05+05:30"),
            ("2024-01-02 03:04:05-0:00", "2024-01-02 03:04:05+00:00"),
            ("2024-02-29", "2024-02-29"),
            ("2024-01-02 03:04:05.", "2024-01-02 03:04:05"),
        ];
        for (text, expected) in rows {
            assert!(looks_like(text), "{text}");
            assert_eq!(python_str(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_only_resembles_a_timestamp_is_none() {
        for text in [
            "2024-1-2",
            "2024-01-2",
            "24-01-02",
            "2024-01-02x",
            "2024-01-02 ",
            "2024-01-02 3:4:5",
            "2024-01-02 03:04",
            "2024-01-02T",
            "2024-01-02 03:04:05 z",
            "2024-01-02 03:04:05+05:3",
            "2024-01-02-",
            "20240102",
        ] {
            assert!(!looks_like(text), "{text}");
        }
    }

    #[test]
    fn a_day_or_time_that_does_not_exist_is_an_error() {
        for text in [
            "2024-13-45",
            "2023-02-29",
            "0000-01-01",
            "2024-01-00",
            "2024-01-02 24:00:00",
            "2024-01-02 03:04:60",
            "2024-01-02 03:04:05+24:00",
            "2024-01-02 03:04:05+23:60",
        ] {
            assert!(looks_like(text), "{text}");
            assert!(python_str(text).is_err(), "{text}");
        }
    }
}
