//! Values that must never be shown: passwords, keys, tokens, file contents.
//!
//! A [`Secret`] prints as `***` and serialises as `"***"`. The one place that may store it in clear is the state
//! directory (0700), which asks for it by [`reveal`].

use std::cell::Cell;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is shown in place of a secret.
pub const MASK: &str = "***";

thread_local! {
    static REVEALED: Cell<bool> = const { Cell::new(false) };
}

/// A value that is masked wherever it is printed or serialised.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one call that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The same value as bytes.
    pub fn into_bytes(self) -> Secret<Vec<u8>>
    where
        T: Into<Vec<u8>>,
    {
        Secret(self.0.into())
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T: Serialize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if REVEALED.get() {
            self.0.serialize(serializer)
        } else {
            serializer.serialize_str(MASK)
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Runs `write` with secrets serialised in clear: for files in the 0700 state directory and for digests, nothing else.
pub fn reveal<R>(write: impl FnOnce() -> R) -> R {
    struct Guard(bool);
    impl Drop for Guard {
        fn drop(&mut self) {
            REVEALED.set(self.0);
        }
    }
    let _guard = Guard(REVEALED.replace(true));
    write()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_unless_revealed() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), MASK);
        assert_eq!(serde_json::to_string(&secret).expect("json"), "\"***\"");
        assert_eq!(reveal(|| serde_json::to_string(&secret)).expect("json"), "\"hunter2\"");
        assert_eq!(serde_json::to_string(&secret).expect("json"), "\"***\"");
    }
}
