//! The tenants of an account: an index, of which the tenants know better.
//!
//! A tenant is noted before the person becomes a member, so that no membership is unknown here whatever crashes in between. Who finds
//! a tenant here of which the person is no member has it forgotten; but not at once, because that may be the moment in between.

use std::time::Duration;

use cluster::prelude::{ActorError, Ctx, Handler, Result};

use super::{
    Account,
    messages::{ForgetMembership, Founded, NoteMembership, Person},
    record::KnownTenant,
};
use crate::line;

/// Tenants that one account knows.
pub(super) const TENANTS_MAX: usize = 100;
/// How soon after its note somebody is a member, or will not be: more than a call can take.
const SETTLED_AFTER: Duration = Duration::from_mins(1);

impl Handler<NoteMembership> for Account {
    async fn handle(&mut self, NoteMembership { tenant, name }: NoteMembership, ctx: &mut Ctx<Self>) -> Result<()> {
        self.verified()?;
        let name = line::name(&name, "tenant.name")?;
        let is_known = self.tenants.iter().any(|known| known.tenant == tenant);
        if !is_known && self.tenants.len() >= TENANTS_MAX {
            return Err(ActorError::conflict(
                "account.too-many-tenants",
                format!("a person is a member of up to {TENANTS_MAX} tenants"),
            ));
        }
        let noted = KnownTenant {
            tenant,
            name,
            noted: ctx.now(),
        };
        match self.tenants.iter_mut().find(|known| known.tenant == noted.tenant) {
            Some(known) => *known = noted,
            None => self.tenants.push(noted),
        }
        self.keep_tenants(ctx)
    }
}

impl Handler<ForgetMembership> for Account {
    async fn handle(&mut self, forget: ForgetMembership, ctx: &mut Ctx<Self>) -> Result<()> {
        let before = self.tenants.len();
        let now = ctx.now();
        self.tenants
            .retain(|known| known.tenant != forget.tenant || now.since(known.noted) < SETTLED_AFTER);
        if self.tenants.len() == before {
            return Ok(());
        }
        self.keep_tenants(ctx)?;
        if let Some(profile) = &mut self.profile
            && profile.last_tenant.as_ref() == Some(&forget.tenant)
        {
            profile.last_tenant = None;
            self.keep_profile(ctx)?;
        }
        Ok(())
    }
}

impl Handler<Founded> for Account {
    async fn handle(&mut self, Founded: Founded, ctx: &mut Ctx<Self>) -> Result<Person> {
        if self.profile_mut()?.founds.take().is_some() {
            self.keep_profile(ctx)?;
        }
        self.person()
    }
}
