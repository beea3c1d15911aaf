//! The file of a shard, read for what is wanted of it.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    TenantId,
    address::Address,
    id::{ActorHash, ClassUid},
    keyspace::{self, ActorRow, SendId},
    outbox::Envelope,
    store::{Image, ImageError, ImageReader, Row},
};

/// Bytes that are read at once.
const READ: usize = 1 << 20;

/// What is read of a file, in its order.
pub(super) enum Step {
    Begin(Arc<Address>),
    Row(Bytes, Bytes),
    End,
    Message(Bytes),
}

pub(super) struct Reader {
    pub(super) path: PathBuf,
    pub(super) shard: u16,
    pub(super) taken: Arc<HashSet<(u16, SendId)>>,
    pub(super) actors: Arc<HashMap<ActorHash, Arc<Address>>>,
    pub(super) classes: Arc<HashMap<ClassUid, ClassUid>>,
    /// Whose durable messages are wanted.
    pub(super) tenant: Option<TenantId>,
    pub(super) rows: Option<Rows>,
    /// The actor whose rows are read.
    pub(super) current: Option<ActorHash>,
    pub(super) ended: bool,
}

/// The rows of a file, one after another.
type Rows = Box<dyn Iterator<Item = Result<Row, ImageError>> + Send>;

impl Reader {
    /// Reads on: some steps, none after the end. Blocks.
    pub(super) fn read(&mut self) -> std::io::Result<Vec<Step>> {
        let (mut steps, mut bytes) = (Vec::new(), 0);
        while bytes < READ {
            let Some(row) = self.rows()?.next() else {
                steps.extend(self.current.take().map(|_| Step::End));
                break;
            };
            let (key, value) = row?;
            bytes += key.len() + value.len();
            let actor = ActorRow::parse(&key).map(|row| row.hash);
            let wanted = actor.filter(|hash| self.actors.contains_key(hash));
            if wanted != self.current {
                steps.extend(self.current.take().map(|_| Step::End));
                self.current = wanted;
                let begun = wanted.and_then(|hash| self.actors.get(&hash));
                steps.extend(begun.map(|address| Step::Begin(Arc::clone(address))));
            }
            if wanted.is_some() {
                steps.push(Step::Row(key, value));
            } else if let Some(id) = keyspace::parse_outbox(&key)
                && !self.taken.contains(&(self.shard, id))
            {
                steps.extend(self.message(&value).map(Step::Message));
            }
        }
        self.ended = bytes < READ;
        Ok(steps)
    }

    /// Whether all was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.ended
    }

    fn rows(&mut self) -> std::io::Result<&mut Rows> {
        let rows = match self.rows.take() {
            Some(rows) => rows,
            None => Box::new(ImageReader::open(Image::File(self.path.clone()).read()?)?.rows()),
        };
        Ok(self.rows.insert(rows))
    }

    /// A durable message under the present identity of its receiver's class.
    fn message(&self, envelope: &Bytes) -> Option<Bytes> {
        let tenant = self.tenant.as_ref()?;
        let mut envelope = Envelope::decode(envelope).filter(|envelope| envelope.target.tenant() == tenant)?;
        let class = self.classes.get(&envelope.target.class());
        envelope.target = envelope.target.of_class(*class?);
        Some(envelope.encode())
    }
}
