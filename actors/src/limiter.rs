//! Rate limits: so many requests in any window of time, for an address, a tenant, a key.
//!
//! A [`Limiter`] counts, one actor for each thing that is limited. A node does not ask it for each request: a [`RateLimiter`]
//! takes a lease of several requests at once, which count from the moment of the lease, and decides by itself until they are
//! used up or a second has passed; it remembers a refusal for as long. Leases are of one request where the limit is below
//! [`LEASED_FROM`] or requests come slowly, and grow to a twentieth of the limit where they come quickly.
//!
//! So a window never lets through more than
//!
//! `limit + nodes * lease`, where `lease` is 0 below [`LEASED_FROM`] and `limit / 20` from there on:
//!
//! the limiter grants no more than the limit in any window, and what is used in a window and was granted before it is what the
//! nodes had left at its beginning. What is not used of a lease is lost, so as much may be let through too little. A request counts
//! at the moment of its grant; whoever waits for the answer goes on when it arrives, half a second later at most.
//!
//! Counts are in memory only: a durable turn for each request would cost more than the request. After a crash or a move of the
//! limiter a window begins empty, so at most as much as the limit again gets through, once. A limiter that is idle keeps its counts
//! for the length of its window if a tenth of the limit is used, and for 30 seconds otherwise. What it was configured with is durable.

mod actor;
mod budget;
mod messages;
mod rate_limiter;
#[cfg(test)]
mod tests;
mod window;

pub use actor::{Limiter, LimiterEnv};
pub use budget::{Budgets, LEASED_FROM, Step};
pub use messages::{Check, Checked, Configure, Lease, Leased, Limit, MAX_REQUESTS, MAX_WINDOW, Reset};
pub use rate_limiter::{Decision, LimitKey, RateLimiter, Unavailable};
