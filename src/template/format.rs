//! Python's two ways to fill values into a text: `'%05d' % 5` and `'{:05d}'.format(5)`.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::Error;

use super::filters::wrong;
use super::print::{bounded, python_str, repr};
use super::texts::padded;
use super::variables::{is_missing, keys};

/// How one value is to be written.
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    has_prefix: bool,
    is_grouped: bool,
    width: usize,
    precision: Option<usize>,
    /// `\0` where nothing is said.
    kind: char,
}

/// What is left of a text that is read from its start.
struct Cursor<'t>(&'t str);

impl<'t> Cursor<'t> {
    fn one_of(&mut self, set: &str) -> Option<char> {
        let c = self.0.chars().next().filter(|c| set.contains(*c))?;
        self.0 = &self.0[c.len_utf8()..];
        Some(c)
    }

    fn number(&mut self) -> Result<Option<usize>, Error> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        if digits.is_empty() {
            return Ok(None);
        }
        let number = digits.parse().unwrap_or(usize::MAX);
        bounded(number)?;
        Ok(Some(number))
    }

    fn precision(&mut self) -> Result<Option<usize>, Error> {
        match self.one_of(".") {
            Some(_) => Ok(Some(self.number()?.unwrap_or(0).min(1_000))),
            None => Ok(None),
        }
    }

    fn until(&mut self, end: char) -> Option<&'t str> {
        let (before, after) = self.0.split_once(end)?;
        self.0 = after;
        Some(before)
    }
}

/// `%`, with its values, or with a mapping for `%(name)s`.
pub(super) fn percent(text: &str, values: &[Value], named: Option<&Kwargs>) -> Result<String, Error> {
    let mapping = values.first().filter(|value| values.len() == 1 && keys(value).is_some());
    let mut left = values.iter();
    let mut out = String::with_capacity(text.len());
    let mut rest = Cursor(text);
    while let Some(before) = rest.until('%') {
        out.push_str(before);
        bounded(out.len())?;
        if rest.one_of("%").is_some() {
            out.push('%');
            continue;
        }
        let name = rest.one_of("(").and_then(|_| rest.until(')'));
        let mut spec = Spec { align: Some('>'), ..spec_of_nothing() };
        let mut is_filled = false;
        while let Some(flag) = rest.one_of("#0- +") {
            match flag {
                '#' => spec.has_prefix = true,
                '0' => is_filled = true,
                '-' => spec.align = Some('<'),
                sign => spec.sign = Some(sign),
            }
        }
        spec.width = rest.number()?.unwrap_or(0);
        spec.precision = rest.precision()?;
        spec.kind = rest.0.chars().next().ok_or_else(|| wrong("`%` at the end of a format".to_owned()))?;
        rest.0 = &rest.0[spec.kind.len_utf8()..];
        if is_filled && spec.align == Some('>') && !"srac".contains(spec.kind) {
            (spec.fill, spec.align) = (Some('0'), Some('='));
        }
        let value = match name {
            Some(name) => named.and_then(|named| named.peek(name).ok()).or_else(|| mapping?.get_item(&Value::from(name)).ok()),
            None => left.next().cloned(),
        };
        let value = value.filter(|value| !value.is_undefined()).ok_or_else(|| too_few(name.unwrap_or("%")))?;
        let value = match (spec.kind, f64::try_from(value.clone())) {
            ('d' | 'i' | 'u', Ok(number)) if value.kind() == ValueKind::Number && !value.is_integer() => Value::from(number as i64),
            _ => value,
        };
        spec.kind = if "iu".contains(spec.kind) { 'd' } else { spec.kind };
        out.push_str(&written(&value, &spec)?);
    }
    if mapping.is_none() && left.next().is_some() {
        return Err(wrong("a format is given more values than it asks for".to_owned()));
    }
    Ok(out + rest.0)
}

/// `str.format`: `{}`, `{0}`, `{name}`, `{0[key]}`, each with `!r` and a specification behind `:`.
pub(super) fn braces(text: &str, values: &[Value], named: Option<&Kwargs>) -> Result<String, Error> {
    let mut next = 0;
    let mut out = String::with_capacity(text.len());
    let mut rest = Cursor(text);
    while let Some(at) = rest.0.find(['{', '}']) {
        let brace = &rest.0[at..=at];
        out.push_str(&rest.0[..at]);
        bounded(out.len())?;
        rest.0 = &rest.0[at + 1..];
        if rest.one_of(brace).is_some() {
            out.push_str(brace);
            continue;
        }
        let field = rest.until('}').filter(|_| brace == "{").ok_or_else(|| wrong("a single brace in a format".to_owned()))?;
        let (field, said) = field.split_once(':').unwrap_or((field, ""));
        let (field, conversion) = field.split_once('!').unwrap_or((field, ""));
        let mut path = Cursor(field);
        let end = field.find(['.', '[']).unwrap_or(field.len());
        let name = &field[..end];
        path.0 = &field[end..];
        let mut value = match name.parse::<usize>() {
            Ok(at) => values.get(at).cloned(),
            Err(_) if name.is_empty() => {
                next += 1;
                values.get(next - 1).cloned()
            }
            Err(_) => named.and_then(|named| named.peek(name).ok()),
        };
        while path.one_of("[").is_some() {
            let key = path.until(']').unwrap_or_default();
            let key = key.parse::<i64>().map_or_else(|_| Value::from(key), Value::from);
            value = value.and_then(|value| value.get_item(&key).ok()).filter(|value| !is_missing(value));
        }
        if !path.0.is_empty() {
            return Err(wrong(format!("`{}` is not known in a format: `[key]` is", path.0)));
        }
        let value = value.ok_or_else(|| too_few(name))?;
        let spec = spec(said)?;
        out.push_str(&match conversion {
            "r" => written(&repr(&value).into(), &spec)?,
            _ => written(&value, &spec)?,
        });
    }
    Ok(out + rest.0)
}

fn too_few(name: &str) -> Error {
    wrong(format!("a format asks for a value that it is not given: `{name}`"))
}

const fn spec_of_nothing() -> Spec {
    Spec { fill: None, align: None, sign: None, has_prefix: false, is_grouped: false, width: 0, precision: None, kind: '\0' }
}

/// `[[fill]align][sign][#][0][width][,][.precision][type]`.
fn spec(said: &str) -> Result<Spec, Error> {
    let mut spec = spec_of_nothing();
    let mut rest = Cursor(said);
    let mut chars = said.chars();
    if let (Some(fill), Some('<' | '>' | '^' | '=')) = (chars.next(), chars.next()) {
        spec.fill = Some(fill);
        rest.0 = &said[fill.len_utf8()..];
    }
    spec.align = rest.one_of("<>^=");
    spec.sign = rest.one_of("+- ").filter(|sign| *sign != '-');
    spec.has_prefix = rest.one_of("#").is_some();
    if rest.one_of("0").is_some() {
        spec.fill = spec.fill.or(Some('0'));
        spec.align = spec.align.or(Some('0'));
    }
    spec.width = rest.number()?.unwrap_or(0);
    spec.is_grouped = rest.one_of(",").is_some();
    spec.precision = rest.precision()?;
    spec.kind = rest.0.chars().next().unwrap_or('\0');
    if rest.0.chars().count() > 1 {
        return Err(wrong(format!("`{said}` is not known in a format")));
    }
    Ok(spec)
}

/// `1.500000e+03`.
fn with_exponent(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// C's `%g`: so many digits, with an exponent where they would not show the number; no zeros at the end unless they are wanted.
fn shortest(number: f64, digits: usize, keeps_zeros: bool) -> String {
    let text = with_exponent(number, digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let trimmed = |text: &str| match text.contains('.') && !keeps_zeros {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    match exponent.parse::<i64>().unwrap_or(0) {
        places if (-4..i64::try_from(digits).unwrap_or(i64::MAX)).contains(&places) => {
            let behind = usize::try_from(i64::try_from(digits).unwrap_or(0) - 1 - places).unwrap_or(0);
            trimmed(&format!("{number:.behind$}"))
        }
        _ => format!("{}e{exponent}", trimmed(mantissa)),
    }
}

fn written(value: &Value, spec: &Spec) -> Result<String, Error> {
    let is_number = value.kind() == ValueKind::Number;
    let whole = || {
        let whole = value.as_i64().filter(|_| is_number).or_else(|| (value.kind() == ValueKind::Bool).then(|| value.is_true().into()));
        whole.ok_or_else(|| wrong(format!("{} is no whole number", value.kind())))
    };
    let (mut digits, prefix, is_negative) = match spec.kind {
        '\0' if value.is_integer() => (whole()?.unsigned_abs().to_string(), "", whole()? < 0),
        '\0' | 's' | 'r' | 'a' | 'c' => {
            let text = match spec.kind {
                'r' | 'a' => repr(value),
                'c' if is_number => whole()?.try_into().ok().and_then(char::from_u32).map(String::from).unwrap_or_default(),
                _ => python_str(value),
            };
            bounded(text.len())?;
            let text = spec.precision.map_or_else(|| text.clone(), |most| text.chars().take(most).collect());
            let align = spec.align.filter(|align| *align != '0').unwrap_or(if is_number && spec.kind == '\0' { '>' } else { '<' });
            return Ok(padded(&text, spec.width, spec.fill.unwrap_or(' '), align));
        }
        'd' | 'n' => (whole()?.unsigned_abs().to_string(), "", whole()? < 0),
        'x' => (format!("{:x}", whole()?.unsigned_abs()), "0x", whole()? < 0),
        'X' => (format!("{:X}", whole()?.unsigned_abs()), "0X", whole()? < 0),
        'o' => (format!("{:o}", whole()?.unsigned_abs()), "0o", whole()? < 0),
        'b' => (format!("{:b}", whole()?.unsigned_abs()), "0b", whole()? < 0),
        'e' | 'E' | 'g' | 'G' => {
            let number = f64::try_from(value.clone()).map_err(|_| wrong(format!("{} is no number", value.kind())))?;
            let precision = spec.precision.unwrap_or(6);
            let digits = match spec.kind.to_ascii_lowercase() {
                'e' => with_exponent(number.abs(), precision),
                _ => shortest(number.abs(), precision.max(1), spec.has_prefix),
            };
            let digits = if spec.kind.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
            (digits, "", number.is_sign_negative())
        }
        'f' | 'F' | '%' => {
            let number = f64::try_from(value.clone()).map_err(|_| wrong(format!("{} is no number", value.kind())))?;
            let (number, end) = if spec.kind == '%' { (number * 100.0, "%") } else { (number, "") };
            (format!("{:.*}{end}", spec.precision.unwrap_or(6), number.abs()), "", number.is_sign_negative())
        }
        other => return Err(wrong(format!("`{other}` is not known in a format"))),
    };
    if spec.is_grouped {
        let end = digits.find('.').unwrap_or(digits.len());
        (1..end).filter(|at| (end - at) % 3 == 0).rev().for_each(|at| digits.insert(at, ','));
    }
    let sign = if is_negative { "-".to_owned() } else { spec.sign.map(String::from).unwrap_or_default() };
    let before = if spec.has_prefix { sign + prefix } else { sign };
    Ok(match spec.align {
        Some('=' | '0') => {
            let width = spec.width.saturating_sub(before.len());
            before + &padded(&digits, width, spec.fill.unwrap_or(' '), '>')
        }
        align => padded(&(before + &digits), spec.width, spec.fill.unwrap_or(' '), align.unwrap_or('>')),
    })
}
