//! The session actor of MCP clients.

#[cfg(test)]
mod golden;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use cluster::prelude::{ActorError, Alarm, Ctx, Handler, Interface, Key, Keys, List, Result, Timestamp, VirtualActor};
use serde::{Deserialize, Serialize};

use super::messages::{
    AgreeMcpSession, AppendMcpEvents, BeatMcpStream, EndMcpSession, HandMcpMessage, Handed, MarkMcpSubscription,
    McpSessionView, OpenMcpSession, ReplayMcpStream, ReplayedMcpStream, SetMcpLevel, ShowMcpSession, StoredMcpEvent,
    SubscribeMcp, Subscription, UnsubscribeMcp,
};

/// How long a session lasts that nobody uses.
const IDLE: Duration = Duration::from_hours(24);
/// The moment of the last use is written at most so often.
const SEEN_EVERY: Duration = Duration::from_mins(10);
/// Events that are kept of all streams together.
const EVENTS_MAX: usize = 512;
/// Bytes of the events that are kept.
const EVENTS_BYTES_MAX: usize = 4 << 20;
/// Longest event that is kept, in bytes.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// How long events are kept.
const EVENTS_AGE_MAX: Duration = Duration::from_hours(1);
/// Bytes of events in one answer, the last one aside.
const REPLAY_BYTES: usize = 1 << 20;
/// Streams that are worked on at a time.
const STREAMS_MAX: usize = 128;
/// Resources that a client may subscribe to.
const SUBSCRIPTIONS_MAX: usize = 256;
/// Longest address of a resource, in bytes.
const URI_BYTES_MAX: usize = 1024;
/// Messages of the client that wait for whoever works on their request.
const INBOX_MAX: usize = 64;
/// How long they wait.
const INBOX_AGE_MAX: Duration = Duration::from_mins(10);
/// A stream from which nothing was heard for so long is worked on by nobody.
const BEAT_MAX: Duration = Duration::from_secs(20);

const OPENED: Key<Opened> = Key::new("opened");
const SEEN: Key<Timestamp> = Key::new("seen");
const LEVEL: Key<String> = Key::new("level");
const LAST: Key<u64> = Key::new("last");
const EVENTS: Keys<Event> = Keys::new("events/");
const STREAMS: Keys<Stream> = Keys::new("streams/");
const SUBSCRIPTIONS: Keys<String> = Keys::new("subscriptions/");
const INBOX: Keys<Waiting> = Keys::new("inbox/");

/// Who opened the session and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Opened {
    user: String,
    endpoint: String,
    initialize: String,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Event {
    stream: String,
    at: Timestamp,
    text: String,
}

/// A stream that is worked on, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stream {
    request: String,
    /// Events so far.
    count: u64,
}

/// A message of the client as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Waiting {
    to: String,
    at: Timestamp,
    text: String,
}

/// What is remembered of an event beside its row.
#[derive(Debug)]
struct Mark {
    stream: String,
    bytes: usize,
    at: Timestamp,
}

/// A stream that is worked on.
#[derive(Debug)]
struct Live {
    stream: Stream,
    /// When whoever works on it was last heard of.
    beat: Timestamp,
}

/// The session of an MCP client.
#[derive(Debug)]
pub struct McpSession {
    opened: Option<Opened>,
    /// When it was last used; what is stored lags behind.
    seen: Timestamp,
    stored_seen: Timestamp,
    level: Option<String>,
    subscriptions: BTreeMap<String, String>,
    /// Number of the last event or message.
    last: u64,
    events: BTreeMap<u64, Mark>,
    bytes: usize,
    streams: HashMap<String, Live>,
    inbox: BTreeMap<u64, Waiting>,
}

impl VirtualActor for McpSession {
    const CLASS: &'static str = "mcp-session";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<OpenMcpSession>()
            .on::<AgreeMcpSession>()
            .on::<ShowMcpSession>()
            .on::<SetMcpLevel>()
            .on::<SubscribeMcp>()
            .on::<UnsubscribeMcp>()
            .on::<MarkMcpSubscription>()
            .on::<AppendMcpEvents>()
            .on::<ReplayMcpStream>()
            .on::<HandMcpMessage>()
            .on::<BeatMcpStream>()
            .on::<EndMcpSession>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        let now = ctx.now();
        let opened = ctx.storage().get(&OPENED).await?;
        let mut session = Self {
            opened,
            seen: now,
            stored_seen: now,
            level: None,
            subscriptions: BTreeMap::new(),
            last: 0,
            events: BTreeMap::new(),
            bytes: 0,
            streams: HashMap::new(),
            inbox: BTreeMap::new(),
        };
        if session.opened.is_some() {
            session.read(ctx).await?;
        }
        Ok(session)
    }

    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        let now = ctx.now();
        if self.opened.is_none() || now.since(self.seen) >= IDLE {
            return self.forget(ctx);
        }
        self.trim(now, ctx)?;
        self.wake(ctx);
        Ok(())
    }
}

impl Handler<OpenMcpSession> for McpSession {
    async fn handle(&mut self, open: OpenMcpSession, ctx: &mut Ctx<Self>) -> Result<()> {
        let opened = Opened {
            user: open.user,
            endpoint: open.endpoint,
            initialize: open.initialize,
        };
        match &self.opened {
            Some(before) if *before == opened => return Ok(()),
            Some(_) => {
                return Err(ActorError::conflict(
                    "mcp.session-other",
                    "the id belongs to another session",
                ));
            }
            None => {}
        }
        let now = ctx.now();
        ctx.storage().put(&OPENED, &opened)?;
        ctx.storage().put(&SEEN, &now)?;
        (self.opened, self.seen, self.stored_seen) = (Some(opened), now, now);
        self.wake(ctx);
        Ok(())
    }
}

impl Handler<AgreeMcpSession> for McpSession {
    async fn handle(&mut self, AgreeMcpSession { initialize }: AgreeMcpSession, ctx: &mut Ctx<Self>) -> Result<()> {
        let before = self.opened()?;
        if before.initialize == initialize {
            return Ok(());
        }
        if !before.initialize.is_empty() {
            return Err(ActorError::conflict(
                "mcp.initialized",
                "the session has been initialized already",
            ));
        }
        let opened = Opened {
            initialize,
            ..before.clone()
        };
        ctx.storage().put(&OPENED, &opened)?;
        self.opened = Some(opened);
        Ok(())
    }
}

impl Handler<ShowMcpSession> for McpSession {
    async fn handle(&mut self, ask: ShowMcpSession, ctx: &mut Ctx<Self>) -> Result<McpSessionView> {
        let opened = self.opened()?;
        if opened.user != ask.user || opened.endpoint != ask.endpoint {
            return Err(unknown());
        }
        let initialize = opened.initialize.clone();
        self.touch(ctx)?;
        let subscriptions = self.subscriptions.iter().map(|(uri, mark)| Subscription {
            uri: uri.clone(),
            mark: mark.clone(),
        });
        Ok(McpSessionView {
            initialize,
            level: self.level.clone(),
            subscriptions: subscriptions.collect(),
            last: self.last,
        })
    }
}

impl Handler<SetMcpLevel> for McpSession {
    async fn handle(&mut self, SetMcpLevel { level }: SetMcpLevel, ctx: &mut Ctx<Self>) -> Result<()> {
        self.opened()?;
        ctx.storage().put(&LEVEL, &level)?;
        self.level = Some(level);
        Ok(())
    }
}

impl Handler<SubscribeMcp> for McpSession {
    async fn handle(&mut self, SubscribeMcp { uri, mark }: SubscribeMcp, ctx: &mut Ctx<Self>) -> Result<()> {
        self.opened()?;
        if self.subscriptions.contains_key(&uri) {
            return Ok(());
        }
        if uri.len() > URI_BYTES_MAX || self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return Err(ActorError::conflict(
                "mcp.subscriptions",
                format!(
                    "a session has up to {SUBSCRIPTIONS_MAX} subscriptions, to addresses of up to {URI_BYTES_MAX} bytes"
                ),
            ));
        }
        ctx.storage().put(&SUBSCRIPTIONS.key(&uri), &mark)?;
        self.subscriptions.insert(uri, mark);
        Ok(())
    }
}

impl Handler<UnsubscribeMcp> for McpSession {
    async fn handle(&mut self, UnsubscribeMcp { uri }: UnsubscribeMcp, ctx: &mut Ctx<Self>) -> Result<()> {
        self.opened()?;
        if self.subscriptions.remove(&uri).is_some() {
            ctx.storage().delete(&SUBSCRIPTIONS.key(&uri))?;
        }
        Ok(())
    }
}

impl Handler<MarkMcpSubscription> for McpSession {
    async fn handle(&mut self, mark: MarkMcpSubscription, ctx: &mut Ctx<Self>) -> Result<Option<u64>> {
        self.opened()?;
        if self.subscriptions.get(&mark.uri) != Some(&mark.before) {
            return Ok(None);
        }
        ctx.storage().put(&SUBSCRIPTIONS.key(&mark.uri), &mark.now)?;
        self.subscriptions.insert(mark.uri, mark.now);
        let number = self.append(&mark.stream, vec![mark.text], ctx)?;
        Ok(Some(number))
    }
}

impl Handler<AppendMcpEvents> for McpSession {
    async fn handle(&mut self, append: AppendMcpEvents, ctx: &mut Ctx<Self>) -> Result<u64> {
        self.opened()?;
        let now = ctx.now();
        let is_known = self.streams.contains_key(&append.stream);
        let has_events = self.events.values().any(|event| event.stream == append.stream);
        if !is_known && has_events {
            return Err(ActorError::conflict("mcp.stream-over", "the stream has ended"));
        }
        let before = self.streams.get(&append.stream).map_or(0, |live| live.stream.count);
        if append.at < before {
            // It was appended, and whoever asked did not hear of it.
            let numbers = self.events.iter().filter(|(_, event)| event.stream == append.stream);
            let back = usize::try_from(before - append.at).unwrap_or(usize::MAX);
            let first = numbers.rev().nth(back.saturating_sub(1));
            return Ok(first.map_or(self.last, |(number, _)| *number));
        }
        if !is_known && !append.ends && self.streams.len() >= STREAMS_MAX {
            return Err(ActorError::overloaded(
                "mcp.streams",
                format!("a session has up to {STREAMS_MAX} requests at work"),
            ));
        }
        let count = before + append.events.len() as u64;
        let number = self.append(&append.stream, append.events, ctx)?;
        let row = STREAMS.key(&append.stream);
        if append.ends {
            self.streams.remove(&append.stream);
            ctx.storage().delete(&row)?;
        } else {
            let stream = Stream {
                request: append.request,
                count,
            };
            ctx.storage().put(&row, &stream)?;
            self.streams.insert(append.stream, Live { stream, beat: now });
        }
        Ok(number)
    }
}

impl Handler<ReplayMcpStream> for McpSession {
    async fn handle(&mut self, ask: ReplayMcpStream, ctx: &mut Ctx<Self>) -> Result<ReplayedMcpStream> {
        self.opened()?;
        let now = ctx.now();
        self.touch(ctx)?;
        let of_it = |name: &str| belongs(name, &ask.stream);
        let lost = self.streams.iter();
        let lost = lost.filter(|(name, live)| of_it(name) && now.since(live.beat) > BEAT_MAX);
        let mut lost: Vec<_> = lost
            .map(|(name, live)| (name.clone(), lost_answer(&live.stream.request)))
            .collect();
        lost.sort();
        for (name, text) in lost {
            self.append(&name, vec![text], ctx)?;
            self.streams.remove(&name);
            ctx.storage().delete(&STREAMS.key(&name))?;
        }
        let wanted = self.events.range(ask.after.saturating_add(1)..);
        let wanted = wanted.filter(|(_, event)| of_it(&event.stream));
        let mut numbers = Vec::new();
        let (mut bytes, mut is_all) = (0, true);
        for (number, event) in wanted {
            if bytes > REPLAY_BYTES {
                is_all = false;
                break;
            }
            bytes += event.bytes;
            numbers.push(*number);
        }
        let mut events = Vec::with_capacity(numbers.len());
        for number in numbers {
            if let Some(event) = ctx.storage().get(&EVENTS.key(&key(number))).await? {
                events.push(StoredMcpEvent {
                    number,
                    text: event.text,
                });
            }
        }
        Ok(ReplayedMcpStream {
            events,
            is_over: is_all && !self.streams.keys().any(|name| of_it(name)),
        })
    }
}

impl Handler<HandMcpMessage> for McpSession {
    async fn handle(&mut self, HandMcpMessage { to, text }: HandMcpMessage, ctx: &mut Ctx<Self>) -> Result<()> {
        self.opened()?;
        let now = ctx.now();
        let old: Vec<u64> = self
            .inbox
            .iter()
            .filter(|(_, waiting)| now.since(waiting.at) > INBOX_AGE_MAX)
            .map(|(number, _)| *number)
            .collect();
        self.read_up(&old, ctx)?;
        if self.inbox.len() >= INBOX_MAX {
            return Err(ActorError::overloaded(
                "mcp.inbox",
                format!("{INBOX_MAX} messages to requests that are worked on wait already"),
            ));
        }
        let number = self.next(ctx)?;
        let waiting = Waiting { to, at: now, text };
        ctx.storage().put(&INBOX.key(&key(number)), &waiting)?;
        self.inbox.insert(number, waiting);
        Ok(())
    }
}

impl Handler<BeatMcpStream> for McpSession {
    async fn handle(&mut self, beat: BeatMcpStream, ctx: &mut Ctx<Self>) -> Result<Vec<Handed>> {
        self.opened()?;
        if let Some(live) = self.streams.get_mut(&beat.stream) {
            live.beat = ctx.now();
        }
        let is_its = |waiting: &Waiting| waiting.to == beat.stream || waiting.to == beat.request;
        let mine = self.inbox.iter().filter(|(_, waiting)| is_its(waiting));
        let (read, new): (Vec<_>, Vec<_>) = mine.partition(|(number, _)| **number <= beat.read);
        let new = new.into_iter().map(|(number, waiting)| Handed {
            number: *number,
            text: waiting.text.clone(),
        });
        let new: Vec<_> = new.collect();
        let read: Vec<_> = read.into_iter().map(|(number, _)| *number).collect();
        self.read_up(&read, ctx)?;
        Ok(new)
    }
}

impl Handler<EndMcpSession> for McpSession {
    async fn handle(&mut self, EndMcpSession: EndMcpSession, ctx: &mut Ctx<Self>) -> Result<()> {
        self.opened()?;
        self.forget(ctx)
    }
}

impl McpSession {
    fn opened(&self) -> Result<&Opened> {
        self.opened.as_ref().ok_or_else(unknown)
    }

    /// Reads everything that is stored.
    async fn read(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let now = ctx.now();
        self.stored_seen = ctx.storage().get(&SEEN).await?.unwrap_or(now);
        self.seen = self.stored_seen;
        self.level = ctx.storage().get(&LEVEL).await?;
        self.last = ctx.storage().get(&LAST).await?.unwrap_or_default();
        self.subscriptions = all(&SUBSCRIPTIONS, ctx).await?.into_iter().collect();
        for (name, stream) in all(&STREAMS, ctx).await? {
            // Whoever works on it has the time of a beat to say so.
            self.streams.insert(name, Live { stream, beat: now });
        }
        for (number, event) in all(&EVENTS, ctx).await? {
            let bytes = event.text.len();
            self.bytes += bytes;
            let mark = Mark {
                stream: event.stream,
                bytes,
                at: event.at,
            };
            self.events.insert(number.parse().unwrap_or_default(), mark);
        }
        for (number, waiting) in all(&INBOX, ctx).await? {
            self.inbox.insert(number.parse().unwrap_or_default(), waiting);
        }
        Ok(())
    }

    /// Remembers that the session is used.
    fn touch(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let now = ctx.now();
        self.seen = self.seen.max(now);
        if self.seen.since(self.stored_seen) >= SEEN_EVERY {
            ctx.storage().put(&SEEN, &self.seen)?;
            self.stored_seen = self.seen;
            self.wake(ctx);
        }
        Ok(())
    }

    fn next(&mut self, ctx: &mut Ctx<Self>) -> Result<u64> {
        self.last += 1;
        ctx.storage().put(&LAST, &self.last)?;
        Ok(self.last)
    }

    /// Appends events, whose numbers follow each other.
    fn append(&mut self, stream: &str, texts: Vec<String>, ctx: &mut Ctx<Self>) -> Result<u64> {
        let at = ctx.now();
        let first = self.last + 1;
        for text in texts {
            if text.len() > EVENT_BYTES_MAX {
                return Err(ActorError::too_large(
                    "mcp.event",
                    format!("an event that is kept has up to {EVENT_BYTES_MAX} bytes"),
                ));
            }
            let number = self.next(ctx)?;
            let mark = Mark {
                stream: stream.to_owned(),
                bytes: text.len(),
                at,
            };
            let event = Event {
                stream: stream.to_owned(),
                at,
                text,
            };
            ctx.storage().put(&EVENTS.key(&key(number)), &event)?;
            self.bytes += mark.bytes;
            self.events.insert(number, mark);
        }
        self.trim(at, ctx)?;
        self.wake(ctx);
        Ok(first)
    }

    /// Removes events that are too many or too old.
    fn trim(&mut self, now: Timestamp, ctx: &mut Ctx<Self>) -> Result<()> {
        while let Some((&number, oldest)) = self.events.first_key_value() {
            let is_due = now.since(oldest.at) >= EVENTS_AGE_MAX;
            if !is_due && self.bytes <= EVENTS_BYTES_MAX && self.events.len() <= EVENTS_MAX {
                break;
            }
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            self.events.remove(&number);
            ctx.storage().delete(&EVENTS.key(&key(number)))?;
        }
        Ok(())
    }

    /// Forgets messages that were read, or that nobody reads.
    fn read_up(&mut self, numbers: &[u64], ctx: &mut Ctx<Self>) -> Result<()> {
        for number in numbers {
            self.inbox.remove(number);
            ctx.storage().delete(&INBOX.key(&key(*number)))?;
        }
        Ok(())
    }

    /// Sets the alarm for what is due next.
    fn wake(&self, ctx: &mut Ctx<Self>) {
        let end = self.seen.plus(IDLE);
        let trimmed = self.events.values().next().map(|event| event.at.plus(EVENTS_AGE_MAX));
        let due = trimmed.map_or(end, |trimmed| trimmed.min(end));
        if ctx.get_alarm() != Some(due) {
            ctx.set_alarm(due);
        }
    }

    fn forget(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let now = ctx.now();
        ctx.storage().delete_all()?;
        *self = Self {
            opened: None,
            seen: now,
            stored_seen: now,
            level: None,
            subscriptions: BTreeMap::new(),
            last: 0,
            events: BTreeMap::new(),
            bytes: 0,
            streams: HashMap::new(),
            inbox: BTreeMap::new(),
        };
        Ok(())
    }
}

/// Whether a stream is heard together with another one: its name begins with that of the other and a dot.
fn belongs(name: &str, to: &str) -> bool {
    name.strip_prefix(to)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Reads a whole family, page by page; each has a bound.
async fn all<T: serde::de::DeserializeOwned>(keys: &Keys<T>, ctx: &mut Ctx<McpSession>) -> Result<Vec<(String, T)>> {
    let mut rows = Vec::new();
    loop {
        let list = List {
            after: rows.last().map(|(key, _): &(String, T)| key.clone()),
            ..List::default()
        };
        let page = ctx.storage().list(keys, list).await?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}

/// The answer to a request whose node is gone.
fn lost_answer(request: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{request},\"error\":{{\"code\":-32603,\"message\":\"the server that worked on this is \
         gone; whether it was done is unknown\",\"data\":{{\"code\":\"mcp.lost\"}}}}}}"
    )
}

fn unknown() -> ActorError {
    ActorError::not_found("mcp.session", "there is no such session; initialize anew")
}

/// Keys sort as numbers do.
fn key(number: u64) -> String {
    format!("{number:020}")
}
