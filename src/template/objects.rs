//! What the functions of templates give: `cycler`, `joiner`, and the groups of `groupby`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};

/// Gives its values one after the other, over and over.
#[derive(Debug)]
pub(super) struct Cycler {
    pub items: Vec<Value>,
    pub at: AtomicUsize,
}

impl Object for Cycler {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let at = self.at.load(Ordering::Relaxed) % self.items.len().max(1);
        self.items.get(at).filter(|_| key.as_str() == Some("current")).cloned()
    }

    fn call_method(self: &Arc<Self>, _: &State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "next" => {
                let at = self.at.fetch_add(1, Ordering::Relaxed) % self.items.len().max(1);
                Ok(self.items.get(at).cloned().unwrap_or_default())
            }
            "reset" => {
                self.at.store(0, Ordering::Relaxed);
                Ok(Value::from(()))
            }
            _ => Err(Error::new(ErrorKind::UnknownMethod, format!("`{method}` of a cycler"))),
        }
    }
}

/// Nothing when it is called first, and then what stands between.
#[derive(Debug)]
pub(super) struct Joiner {
    pub between: String,
    pub calls: AtomicUsize,
}

impl Object for Joiner {
    fn call(self: &Arc<Self>, _: &State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(Value::from(if calls == 0 { "" } else { self.between.as_str() }))
    }
}

/// What items of a list have in common, and these.
#[derive(Debug)]
pub(super) struct Group(pub Value, pub Value);

impl Object for Group {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (key.as_str(), key.as_usize()) {
            (Some("grouper"), _) | (_, Some(0)) => Some(self.0.clone()),
            (Some("list"), _) | (_, Some(1)) => Some(self.1.clone()),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(2)
    }
}
