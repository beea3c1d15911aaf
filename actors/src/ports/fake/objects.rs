//! An object store in memory.

use std::{collections::BTreeMap, sync::Mutex};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use sha2::{Digest, Sha256};

use super::lock;
use crate::ports::{ObjectError, ObjectMeta, Objects};

/// Keeps objects in memory and checks them when they are read.
#[derive(Debug, Default)]
pub struct FakeObjects {
    objects: Mutex<BTreeMap<String, (ObjectMeta, Bytes)>>,
    failures: Mutex<u32>,
}

impl FakeObjects {
    /// Has the next `times` writes fail.
    pub fn fail(&self, times: u32) {
        *lock(&self.failures) = times;
    }

    /// The keys of all objects in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        lock(&self.objects).keys().cloned().collect()
    }

    /// Damages the body of an object.
    pub fn corrupt(&self, key: &str) {
        if let Some((_, body)) = lock(&self.objects).get_mut(key) {
            *body = Bytes::from_static(b"damaged");
        }
    }
}

impl Objects for FakeObjects {
    fn put(
        &self,
        key: String,
        content_type: &'static str,
        body: Bytes,
    ) -> BoxFuture<'static, Result<ObjectMeta, ObjectError>> {
        let result = if !is_key(&key) {
            Err(ObjectError::InvalidKey(key))
        } else if take(&mut lock(&self.failures)) {
            Err(ObjectError::Failed("scripted failure".to_owned()))
        } else {
            let meta = ObjectMeta {
                key: key.clone(),
                size: body.len() as u64,
                content_type: content_type.to_owned(),
                sha256: digest(&body),
            };
            lock(&self.objects).insert(key, (meta.clone(), body));
            Ok(meta)
        };
        async move { result }.boxed()
    }

    fn get(&self, key: String) -> BoxFuture<'static, Result<(ObjectMeta, Bytes), ObjectError>> {
        let result = match lock(&self.objects).get(&key) {
            None if !is_key(&key) => Err(ObjectError::InvalidKey(key)),
            None => Err(ObjectError::NotFound(key)),
            Some((meta, body)) if meta.sha256 == digest(body) => Ok((meta.clone(), body.clone())),
            Some(_) => Err(ObjectError::Corrupt(key)),
        };
        async move { result }.boxed()
    }

    fn delete(&self, key: String) -> BoxFuture<'static, Result<(), ObjectError>> {
        let result = if is_key(&key) {
            lock(&self.objects).remove(&key);
            Ok(())
        } else {
            Err(ObjectError::InvalidKey(key))
        };
        async move { result }.boxed()
    }

    fn delete_below(&self, folder: String) -> BoxFuture<'static, Result<u64, ObjectError>> {
        let prefix = format!("{folder}/");
        let mut objects = lock(&self.objects);
        let before = objects.len();
        objects.retain(|key, _| !key.starts_with(&prefix));
        let removed = (before - objects.len()) as u64;
        async move { Ok(removed) }.boxed()
    }
}

fn take(failures: &mut u32) -> bool {
    let fails = *failures > 0;
    *failures = failures.saturating_sub(1);
    fails
}

fn is_key(key: &str) -> bool {
    key.len() <= 1024
        && !key.contains(char::is_control)
        && key.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

fn digest(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}
