//! Typed keys.

use std::{borrow::Cow, fmt, marker::PhantomData};

/// A key of an actor's storage and the type of its value.
pub struct Key<T> {
    name: Cow<'static, str>,
    value: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// A constant key.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            value: PhantomData,
        }
    }

    /// A key made at run time.
    pub const fn named(name: String) -> Self {
        Self {
            name: Cow::Owned(name),
            value: PhantomData,
        }
    }

    /// The key as text.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            value: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.name).finish()
    }
}

/// A family of keys with a common prefix and one type of value.
pub struct Keys<T> {
    prefix: Cow<'static, str>,
    value: PhantomData<fn() -> T>,
}

impl<T> Keys<T> {
    /// A constant family; by custom the prefix ends with `/`.
    pub const fn new(prefix: &'static str) -> Self {
        Self {
            prefix: Cow::Borrowed(prefix),
            value: PhantomData,
        }
    }

    /// A family made at run time, for instance below one entity.
    pub const fn named(prefix: String) -> Self {
        Self {
            prefix: Cow::Owned(prefix),
            value: PhantomData,
        }
    }

    /// The key of one member.
    pub fn key(&self, suffix: &str) -> Key<T> {
        Key::named(format!("{}{suffix}", self.prefix))
    }

    /// The common prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl<T> Clone for Keys<T> {
    fn clone(&self) -> Self {
        Self {
            prefix: self.prefix.clone(),
            value: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Keys<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.prefix).finish()
    }
}
