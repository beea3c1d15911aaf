//! An actor's id together with its place in the keyspace.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{
    ActorId, TenantId,
    directory::Presence,
    id::{ActorHash, ClassUid},
    keyspace,
    mailbox::Mailbox,
    router::Classes,
    storage, wire,
};

/// An actor's id together with its place in the keyspace.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) id: ActorId,
    pub(crate) class: ClassUid,
    pub(crate) hash: ActorHash,
    /// Where the last letter by this address went: the next one need not look for it. A mailbox says by itself when it is
    /// not the one any more.
    last: Mutex<Weak<Mailbox>>,
}

/// The stored form: it names the class by uid, so that a rename leaves it valid.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stored {
    class: [u8; 8],
    tenant: TenantId,
    name: String,
}

impl Address {
    pub(crate) fn new(class: ClassUid, id: ActorId) -> Arc<Self> {
        let hash = ActorHash::of(class, id.tenant(), id.name());
        Arc::new(Self {
            id,
            class,
            hash,
            last: Mutex::default(),
        })
    }

    /// The mailbox that the last letter by this address went into.
    pub(crate) fn mailbox(&self) -> Option<Arc<Mailbox>> {
        self.last.lock().upgrade()
    }

    /// Remembers the mailbox of the actor.
    pub(crate) fn remember(&self, mailbox: &Arc<Mailbox>) {
        *self.last.lock() = Arc::downgrade(mailbox);
    }

    /// The row by which the actor is found.
    pub(crate) fn entry(&self, presence: Presence) -> Option<(Bytes, Bytes)> {
        match presence {
            Presence::Listed => Some((
                keyspace::directory(self.class, self.id.tenant(), self.id.name()),
                Bytes::copy_from_slice(&self.hash.0),
            )),
            Presence::Unlisted => Some((keyspace::unlisted(self.class, self.hash), Bytes::new())),
            Presence::Absent => None,
        }
    }

    pub(crate) fn stored(&self) -> Stored {
        Stored {
            class: self.class.0,
            tenant: self.id.tenant().clone(),
            name: self.id.name().to_owned(),
        }
    }

    pub(crate) fn encode(&self) -> Bytes {
        storage::encoded(&self.stored())
    }

    /// The address in bytes made by [`encode`](Self::encode); `None` if the bytes are broken or the class is unknown.
    pub(crate) fn decode(bytes: &[u8], classes: &Classes) -> Option<Arc<Self>> {
        wire::decode::<Stored>(bytes).ok()?.resolve(classes)
    }
}

impl Stored {
    /// The same actor under another identity of its class.
    pub(crate) fn of_class(self, class: ClassUid) -> Self {
        Self { class: class.0, ..self }
    }

    /// Its place in the keyspace.
    pub(crate) fn hash(&self) -> ActorHash {
        ActorHash::of(self.class(), &self.tenant, &self.name)
    }

    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The class in bytes made by [`Address::encode`]; `None` if the bytes are broken.
    pub(crate) fn class_in(bytes: &[u8]) -> Option<ClassUid> {
        Some(wire::decode::<Self>(bytes).ok()?.class())
    }

    pub(crate) fn into_parts(self) -> (ClassUid, TenantId, String) {
        (ClassUid(self.class), self.tenant, self.name)
    }

    pub(crate) fn class(&self) -> ClassUid {
        ClassUid(self.class)
    }

    /// The address under the present name of the class; `None` if the class is unknown.
    pub(crate) fn resolve(self, classes: &Classes) -> Option<Arc<Address>> {
        let uid = ClassUid(self.class);
        let class = classes.by_uid(uid)?;
        Some(Address::new(
            uid,
            ActorId::from_parts(class.name(), self.tenant, self.name),
        ))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}
