//! Python's lists, tuples and mappings, with the methods that change them: the engine's own never change.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind};

use super::filters::{sorted, wrong, Given};
use super::print::{bounded, repr, LONGEST_VALUE};
use super::python;
use super::variables::{attribute_of, is_missing, keys, missing};

/// A list, or a tuple, which prints in other brackets and does not change.
#[derive(Debug)]
pub(super) struct List {
    items: Mutex<Vec<Value>>,
    is_tuple: bool,
}

/// A mapping, of instance data or of the template.
#[derive(Debug)]
pub(super) struct Mapping(Mutex<Vec<(Value, Value)>>);

fn sequence(items: impl IntoIterator<Item = Value>, is_tuple: bool) -> Value {
    Value::from_object(List { items: Mutex::new(items.into_iter().collect()), is_tuple })
}

pub(super) fn list(items: impl IntoIterator<Item = Value>) -> Value {
    sequence(items, false)
}

pub(super) fn tuple(items: impl IntoIterator<Item = Value>) -> Value {
    sequence(items, true)
}

pub(super) fn mapping(entries: impl IntoIterator<Item = (Value, Value)>) -> Value {
    let made = Mapping(Mutex::default());
    entries.into_iter().for_each(|(key, value)| drop(made.set(key, value)));
    Value::from_object(made)
}

/// Whether a value prints as a tuple.
pub(super) fn is_tuple(value: &Value) -> bool {
    value.downcast_object_ref::<List>().is_some_and(|list| list.is_tuple)
}

/// What the engine has made of slices and sums is a list from here on, which can be changed.
fn held(value: &Value) -> Result<Value, Error> {
    if value.kind() != ValueKind::Iterable || is_missing(value) || keys(value).is_some() {
        return Ok(value.clone());
    }
    items_of(value).map(list)
}

/// The items of a value, as many as may be.
pub(super) fn items_of(value: &Value) -> Result<Vec<Value>, Error> {
    let items: Vec<Value> = value.try_iter()?.take(LONGEST_VALUE + 1).collect();
    bounded(items.len())?;
    Ok(items)
}

/// Entries of a mapping, or of pairs.
pub(super) fn entries_of(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    match keys(value) {
        Some(keys) => keys.into_iter().map(|key| Ok((key.clone(), value.get_item(&key)?))).collect(),
        None => items_of(value)?.iter().map(|pair| Ok((pair.get_item(&Value::from(0))?, pair.get_item(&Value::from(1))?))).collect(),
    }
}

/// Entries as pairs.
pub(super) fn pairs_of(value: &Value) -> Result<Vec<Value>, Error> {
    Ok(entries_of(value)?.into_iter().map(|(key, value)| tuple([key, value])).collect())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nothing() -> Value {
    Value::from(())
}

impl List {
    fn add(&self, added: Vec<Value>) -> Result<Value, Error> {
        let mut items = locked(&self.items);
        bounded(items.len() + added.len())?;
        items.extend(added);
        Ok(nothing())
    }

    /// A method that changes it; `None` where there is none of this name.
    pub fn change(&self, method: &str, given: &Given<'_>) -> Result<Option<Value>, Error> {
        if self.is_tuple {
            return Ok(None);
        }
        let place = |at: &Value, length: usize| {
            let at = at.as_i64().ok_or_else(|| wrong(format!("`{method}` needs a whole number")))?;
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            Ok::<_, Error>(if at < 0 { at.saturating_add(length) } else { at })
        };
        // Arguments are looked at while nothing is locked: one of them may be this list.
        Ok(Some(match (method, given.positional) {
            ("append", [item]) => self.add(vec![item.clone()])?,
            ("extend", [items]) => self.add(items_of(items)?)?,
            ("insert", [at, item]) => {
                let mut items = locked(&self.items);
                bounded(items.len() + 1)?;
                let at = usize::try_from(place(at, items.len())?).unwrap_or(0).min(items.len());
                items.insert(at, item.clone());
                nothing()
            }
            ("pop", [] | [_]) => {
                let mut items = locked(&self.items);
                let at = place(given.positional.first().unwrap_or(&Value::from(-1)), items.len())?;
                let at = usize::try_from(at).ok().filter(|at| *at < items.len());
                items.remove(at.ok_or_else(|| wrong("`pop` of a list that has no such item".to_owned()))?)
            }
            ("remove", [wanted]) => {
                let at = locked(&self.items).clone().iter().position(|item| item == wanted);
                locked(&self.items).remove(at.ok_or_else(|| wrong(format!("`remove`: {} is not in the list", repr(wanted))))?);
                nothing()
            }
            ("clear", []) => {
                locked(&self.items).clear();
                nothing()
            }
            ("reverse", []) => {
                locked(&self.items).reverse();
                nothing()
            }
            ("sort", []) => {
                let items = locked(&self.items).clone();
                *locked(&self.items) = sorted(items, None, true, given.is_set(usize::MAX, "reverse"));
                nothing()
            }
            _ => return Ok(None),
        }))
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let item = key.as_usize().and_then(|at| locked(&self.items).get(at).cloned());
        Some(item.unwrap_or_else(|| missing(&key.to_string())))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(locked(&self.items).len())
    }
}

impl Mapping {
    fn position(&self, key: &Value) -> Option<usize> {
        match key.as_str() {
            Some(name) => locked(&self.0).iter().position(|(known, _)| known.as_str() == Some(name)),
            // A key may be a tuple with this mapping in it.
            None => locked(&self.0).clone().iter().position(|(known, _)| known == key),
        }
    }

    fn set(&self, key: Value, value: Value) -> Result<(), Error> {
        match self.position(&key) {
            Some(at) => locked(&self.0)[at].1 = value,
            None => {
                let mut entries = locked(&self.0);
                bounded(entries.len() + 1)?;
                entries.push((key, value));
            }
        }
        Ok(())
    }

    /// A method that changes it; `None` where there is none of this name.
    pub fn change(&self, method: &str, given: &Given<'_>) -> Result<Option<Value>, Error> {
        Ok(Some(match (method, given.positional) {
            ("update", [] | [_]) => {
                let mut entries = given.positional.first().map(entries_of).transpose()?.unwrap_or_default();
                entries.extend(given.named_entries());
                entries.into_iter().try_for_each(|(key, value)| self.set(key, value))?;
                nothing()
            }
            ("setdefault", [key, rest @ ..]) if rest.len() < 2 => match self.position(key) {
                Some(at) => locked(&self.0)[at].1.clone(),
                None => {
                    let value = rest.first().cloned().unwrap_or_else(nothing);
                    self.set(key.clone(), value.clone())?;
                    value
                }
            },
            ("pop", [key, rest @ ..]) if rest.len() < 2 => match (self.position(key), rest.first()) {
                (Some(at), _) => locked(&self.0).remove(at).1,
                (None, Some(other)) => other.clone(),
                (None, None) => return Err(wrong(format!("`pop` of a mapping that has no {}", repr(key)))),
            },
            ("popitem", []) => {
                let last = locked(&self.0).pop().ok_or_else(|| wrong("`popitem` of an empty mapping".to_owned()))?;
                tuple([last.0, last.1])
            }
            ("clear", []) => {
                locked(&self.0).clear();
                nothing()
            }
            _ => return Ok(None),
        }))
    }
}

impl Object for Mapping {
    /// A map would be asked by `in` whether it has a value for a key, and this one has one for all.
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let at = self.position(key);
        Some(at.map_or_else(|| missing(&key.to_string()), |at| locked(&self.0)[at].1.clone()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(locked(&self.0).iter().map(|(key, _)| key.clone()).collect())
    }

    /// The same entries, in whatever order.
    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        let (ours, theirs) = (locked(&self.0).clone(), locked(&other.0).clone());
        let has = |(key, value): &(Value, Value)| theirs.iter().any(|(known, other)| known == key && other == value);
        let is_same = ours.len() == theirs.len() && ours.iter().all(has);
        Some(if is_same { Ordering::Equal } else { Ordering::Less })
    }
}

/// A method that changes a list or a mapping; `None` where the value has none of this name.
pub(super) fn change(value: &Value, method: &str, given: &Given<'_>) -> Result<Option<Value>, Error> {
    if let Some(list) = value.downcast_object_ref::<List>() {
        return list.change(method, given);
    }
    if let Some(mapping) = value.downcast_object_ref::<Mapping>() {
        return mapping.change(method, given);
    }
    Ok(None)
}

/// Functions that stand for what templates write: `[...]`, `(...)`, `{...}`, what is set, and `.attribute` ([`python`]).
pub(super) fn written(name: &str, value: &Value, attribute: Option<&str>) -> Result<Value, Error> {
    match name {
        python::ATTRIBUTE => attribute_of(value, attribute.unwrap_or_default()),
        python::LIST => items_of(value).map(list),
        python::TUPLE => items_of(value).map(tuple),
        python::MAPPING => {
            let entries = entries_of(value)?;
            let is_hashable = |key: &Value| keys(key).is_none() && (key.kind() != ValueKind::Seq || is_tuple(key));
            match entries.iter().find(|(key, _)| !is_hashable(key)) {
                Some((key, _)) => Err(Error::new(ErrorKind::InvalidOperation, format!("{} cannot be a key of a mapping", key.kind()))),
                None => Ok(mapping(entries)),
            }
        }
        _ => held(value),
    }
}
