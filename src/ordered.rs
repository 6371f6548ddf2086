//! Sorting, and maps of what an iterator gives, whose code is in the binary once: the standard library's, which is made anew for every
//! type and closure, is 3 KB each time, and with all that landfall puts in order was 3 % of it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Sorts, what is equal in the order it had.
pub fn sort_by<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let order = order_of(items.len(), &|one, other| compare(&items[one], &items[other]));
    let mut taken: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(order.into_iter().filter_map(|at| taken[at].take()));
}

/// Sorts by a key, what has the same in the order it had.
pub fn sort_by_key<T, K: Ord>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
    sort_by(items, |one, other| key(one).cmp(&key(other)));
}

fn order_of(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    #[allow(clippy::disallowed_methods)]
    order.sort_by(|one, other| compare(*one, *other));
    order
}

/// A map of these entries; the last of the same key counts.
pub fn map_of<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(entries);
    map
}

/// A set of these.
pub fn set_of<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}

/// A JSON object of these entries; the last of the same key counts.
pub fn object_of(entries: impl IntoIterator<Item = (String, serde_json::Value)>) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    object.extend(entries);
    serde_json::Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_the_standard_library() {
        let mut items: Vec<(u32, usize)> = (0..200_u32).map(|number| (number * 7919 % 13, number as usize)).collect();
        let mut expected = items.clone();
        expected.sort_by_key(|item| item.0);
        sort_by_key(&mut items, |item| item.0);
        assert_eq!(items, expected, "what is equal stays in its order");
        sort_by(&mut items, |one, other| other.1.cmp(&one.1));
        assert!(items.is_sorted_by(|one, other| one.1 > other.1));
        sort_by_key(&mut Vec::<u32>::new(), |number| *number);
    }

    #[test]
    fn the_last_of_the_same_key_counts() {
        assert_eq!(map_of([("b", 1), ("a", 2), ("b", 3)]), BTreeMap::from([("a", 2), ("b", 3)]));
        assert_eq!(set_of([2, 1, 2]), BTreeSet::from([1, 2]));
        assert_eq!(object_of([("a".to_owned(), 1.into()), ("a".to_owned(), 2.into())]).to_string(), r#"{"a":2}"#);
    }
}
