//! The caller's tenant: what it is, its members, its API keys.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use actors::{
    api_key::Scope,
    line::NAME_CHARS_MAX,
    membership::{
        ConfigureTenant, CreateTenantKey, GetTenant, KeyEntry, ListKeys, ListMembers, Member, Membership, RemoveMember,
        SetRole, TenantProfile,
    },
    role::{Plan, Role, TenantStatus},
    user::UserId,
};
use cluster::{
    Timestamp,
    prelude::{ActorRef, Uuid},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    answer::{fresh, made},
    body::{self, Fields},
    caller::Caller,
    callers::{KEY_PREFIX, key_text},
    cursor::{self, Page, PageQuery},
    error::Problem,
    permission::Permission,
    state::Gateway,
    words::{PlanWord, RoleWord, TenantStatusWord},
};

/// Names of the lists, so that a cursor of one is refused by the other.
pub(super) const MEMBERS: &str = "members";
pub(super) const KEYS: &str = "keys";

/// Longest name of a key.
const NAME_MAX: usize = 64;
/// Longest name of a permission.
const PERMISSION_MAX: usize = 64;
/// Longest life of a key in days.
const DAYS_MAX: u64 = 3650;

/// The roles by their names.
pub(super) fn roles() -> [(&'static str, Role); Role::ALL.len()] {
    Role::ALL.map(|role| (role.as_str(), role))
}

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantBody {
    #[schema(example = "acme")]
    id: String,
    #[schema(example = "Acme")]
    name: String,
    #[schema(value_type = PlanWord)]
    plan: Plan,
    #[schema(value_type = TenantStatusWord)]
    status: TenantStatus,
    /// Unix seconds.
    created_at: i64,
}

impl From<TenantProfile> for TenantBody {
    fn from(profile: TenantProfile) -> Self {
        Self {
            id: profile.tenant.as_str().to_owned(),
            name: profile.name,
            plan: profile.plan,
            status: profile.status,
            created_at: profile.founded.as_secs(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberBody {
    #[schema(example = "ann")]
    user: String,
    #[schema(example = "ann@example.org")]
    email: String,
    #[schema(example = "Ann")]
    name: String,
    #[schema(value_type = RoleWord)]
    role: Role,
    /// Unix seconds.
    since: i64,
}

impl From<Member> for MemberBody {
    fn from(member: Member) -> Self {
        Self {
            user: member.user.as_str().to_owned(),
            email: member.email.as_str().to_owned(),
            name: member.name,
            role: member.role,
            since: member.since.as_secs(),
        }
    }
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyBody {
    #[schema(value_type = String, format = "uuid", example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b93")]
    id: Uuid,
    #[schema(example = "nightly export")]
    name: String,
    #[serde(flatten)]
    scope: ScopeBody,
    created_by: String,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds; none if it does not end by itself.
    expires_at: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScopeBody {
    /// None for a key with permissions of its own.
    #[schema(value_type = Option<RoleWord>)]
    role: Option<Role>,
    /// None for a key with a role.
    permissions: Option<Vec<String>>,
}

/// A key that was made; the only answer with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewKeyBody {
    /// What the program shows as its bearer token.
    key: String,
    #[serde(flatten)]
    entry: KeyBody,
}

impl From<KeyEntry> for KeyBody {
    fn from(entry: KeyEntry) -> Self {
        Self {
            id: entry.key,
            name: entry.name,
            scope: match entry.scope {
                Scope::Role(role) => ScopeBody {
                    role: Some(role),
                    permissions: None,
                },
                Scope::Permissions(names) => ScopeBody {
                    role: None,
                    permissions: Some(names.into_iter().collect()),
                },
            },
            created_by: entry.by.as_str().to_owned(),
            created_at: entry.created.as_secs(),
            expires_at: entry.expires.map(Timestamp::as_secs),
        }
    }
}

fn membership(gateway: &Gateway, caller: &Caller) -> ActorRef<Membership> {
    gateway.cluster.get(Membership::address(&caller.tenant))
}

/// A key that is asked for.
#[derive(Debug)]
pub(crate) struct NewKey {
    name: String,
    days: Option<u64>,
    wanted: Wanted,
}

/// Reads what a key is to be.
pub(crate) fn new_key(fields: &mut Fields) -> NewKey {
    let key = NewKey {
        name: fields.line("name", NAME_MAX),
        days: fields.integer("expires_in_days", 1..=DAYS_MAX),
        wanted: Wanted::read(fields),
    };
    fields.says("name", "What the key is called in lists", "nightly export");
    fields.says("expires_in_days", "Without it, the key does not end by itself", 90);
    fields.says("role", "What the key may do: this, or `permissions`", "operator");
    fields.says("permissions", "What the key may do: these, or `role`", Value::Null);
    key
}

/// Reads the role that a member is given.
pub(crate) fn new_role(fields: &mut Fields) -> Option<Role> {
    let role = fields.needed_choice("role", &roles());
    fields.says("role", "What the member may do from now on", "supervisor");
    role
}

/// Reads which page of members is asked for.
pub(crate) fn members_query(fields: &mut Fields) -> Result<PageQuery, Problem> {
    cursor::page_query(fields, MEMBERS)
}

/// Reads which page of keys is asked for.
pub(crate) fn keys_query(fields: &mut Fields) -> Result<PageQuery, Problem> {
    cursor::page_query(fields, KEYS)
}

/// What a key is asked to be allowed.
#[derive(Debug)]
struct Wanted {
    role: Option<Role>,
    permissions: Option<Vec<String>>,
}

impl Wanted {
    fn read(fields: &mut Fields) -> Self {
        Self {
            role: fields.choice("role", &roles()),
            permissions: fields.texts("permissions", Permission::ALL.len(), PERMISSION_MAX),
        }
    }

    /// What the key gets: a role or permissions, and nothing that its maker has not.
    fn allowed_to(self, caller: &Caller) -> Result<Scope, Problem> {
        let too_much = |name: &str| {
            Problem::forbidden(
                "auth.permission",
                format!("a key may do no more than whoever makes it, and you do not have {name}"),
            )
        };
        match (self.role, self.permissions) {
            (Some(role), None) => match &caller.scope {
                Scope::Role(own) if role <= *own => Ok(Scope::Role(role)),
                Scope::Role(_) | Scope::Permissions(_) => Err(too_much(&format!("the role {role}"))),
            },
            (None, Some(names)) => {
                for name in &names {
                    let permission = Permission::parse(name).ok_or_else(|| {
                        Problem::unprocessable("key.permission", format!("there is no permission {name:?}"))
                    })?;
                    if !caller.may(permission) {
                        return Err(too_much(name));
                    }
                }
                Ok(Scope::Permissions(names.into_iter().collect()))
            }
            (Some(_), Some(_)) | (None, None) => Err(Problem::unprocessable(
                "key.scope",
                "a key needs either a role or permissions",
            )),
        }
    }
}

/// `GET /api/tenant`: what the caller's tenant is.
pub(crate) async fn show(caller: Caller, gateway: Shared) -> Answer {
    let profile = membership(&gateway, &caller).ask(GetTenant).await?;
    Ok(fresh(&TenantBody::from(profile)))
}

/// Reads what the tenant is to be called.
pub(crate) fn new_name(fields: &mut Fields) -> String {
    let name = fields.line("name", NAME_CHARS_MAX);
    fields.says("name", "What the tenant is called from now on", "Acme");
    name
}

/// `POST /api/tenant`: calls the tenant otherwise.
pub(crate) async fn rename(request: HttpRequest, payload: web::Payload, caller: Caller, gateway: Shared) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let name = new_name(&mut fields);
    fields.finish()?;
    let configure = ConfigureTenant {
        name: Some(name),
        ..ConfigureTenant::default()
    };
    let profile = membership(&gateway, &caller).ask(configure).await?;
    Ok(fresh(&TenantBody::from(profile)))
}

/// `GET /api/tenant/members`.
pub(crate) async fn members(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let (limit, after) = page(&request, members_query)?;
    let after = after
        .map(|user| UserId::new(&user).map_err(|_| cursor::foreign()))
        .transpose()?;
    let page = membership(&gateway, &caller).ask(ListMembers { after, limit }).await?;
    Ok(fresh(&Page::<MemberBody> {
        items: page.items.into_iter().map(MemberBody::from).collect(),
        next_cursor: page.next.map(|user| cursor::encode(MEMBERS, user.as_str())),
    }))
}

/// `POST /api/tenant/members/{user}/role`.
pub(crate) async fn set_role(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    user: web::Path<String>,
) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let role = new_role(&mut fields);
    fields.finish()?;
    let role = role.ok_or_else(|| Problem::unprocessable("body.invalid", "a role is needed"))?;
    let user = member_id(&user)?;
    let member = membership(&gateway, &caller).ask(SetRole { user, role }).await?;
    Ok(fresh(&MemberBody::from(member)))
}

/// `DELETE /api/tenant/members/{user}`.
pub(crate) async fn remove_member(caller: Caller, gateway: Shared, user: web::Path<String>) -> Answer {
    let user = member_id(&user)?;
    let member = membership(&gateway, &caller).ask(RemoveMember { user }).await?;
    Ok(fresh(&MemberBody::from(member)))
}

/// What is no user id belongs to no member.
pub(super) fn member_id(text: &str) -> Result<UserId, Problem> {
    UserId::new(text).map_err(|_| Problem::not_found("member.unknown", "there is no such member"))
}

/// `GET /api/tenant/keys`.
pub(crate) async fn keys(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let (limit, after) = page(&request, keys_query)?;
    let after = after
        .map(|id| Uuid::try_parse(&id).map_err(|_| cursor::foreign()))
        .transpose()?;
    let page = membership(&gateway, &caller).ask(ListKeys { after, limit }).await?;
    Ok(fresh(&Page::<KeyBody> {
        items: page.items.into_iter().map(KeyBody::from).collect(),
        next_cursor: page.next.map(|id| cursor::encode(KEYS, &id.to_string())),
    }))
}

/// `POST /api/tenant/keys`: makes a key that may do no more than its maker.
pub(crate) async fn create_key(request: HttpRequest, payload: web::Payload, caller: Caller, gateway: Shared) -> Answer {
    let fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let (key, entry) = make_key(&gateway, &caller, fields).await?;
    Ok(made(&NewKeyBody {
        key,
        entry: KeyBody::from(entry),
    }))
}

/// Makes the key that a form or body asks for. Only this answer has its secret.
///
/// # Errors
///
/// Fails for what does not fit, for a key that could do more than its maker, and when the membership refuses.
pub(super) async fn make_key(
    gateway: &Gateway,
    caller: &Caller,
    mut fields: Fields,
) -> Result<(String, KeyEntry), Problem> {
    let NewKey { name, days, wanted } = new_key(&mut fields);
    fields.finish()?;
    let scope = wanted.allowed_to(caller)?;
    let (id, secret): (Uuid, [u8; 32]) = (Uuid::now_v7(), rand::random());
    let (key, hashed) = key_text(&caller.tenant, id, &secret);
    let create = CreateTenantKey {
        key: id,
        secret: hashed,
        name,
        scope,
        by: UserId::new(&caller.user)?,
        expires: days.map(|days| now().plus(Duration::from_hours(24 * days))),
    };
    let entry = gateway.callers.create_key(caller, create).await?;
    Ok((format!("{KEY_PREFIX}{key}"), entry))
}

/// `DELETE /api/tenant/keys/{id}`.
pub(crate) async fn revoke_key(caller: Caller, gateway: Shared, id: web::Path<String>) -> Answer {
    let id = Uuid::try_parse(&id).map_err(|_| Problem::not_found("key.unknown", "there is no such key"))?;
    gateway.callers.revoke_key(&caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Reads a query that asks for a page and for nothing else.
pub(super) fn page(
    request: &HttpRequest,
    read: fn(&mut Fields) -> Result<PageQuery, Problem>,
) -> Result<(u32, Option<String>), Problem> {
    let mut query = body::query(request)?;
    let (limit, after) = read(&mut query)?;
    query.finish_query()?;
    Ok((u32::try_from(limit).unwrap_or(u32::MAX), after))
}

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
