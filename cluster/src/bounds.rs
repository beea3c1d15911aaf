//! Every bound of the runtime, by name, with its default.

use std::time::Duration;

/// Bounds on what may wait, grow or be written. Exceeding one is an error, never a wait without limit.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Messages waiting for one actor; beyond it: `overloaded`.
    pub mailbox: usize,
    /// Longest time a message may wait for its turn; beyond it: `overloaded`.
    pub queue_age: Duration,
    /// Bytes one turn may write and send; beyond it: `too-large`.
    pub turn_bytes: usize,
    /// Bytes of one stored value or message; beyond it: `too-large`.
    pub value_bytes: usize,
    /// Bytes of one storage key; beyond it: `too-large`.
    pub key_bytes: usize,
    /// Rows of one page of a listing; a larger limit: `too-large`.
    pub list_page: usize,
    /// Actors that a count looks at; beyond it, it says how many there are at least.
    pub count: usize,
    /// Live activations of the node; the least recently used idle ones make room, beyond it: `overloaded`.
    pub activations: usize,
    /// Bytes of batches on their way to the disk; beyond it new messages are refused: `overloaded`.
    pub backlog_bytes: usize,
    /// Dead letters of one shard; beyond it the oldest are dropped.
    pub dead_letters: usize,
    /// Age at which a dead letter is dropped.
    pub dead_letter_age: Duration,
    /// Outcomes of calls under idempotency keys that an actor keeps; beyond it the oldest are forgotten.
    pub idempotency_keys: usize,
    /// Age at which the outcome of a call under an idempotency key is forgotten.
    pub idempotency_age: Duration,
    /// Bytes of a stored reply; of a larger one only the fact is kept, and a repetition hears
    /// `idempotency.reply-too-large`.
    pub idempotency_reply_bytes: usize,
    /// Sockets of one actor; beyond it: `socket.too-many`.
    pub sockets: usize,
    /// Idle time after which an activation is passivated.
    pub idle: Duration,
    /// Deadline of an ask that names none; beyond it: `deadline`.
    pub ask: Duration,
    /// Duration from which a turn is remembered as slow.
    pub slow_turn: Duration,
    /// Slow turns that the node remembers; the oldest make room.
    pub slow_turns: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            mailbox: 1024,
            queue_age: Duration::from_secs(30),
            turn_bytes: 8 * 1024 * 1024,
            value_bytes: 2 * 1024 * 1024,
            key_bytes: 2 * 1024,
            list_page: 1000,
            count: 100_000,
            activations: 10_000,
            backlog_bytes: 64 * 1024 * 1024,
            dead_letters: 1000,
            dead_letter_age: Duration::from_secs(30 * 24 * 60 * 60),
            idempotency_keys: 1000,
            idempotency_age: Duration::from_secs(24 * 60 * 60),
            idempotency_reply_bytes: 16 * 1024,
            sockets: 32_768,
            idle: Duration::from_secs(30),
            ask: Duration::from_secs(10),
            slow_turn: Duration::from_millis(100),
            slow_turns: 128,
        }
    }
}
