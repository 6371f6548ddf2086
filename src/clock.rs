//! Points in time as text. Times are seconds since 1970 (UTC), as [`crate::host::Host::now`] gives them.

/// A point in time taken apart, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Utc {
    year: i64,
    month: i64,
    day: i64,
    weekday: usize,
    seconds: i64,
}

impl Utc {
    /// Proleptic Gregorian calendar, counted from 1 March of the year 0 so that leap days end a year.
    fn of(time: f64) -> Self {
        let total = time.max(0.0) as i64;
        let (days, seconds) = (total.div_euclid(86_400), total.rem_euclid(86_400));
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * from_march + 2) / 5 + 1,
            weekday: (days + 4).rem_euclid(7) as usize,
            seconds,
        }
    }

    fn time(self) -> String {
        format!("{:02}:{:02}:{:02}", self.seconds / 3_600, self.seconds / 60 % 60, self.seconds % 60)
    }
}

/// `2026-08-01T12:30:45Z`.
pub fn rfc3339(time: f64) -> String {
    let utc = Utc::of(time);
    format!("{:04}-{:02}-{:02}T{}Z", utc.year, utc.month, utc.day, utc.time())
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970 of `Sat, 01 Aug 2026 12:30:45 GMT` (RFC 9110, section 5.6.7, the form that servers must send).
pub fn parse_http_date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let parts: Vec<i64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else { return None };
    let sound = (1..=31).contains(&day) && (1970..=9999).contains(&year) && hours < 24 && minutes < 60 && seconds <= 60;
    // The inverse of `Utc::of`.
    let from_march = (month + 9) % 12;
    let year = year - i64::from(month <= 2);
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let year_of_era = year.rem_euclid(400);
    let days = year.div_euclid(400) * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    sound.then_some(days * 86_400 + hours * 3_600 + minutes * 60 + seconds)
}

/// `Sat, 01 Aug 2026 12:30:45 +0000`, as cloud-init writes the time into `boot-finished` and `last_update`.
pub fn rfc2822(time: f64) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let utc = Utc::of(time);
    let month = MONTHS[(utc.month - 1) as usize];
    format!("{}, {:02} {month} {:04} {} +0000", DAYS[utc.weekday], utc.day, utc.year, utc.time())
}

/// A duration for people: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`.
pub fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..=9 => format!("{seconds:.1} s"),
        10..=59 => format!("{whole} s"),
        60..=3_599 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_a_server_is_read_as_it_is_written() {
        for time in [0_i64, 951_782_399, 951_868_800, 1_785_587_445, 4_107_542_399] {
            assert_eq!(parse_http_date(&rfc2822(time as f64).replace("+0000", "GMT")), Some(time));
        }
        for text in [
            "120",
            "",
            "Sat, 01 Aug 2026 12:30:45",
            "Sat, 01 Agu 2026 12:30:45 GMT",
            "Sat, 01 Aug 2026 12:30 GMT",
            "x, 99 Aug 2026 1:1:1 GMT",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_written_as_date_writes_them() {
        for (time, short, long) in [
            (0.0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_782_399.9, "2000-02-28T23:59:59Z", "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400.0, "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_785_587_445.0, "2026-08-01T12:30:45Z", "Sat, 01 Aug 2026 12:30:45 +0000"),
            (4_107_542_400.0, "2100-03-01T00:00:00Z", "Mon, 01 Mar 2100 00:00:00 +0000"),
        ] {
            assert_eq!(rfc3339(time), short);
            assert_eq!(rfc2822(time), long);
        }
    }

    #[test]
    fn spans_are_short() {
        assert_eq!([0.04, 9.99, 61.0, 7_800.0].map(span), ["0.0 s", "10.0 s", "1 min 1 s", "2 h 10 min"]);
    }
}
