//! What a node asks before it lets a request through.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cluster::{
    Gatekeeper,
    prelude::{ActorError, ActorId, Cluster, TenantId},
};
use tokio::time::{Instant, timeout_at};

use super::{
    actor::Limiter,
    budget::{Budgets, Step},
    messages::{Lease, Leased, Limit},
};

/// How long a decision may take.
const DEADLINE: Duration = Duration::from_millis(500);
/// Parts of the budgets that are locked by themselves.
const PARTS: usize = 64;
/// Keys that a part remembers.
const KEYS: usize = 1_024;

/// What is limited: a limiter of a tenant, as `tenant`, `key:<id>` or `ip:<address>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitKey {
    /// The tenant.
    pub tenant: TenantId,
    /// Name of the limiter.
    pub name: String,
}

impl LimitKey {
    /// The limiter that a tenant calls so.
    pub fn new(tenant: &TenantId, name: impl Into<String>) -> Self {
        Self {
            tenant: tenant.clone(),
            name: name.into(),
        }
    }
}

/// Whether a request may go on, and what it is told of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may go on.
    pub allowed: bool,
    /// The limit.
    pub limit: Limit,
    /// Requests that are left, as far as this node knows.
    pub remaining: u32,
    /// Time until all of the limit is there again, if nothing is asked meanwhile.
    pub reset_after: Duration,
    /// Time until another request may be allowed, if this one was not.
    pub retry_after: Option<Duration>,
}

/// The limiter does not answer: whoever asks decides whether the request may go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It was not reached, or it refused to answer.
    #[error("the rate limiter does not answer: {0}")]
    Failed(#[from] ActorError),
    /// It has not answered in time, now or a moment ago.
    #[error("the rate limiter does not answer in time")]
    Late,
}

/// The rate limits of a node. Cloning shares it.
#[derive(Clone)]
pub struct RateLimiter(Arc<Inner>);

struct Inner {
    cluster: Cluster,
    /// Makes the credential of what is asked of limiters, where calls are asked for one.
    gatekeeper: Option<Arc<dyn Gatekeeper>>,
    parts: Vec<Mutex<Budgets<LimitKey>>>,
    hasher: RandomState,
    begin: Instant,
}

impl RateLimiter {
    /// The rate limits of a node of this cluster.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self::open(cluster, None)
    }

    /// The rate limits of a node of a cluster that lets in only calls with a credential of this gatekeeper. One is made for each
    /// question to a limiter, and none for what the node decides by itself.
    #[must_use]
    pub fn vouched(cluster: Cluster, gatekeeper: Arc<dyn Gatekeeper>) -> Self {
        Self::open(cluster, Some(gatekeeper))
    }

    fn open(cluster: Cluster, gatekeeper: Option<Arc<dyn Gatekeeper>>) -> Self {
        let parts = (0..PARTS).map(|_| Mutex::new(Budgets::new(KEYS))).collect();
        Self(Arc::new(Inner {
            cluster,
            gatekeeper,
            parts,
            hasher: RandomState::new(),
            begin: Instant::now(),
        }))
    }

    /// Counts a request, and decides whether it may go on. `limit` holds as far as the limiter was not configured otherwise.
    ///
    /// # Errors
    /// If the limiter does not answer within half a second.
    pub async fn check(&self, key: &LimitKey, limit: Limit) -> Result<Decision, Unavailable> {
        let inner = &*self.0;
        let begin = Instant::now();
        let step = inner.part(key).step(key, limit, inner.elapsed(begin));
        match step {
            Step::Decided(decision) => Ok(decision),
            Step::Silent => Err(Unavailable::Late),
            Step::Ask { .. } | Step::Wait(_) => self.ask(key, limit, begin + DEADLINE, step).await,
        }
    }

    /// The refusal that this node remembers and would answer now, without counting anything.
    #[must_use]
    pub fn refusal(&self, key: &LimitKey) -> Option<Decision> {
        let inner = &*self.0;
        inner.part(key).refusal(key, inner.elapsed(Instant::now()))
    }

    /// Goes on where the node cannot decide by itself.
    async fn ask(&self, key: &LimitKey, limit: Limit, deadline: Instant, first: Step) -> Result<Decision, Unavailable> {
        let inner = &*self.0;
        let mut step = first;
        loop {
            match step {
                Step::Decided(decision) => return Ok(decision),
                Step::Silent => return Err(Unavailable::Late),
                Step::Wait(done) => {
                    if timeout_at(deadline, done.cancelled()).await.is_err() {
                        return Err(Unavailable::Late);
                    }
                }
                Step::Ask { want } => {
                    let asking = Asking {
                        inner,
                        key,
                        answered: false,
                    };
                    asking.answer(inner.lease(key, Lease { want, limit }, deadline).await)?;
                }
            }
            step = inner.part(key).step(key, limit, inner.elapsed(Instant::now()));
        }
    }
}

impl Inner {
    fn part(&self, key: &LimitKey) -> MutexGuard<'_, Budgets<LimitKey>> {
        let part = self.hasher.hash_one(key) as usize % PARTS;
        // Every change of a part is whole, whatever a thread that panicked was about.
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed(&self, now: Instant) -> Duration {
        now.duration_since(self.begin)
    }

    async fn lease(&self, key: &LimitKey, lease: Lease, deadline: Instant) -> Result<Leased, Unavailable> {
        let limiter = self
            .cluster
            .get::<Limiter>(ActorId::from_name::<Limiter>(&key.tenant, &key.name));
        let rest = deadline.duration_since(Instant::now());
        let ask = timeout_at(deadline, limiter.ask_within(rest, lease));
        let leased = match &self.gatekeeper {
            Some(gatekeeper) => gatekeeper.vouch(&key.tenant).scope(ask).await,
            None => ask.await,
        };
        match leased {
            Ok(leased) => Ok(leased?),
            Err(_) => Err(Unavailable::Late),
        }
    }
}

/// A question to a limiter. Who asks may go away: then those who wait for the answer ask themselves.
struct Asking<'a> {
    inner: &'a Inner,
    key: &'a LimitKey,
    answered: bool,
}

impl Asking<'_> {
    fn answer(mut self, answer: Result<Leased, Unavailable>) -> Result<(), Unavailable> {
        self.answered = true;
        let now = self.inner.elapsed(Instant::now());
        let mut part = self.inner.part(self.key);
        match answer {
            Ok(leased) => {
                part.leased(self.key, leased, now);
                Ok(())
            }
            Err(error) => {
                part.failed(self.key, now);
                Err(error)
            }
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.inner.part(self.key).abandoned(self.key);
        }
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").finish_non_exhaustive()
    }
}
