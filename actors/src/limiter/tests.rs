//! What limiters let through.

mod actor;
mod budgets;
mod rate_limiter;
mod window;
