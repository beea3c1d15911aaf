//! The shapes of the admin API's answers. Moments are Unix milliseconds; durations are milliseconds.

use std::{borrow::Cow, time::Duration};

use cluster::{
    ActorStatus, AlarmStatus, LastTurn, LiveActor, ReadToken, SlowTurn, TurnOutcome,
    prelude::{ActorId, TenantId},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::gateway::{cursor::Page, words::TurnOutcomeWord};

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// An actor in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ItemBody<'a> {
    #[schema(example = "run")]
    class: &'a str,
    #[schema(value_type = String, example = "acme")]
    tenant: &'a TenantId,
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    name: &'a str,
    /// Absent where nobody looked, `null` where nothing is in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<LiveBody>)]
    live: Option<Option<LiveBody>>,
}

impl<'a> ItemBody<'a> {
    pub(super) fn new(id: &'a ActorId, live: Option<Option<LiveActor>>) -> Self {
        Self {
            class: id.class(),
            tenant: id.tenant(),
            name: id.name(),
            live: live.map(|live| live.map(LiveBody::from)),
        }
    }
}

/// A page of actors, and how old it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListBody<'a> {
    items: Vec<ItemBody<'a>>,
    next_cursor: Option<String>,
    /// Rounded up.
    age_ms: u64,
    read_token: String,
}

impl<'a> ListBody<'a> {
    pub(super) fn new(page: Page<ItemBody<'a>>, age: Duration, token: &ReadToken) -> Self {
        Self {
            items: page.items,
            next_cursor: page.next_cursor,
            age_ms: u64::try_from(age.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX),
            read_token: token.to_string(),
        }
    }
}

/// An actor alone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActorBody {
    #[schema(example = "run")]
    class: String,
    #[schema(value_type = String, example = "acme")]
    tenant: TenantId,
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    name: String,
    shard: u16,
    epoch: Option<u64>,
    exists: bool,
    state: StoredBody,
    alarm: Option<AlarmBody>,
    live: Option<LiveBody>,
    slow_turns: Vec<SlowTurnBody>,
}

impl From<ActorStatus> for ActorBody {
    fn from(status: ActorStatus) -> Self {
        let ActorStatus {
            id,
            shard,
            epoch,
            exists,
            state,
            alarm,
            live,
            slow_turns,
        } = status;
        Self {
            class: id.class().to_owned(),
            tenant: id.tenant().clone(),
            name: id.name().to_owned(),
            shard,
            epoch,
            exists,
            state: StoredBody {
                rows: state.rows,
                bytes: state.bytes,
                truncated: state.truncated,
            },
            alarm: alarm.map(AlarmBody::from),
            live: live.map(LiveBody::from),
            slow_turns: slow_turns.into_iter().map(SlowTurnBody::from).collect(),
        }
    }
}

/// How much an actor has stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoredBody {
    /// Number of values.
    rows: u64,
    /// Bytes of keys and encoded values.
    bytes: u64,
    /// Whether there are more than were counted.
    truncated: bool,
}

/// When an actor wakes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlarmBody {
    due_at_ms: i64,
    scheduled_at_ms: i64,
    retries: u32,
}

impl From<AlarmStatus> for AlarmBody {
    fn from(alarm: AlarmStatus) -> Self {
        Self {
            due_at_ms: alarm.due.as_millis(),
            scheduled_at_ms: alarm.scheduled.as_millis(),
            retries: alarm.retries,
        }
    }
}

/// What is in memory.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LiveBody {
    mailbox: usize,
    idle_ms: f64,
    last_turn: Option<TurnBody>,
}

impl From<LiveActor> for LiveBody {
    fn from(live: LiveActor) -> Self {
        let LiveActor {
            mailbox,
            idle,
            last_turn,
        } = live;
        Self {
            mailbox,
            idle_ms: millis(idle),
            last_turn: last_turn.map(TurnBody::from),
        }
    }
}

/// A turn; without a message it ran the alarm.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TurnBody {
    #[schema(value_type = Option<String>)]
    message: Option<Cow<'static, str>>,
    began_at_ms: i64,
    duration_ms: f64,
    #[schema(value_type = TurnOutcomeWord)]
    outcome: TurnOutcome,
}

impl From<LastTurn> for TurnBody {
    fn from(turn: LastTurn) -> Self {
        Self {
            message: turn.message,
            began_at_ms: turn.began.as_millis(),
            duration_ms: millis(turn.duration),
            outcome: turn.outcome,
        }
    }
}

/// A slow turn, with the actor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SlowTurnBody {
    #[schema(example = "run")]
    class: String,
    #[schema(value_type = String, example = "acme")]
    tenant: TenantId,
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    name: String,
    #[serde(flatten)]
    turn: TurnBody,
}

impl From<SlowTurn> for SlowTurnBody {
    fn from(slow: SlowTurn) -> Self {
        Self {
            class: slow.actor.class().to_owned(),
            tenant: slow.actor.tenant().clone(),
            name: slow.actor.name().to_owned(),
            turn: TurnBody {
                message: slow.message,
                began_at_ms: slow.began.as_millis(),
                duration_ms: millis(slow.duration),
                outcome: slow.outcome,
            },
        }
    }
}

/// A stored value as it is encoded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValueBody {
    pub(super) key: String,
    pub(super) bytes: usize,
    pub(super) base64: String,
}

/// The last slow turns of the node that was asked, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SlowBody {
    pub(super) items: Vec<SlowTurnBody>,
}

/// An actor was put out of memory.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PassivatedBody {
    #[schema(example = "run")]
    pub(super) class: String,
    #[schema(value_type = String, example = "acme")]
    pub(super) tenant: TenantId,
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    pub(super) name: String,
    /// Whether it was in memory.
    pub(super) was_live: bool,
    /// Covers what the actor did; none where its owner was lost at that moment.
    pub(super) read_token: Option<String>,
}
