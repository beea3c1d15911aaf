//! The connection to the tables, and what it keeps of them in memory.
//!
//! Lance keeps manifests and transactions by table and version, so a table that was lost and made again under its name, with the
//! same versions, is taken for the old one. Whoever meets a failure therefore goes on with a connection that keeps nothing yet.

use std::{sync::Arc, time::Duration};

use lancedb::{Connection, Error, ObjectStoreRegistry, Session};
use parking_lot::Mutex;

/// How the tables are reached at present.
pub(super) struct Connections {
    uri: String,
    registry: Arc<ObjectStoreRegistry>,
    cache_bytes: usize,
    present: Mutex<Numbered>,
}

/// A connection and which one it is, counted from one.
#[derive(Clone)]
pub(super) struct Numbered {
    pub(super) number: u64,
    pub(super) connection: Connection,
}

impl Connections {
    /// Connects to the tables at an address. At most `cache_bytes` of what is read are kept in memory.
    pub(super) async fn open(uri: String, registry: ObjectStoreRegistry, cache_bytes: usize) -> Result<Self, Error> {
        let registry = Arc::new(registry);
        let connection = connect(&uri, registry.clone(), cache_bytes).await?;
        let present = Mutex::new(Numbered { number: 1, connection });
        Ok(Self {
            uri,
            registry,
            cache_bytes,
            present,
        })
    }

    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// The connection to use. Handles of tables that came from an earlier one are to be dropped.
    pub(super) fn present(&self) -> Numbered {
        self.present.lock().clone()
    }

    /// Replaces the connection with this number, unless somebody else has.
    pub(super) async fn replace(&self, number: u64) -> Result<(), Error> {
        if self.present.lock().number != number {
            return Ok(());
        }
        let connection = connect(&self.uri, self.registry.clone(), self.cache_bytes).await?;
        let mut present = self.present.lock();
        if present.number == number {
            *present = Numbered {
                number: number + 1,
                connection,
            };
        }
        Ok(())
    }
}

async fn connect(uri: &str, registry: Arc<ObjectStoreRegistry>, cache_bytes: usize) -> Result<Connection, Error> {
    // Lance's own bounds are seven gigabytes.
    let half = cache_bytes / 2;
    lancedb::connect(uri)
        .session(Arc::new(Session::new(half, half, registry)))
        // Every query looks for the latest version: another node may have written it.
        .read_consistency_interval(Duration::ZERO)
        .execute()
        .await
}
