//! What a plain scalar means under YAML 1.1, as PyYAML's `SafeLoader` resolves it, and the conversions that explicit tags
//! (`!!int`, `!!float`, ...) share with it.

use crate::config::node::Value;

use super::timestamp;

/// PyYAML's integers are Python's, which refuses decimal text longer than this (`sys.int_info.default_max_str_digits`).
const MAX_DIGITS: usize = 4300;

/// What a plain scalar is.
#[derive(Debug, PartialEq)]
pub(super) enum Plain {
    /// A value.
    Value(Value),
    /// `<<`: merges mappings as a key, means nothing elsewhere.
    Merge,
    /// `=`: a string as a key, means nothing elsewhere.
    Default,
}

/// Resolves a plain scalar. An error is the reason why a text that looks like a date or a number cannot be one: PyYAML
/// fails on it instead of taking it as a string.
pub(super) fn plain(text: &str) -> Result<Plain, String> {
    let value = match text {
        "<<" => return Ok(Plain::Merge),
        "=" => return Ok(Plain::Default),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        // Numbers and dates begin so, most texts do not.
        _ if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => Value::Str(text.to_string()),
        _ if looks_like_int(text) => int(text).ok_or_else(|| format!("`{text}` is not an integer"))?,
        _ if looks_like_float(text) => float(text).ok_or_else(|| format!("`{text}` is not a number"))?,
        _ if timestamp::looks_like(text) => Value::Timestamp(timestamp::python_str(text)?),
        _ => Value::Str(text.to_string()),
    };
    Ok(Plain::Value(value))
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(allowed)
}

fn digit_or_underscore(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

fn looks_like_int(text: &str) -> bool {
    let text = unsigned(text);
    if text == "0" {
        return true;
    }
    if let Some(rest) = text.strip_prefix("0b") {
        return !rest.is_empty() && all(rest, |b| matches!(b, b'0' | b'1' | b'_'));
    }
    if let Some(rest) = text.strip_prefix("0x") {
        return !rest.is_empty() && all(rest, |b| b.is_ascii_hexdigit() || b == b'_');
    }
    if let Some(rest) = text.strip_prefix('0') {
        return !rest.is_empty() && all(rest, |b| matches!(b, b'0'..=b'7' | b'_'));
    }
    let (first, rest) = match text.split_once(':') {
        Some((first, rest)) => (first, Some(rest)),
        None => (text, None),
    };
    first.starts_with(|c: char| c.is_ascii_digit())
        && all(first, digit_or_underscore)
        && rest.is_none_or(|rest| rest.split(':').all(is_base_60_digit))
}

/// `0` to `59`, with or without a leading zero.
fn is_base_60_digit(text: &str) -> bool {
    match text.as_bytes() {
        [ones] => ones.is_ascii_digit(),
        [tens, ones] => (b'0'..=b'5').contains(tens) && ones.is_ascii_digit(),
        _ => false,
    }
}

fn looks_like_float(text: &str) -> bool {
    if let Some(fraction) = text.strip_prefix('.') {
        if matches!(fraction, "nan" | "NaN" | "NAN" | "inf" | "Inf" | "INF") {
            return true;
        }
        // Without integer digits there is no sign either: `-.5` is a string.
        let (fraction, exponent) = split_exponent(fraction);
        return exponent && fraction.starts_with(|c: char| c.is_ascii_digit()) && all(fraction, digit_or_underscore);
    }
    let text = unsigned(text);
    if matches!(text, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let Some((whole, fraction)) = text.split_once('.') else {
        return false;
    };
    if !whole.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    if let Some((first, rest)) = whole.split_once(':') {
        return all(first, digit_or_underscore) && rest.split(':').all(is_base_60_digit) && all(fraction, digit_or_underscore);
    }
    let (fraction, exponent) = split_exponent(fraction);
    exponent && all(whole, digit_or_underscore) && all(fraction, digit_or_underscore)
}

/// Takes a well-formed exponent off; YAML 1.1 wants its sign. False if what follows the `e` is none.
fn split_exponent(text: &str) -> (&str, bool) {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return (text, true);
    };
    let digits = exponent.strip_prefix(['-', '+']);
    (mantissa, digits.is_some_and(|d| !d.is_empty() && all(d, |b| b.is_ascii_digit())))
}

/// What `!!int` makes of a text, if it is an integer in a notation of YAML 1.1.
pub(super) fn tagged_int(text: &str) -> Option<Value> {
    if looks_like_int(text) {
        int(text)
    } else {
        None
    }
}

/// What `!!float` makes of a text: also an integer, and an exponent without sign.
pub(super) fn tagged_float(text: &str) -> Option<Value> {
    let decimal = all(text, |b| b.is_ascii_digit() || b"+-._eE".contains(&b));
    if decimal || looks_like_float(text) {
        float(text)
    } else {
        None
    }
}

/// Converts what looks like an integer.
fn int(text: &str) -> Option<Value> {
    let text = text.replace('_', "");
    let negative = text.starts_with('-');
    let digits = unsigned(&text);
    let magnitude = if digits == "0" {
        Magnitude::default()
    } else if let Some(binary) = digits.strip_prefix("0b") {
        Magnitude::parse(binary, 2)?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        Magnitude::parse(hex, 16)?
    } else if let Some(octal) = digits.strip_prefix('0') {
        Magnitude::parse(octal, 8)?
    } else {
        let mut parts = digits.split(':');
        let mut sum = Magnitude::parse(parts.next()?, 10)?;
        for part in parts {
            sum = sum.times_plus(60, part.parse().ok()?);
        }
        sum
    };
    magnitude.into_value(negative)
}

/// Converts what looks like a float.
fn float(text: &str) -> Option<Value> {
    let text = text.replace('_', "").to_ascii_lowercase();
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let digits = unsigned(&text);
    let magnitude = match digits {
        ".inf" => f64::INFINITY,
        ".nan" => return Some(Value::Float(f64::NAN)),
        _ if digits.contains(':') => {
            let mut base = 1.0;
            let mut sum = 0.0;
            for part in digits.rsplit(':') {
                sum += part.parse::<f64>().ok()? * base;
                base *= 60.0;
            }
            sum
        }
        _ => digits.parse().ok()?,
    };
    Some(Value::Float(sign * magnitude))
}

/// A natural number of any size, in base 10^9, least digit first.
#[derive(Default)]
struct Magnitude(Vec<u32>);

impl Magnitude {
    const BASE: u64 = 1_000_000_000;

    fn parse(text: &str, radix: u32) -> Option<Magnitude> {
        if text.is_empty() || text.len() > 4 * MAX_DIGITS {
            return None;
        }
        let mut sum = Magnitude::default();
        for c in text.chars() {
            sum = sum.times_plus(radix, c.to_digit(radix)?);
        }
        Some(sum)
    }

    fn times_plus(mut self, factor: u32, addend: u32) -> Magnitude {
        let mut carry = u64::from(addend);
        for digit in &mut self.0 {
            let product = u64::from(*digit) * u64::from(factor) + carry;
            *digit = (product % Self::BASE) as u32;
            carry = product / Self::BASE;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
        self
    }

    fn into_value(self, negative: bool) -> Option<Value> {
        let mut text = String::from(if negative { "-" } else { "" });
        match self.0.split_last() {
            None => return Some(Value::Int(0)),
            Some((first, rest)) => {
                text.push_str(&first.to_string());
                rest.iter().rev().for_each(|digit| text.push_str(&format!("{digit:09}")));
            }
        }
        if text.len() > MAX_DIGITS {
            return None;
        }
        Some(text.parse().map_or(Value::BigInt(text), Value::Int))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        match plain(text) {
            Ok(Plain::Value(value)) => value,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn booleans_and_nulls_have_three_spellings_each() {
        for word in ["yes", "on", "true"] {
            for spelling in [word.to_string(), word.to_uppercase(), word[..1].to_uppercase() + &word[1..]] {
                assert_eq!(value(&spelling), Value::Bool(true), "{spelling}");
            }
        }
        for word in ["no", "off", "false"] {
            for spelling in [word.to_string(), word.to_uppercase(), word[..1].to_uppercase() + &word[1..]] {
                assert_eq!(value(&spelling), Value::Bool(false), "{spelling}");
            }
        }
        for text in ["~", "null", "Null", "NULL", ""] {
            assert_eq!(value(text), Value::Null, "{text}");
        }
        for text in ["y", "n", "Y", "N", "tRUE", "nULL", "oN"] {
            assert_eq!(value(text), Value::Str(text.into()), "{text}");
        }
    }

    #[test]
    fn integers_come_in_five_notations() {
        let rows: &[(&str, i128)] = &[
            ("0644", 420),
            ("644", 644),
            ("010", 8),
            ("0x1F", 31),
            ("0b101", 5),
            ("1_000", 1000),
            ("-0644", -420),
            ("22:22", 1342),
            ("12:30:45", 45045),
            ("60:00", 3600),
            ("52:54:00:12:34:56", 41_135_085_296),
            ("0", 0),
            ("-0", 0),
            ("+5", 5),
            ("0_", 0),
            ("0_7", 7),
            ("-0x_f_f", -255),
            ("1__", 1),
            ("-1:30", -90),
            ("170141183460469231731687303715884105727", i128::MAX),
        ];
        for (text, expected) in rows {
            assert_eq!(value(text), Value::Int(*expected), "{text}");
        }
        let big = "123456789012345678901234567890123456789012345678";
        assert_eq!(value(big), Value::BigInt(big.into()));
        assert_eq!(value(&format!("0x1{}", "0".repeat(32))), Value::BigInt("340282366920938463463374607431768211456".into()));
    }

    #[test]
    fn floats_need_a_point_and_a_signed_exponent() {
        let rows: &[(&str, f64)] = &[
            ("1.10", 1.1),
            ("24.04", 24.04),
            ("1.0e+3", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            (".inf", f64::INFINITY),
            ("-.INF", f64::NEG_INFINITY),
            ("1_0.5_", 10.5),
            ("1.E-2", 0.01),
            ("1:30.5", 90.5),
            ("-1.5", -1.5),
            (".5e+1", 5.0),
        ];
        for (text, expected) in rows {
            assert_eq!(value(text), Value::Float(*expected), "{text}");
        }
        assert_eq!(value(".nan"), Value::Float(f64::NAN));
    }

    #[test]
    fn what_only_resembles_a_number_is_a_string() {
        for text in [
            "0o644",
            "08",
            "0800",
            "0888",
            "08:30",
            "59:60",
            "0:0",
            "00:11:22:33:44:55",
            "1.2.3",
            "192.168.0.1",
            "::1",
            "1e3",
            "1.0e3",
            "1e+3",
            "-.5",
            "0b",
            "0x",
            "0b2",
            "_1",
            "1:",
            ":1",
            "1:60",
            "+",
            "-",
            ".",
            "._5",
            ".5e3",
            "+.nan",
            "1:30.5e+1",
            "0.0.0.0",
            "1,000",
            "0x1.8",
            "1 000",
            "٣",
            "1:2:",
            "a1",
            "--5",
            "+-5",
        ] {
            assert_eq!(value(text), Value::Str(text.into()), "{text}");
        }
    }

    #[test]
    fn what_python_cannot_convert_is_an_error() {
        let long = "9".repeat(4301);
        for text in ["0b_", "0x_", long.as_str(), "2024-13-45"] {
            assert!(plain(text).is_err(), "{text}");
        }
    }

    #[test]
    fn merge_and_default_are_kept_apart() {
        assert_eq!(plain("<<"), Ok(Plain::Merge));
        assert_eq!(plain("="), Ok(Plain::Default));
    }
}
