//! The messages of a chat, in order.

use std::collections::BTreeMap;

use cluster::prelude::{ActorError, List, Result};

use super::{
    agent::Here,
    message::UiMessage,
    rows::{MESSAGES, suffix},
};

/// Most messages of a chat.
pub(super) const MESSAGES_MAX: usize = 4000;
/// Most bytes of the messages of a chat, as JSON, for a person to say more: a client sends all of them with each request, and
/// they have to fit into a frame.
pub(super) const BYTES_MAX: usize = 600 * 1024;
/// Messages that are read at once.
const PAGE: usize = 100;

/// The messages, by their places. Places grow, and some may be left out.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    messages: BTreeMap<u64, Kept>,
    places: BTreeMap<String, u64>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    message: UiMessage,
    json: String,
}

impl Transcript {
    pub(super) async fn load(ctx: Here<'_, '_>) -> Result<Self> {
        let mut transcript = Self::default();
        let mut after = None;
        loop {
            let page = List {
                after: after.take(),
                limit: PAGE,
                ..List::default()
            };
            let rows = ctx.list(&MESSAGES, page).await?;
            let is_last = rows.len() < PAGE;
            for (key, json) in rows {
                let message = serde_json::from_str(&json).map_err(|error| {
                    ActorError::internal("chat.decode", format!("a stored message cannot be read: {error}"))
                })?;
                transcript.insert(key.parse().unwrap_or_default(), Kept { message, json });
                after = Some(key);
            }
            if is_last {
                return Ok(transcript);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The place behind all messages.
    pub(super) fn end(&self) -> u64 {
        self.messages.last_key_value().map_or(0, |(place, _)| place + 1)
    }

    pub(super) fn place_of(&self, id: &str) -> Option<u64> {
        self.places.get(id).copied()
    }

    pub(super) fn get(&self, place: u64) -> Option<&UiMessage> {
        self.messages.get(&place).map(|kept| &kept.message)
    }

    /// Messages and their places, from one place up to another.
    pub(super) fn between(&self, from: u64, before: u64) -> impl DoubleEndedIterator<Item = (u64, &UiMessage)> {
        let range = if from < before { from..before } else { 0..0 };
        self.messages.range(range).map(|(place, kept)| (*place, &kept.message))
    }

    /// All messages as JSON.
    pub(super) fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.bytes + self.messages.len() + 2);
        json.push('[');
        for (number, kept) in self.messages.values().enumerate() {
            if number > 0 {
                json.push(',');
            }
            json.push_str(&kept.json);
        }
        json.push(']');
        json
    }

    /// Whether so much more may be said.
    ///
    /// # Errors
    /// `chat.full` if not.
    pub(super) fn check_room(&self, messages: usize, bytes: usize) -> Result<()> {
        if self.messages.len() + messages > MESSAGES_MAX || self.bytes + bytes > BYTES_MAX {
            return Err(ActorError::too_large(
                "chat.full",
                format!(
                    "a chat has at most {MESSAGES_MAX} messages and {BYTES_MAX} bytes: clear it, or begin another one"
                ),
            ));
        }
        Ok(())
    }

    /// Leaves out the oldest messages until there is room for one more.
    pub(super) fn make_room(&mut self, bytes: usize, ctx: Here<'_, '_>) -> Result<()> {
        while self.check_room(1, bytes).is_err() {
            let Some(oldest) = self.messages.keys().next().copied() else {
                return Ok(());
            };
            self.remove(oldest, ctx)?;
        }
        Ok(())
    }

    /// Writes a message.
    pub(super) fn put(&mut self, place: u64, message: UiMessage, ctx: Here<'_, '_>) -> Result<()> {
        let json = message.to_json()?;
        ctx.put(&MESSAGES.key(&suffix(place)), &json)?;
        self.insert(place, Kept { message, json });
        Ok(())
    }

    pub(super) fn remove(&mut self, place: u64, ctx: Here<'_, '_>) -> Result<()> {
        if let Some(kept) = self.messages.remove(&place) {
            ctx.delete(&MESSAGES.key(&suffix(place)))?;
            self.bytes -= kept.json.len();
            self.places.remove(&kept.message.id);
        }
        Ok(())
    }

    /// Removes the messages from a place on.
    pub(super) fn truncate(&mut self, from: u64, ctx: Here<'_, '_>) -> Result<()> {
        let places: Vec<u64> = self.messages.range(from..).map(|(place, _)| *place).collect();
        places.into_iter().try_for_each(|place| self.remove(place, ctx))
    }

    fn insert(&mut self, place: u64, kept: Kept) {
        self.bytes += kept.json.len();
        self.places.insert(kept.message.id.clone(), place);
        if let Some(earlier) = self.messages.insert(place, kept) {
            self.bytes -= earlier.json.len();
            if self.messages[&place].message.id != earlier.message.id {
                self.places.remove(&earlier.message.id);
            }
        }
    }
}
