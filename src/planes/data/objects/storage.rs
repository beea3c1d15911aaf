//! The [`Objects`] port over `object_store`.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actors::ports::{ObjectError, ObjectMeta, Objects};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    future::{BoxFuture, FutureExt},
};
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::location::OBJECT_SUFFIX;
use super::{ObjectsConfig, envelope, location};
use crate::planes::data::{directory, store::Place};

/// Bodies from this size on are hashed off the asynchronous threads.
const HASH_INLINE_BYTES: usize = 256 * 1024;
/// Age from which a staged upload cannot belong to a running put.
const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

/// An object store: a directory or a bucket.
#[derive(Clone)]
pub struct ObjectStorage {
    store: Arc<dyn ObjectStore>,
    max_bytes: u64,
}

impl fmt::Debug for ObjectStorage {
    /// The short form: the long one of a bucket has the id of its access key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStorage")
            .field("store", &self.store.to_string())
            .field("max_bytes", &self.max_bytes)
            .finish()
    }
}

impl ObjectStorage {
    /// Uses an existing store. It must replace values atomically and acknowledge only what is durable.
    pub fn new(store: Arc<dyn ObjectStore>, config: &ObjectsConfig) -> Self {
        Self {
            store,
            max_bytes: config.max_bytes,
        }
    }

    /// Opens the place of the objects, and sees that it can be used: a directory is created where it is missing, a bucket must
    /// be there.
    ///
    /// In a directory, files and their directories are synced before a put is acknowledged. What a killed process had staged is
    /// removed. A removal is not synced: after a power loss a removed object may be there again, whole.
    /// It touches the disk: call it at start, not on a thread that serves requests.
    ///
    /// # Errors
    /// [`ObjectError::Failed`] names the place that could not be used.
    pub(crate) async fn open(place: &Place, config: &ObjectsConfig) -> Result<Self, ObjectError> {
        match place {
            Place::Directory { path, .. } => Self::open_directory(path, config),
            Place::Bucket(bucket) => {
                let checked = bucket.check().await;
                checked.map_err(|error| ObjectError::Failed(error.to_string()))?;
                let part = PrefixStore::new(bucket.client.clone(), bucket.prefix.as_str());
                Ok(Self::new(Arc::new(part), config))
            }
        }
    }

    fn open_directory(directory: &Path, config: &ObjectsConfig) -> Result<Self, ObjectError> {
        let failed = |reason: &dyn fmt::Display| {
            ObjectError::Failed(format!("failed to open {}: {reason}", directory.display()))
        };
        directory::create(directory).map_err(|error| failed(&error))?;
        remove_abandoned(directory).map_err(|error| failed(&error))?;
        let store = LocalFileSystem::new_with_prefix(directory)
            .map_err(|error| failed(&error))?
            .with_fsync(true);
        Ok(Self::new(Arc::new(store), config))
    }
}

impl Objects for ObjectStorage {
    fn put(
        &self,
        key: String,
        content_type: &'static str,
        body: Bytes,
    ) -> BoxFuture<'static, Result<ObjectMeta, ObjectError>> {
        let Self { store, max_bytes } = self.clone();
        async move {
            let place = location::location(&key)?;
            if body.len() as u64 > max_bytes {
                return Err(ObjectError::Failed(format!(
                    "object {key} is larger than {max_bytes} bytes"
                )));
            }
            let content = body.clone();
            let (meta, header) = hashing(body.len(), move || envelope::seal(key, content_type, &content)).await?;
            let payload = PutPayload::from_iter([header, body]);
            store
                .put(&place, payload)
                .await
                .map_err(|error| failed(&meta.key, error))?;
            Ok(meta)
        }
        .boxed()
    }

    fn get(&self, key: String) -> BoxFuture<'static, Result<(ObjectMeta, Bytes), ObjectError>> {
        let Self { store, max_bytes } = self.clone();
        async move {
            let place = location::location(&key)?;
            let found = store.get(&place).await.map_err(|error| failed(&key, error))?;
            if found.meta.size > max_bytes.saturating_add(envelope::MAX_HEADER_BYTES) {
                return Err(ObjectError::Failed(format!(
                    "object {key} is larger than {max_bytes} bytes"
                )));
            }
            let stored = found.bytes().await.map_err(|error| failed(&key, error))?;
            let name = key.clone();
            hashing(stored.len(), move || envelope::open(&name, &stored))
                .await?
                .ok_or(ObjectError::Corrupt(key))
        }
        .boxed()
    }

    fn delete(&self, key: String) -> BoxFuture<'static, Result<(), ObjectError>> {
        let store = self.store.clone();
        async move {
            let place = location::location(&key)?;
            match store.delete(&place).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(failed(&key, error)),
            }
        }
        .boxed()
    }

    fn delete_below(&self, folder: String) -> BoxFuture<'static, Result<u64, ObjectError>> {
        let store = self.store.clone();
        async move {
            let below = location::folder(&folder)?;
            let found = store.list(Some(&below)).map_ok(|object| object.location).boxed();
            let removed = store.delete_stream(found);
            let count = removed.try_fold(0, async |count, _| Ok(count + 1)).await;
            count.map_err(|error| failed(&folder, error))
        }
        .boxed()
    }
}

/// Runs work that reads `bytes` bytes: at once where that is little, else where blocking is allowed.
async fn hashing<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ObjectError> {
    if bytes < HASH_INLINE_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ObjectError::Failed(format!("failed to compute a checksum: {error}")))
}

fn failed(key: &str, error: object_store::Error) -> ObjectError {
    match error {
        object_store::Error::NotFound { .. } => ObjectError::NotFound(key.to_owned()),
        other => ObjectError::Failed(other.to_string()),
    }
}

/// Removes staged uploads that no running put can still own. A store shared by several processes keeps younger ones.
fn remove_abandoned(directory: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            remove_abandoned(&entry.path())?;
        } else if kind.is_file() && is_staged(&entry.file_name().to_string_lossy()) {
            let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
            if age >= ABANDONED_AFTER {
                tracing::info!(file = %entry.path().display(), "removed an unfinished upload");
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

/// Tells whether a file is the staged upload of an object: its name, `#` and a number.
fn is_staged(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(object, number)| {
        object.ends_with(OBJECT_SUFFIX) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::SystemTime;

    use super::*;
    use crate::planes::data::{
        contract,
        store::{server::S3Server, tests as bucket},
    };

    fn open(data: &Path) -> ObjectStorage {
        open_with(data, &ObjectsConfig::default()).unwrap()
    }

    fn open_with(data: &Path, config: &ObjectsConfig) -> Result<ObjectStorage, ObjectError> {
        ObjectStorage::open_directory(&data.join(&config.path), config)
    }

    fn file(data: &Path, key: &str) -> PathBuf {
        data.join("objects").join(format!("{key}{OBJECT_SUFFIX}"))
    }

    #[tokio::test]
    async fn the_local_directory_keeps_the_contract() {
        let data = tempfile::tempdir().unwrap();
        contract::objects(open(data.path())).await;
    }

    #[tokio::test]
    async fn a_bucket_keeps_the_contract() {
        let server = S3Server::start();
        let config = ObjectsConfig::default();
        let objects = ObjectStorage::open(&bucket::place(&server), &config).await.unwrap();
        contract::objects(objects.clone()).await;
        assert!(
            server.bucket().join("some/part").is_dir(),
            "all keys begin with the prefix"
        );
        assert!(!format!("{objects:?}").contains("key"), "{objects:?}");
    }

    #[tokio::test]
    async fn a_shared_directory_keeps_the_contract_and_shows_the_objects_of_others() {
        let shared = tempfile::tempdir().unwrap();
        let place = Place::Directory {
            path: shared.path().join("objects"),
            is_shared: true,
        };
        let config = ObjectsConfig::default();
        let one = ObjectStorage::open(&place, &config).await.unwrap();
        let other = ObjectStorage::open(&place, &config).await.unwrap();
        contract::objects(one.clone()).await;
        one.put("from/one".into(), "text/plain", "seen".into()).await.unwrap();
        assert_eq!(other.get("from/one".into()).await.unwrap().1, "seen");
    }

    #[tokio::test]
    async fn an_object_of_a_directory_can_be_copied_to_a_bucket_as_it_is() {
        let (data, server) = (tempfile::tempdir().unwrap(), S3Server::start());
        let written = open(data.path())
            .put("a/b".into(), "text/plain", "kept".into())
            .await
            .unwrap();
        let copy = server.bucket().join("some/part/a");
        fs::create_dir_all(&copy).unwrap();
        fs::copy(file(data.path(), "a/b"), copy.join("b~")).unwrap();
        let config = ObjectsConfig::default();
        let objects = ObjectStorage::open(&bucket::place(&server), &config).await.unwrap();
        assert_eq!(objects.get("a/b".into()).await.unwrap(), (written, "kept".into()));
    }

    #[tokio::test]
    async fn a_server_that_is_gone_is_a_failure_within_the_time_for_retries() {
        let mut server = S3Server::start();
        let config = ObjectsConfig::default();
        let objects = ObjectStorage::open(&bucket::place(&server), &config).await.unwrap();
        server.kill();
        let began = std::time::Instant::now();
        let failed = objects.put("a".into(), "text/plain", "b".into()).await;
        assert!(matches!(failed, Err(ObjectError::Failed(_))), "{failed:?}");
        assert!(matches!(objects.get("a".into()).await, Err(ObjectError::Failed(_))));
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn any_other_store_keeps_the_contract() {
        let store = Arc::new(object_store::memory::InMemory::new());
        contract::objects(ObjectStorage::new(store, &ObjectsConfig::default())).await;
    }

    #[tokio::test]
    async fn objects_survive_a_restart() {
        let data = tempfile::tempdir().unwrap();
        let written = open(data.path())
            .put("a/b".into(), "text/plain", "kept".into())
            .await
            .unwrap();
        let (meta, body) = open(data.path()).get("a/b".into()).await.unwrap();
        assert_eq!((meta, body), (written, "kept".into()));
    }

    #[tokio::test]
    async fn a_changed_byte_on_disk_is_corruption() {
        let data = tempfile::tempdir().unwrap();
        let objects = open(data.path());
        objects
            .put("a".into(), "text/plain", vec![7; 300_000].into())
            .await
            .unwrap();
        let mut bytes = fs::read(file(data.path(), "a")).unwrap();
        bytes[200_000] ^= 1;
        fs::write(file(data.path(), "a"), bytes).unwrap();
        assert_eq!(objects.get("a".into()).await, Err(ObjectError::Corrupt("a".into())));
    }

    #[tokio::test]
    async fn a_put_that_was_killed_leaves_the_old_object() {
        let data = tempfile::tempdir().unwrap();
        open(data.path())
            .put("a".into(), "text/plain", "old".into())
            .await
            .unwrap();
        // What the store leaves behind where it is killed after half a write and before the rename.
        let staged = data.path().join("objects/a~#1");
        fs::write(&staged, b"foundation-obj").unwrap();

        let objects = open(data.path());
        assert_eq!(objects.get("a".into()).await.unwrap().1, "old");
        assert!(staged.exists(), "a young upload may belong to another process");
        objects.put("a".into(), "text/plain", "new".into()).await.unwrap();
        assert_eq!(objects.get("a".into()).await.unwrap().1, "new");

        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        fs::File::options()
            .write(true)
            .open(&staged)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        let objects = open(data.path());
        assert!(!staged.exists(), "an old upload is removed at the next start");
        assert_eq!(objects.get("a".into()).await.unwrap().1, "new");
    }

    #[tokio::test]
    async fn a_body_above_the_bound_is_refused_and_nothing_is_stored() {
        let data = tempfile::tempdir().unwrap();
        let config = ObjectsConfig {
            max_bytes: 3,
            ..ObjectsConfig::default()
        };
        let objects = open_with(data.path(), &config).unwrap();
        objects.put("a".into(), "text/plain", "abc".into()).await.unwrap();
        let refused = objects.put("b".into(), "text/plain", "abcd".into()).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the object store failed: object b is larger than 3 bytes"
        );
        assert_eq!(objects.get("b".into()).await, Err(ObjectError::NotFound("b".into())));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("objects"), b"a file").unwrap();
        let error = open_with(data.path(), &ObjectsConfig::default()).unwrap_err();
        assert!(error.to_string().contains("objects"), "{error}");
    }
}
