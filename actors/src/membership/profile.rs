//! The tenant itself: founding, settings, whether it is served.

use std::collections::BTreeMap;

use cluster::prelude::{ActorError, Ctx, Handler, Result};
use serde_json::json;

use super::{
    Membership,
    messages::{
        ConfigureTenant, FoundTenant, GetRoomUsed, GetSettings, GetTenant, ResumeTenant, RoomUsed, SuspendTenant,
    },
    record::{Member, TenantProfile},
};
use crate::{
    audit::{self, events},
    line,
    role::{Role, TenantStatus},
};

/// Settings of a tenant.
const SETTINGS_MAX: usize = 64;
/// Longest name of a setting, in characters.
const SETTING_NAME_MAX: usize = 64;
/// Longest value of a setting, in characters.
const SETTING_VALUE_MAX: usize = 4_096;
/// Longest reason of a suspension, in characters.
const WHY_MAX: usize = 256;

impl Handler<FoundTenant> for Membership {
    async fn handle(&mut self, found: FoundTenant, ctx: &mut Ctx<Self>) -> Result<TenantProfile> {
        let FoundTenant { name, plan, admin } = found;
        if let Some(profile) = &self.profile {
            return if profile.founder == admin.user {
                Ok(profile.clone())
            } else {
                Err(ActorError::conflict(
                    "tenant.exists",
                    "the tenant was founded by somebody else",
                ))
            };
        }
        let now = ctx.now();
        let profile = TenantProfile {
            tenant: ctx.tenant().clone(),
            name: line::name(&name, "tenant.name")?,
            plan,
            status: TenantStatus::Active,
            founded: now,
            founder: admin.user.clone(),
        };
        let created = json!({ "name": profile.name, "plan": plan, "admin": admin.user });
        self.profile = Some(profile.clone());
        self.keep_profile(ctx)?;
        self.put_member(
            Member {
                user: admin.user,
                email: admin.email,
                name: admin.name,
                role: Role::Admin,
                since: now,
            },
            ctx,
        )?;
        audit::record(ctx, events::TENANT_CREATED, created)?;
        Ok(profile)
    }
}

impl Handler<GetTenant> for Membership {
    async fn handle(&mut self, GetTenant: GetTenant, _ctx: &mut Ctx<Self>) -> Result<TenantProfile> {
        self.profile().cloned()
    }
}

impl Handler<GetRoomUsed> for Membership {
    async fn handle(&mut self, GetRoomUsed: GetRoomUsed, ctx: &mut Ctx<Self>) -> Result<RoomUsed> {
        self.profile()?;
        let now = ctx.now();
        let invitations = self.invitations.values();
        let open = invitations.filter(|invited| invited.accepted.is_none() && now < invited.expires);
        Ok(RoomUsed {
            members: self.members.len(),
            invitations: open.count(),
            keys: self.keys.len(),
        })
    }
}

impl Handler<GetSettings> for Membership {
    async fn handle(&mut self, GetSettings: GetSettings, _ctx: &mut Ctx<Self>) -> Result<BTreeMap<String, String>> {
        self.profile()?;
        Ok(self.settings.clone())
    }
}

impl Handler<ConfigureTenant> for Membership {
    async fn handle(&mut self, configure: ConfigureTenant, ctx: &mut Ctx<Self>) -> Result<TenantProfile> {
        let mut profile = self.profile()?.clone();
        let mut settings = self.settings.clone();
        let mut changed = Vec::new();
        if let Some(name) = configure.name {
            profile.name = line::name(&name, "tenant.name")?;
        }
        if let Some(plan) = configure.plan {
            profile.plan = plan;
        }
        for (name, value) in configure.settings {
            check_setting(&name, value.as_deref())?;
            if settings.get(&name) != value.as_ref() {
                changed.push(name.clone());
            }
            match value {
                Some(value) => settings.insert(name, value),
                None => settings.remove(&name),
            };
        }
        if settings.len() > SETTINGS_MAX {
            return Err(refused_setting());
        }
        let before = self.profile()?;
        // Of settings only the names are told: a value may be a secret.
        let told = json!({
            "name": (profile.name != before.name).then_some(&profile.name),
            "plan": (profile.plan != before.plan).then_some(profile.plan),
            "settings": changed,
        });
        if profile == *before && changed.is_empty() {
            return Ok(profile);
        }
        self.profile = Some(profile.clone());
        self.settings = settings;
        self.keep_profile(ctx)?;
        self.keep_settings(ctx)?;
        audit::record(ctx, events::SETTINGS_CHANGED, told)?;
        Ok(profile)
    }
}

impl Handler<SuspendTenant> for Membership {
    async fn handle(&mut self, SuspendTenant { why }: SuspendTenant, ctx: &mut Ctx<Self>) -> Result<TenantProfile> {
        if !line::is_line(&why, WHY_MAX) {
            return Err(ActorError::invalid(
                "tenant.why",
                format!("a reason has up to {WHY_MAX} characters on one line"),
            ));
        }
        if self.set_status(TenantStatus::Suspended, ctx)? {
            audit::record(ctx, events::TENANT_SUSPENDED, json!({ "why": why }))?;
        }
        self.profile().cloned()
    }
}

impl Handler<ResumeTenant> for Membership {
    async fn handle(&mut self, ResumeTenant: ResumeTenant, ctx: &mut Ctx<Self>) -> Result<TenantProfile> {
        if self.set_status(TenantStatus::Active, ctx)? {
            audit::record(ctx, events::TENANT_RESUMED, json!({}))?;
        }
        self.profile().cloned()
    }
}

impl Membership {
    fn set_status(&mut self, status: TenantStatus, ctx: &mut Ctx<Self>) -> Result<bool> {
        let profile = self.profile_mut()?;
        if profile.status == status {
            return Ok(false);
        }
        profile.status = status;
        self.keep_profile(ctx)?;
        Ok(true)
    }
}

fn check_setting(name: &str, value: Option<&str>) -> Result<()> {
    let is_named = !name.is_empty() && line::is_line(name, SETTING_NAME_MAX);
    if is_named && value.is_none_or(|value| value.chars().count() <= SETTING_VALUE_MAX) {
        Ok(())
    } else {
        Err(refused_setting())
    }
}

fn refused_setting() -> ActorError {
    ActorError::invalid(
        "tenant.settings",
        format!(
            "a tenant has up to {SETTINGS_MAX} settings, with names of {SETTING_NAME_MAX} and values of {SETTING_VALUE_MAX} \
             characters"
        ),
    )
}
