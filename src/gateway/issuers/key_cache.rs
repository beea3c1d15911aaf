//! The keys of an issuer, as long as they count.
//!
//! An issuer is asked when a token needs its keys and they are older than [`FRESH_FOR`], or do not have the one that the token
//! names; but never sooner than [`ASK_EVERY`] after the last time, whatever tokens strangers make up. While it does not answer
//! as it should, the last good set counts for [`KEPT_FOR`].

use std::{sync::Arc, time::Duration};

use jsonwebtoken::DecodingKey;
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use super::{IssuerError, config::IssuerAlgorithm, key_set::KeySet, provider::Provider};

/// How long keys are used without asking again: what an issuer withdraws counts no longer.
pub(super) const FRESH_FOR: Duration = Duration::from_mins(10);

/// How long the last good set counts while the issuer does not answer: about as long as tokens live that it made before.
pub(super) const KEPT_FOR: Duration = Duration::from_hours(1);

/// Shortest time between two questions, good or bad. It is longer than a question takes, so there is one at a time.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(30);

/// Longest time that a request waits for the answer. The question goes on for those that follow.
const WAIT: Duration = Duration::from_secs(1);

const _: () = assert!(super::provider::DEADLINE.as_secs() * 2 < ASK_EVERY.as_secs());

/// The keys that are known.
#[derive(Debug)]
pub(super) struct KeyCache {
    provider: Provider,
    held: Mutex<Held>,
    answered: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Held {
    /// The last good set, and when it was asked for.
    set: Option<(Arc<KeySet>, Instant)>,
    /// When the last question began.
    asked: Option<Instant>,
    is_asking: bool,
    /// What was wrong with the last answer.
    fault: Option<String>,
}

impl KeyCache {
    pub(super) fn new(provider: Provider) -> Self {
        Self {
            provider,
            held: Mutex::default(),
            answered: watch::Sender::new(()),
        }
    }

    /// The key of this id for this algorithm, if the issuer has it.
    ///
    /// # Errors
    ///
    /// Fails when the issuer does not answer and what it answered before is too old.
    pub(super) async fn find(
        self: &Arc<Self>,
        kid: &str,
        algorithm: IssuerAlgorithm,
    ) -> Result<Option<DecodingKey>, IssuerError> {
        let known = self.not_older_than(FRESH_FOR);
        if let Some(key) = known.and_then(|set| set.find(kid, algorithm)) {
            return Ok(Some(key));
        }
        self.ask().await;
        let set = self.not_older_than(KEPT_FOR).ok_or(IssuerError::Unreachable)?;
        Ok(set.find(kid, algorithm))
    }

    /// Asks the issuer if its keys are not fresh.
    ///
    /// # Errors
    ///
    /// Says what was wrong the last time.
    pub(super) async fn check(self: &Arc<Self>) -> Result<(), String> {
        if self.not_older_than(FRESH_FOR).is_none() {
            self.ask().await;
        }
        let held = self.held.lock();
        match (&held.fault, &held.set) {
            (Some(fault), _) => Err(fault.clone()),
            (None, None) => Err("it has not answered yet".to_owned()),
            (None, Some((set, _))) if set.is_empty() => {
                Err("it has no key that tokens can be verified with".to_owned())
            }
            (None, Some(_)) => Ok(()),
        }
    }

    fn not_older_than(&self, age: Duration) -> Option<Arc<KeySet>> {
        let held = self.held.lock();
        let (set, at) = held.set.as_ref()?;
        (at.elapsed() < age).then(|| Arc::clone(set))
    }

    /// Has the issuer asked if that is due, and waits for the answer, or for that to a question which is under way.
    async fn ask(self: &Arc<Self>) {
        let mut answered = self.answered.subscribe();
        if let Some(question) = self.begin() {
            tokio::spawn(question.run());
        } else if !self.held.lock().is_asking {
            return;
        }
        // Nothing after a second is as good as a bad answer, and both are seen by what is held then.
        tokio::time::timeout(WAIT, answered.changed()).await.ok();
    }

    /// Begins a question, if none is under way and the last one was long enough ago.
    fn begin(self: &Arc<Self>) -> Option<Question> {
        let mut held = self.held.lock();
        let is_soon = held.asked.is_some_and(|at| at.elapsed() < ASK_EVERY);
        if held.is_asking || is_soon {
            return None;
        }
        let began = Instant::now();
        held.asked = Some(began);
        held.is_asking = true;
        Some(Question {
            cache: Arc::clone(self),
            began,
        })
    }
}

/// A question under way. However it ends, the next one can begin.
struct Question {
    cache: Arc<KeyCache>,
    began: Instant,
}

impl Question {
    async fn run(self) {
        let provider = &self.cache.provider;
        let answer = provider.keys().await;
        let mut held = self.cache.held.lock();
        match answer {
            Ok(set) => {
                held.set = Some((Arc::new(set), self.began));
                held.fault = None;
            }
            Err(error) => {
                let issuer = provider.issuer();
                tracing::warn!(issuer, %error, "the keys of an issuer of tokens were not read");
                held.fault = Some(error.to_string());
            }
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.cache.held.lock().is_asking = false;
        self.cache.answered.send_replace(());
    }
}
