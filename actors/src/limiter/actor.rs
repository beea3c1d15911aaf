//! The actor that counts.

#[cfg(test)]
mod golden;

use std::{sync::Arc, time::Duration};

use cluster::prelude::{Ctx, Handler, Interface, Key, Message, Result, VirtualActor};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{
    messages::{Check, Checked, Configure, Lease, Leased, Limit, Reset},
    window::Window,
};

/// Longest time for which leased requests may be used.
const LEASE: Duration = Duration::from_secs(1);
/// Time that an idle limiter is in memory anyway.
const IDLE: Duration = Duration::from_secs(30);
/// The part of the limit from which on an idle limiter is held in memory for longer: a tenth.
const HELD_FROM: u32 = 10;
/// Limiters that a node holds in memory for longer than other actors. Under an attack from more addresses the rest
/// forgets after [`IDLE`], rather than that limiters take the place of all other actors.
const HELD: usize = 2_000;

const CONFIG: Key<Config> = Key::new("config");

/// What limiters of a node share.
#[derive(Debug, Clone)]
pub struct LimiterEnv {
    held: Arc<Semaphore>,
}

impl Default for LimiterEnv {
    fn default() -> Self {
        Self {
            held: Arc::new(Semaphore::new(HELD)),
        }
    }
}

/// What a limiter was configured with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Config {
    window_ms: Option<u64>,
    max_requests: Option<u32>,
}

impl Config {
    /// The limit that holds where a caller names this one.
    fn over(self, limit: Limit) -> Limit {
        Limit {
            window_ms: self.window_ms.unwrap_or(limit.window_ms),
            max_requests: self.max_requests.unwrap_or(limit.max_requests),
        }
    }
}

/// A rate limiter: the requests of the last window.
#[derive(Debug)]
pub struct Limiter {
    config: Config,
    window: Window,
    /// Whether it is held in memory.
    held: bool,
}

/// The time for which the limiter was held in memory is over.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "limiter.held")]
struct Held {
    limit: Limit,
}

impl VirtualActor for Limiter {
    const CLASS: &'static str = "limiter";
    type Env = LimiterEnv;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Check>()
            .on::<Lease>()
            .on::<Configure>()
            .on::<Reset>()
            .on::<Held>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            config: ctx.storage().get(&CONFIG).await?.unwrap_or_default(),
            window: Window::default(),
            held: false,
        })
    }
}

impl Limiter {
    /// Counts up to `want` requests.
    fn take(&mut self, want: u32, limit: Limit, ctx: &mut Ctx<Self>) -> Result<Leased> {
        let limit = self.config.over(limit.check()?);
        let granted = self.window.take(ctx.now().as_millis(), want, limit);
        self.hold(limit, ctx);
        Ok(Leased {
            granted,
            expires_ms: u64::try_from(LEASE.min(limit.window() / 4).as_millis()).unwrap_or(u64::MAX),
            limit,
            remaining: self.window.remaining(limit),
            reset_ms: self.window.reset_ms(limit),
            retry_after_ms: self.window.retry_after_ms(limit),
        })
    }

    /// Keeps the limiter in memory until its counts are of no use any more.
    fn hold(&mut self, limit: Limit, ctx: &mut Ctx<Self>) {
        let used = self.window.total();
        let is_worth_it = used > 0 && used >= limit.max_requests / HELD_FROM;
        if self.held || limit.window() <= IDLE || !is_worth_it {
            return;
        }
        let Ok(permit) = Arc::clone(&ctx.env().held).try_acquire_owned() else {
            return;
        };
        self.held = true;
        let rest = Duration::from_millis(self.window.reset_ms(limit));
        ctx.pipe_to_self(async move {
            tokio::time::sleep(rest).await;
            drop(permit);
            Held { limit }
        });
    }
}

impl Handler<Check> for Limiter {
    async fn handle(&mut self, Check { limit }: Check, ctx: &mut Ctx<Self>) -> Result<Checked> {
        let taken = self.take(1, limit, ctx)?;
        Ok(Checked {
            allowed: taken.granted > 0,
            limit: taken.limit,
            remaining: taken.remaining,
            reset_ms: taken.reset_ms,
            retry_after_ms: if taken.granted > 0 { 0 } else { taken.retry_after_ms },
        })
    }
}

impl Handler<Lease> for Limiter {
    async fn handle(&mut self, Lease { want, limit }: Lease, ctx: &mut Ctx<Self>) -> Result<Leased> {
        self.take(want, limit, ctx)
    }
}

impl Handler<Configure> for Limiter {
    async fn handle(&mut self, configure: Configure, ctx: &mut Ctx<Self>) -> Result<Limit> {
        let config = Config {
            window_ms: configure.window_ms.or(self.config.window_ms),
            max_requests: configure.max_requests.or(self.config.max_requests),
        };
        let limit = config.over(Limit::default()).check()?;
        ctx.storage().put(&CONFIG, &config)?;
        self.config = config;
        Ok(limit)
    }
}

impl Handler<Reset> for Limiter {
    async fn handle(&mut self, Reset: Reset, _ctx: &mut Ctx<Self>) -> Result<()> {
        self.window.clear();
        Ok(())
    }
}

impl Handler<Held> for Limiter {
    async fn handle(&mut self, Held { limit }: Held, ctx: &mut Ctx<Self>) -> Result<()> {
        self.held = false;
        // Forgets what is too old before it looks.
        self.window.take(ctx.now().as_millis(), 0, limit);
        self.hold(limit, ctx);
        Ok(())
    }
}
