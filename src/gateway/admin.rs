//! The admin API below `/api/admin`: what the operator sees of actors of every tenant, and how one is put away.

mod answer;

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use base64::{Engine, engine::general_purpose::STANDARD};
use cluster::{Dated, DatedListing, DirectoryQuery, Freshness, ReadToken, StoredValue, TenantQuery, prelude::*};
use serde_json::Value;

pub(crate) use self::answer::{ActorBody, ListBody, PassivatedBody, SlowBody, ValueBody};
use self::answer::{ItemBody, SlowTurnBody};
use super::{
    answer::fresh,
    body::{self, Fields},
    cursor::{self, Page, PageQuery},
    error::Problem,
    state::Gateway,
};

/// Names of the lists, so that a cursor of one is refused by the other.
const ACTORS: &str = "actors";
const VALUES: &str = "values";

/// Tenants that one page of actors looks at: with a prefix, many of them may have nothing to show.
const TENANTS_MAX: usize = 100;

/// Bytes of values after which a page takes no further one.
const VALUE_BYTES: usize = 4 * 1024 * 1024;

/// Values read at a time.
const VALUES_READ: usize = 4;

/// Stands before the key in a cursor, because a key may be empty and a position may not.
const KEY_MARK: char = '=';

/// Longest text of a class or a tenant.
const TEXT_MAX: usize = 1024;

/// The greatest age that a list may be allowed, in milliseconds: an hour.
const AGE_MAX_MS: u64 = 60 * 60 * 1000;

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// Class, tenant and name in an address.
type Place = web::Path<(String, String, String)>;

fn known_class(gateway: &Gateway, class: &str) -> Result<(), Problem> {
    let classes = gateway.cluster.class_names();
    if classes.contains(&class) {
        return Ok(());
    }
    Err(Problem::unprocessable(
        "class.unregistered",
        format!("class {class} is not registered; there are {}", classes.join(", ")),
    ))
}

fn id(gateway: &Gateway, place: Place) -> Result<ActorId, Problem> {
    let (class, tenant, name) = place.into_inner();
    known_class(gateway, &class)?;
    Ok(gateway.cluster.actor_id(&class, &TenantId::new(&tenant)?, &name)?)
}

/// Which actors are asked for, as the query has it.
#[derive(Debug)]
pub(crate) struct ActorsQuery {
    class: String,
    tenant: Option<String>,
    prefix: Option<String>,
    limit: usize,
    position: Option<String>,
    age: Duration,
    token: Option<String>,
}

/// Reads which actors are asked for.
pub(crate) fn actors_query(fields: &mut Fields) -> Result<ActorsQuery, Problem> {
    let query = ActorsQuery {
        class: fields.text("class", TEXT_MAX),
        tenant: fields.optional_text("tenant", TEXT_MAX),
        prefix: fields.optional_text("prefix", TEXT_MAX),
        limit: cursor::limit(fields),
        position: cursor::after(fields, ACTORS)?,
        age: Duration::from_millis(fields.integer("max_age_ms", 0..=AGE_MAX_MS).unwrap_or_default()),
        token: fields.optional_text("read_token", ReadToken::MAX_BYTES),
    };
    fields.says("class", "Of which class", "run");
    fields.says("tenant", "Of which tenant; of all without it", Value::Null);
    fields.says("prefix", "What the names begin with", Value::Null);
    fields.says("max_age_ms", "How old the list may be; 0 asks the owners", 0);
    fields.says(
        "read_token",
        "What the list has to cover, from an answer before",
        Value::Null,
    );
    Ok(query)
}

/// Reads which stored values are asked for.
pub(crate) fn values_query(fields: &mut Fields) -> Result<PageQuery, Problem> {
    let (limit, after) = cursor::page_query(fields, VALUES)?;
    Ok((limit, after.map(|position| key(&position)).transpose()?))
}

/// `GET /actors`: actors of a class that have stored something, in the order of tenants and names. With `max_age_ms` it
/// may be answered from copies on this node, which know nothing of what is in memory.
pub(crate) async fn list(request: HttpRequest, gateway: Shared) -> Answer {
    let mut query = body::query(&request)?;
    let ActorsQuery {
        class,
        tenant,
        prefix,
        limit,
        position,
        age,
        token,
    } = actors_query(&mut query)?;
    query.finish_query()?;
    let prefix = prefix.unwrap_or_default();
    known_class(&gateway, &class)?;
    let token = token.map(|token| token.parse::<ReadToken>()).transpose()?;
    let position = position.map(|position| Position::parse(&position)).transpose()?;
    let tenant = tenant.map(|tenant| TenantId::new(&tenant)).transpose()?;
    if let (Some(position), Some(tenant)) = (&position, &tenant)
        && position.tenant != *tenant
    {
        return Err(cursor::foreign());
    }
    let freshness = Freshness::at_most(age).covering(&token.unwrap_or_default());
    let mut reader = Reader {
        cluster: &gateway.cluster,
        listing: gateway.cluster.listing().with(freshness),
        class: &class,
        age: Duration::ZERO,
        token: ReadToken::default(),
    };
    let (ids, next) = page(&mut reader, tenant, position, &prefix, limit).await?;
    let mut items = Vec::with_capacity(ids.len());
    for id in &ids {
        // Only the owner knows.
        let live = if age.is_zero() {
            Some(gateway.cluster.live(id).await?)
        } else {
            None
        };
        items.push(ItemBody::new(id, live));
    }
    let items = Page {
        items,
        next_cursor: next.map(|next| next.write()),
    };
    Ok(fresh(&ListBody::new(items, reader.age, &reader.token)))
}

/// Where a page begins: behind a name of a tenant, or, with an empty name, at the beginning of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    tenant: TenantId,
    after: String,
}

impl Position {
    fn parse(position: &str) -> Result<Self, Problem> {
        let (tenant, after) = position.split_once('/').unwrap_or((position, ""));
        Ok(Self {
            tenant: TenantId::new(tenant)?,
            after: after.to_owned(),
        })
    }

    fn write(&self) -> String {
        cursor::encode(ACTORS, &format!("{}/{}", self.tenant, self.after))
    }
}

/// Reads the directory, and keeps account of how old all that was read is.
struct Reader<'a> {
    cluster: &'a Cluster,
    listing: DatedListing,
    class: &'a str,
    age: Duration,
    token: ReadToken,
}

impl Reader<'_> {
    async fn names(&mut self, tenant: &TenantId, query: DirectoryQuery) -> Result<Vec<String>> {
        let names = self.listing.names(self.class, tenant, query).await?;
        Ok(self.note(names))
    }

    async fn next_tenant(&mut self, after: Option<TenantId>) -> Result<Option<TenantId>> {
        let query = TenantQuery {
            class: Some(self.class.to_owned()),
            after,
            limit: 1,
        };
        let tenants = self.listing.tenants(query).await?;
        Ok(self.note(tenants).pop())
    }

    fn note<T>(&mut self, dated: Dated<T>) -> T {
        self.age = self.age.max(dated.age);
        self.token.merge(&dated.token);
        dated.found
    }
}

/// One page of the actors of a class, of one tenant or of all, and where the next one begins.
async fn page(
    reader: &mut Reader<'_>,
    tenant: Option<TenantId>,
    position: Option<Position>,
    prefix: &str,
    limit: usize,
) -> Result<(Vec<ActorId>, Option<Position>)> {
    let mut ids = Vec::new();
    let (mut current, mut after) = match (position, &tenant) {
        (Some(position), _) => (
            Some(position.tenant),
            Some(position.after).filter(|after| !after.is_empty()),
        ),
        (None, Some(tenant)) => (Some(tenant.clone()), None),
        (None, None) => (reader.next_tenant(None).await?, None),
    };
    let mut looked = 0;
    while let Some(of) = current.take() {
        if looked == TENANTS_MAX {
            let next = Position {
                tenant: of,
                after: String::new(),
            };
            return Ok((ids, Some(next)));
        }
        looked += 1;
        // One more than fits tells whether there is a next page.
        let wanted = limit - ids.len() + 1;
        let query = DirectoryQuery {
            prefix: prefix.to_owned(),
            after: after.take(),
            limit: wanted,
        };
        for name in reader.names(&of, query).await? {
            if ids.len() == limit {
                let after = ids.last().map_or("", ActorId::name).to_owned();
                let is_of_this = ids.last().is_some_and(|last| *last.tenant() == of);
                let next = Position {
                    tenant: of,
                    after: if is_of_this { after } else { String::new() },
                };
                return Ok((ids, Some(next)));
            }
            ids.push(reader.cluster.actor_id(reader.class, &of, &name)?);
        }
        if tenant.is_none() {
            current = reader.next_tenant(Some(of)).await?;
        }
    }
    Ok((ids, None))
}

/// `GET /actors/slow`: the node's last slow turns, the latest first.
pub(crate) async fn slow(gateway: Shared) -> Answer {
    let items = gateway
        .cluster
        .slow_turns()
        .into_iter()
        .map(SlowTurnBody::from)
        .collect();
    Ok(fresh(&SlowBody { items }))
}

/// `GET /actors/{class}/{tenant}/{name}`.
pub(crate) async fn show(gateway: Shared, place: Place) -> Answer {
    let id = id(&gateway, place)?;
    let status = gateway.cluster.inspect(&id).await?;
    if !status.exists && status.live.is_none() {
        return Err(Problem::not_found(
            "actor.not-found",
            format!("{id} has stored nothing and is not in memory"),
        ));
    }
    Ok(fresh(&ActorBody::from(status)))
}

/// `GET /actors/{class}/{tenant}/{name}/values`: what the actor has stored, as it is encoded.
pub(crate) async fn values(request: HttpRequest, gateway: Shared, place: Place) -> Answer {
    let mut query = body::query(&request)?;
    let (limit, mut after) = values_query(&mut query)?;
    query.finish_query()?;
    let id = id(&gateway, place)?;
    let (mut items, mut bytes) = (Vec::new(), 0);
    let next = loop {
        let read = VALUES_READ.min(limit - items.len());
        let values = gateway.cluster.stored_values(&id, after.as_deref(), read).await?;
        let is_last = values.len() < read;
        for StoredValue { key, value } in values {
            bytes += value.len();
            items.push(ValueBody {
                bytes: value.len(),
                base64: STANDARD.encode(&value),
                key,
            });
        }
        after = items.last().map(|item: &ValueBody| item.key.clone());
        if is_last {
            break None;
        }
        if items.len() >= limit || bytes >= VALUE_BYTES {
            break after;
        }
    };
    Ok(fresh(&Page {
        items,
        next_cursor: next.map(|key| cursor::encode(VALUES, &format!("{KEY_MARK}{key}"))),
    }))
}

/// The key of a position.
fn key(position: &str) -> Result<String, Problem> {
    let key = position.strip_prefix(KEY_MARK).ok_or_else(cursor::foreign)?;
    Ok(key.to_owned())
}

/// `POST /actors/{class}/{tenant}/{name}/passivate`: answers when what the actor did is durable, with a token that covers it
/// unless the owner of the actor is lost at this very moment.
pub(crate) async fn passivate(gateway: Shared, place: Place) -> Answer {
    let id = id(&gateway, place)?;
    let was_live = gateway.cluster.passivate(&id).await?;
    let token = gateway.cluster.read_token(&id).await.ok();
    tracing::info!(class = id.class(), tenant = %id.tenant(), was_live, "the operator put an actor away");
    Ok(fresh(&PassivatedBody {
        class: id.class().to_owned(),
        tenant: id.tenant().clone(),
        name: id.name().to_owned(),
        was_live,
        read_token: token.map(|token| token.to_string()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_from_its_cursor() {
        for after in ["", "run-1", "a/b/c"] {
            let position = Position {
                tenant: TenantId::new("acme").unwrap(),
                after: after.to_owned(),
            };
            let written = cursor::decode(ACTORS, &position.write()).unwrap();
            assert_eq!(Position::parse(&written).unwrap(), position);
        }
    }
}
