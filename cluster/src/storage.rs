//! The storage of one actor.

mod key;

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};

pub use self::key::{Key, Keys};
use crate::Result;

/// The storage of one actor.
pub struct Storage(PhantomData<()>);

/// Which keys a listing returns.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// First key, inclusive.
    pub start: Option<String>,
    /// Key before the first, exclusive.
    pub after: Option<String>,
    /// Key after the last, exclusive.
    pub end: Option<String>,
    /// Descending order.
    pub reverse: bool,
    /// Most rows returned; 0 stands for the bound of a page.
    pub limit: usize,
}

#[expect(clippy::unused_async, unused_variables, reason = "skeleton")]
impl Storage {
    /// Reads a value.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key<T>) -> Result<Option<T>> {
        unimplemented!()
    }
    /// Writes a value with this turn.
    pub fn put<T: Serialize>(&mut self, key: &Key<T>, value: &T) -> Result<()> {
        unimplemented!()
    }
    /// Removes a value with this turn.
    pub fn delete<T>(&mut self, key: &Key<T>) -> Result<()> {
        unimplemented!()
    }
    /// Lists keys with their values.
    pub async fn list<T: DeserializeOwned>(&self, keys: &Keys<T>, list: List) -> Result<Vec<(String, T)>> {
        unimplemented!()
    }
    /// Rolls back storage if `work` fails.
    pub async fn transaction<R>(&mut self, work: impl AsyncFnOnce(&mut Storage) -> Result<R>) -> Result<R> {
        work(self).await
    }
    /// Removes everything, the alarm too.
    pub fn delete_all(&mut self) -> Result<()> {
        unimplemented!()
    }
}
