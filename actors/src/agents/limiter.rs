//! The agent `limiter`: paces clients and agents of a tenant, which share it.
//!
//! Whoever looks after the tenant gives it limits by name, so many in any window of time; whoever uses it asks before each thing
//! that has such a limit (`check`), and waits as long as it is told. The limits are its state, which all who are connected see.
//! What is counted is counted by [`Limiter`](crate::limiter::Limiter) actors of its own, named `agent:<agent>/<limit>`, so no
//! request to the server is counted here, and nothing here is counted as one: those limits are shown, and not touched.

mod agent;
mod methods;
#[cfg(test)]
mod tests;
mod view;

pub use agent::{LIMITS_MAX, Pacer};
pub use methods::{Check, Define, ListLimits, Remove};
pub use view::{LimitView, LimitsState, LimitsView, Named, Standing};
