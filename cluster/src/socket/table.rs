//! The sockets of one actor, as its turns see them: read from their rows when they are needed, and kept while it is live.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{AutoResponse, Frame, SocketId, departure::Parcel};
use crate::{
    ActorError, Result,
    address::Address,
    id::ActorHash,
    keyspace::{self, SocketRow},
    shard::{Epoch, Op},
    storage::{self, Storage},
};

/// Most tags of a socket.
const TAGS: usize = 10;

/// Most characters of a tag.
const TAG_CHARS: usize = 256;

/// What is stored of a socket for as long as it is open.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) tags: Vec<String>,
}

/// A socket of the actor.
#[derive(Debug, Default)]
struct Known {
    tags: Vec<String>,
    /// Number of the last frame that was handled.
    cursor: u64,
}

/// What is sent through sockets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Command {
    /// A frame for the client.
    Frame(Frame),
    /// The connection is to be closed.
    Close {
        /// Why, as a number.
        code: u16,
        /// Why, in words.
        reason: String,
    },
    /// What the gateway answers by itself from now on.
    AutoResponse(Option<AutoResponse>),
}

impl Command {
    /// About how much room it takes while it waits.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Frame(frame) => frame.len(),
                Self::Close { reason, .. } => reason.len(),
                Self::AutoResponse(_) => 0,
            }
    }
}

/// The sockets of one activation.
#[derive(Debug, Default)]
pub(crate) struct Table {
    known: BTreeMap<SocketId, Known>,
    /// Whether all of the actor's are known.
    is_complete: bool,
    /// What gateways answer by themselves, once that was read.
    auto_response: Option<Option<AutoResponse>>,
    /// What the running turn writes; `None` removes.
    rows: BTreeMap<Bytes, Option<Bytes>>,
    /// Entries of the index of gateways.
    index: Vec<Op>,
    /// The frame that is handled.
    current: Option<SocketId>,
    /// What the running turn sends.
    parcels: Vec<Parcel>,
    /// Whether it is stored that the actor has sent something under this ownership, once that was read.
    is_marked: Option<bool>,
}

impl Table {
    fn read(&self, storage: &Storage, row: &Bytes) -> Result<Option<Bytes>> {
        match self.rows.get(row) {
            Some(value) => Ok(value.clone()),
            None => storage.read(row),
        }
    }

    fn value<T: serde::de::DeserializeOwned>(&self, storage: &Storage, row: &Bytes) -> Result<Option<T>> {
        let decode = |bytes: Bytes| crate::wire::decode(&bytes);
        let value = self.read(storage, row)?.map(decode).transpose();
        value.map_err(|error| storage::undecodable("a socket", &error))
    }

    fn find(&mut self, storage: &Storage, id: SocketId) -> Result<Option<&mut Known>> {
        if !self.known.contains_key(&id) && !self.is_complete {
            let hash = storage.hash();
            let record = self.value::<Record>(storage, &keyspace::socket(hash, SocketRow::Record, id))?;
            if let Some(Record { tags }) = record {
                let cursor = self.value(storage, &keyspace::socket(hash, SocketRow::Cursor, id))?;
                let cursor = cursor.unwrap_or_default();
                self.known.insert(id, Known { tags, cursor });
            }
        }
        Ok(self.known.get_mut(&id))
    }

    fn complete(&mut self, storage: &Storage) -> Result<()> {
        if self.is_complete {
            return Ok(());
        }
        for row in storage.keys(&keyspace::sockets(storage.hash(), SocketRow::Record))? {
            if let Some(id) = keyspace::parse_socket(&row)
                && !self.rows.contains_key(&row)
            {
                self.find(storage, id)?;
            }
        }
        self.is_complete = true;
        Ok(())
    }

    /// The sockets of the actor, or those with a tag, in order.
    pub(super) fn list(&mut self, storage: &Storage, tag: Option<&str>) -> Result<Vec<SocketId>> {
        self.complete(storage)?;
        let has = |known: &Known| tag.is_none_or(|tag| known.tags.iter().any(|own| own == tag));
        let found = self.known.iter().filter(|(_, known)| has(known));
        Ok(found.map(|(id, _)| *id).collect())
    }

    /// The sockets of the actor.
    pub(crate) fn all(&mut self, storage: &Storage) -> Result<Vec<SocketId>> {
        self.list(storage, None)
    }

    /// How many sockets the actor has.
    pub(super) fn count(&mut self, storage: &Storage) -> Result<usize> {
        self.complete(storage)?;
        Ok(self.known.len())
    }

    pub(super) fn has(&mut self, storage: &Storage, id: SocketId) -> Result<bool> {
        Ok(self.find(storage, id)?.is_some())
    }

    pub(super) fn tags(&mut self, storage: &Storage, id: SocketId) -> Result<Option<Vec<String>>> {
        Ok(self.find(storage, id)?.map(|known| known.tags.clone()))
    }

    /// Takes a socket in that connects.
    pub(super) fn begin(&mut self, id: SocketId) {
        self.known.insert(id, Known::default());
    }

    /// The socket is connected.
    pub(super) fn connected(&mut self, address: &Address, id: SocketId, mut tags: Vec<String>) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        tags.retain(|tag| seen.insert(tag.clone()));
        if tags.len() > TAGS || tags.iter().any(|tag| tag.chars().count() > TAG_CHARS) {
            return Err(ActorError::too_large(
                "socket.tags",
                format!("a socket has at most {TAGS} tags of at most {TAG_CHARS} characters"),
            ));
        }
        let record = storage::encoded(&Record { tags: tags.clone() });
        let row = keyspace::socket(address.hash, SocketRow::Record, id);
        self.rows.insert(row, Some(record));
        self.index.push(Op::Put {
            key: keyspace::socket_index(id, address.hash),
            value: address.encode(),
        });
        self.known.insert(id, Known { tags, cursor: 0 });
        Ok(())
    }

    /// Leaves nothing of a socket.
    pub(super) fn remove(&mut self, hash: ActorHash, id: SocketId) {
        self.known.remove(&id);
        for parcel in &mut self.parcels {
            parcel.sockets.retain(|socket| *socket != id);
        }
        self.parcels.retain(|parcel| !parcel.sockets.is_empty());
        for kind in [SocketRow::Record, SocketRow::Cursor, SocketRow::Attachment] {
            self.rows.insert(keyspace::socket(hash, kind, id), None);
        }
        self.index.push(Op::Delete {
            key: keyspace::socket_index(id, hash),
        });
    }

    /// Forgets a socket that was refused. Unless a part of the turn is committed already, nothing of it is stored.
    pub(super) fn refuse(&mut self, hash: ActorHash, id: SocketId, split: bool) {
        self.remove(hash, id);
        if split {
            return;
        }
        for kind in [SocketRow::Record, SocketRow::Cursor, SocketRow::Attachment] {
            self.rows.remove(&keyspace::socket(hash, kind, id));
        }
        self.index.pop();
    }

    /// Takes an entry out of the index that no socket stands behind any more.
    pub(super) fn unlist(&mut self, storage: &Storage, id: SocketId) -> Result<()> {
        let key = keyspace::socket_index(id, storage.hash());
        if storage.read(&key)?.is_some() {
            self.index.push(Op::Delete { key });
        }
        Ok(())
    }

    /// Whether a frame has not been handled yet; from now on it counts as handled. `None`: there is no such socket.
    pub(super) fn arrived(&mut self, storage: &Storage, id: SocketId, number: u64) -> Result<Option<bool>> {
        let Some(known) = self.find(storage, id)? else {
            return Ok(None);
        };
        let is_new = number > known.cursor;
        if is_new {
            known.cursor = number;
            self.current = Some(id);
        }
        Ok(Some(is_new))
    }

    pub(super) fn attachment(&self, storage: &Storage, id: SocketId) -> Result<Option<Bytes>> {
        self.read(storage, &keyspace::socket(storage.hash(), SocketRow::Attachment, id))
    }

    pub(super) fn attach(&mut self, hash: ActorHash, id: SocketId, value: Bytes) {
        self.rows
            .insert(keyspace::socket(hash, SocketRow::Attachment, id), Some(value));
    }

    /// What gateways answer by themselves.
    pub(super) fn auto_response(&mut self, storage: &Storage) -> Result<Option<AutoResponse>> {
        if self.auto_response.is_none() {
            let row = keyspace::auto_response(storage.hash());
            self.auto_response = Some(self.value(storage, &row)?);
        }
        Ok(self.auto_response.clone().flatten())
    }

    pub(super) fn set_auto_response(&mut self, hash: ActorHash, auto_response: Option<AutoResponse>) {
        let row = auto_response.as_ref().map(storage::encoded);
        self.rows.insert(keyspace::auto_response(hash), row);
        self.auto_response = Some(auto_response);
    }

    /// Sends something with the running turn, under an ownership of which may have been written that it ends.
    pub(crate) fn send(
        &mut self,
        storage: &Storage,
        epoch: Epoch,
        has_left: bool,
        sockets: Vec<SocketId>,
        command: Command,
    ) -> Result<()> {
        if sockets.is_empty() {
            return Ok(());
        }
        if self.is_marked.is_none() {
            let mark = keyspace::sent(epoch, storage.hash());
            self.is_marked = Some(!has_left && storage.read(&mark)?.is_some());
        }
        self.parcels.push(Parcel { sockets, command });
        Ok(())
    }

    /// Whether the running turn sends something, and it is not stored that any does.
    fn has_to_mark(&self) -> bool {
        self.sends() && self.is_marked == Some(false)
    }

    /// Stores, with the running turn, that the actor sends something under this ownership, if that has to be. Says whether
    /// it does.
    pub(crate) fn mark(&mut self, address: &Address, epoch: Epoch) -> bool {
        let has_to = self.has_to_mark();
        if has_to {
            self.rows
                .insert(keyspace::sent(epoch, address.hash), Some(address.encode()));
            self.is_marked = Some(true);
        }
        has_to
    }

    /// Forgets, with the running turn, that the actor has sent anything, if the socket that it removes was its last.
    pub(super) fn unmark(&mut self, storage: &Storage, epoch: Epoch, removed: SocketId) -> Result<()> {
        let range = keyspace::sockets(storage.hash(), SocketRow::Record);
        for reverse in [false, true] {
            let edge = storage.edge(&range, reverse)?;
            if edge.is_some_and(|row| keyspace::parse_socket(&row) != Some(removed)) {
                return Ok(());
            }
        }
        let mark = keyspace::sent(epoch, storage.hash());
        let is_marked = match self.is_marked {
            Some(is_marked) => is_marked,
            None => storage.read(&mark)?.is_some(),
        };
        if is_marked {
            self.rows.insert(mark, None);
        }
        self.is_marked = Some(false);
        Ok(())
    }

    /// With the running turn the actor has heard what earlier owners may not have sent.
    pub(crate) fn acknowledge(&mut self, marks: Vec<Bytes>) {
        self.index.extend(marks.into_iter().map(|key| Op::Delete { key }));
    }

    /// Whether the running turn writes nothing, also not by what it sends.
    pub(crate) fn is_clean(&self) -> bool {
        self.rows.is_empty() && self.index.is_empty() && !self.has_to_mark()
    }

    /// Whether the running turn connects a client.
    pub(crate) fn connects(&self) -> bool {
        self.index.iter().any(|op| matches!(op, Op::Put { .. }))
    }

    /// Whether the running turn sends anything.
    pub(crate) fn sends(&self) -> bool {
        !self.parcels.is_empty()
    }

    /// What the running turn sends.
    pub(crate) fn take_parcels(&mut self) -> Vec<Parcel> {
        std::mem::take(&mut self.parcels)
    }

    /// What the running turn writes, with how far the socket is whose frame it handles.
    pub(crate) fn take_rows(&mut self, hash: ActorHash) -> (Vec<(Bytes, Option<Bytes>)>, Vec<Op>) {
        if let Some(id) = self.current.take()
            && let Some(known) = self.known.get(&id)
        {
            let row = keyspace::socket(hash, SocketRow::Cursor, id);
            self.rows.insert(row, Some(storage::encoded(&known.cursor)));
        }
        let rows = std::mem::take(&mut self.rows);
        (rows.into_iter().collect(), std::mem::take(&mut self.index))
    }
}
