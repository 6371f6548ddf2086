//! [`record!`](crate::record): a struct together with how it is read from a mapping.

/// Declares a struct together with how it is read from a mapping.
///
/// ```ignore
/// record! {
///     /// One entry of `write_files`.
///     pub struct FileEntry {
///         /// Where it goes.
///         required path: String,
///         /// Permission bits.
///         optional permissions ["mode"]: FileMode,   // "mode" is an old spelling
///         /// Headers.
///         default tags: Vec<String>,                 // missing: Default::default()
///         /// How it is meant.
///         optional kind as "type": Kind,             // a key that is no identifier of ours
///     }
///     later ["checksum"]                             // known, and not supported yet
/// }
/// ```
/// Every record also has `origin`, the place of its mapping, and `given` and `places`, the keys that had a value and where.
#[macro_export]
macro_rules! record {
    ($(#[doc = $about:expr])* pub struct $name:ident {
        $($(#[doc = $fabout:expr])* $need:ident $field:ident $(as $key:literal)? $([$($old:literal),+])? : $ty:ty),* $(,)?
    } $(later [$($later:literal),* $(,)?])?) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// Where its mapping begins.
            pub origin: $crate::config::node::Origin,
            /// The keys that had a value, in current spelling.
            pub given: Vec<&'static str>,
            /// Where each of them stands.
            pub places: Vec<$crate::config::node::Origin>,
            $($(#[doc = $fabout])* pub $field: $crate::record!(@type $need $ty)),*
        }

        impl $name {
            /// The keys it knows, old spellings included.
            pub const KEYS: &'static [&'static str] = &[$($crate::record!(@key $field $($key)?), $($($old,)+)?)*];
            /// The keys it knows and does not use yet.
            pub const LATER: &'static [&'static str] = &[$($($later),*)?];

            /// The same as data.
            pub const RECORD: &'static $crate::config::typed::shape::Record = {
                static RECORD: $crate::config::typed::shape::Record = $crate::config::typed::shape::Record {
                    name: stringify!($name),
                    about: concat!($($about),*),
                    text: concat!($($crate::record!(@key $field $($key)?), $($("\x1f", $old,)+)? "\x1f", $($fabout,)* "\n"),*),
                    shapes: &[$(($crate::record!(@needed $need), <$ty as $crate::config::typed::reader::FromNode>::SHAPE)),*],
                    #[cfg(test)]
                    reads: &[$(|node, reader| <$ty as $crate::config::typed::reader::FromNode>::from_node(node, reader).is_some()),*],
                    later: &[$($($later),*)?],
                };
                &RECORD
            };

            /// Whether `key` was given, and is `missing` all the same: it could not be read, which has been reported.
            pub fn is_unread(&self, key: &str, missing: bool) -> bool {
                missing && self.given.iter().any(|given| *given == key)
            }

            /// The first optional key that was given and could not be read, with its place. It has been reported.
            pub fn unread(&self) -> Option<(&'static str, &$crate::config::node::Origin)> {
                $($crate::record!(@unread $need self $field ($crate::record!(@key $field $($key)?)));)*
                None
            }

            /// Where `key` stands; where the mapping begins if it had no value.
            pub fn place(&self, key: &str) -> &$crate::config::node::Origin {
                self.given.iter().zip(&self.places).find(|(given, _)| **given == key).map_or(&self.origin, |(_, place)| place)
            }
        }

        impl $crate::config::typed::reader::FromNode for $name {
            const SHAPE: $crate::config::typed::shape::Shape = $crate::config::typed::shape::Shape::Record(Self::RECORD);

            fn from_node(node: &$crate::config::node::Node, reader: &mut $crate::config::typed::reader::Reader<'_>) -> Option<Self> {
                let mut fields = $crate::config::typed::reader::Fields::open(node, reader)?;
                $(let $field = $crate::record!(@read $need fields reader ($crate::record!(@key $field $($key)?)) [$($($old),+)?] $ty);)*
                let (given, places) = fields.finish(Self::LATER, reader);
                Some(Self { origin: node.origin.clone(), given, places, $($field: $crate::record!(@keep $need $field)),* })
            }
        }
    };
    (@unread optional $self:ident $field:ident ($key:expr)) => {
        if $self.is_unread($key, $self.$field.is_none()) {
            return Some(($key, $self.place($key)));
        }
    };
    (@unread $need:ident $self:ident $field:ident ($key:expr)) => {};
    (@key $field:ident $key:literal) => { $key };
    (@key $field:ident) => { stringify!($field) };
    (@needed required) => { true };
    (@needed $need:ident) => { false };
    (@type required $ty:ty) => { $ty };
    (@type optional $ty:ty) => { Option<$ty> };
    (@type default $ty:ty) => { $ty };
    (@read required $fields:ident $reader:ident ($key:expr) [$($old:literal),*] $ty:ty) => {
        $fields.required::<$ty>($key, &[$($old),*], $reader)
    };
    (@read $need:ident $fields:ident $reader:ident ($key:expr) [$($old:literal),*] $ty:ty) => {
        $fields.optional::<$ty>($key, &[$($old),*], $reader)
    };
    (@keep required $field:ident) => { $field? };
    (@keep optional $field:ident) => { $field };
    (@keep default $field:ident) => { $field.unwrap_or_default() };
}
