//! Taking a backup of a running cluster.

use std::{path::Path, sync::Arc};

use rand::Rng;

use super::{
    BackupError, BackupFile, Contents, Manifest, Position,
    folder::Draft,
    manifest::{FORMAT, hex},
};
use crate::{
    ActorError, Cluster,
    consensus::{self, CaptureError, Captured, Scope},
    id::ActorHash,
    keyspace,
    remote::Owners,
};

/// Setting under which a cluster keeps what tells it from all others.
pub(crate) const CLUSTER_ID: &str = "cluster/id";

impl Cluster {
    /// Copies what the cluster keeps into a folder of this node that must not exist or be empty, each shard from whichever
    /// node owns it. All of it is from one moment, and the actors go on working meanwhile. `told` hears of the steps: how
    /// many are done, of how many; fewer than before if a shard is copied again. It ends when it is dropped, and then
    /// leaves nothing behind.
    ///
    /// # Errors
    /// [`BackupError::NotEmpty`], [`BackupError::Nothing`] if tenant or actor have stored nothing, [`BackupError::Node`]
    /// with `backup.owner` if a shard has no owner for longer than an ask waits, or with `backup.moment` if the shards do
    /// not come to rest together.
    pub async fn backup(
        &self,
        contents: Contents,
        into: impl AsRef<Path>,
        told: impl Fn(usize, usize) + Send + Sync + 'static,
    ) -> Result<Manifest, BackupError> {
        let scope = self.scope(&contents)?;
        let id = self.settings().get(CLUSTER_ID).await?.unwrap_or_default();
        let into = into.as_ref().to_owned();
        let draft = Draft::begin(&into)?;
        let node = self.node();
        let created = node.clock.now();
        let shards = u16::try_from(node.hosts.len()).unwrap_or(u16::MAX);
        let token = node.random.lock().random();
        let owners = Arc::new(Owners(Arc::clone(node)));
        let folder = draft.path().to_owned();
        let captured = consensus::capture(owners, shards, scope, folder, token, Arc::new(told)).await;
        let captured = captured.map_err(|error| match error {
            CaptureError::File(error) => BackupError::io(&into)(error),
            CaptureError::Owner(error) => BackupError::Node(error),
        })?;
        let classes = node.classes.registry().live().iter();
        let manifest = Manifest {
            format: FORMAT,
            data_format: consensus::VERSION,
            contents: contents.clone(),
            cluster: String::from_utf8_lossy(&id).into_owned(),
            created,
            shards,
            classes: classes.map(|(name, entry)| (name.clone(), hex(&entry.uid.0))).collect(),
            files: captured.into_iter().map(file).collect(),
        };
        if contents != Contents::Node && manifest.rows() == 0 {
            return Err(BackupError::Nothing(contents));
        }
        let sealed = manifest.clone();
        tokio::task::spawn_blocking(move || draft.seal(&sealed))
            .await
            .map_err(|error| BackupError::io(&into)(std::io::Error::other(error)))??;
        tracing::info!(contents = %manifest.contents, path = %into.display(), "backup taken");
        Ok(manifest)
    }

    /// Restoring works where one node owns every shard.
    pub(super) fn owns_all(&self) -> Result<(), BackupError> {
        let elsewhere = self.node().hosts.iter().find(|host| host.epoch().is_none());
        let Some(host) = elsewhere else { return Ok(()) };
        let shard = host.shard.number();
        Err(BackupError::Node(match self.node().remote.leaders.of(shard) {
            Some(leader) if leader.node != self.node().remote.node => ActorError::unsupported(
                "backup.elsewhere",
                format!(
                    "node {} owns shard {shard}: only a node that owns every shard restores backups",
                    leader.node
                ),
            ),
            Some(_) | None => ActorError::retryable("retryable", format!("shard {shard} has no owner")),
        }))
    }

    fn scope(&self, contents: &Contents) -> Result<Scope, BackupError> {
        Ok(match contents {
            Contents::Node => Scope::Node,
            Contents::Tenant(tenant) => Scope::Tenant(tenant.clone()),
            Contents::Actor(id) => {
                id.check()?;
                let class = self.node().classes.uid(id.class());
                let class = class.ok_or_else(|| BackupError::UnknownClass(id.class().to_owned()))?;
                Scope::Actor {
                    hash: ActorHash::of(class, id.tenant(), id.name()),
                    entry: keyspace::directory(class, id.tenant(), id.name()),
                }
            }
        })
    }
}

fn file(captured: Captured) -> BackupFile {
    let Captured {
        group,
        path,
        applied,
        rows,
        bytes,
        sha256,
    } = captured;
    BackupFile {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        shard: group.checked_sub(1).and_then(|shard| u16::try_from(shard).ok()),
        applied: applied.map(|applied| Position {
            term: applied.leader_id.term,
            index: applied.index,
        }),
        rows,
        bytes,
        sha256: hex(&sha256),
    }
}
