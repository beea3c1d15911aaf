//! What a backup holds of what is wanted.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    ActorId, TenantId,
    address::Address,
    backup::{BackupError, Contents, Manifest, manifest::hex},
    id::{ActorHash, ClassUid},
    inbox,
    keyspace::{self, ActorRow, SendId},
    outbox::Envelope,
    router::Classes,
    store::{Image, ImageReader},
    wire,
};

/// Whether one thing is part of another.
pub(super) fn covers(whole: &Contents, part: &Contents) -> bool {
    match (whole, part) {
        (_, Contents::Node) => false,
        (Contents::Node, Contents::Tenant(_) | Contents::Actor(_)) => true,
        (Contents::Tenant(whole), Contents::Tenant(part)) => whole == part,
        (Contents::Tenant(whole), Contents::Actor(part)) => whole == part.tenant(),
        (Contents::Actor(whole), Contents::Actor(part)) => whole == part,
        (Contents::Actor(_), Contents::Tenant(_)) => false,
    }
}

/// Which class of this program each class of the backup is.
pub(super) fn classes(manifest: &Manifest, registered: &Classes) -> HashMap<ClassUid, ClassUid> {
    let known = registered.uids().map(|(name, uid)| {
        let digits = manifest.classes.get(name).cloned();
        (digits.unwrap_or_else(|| hex(&uid.0)), uid)
    });
    known
        .filter_map(|(digits, uid)| Some((uid_of(&digits)?, uid)))
        .collect()
}

fn uid_of(digits: &str) -> Option<ClassUid> {
    u64::from_str_radix(digits, 16)
        .ok()
        .map(|uid| ClassUid(uid.to_be_bytes()))
}

/// What the backup calls a class.
fn name_of(manifest: &Manifest, uid: ClassUid) -> String {
    let digits = hex(&uid.0);
    let named = manifest.classes.iter().find(|(_, known)| **known == digits);
    named.map_or_else(|| digits.clone(), |(name, _)| name.clone())
}

/// The wanted actors of a backup.
pub(super) fn actors(
    manifest: &Manifest,
    files: &[(u16, PathBuf)],
    wanted: &Contents,
    uids: &HashMap<ClassUid, ClassUid>,
    classes: &Classes,
) -> Result<HashMap<ActorHash, Arc<Address>>, BackupError> {
    let mut found = HashMap::new();
    for (_, path) in files {
        let reader = Image::File(path.clone()).read().map_err(BackupError::io(path))?;
        let reader = ImageReader::open(reader).map_err(|error| BackupError::read(path, error.into()))?;
        for row in reader.rows() {
            let (key, value) = row.map_err(|error| BackupError::read(path, error.into()))?;
            let Some((uid, tenant, name)) = keyspace::parse_directory(&key) else {
                continue;
            };
            let is_wanted = match wanted {
                Contents::Node => true,
                Contents::Tenant(wanted) => tenant == wanted.as_str(),
                Contents::Actor(id) => tenant == id.tenant().as_str() && name == id.name(),
            };
            if !is_wanted {
                continue;
            }
            let present = uids
                .get(&uid)
                .copied()
                .and_then(|uid| Some((uid, classes.by_uid(uid)?)));
            let Some((uid, class)) = present else {
                // An actor of that name may be of another class.
                if matches!(wanted, Contents::Actor(_)) {
                    continue;
                }
                return Err(BackupError::UnknownClass(name_of(manifest, uid)));
            };
            if matches!(wanted, Contents::Actor(id) if id.class() != class.name()) {
                continue;
            }
            let hash = value[..].try_into().map(ActorHash);
            let hash = hash.map_err(|_| BackupError::damaged(path, "an entry of its directory is broken"))?;
            let tenant = TenantId::new(tenant)?;
            found.insert(
                hash,
                Address::new(uid, ActorId::from_parts(class.name(), tenant, name.to_owned())),
            );
        }
    }
    Ok(found)
}

/// The messages of a tenant that were taken, but not yet removed: a row outlives by a moment what it was for.
pub(super) fn taken(files: &[(u16, PathBuf)], tenant: &TenantId) -> std::io::Result<HashSet<(u16, SendId)>> {
    let rows = |path: &PathBuf| Ok::<_, std::io::Error>(ImageReader::open(Image::File(path.clone()).read()?)?.rows());
    let mut waiting: HashMap<(ActorHash, u16), Vec<SendId>> = HashMap::new();
    for (shard, path) in files {
        for row in rows(path)? {
            let (key, value) = row?;
            let Some(id) = keyspace::parse_outbox(&key) else {
                continue;
            };
            let target = Envelope::decode(&value).map(|envelope| envelope.target);
            if let Some(target) = target.filter(|target| target.tenant() == tenant) {
                waiting.entry((target.hash(), *shard)).or_default().push(id);
            }
        }
    }
    let mut taken = HashSet::new();
    if waiting.is_empty() {
        return Ok(taken);
    }
    for (_, path) in files {
        for row in rows(path)? {
            let (key, value) = row?;
            let Some((hash, source)) = ActorRow::parse(&key).and_then(|row| Some((row.hash, row.source()?))) else {
                continue;
            };
            if let Some(ids) = waiting.get(&(hash, source)) {
                let last = wire::decode::<SendId>(&value).map_err(std::io::Error::other)?;
                let known = ids.iter().filter(|id| inbox::is_duplicate(Some(last), **id));
                taken.extend(known.map(|id| (source, *id)));
            }
        }
    }
    Ok(taken)
}

/// The actor behind an entry of the directory; `None` if its class is not registered.
pub(super) fn address(key: &[u8], classes: &Classes) -> Option<Arc<Address>> {
    let (uid, tenant, name) = keyspace::parse_directory(key)?;
    let id = ActorId::from_parts(
        classes.by_uid(uid)?.name(),
        TenantId::new(tenant).ok()?,
        name.to_owned(),
    );
    Some(Address::new(uid, id))
}
