//! Answers of actors that are asked with every request: kept for a moment, and a little longer while the actor is out of
//! reach.
//!
//! An answer is as old as the question to it. It is used without asking again for [`FRESH`], so what was revoked is refused
//! everywhere within that time. If the actor cannot be reached, the last answer counts until it is [`STALE`] old, so a failover
//! signs nobody out, and a node that is cut off refuses everyone soon after.

use std::{collections::HashMap, future::Future, hash::Hash, time::Duration};

use cluster::prelude::{ActorError, ErrorKind};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::error::Problem;

/// How long an answer is used without asking again.
pub(crate) const FRESH: Duration = Duration::from_millis(1000);

/// How long the last answer is used while the actor cannot be reached.
pub(crate) const STALE: Duration = Duration::from_secs(4);

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Answers that are kept. Beyond it the older ones go first; then some are asked again sooner than they had to be.
const ENTRIES_MAX: usize = 65_536;

/// Answers by what they are about.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    entries: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    /// The answer about `key`: the last one, or the one that `ask` gives now.
    ///
    /// # Errors
    ///
    /// The refusal of whoever is asked, or that they cannot be reached.
    pub(crate) async fn get<F, E: Refusal>(&self, key: &K, ask: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        let asked = Instant::now();
        let known = self.entries.lock().get(key).cloned();
        if let Some((at, value)) = &known
            && at.elapsed() < FRESH
        {
            return Ok(value.clone());
        }
        let answer = tokio::time::timeout(PATIENCE, ask()).await;
        let answer = answer.unwrap_or_else(|_| Err(E::slow()));
        match answer {
            Ok(value) => {
                self.keep(key, asked, value.clone());
                Ok(value)
            }
            Err(error) if error.is_silence() => match known {
                Some((at, value)) if at.elapsed() < STALE => Ok(value),
                Some(_) | None => Err(error),
            },
            Err(error) => {
                self.entries.lock().remove(key);
                Err(error)
            }
        }
    }

    /// Whether there is an answer, however old.
    pub(crate) fn knows(&self, key: &K) -> bool {
        self.entries.lock().contains_key(key)
    }

    /// Forgets an answer of which this node knows that it has changed.
    pub(crate) fn forget(&self, key: &K) {
        self.entries.lock().remove(key);
    }

    fn keep(&self, key: &K, asked: Instant, value: V) {
        let mut entries = self.entries.lock();
        if entries.len() >= ENTRIES_MAX && !entries.contains_key(key) {
            entries.retain(|_, (at, _)| at.elapsed() < FRESH);
            if entries.len() >= ENTRIES_MAX {
                entries.clear();
            }
        }
        // A question that was overtaken by a later one must not make its answer older.
        if entries.get(key).is_none_or(|(at, _)| *at <= asked) {
            entries.insert(key.clone(), (asked, value));
        }
    }
}

/// What may come instead of an answer.
pub(crate) trait Refusal {
    /// Whether nothing was said about the matter.
    fn is_silence(&self) -> bool;

    /// Nothing was said in time.
    fn slow() -> Self;
}

/// What is said of an answer that does not come in time.
const SLOW: &str = "who asks could not be checked in time";

impl Refusal for ActorError {
    fn is_silence(&self) -> bool {
        match self.kind() {
            ErrorKind::Overloaded
            | ErrorKind::Retryable
            | ErrorKind::Deadline
            | ErrorKind::Unknown
            | ErrorKind::Internal => true,
            ErrorKind::Invalid
            | ErrorKind::Unsupported
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::Forbidden
            | ErrorKind::TooLarge => false,
        }
    }

    fn slow() -> Self {
        Self::retryable("auth.slow", SLOW)
    }
}

impl Refusal for Problem {
    fn is_silence(&self) -> bool {
        self.status().is_server_error()
    }

    fn slow() -> Self {
        Self::unavailable("auth.slow", SLOW)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Actor {
        says: Cell<Result<u32, &'static str>>,
        asked: Cell<u32>,
        recent: Recent<u8, u32>,
    }

    impl Actor {
        fn new() -> Self {
            Self {
                says: Cell::new(Ok(1)),
                asked: Cell::new(0),
                recent: Recent::default(),
            }
        }

        async fn get(&self) -> Result<u32, String> {
            let ask = || async {
                self.asked.set(self.asked.get() + 1);
                match self.says.get() {
                    Ok(value) => Ok(value),
                    Err("silent") => std::future::pending().await,
                    Err("retryable") => Err(ActorError::retryable("retryable", "no owner")),
                    Err(code) => Err(ActorError::forbidden(code, "no")),
                }
            };
            self.recent.get(&7, ask).await.map_err(|error| error.code().to_owned())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_counts_for_a_second_without_asking() {
        let actor = Actor::new();
        assert_eq!(actor.get().await, Ok(1));
        actor.says.set(Err("revoked"));
        tokio::time::advance(FRESH - Duration::from_millis(1)).await;
        assert_eq!((actor.get().await, actor.asked.get()), (Ok(1), 1));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(actor.get().await, Err("revoked".to_owned()));
        actor.says.set(Err("retryable"));
        assert_eq!(
            actor.get().await,
            Err("retryable".to_owned()),
            "the refusal has removed the answer"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_actor_is_out_of_reach_the_last_answer_counts_for_less_than_five_seconds() {
        for silence in ["retryable", "silent"] {
            let actor = Actor::new();
            let begun = Instant::now();
            assert_eq!(actor.get().await, Ok(1));
            actor.says.set(Err(silence));
            let mut last = Duration::ZERO;
            for _ in 0..100 {
                if actor.get().await.is_ok() {
                    last = begun.elapsed();
                }
                tokio::time::advance(Duration::from_millis(100)).await;
            }
            assert!(
                last > Duration::from_secs(2) && last < Duration::from_secs(5),
                "{silence}: {last:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_this_node_knows_to_have_changed_is_asked_at_once() {
        let actor = Actor::new();
        assert_eq!(actor.get().await, Ok(1));
        actor.says.set(Ok(2));
        actor.recent.forget(&7);
        assert_eq!(actor.get().await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn answers_have_a_bound() {
        let recent = Recent::<usize, ()>::default();
        for key in 0..ENTRIES_MAX + 10 {
            recent.get(&key, || async { Ok::<_, ActorError>(()) }).await.unwrap();
        }
        assert!(recent.entries.lock().len() <= ENTRIES_MAX);
    }
}
