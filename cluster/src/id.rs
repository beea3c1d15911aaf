//! Names of tenants and actors.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{ActorError, Result, VirtualActor};

/// Longest tenant id, in bytes.
const TENANT_LIMIT: usize = 64;

/// Longest actor name, in bytes.
const NAME_LIMIT: usize = 256;

/// A tenant: 1 to 64 characters of `a-z`, `0-9`, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

impl TenantId {
    /// Checks and wraps a tenant id.
    ///
    /// # Errors
    /// `tenant.invalid` if it is empty, too long or has a character outside the set.
    pub fn new(text: &str) -> Result<Self> {
        let lawful = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if text.is_empty() || text.len() > TENANT_LIMIT || !text.bytes().all(lawful) {
            return Err(ActorError::invalid(
                "tenant.invalid",
                "a tenant id is 1 to 64 characters of a-z, 0-9, `-` and `_`",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TenantId {
    type Error = ActorError;

    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.0
    }
}

/// Address of one actor: class, tenant and name. Making one contacts nobody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActorId {
    class: Cow<'static, str>,
    tenant: TenantId,
    name: String,
}

impl ActorId {
    /// The actor of class `A` that `tenant` calls `name`; the same arguments give the same actor everywhere.
    ///
    /// A name that breaks the bound (1 to 256 bytes) is kept, and refused with `actor.name` at the first call.
    pub fn from_name<A: VirtualActor>(tenant: &TenantId, name: &str) -> Self {
        Self {
            class: Cow::Borrowed(A::CLASS),
            tenant: tenant.clone(),
            name: name.to_owned(),
        }
    }

    /// An actor of class `A` that nobody else can name by accident; its name is the text of the UUID.
    pub fn unique<A: VirtualActor>(tenant: &TenantId, uuid: Uuid) -> Self {
        Self::from_name::<A>(tenant, &uuid.to_string())
    }

    /// The actor of class `A` and of `tenant` that `text` names; `text` is what [`Display`](fmt::Display) makes of an id.
    ///
    /// # Errors
    /// `actor.class` and `actor.tenant` if it names an actor of another class or tenant, `actor.name` if the name breaks
    /// its bound, `actor.id` if it is no id at all.
    pub fn parse<A: VirtualActor>(tenant: &TenantId, text: &str) -> Result<Self> {
        let broken = || ActorError::invalid("actor.id", "an actor id is class, tenant and name, each behind a slash");
        let own = text.strip_prefix(A::CLASS).and_then(|rest| rest.strip_prefix('/'));
        let Some(rest) = own else {
            return Err(match text.matches('/').count() {
                0 | 1 => broken(),
                2.. => ActorError::invalid(
                    "actor.class",
                    format!("{text:?} does not name an actor of class {}", A::CLASS),
                ),
            });
        };
        let (owner, name) = rest.split_once('/').ok_or_else(broken)?;
        if TenantId::new(owner)? != *tenant {
            return Err(ActorError::forbidden(
                "actor.tenant",
                format!("{text:?} does not name an actor of tenant {tenant}"),
            ));
        }
        let id = Self::from_name::<A>(tenant, name);
        id.check()?;
        Ok(id)
    }

    pub(crate) fn from_parts(class: &'static str, tenant: TenantId, name: String) -> Self {
        Self {
            class: Cow::Borrowed(class),
            tenant,
            name,
        }
    }

    /// Class of the actor.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// Tenant that owns the actor.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Name within class and tenant.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks the bound on names.
    pub(crate) fn check(&self) -> Result<()> {
        if self.name.is_empty() || self.name.len() > NAME_LIMIT {
            return Err(ActorError::invalid(
                "actor.name",
                format!("an actor name has 1 to {NAME_LIMIT} bytes"),
            ));
        }
        Ok(())
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.class, self.tenant, self.name)
    }
}

/// Lasting identity of a class: it stays when the class is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ClassUid(pub(crate) [u8; 8]);

impl ClassUid {
    /// The uid for a class that begins with a name which had `uses_before` other classes.
    pub(crate) fn of_name(name: &str, uses_before: u32) -> Self {
        let mut digest = Sha256::new();
        digest.update(name.as_bytes());
        if uses_before > 0 {
            // No name contains the delimiter.
            digest.update([0]);
            digest.update(uses_before.to_be_bytes());
        }
        let mut uid = [0; 8];
        uid.copy_from_slice(&digest.finalize()[..8]);
        Self(uid)
    }
}

impl fmt::Display for ClassUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Place of an actor in the keyspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ActorHash(pub(crate) [u8; 16]);

impl ActorHash {
    /// Hash of (class uid, tenant, name). The parts are delimited by their lengths, so no two triples share an input.
    pub(crate) fn of(class: ClassUid, tenant: &TenantId, name: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(class.0);
        digest.update([tenant.as_str().len() as u8]);
        digest.update(tenant.as_str().as_bytes());
        digest.update(name.as_bytes());
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest.finalize()[..16]);
        Self(hash)
    }

    /// Shard of the actor: the top bits of its hash. `shards` is a power of two.
    pub(crate) fn shard(self, shards: u16) -> u16 {
        debug_assert!(shards.is_power_of_two());
        let top = u16::from_be_bytes([self.0[0], self.0[1]]);
        if shards == 1 {
            0
        } else {
            top >> (16 - shards.trailing_zeros())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_ids_are_checked() {
        for good in ["a", "team-1", "a_b", &"x".repeat(64)] {
            assert_eq!(TenantId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "a b", "ä", "a/b", &"x".repeat(65)] {
            assert_eq!(TenantId::new(bad).unwrap_err().code(), "tenant.invalid");
        }
    }

    #[test]
    fn parts_of_a_hash_cannot_be_shifted_into_each_other() {
        let class = ClassUid::of_name("chat", 0);
        let hash = |tenant: &str, name: &str| ActorHash::of(class, &TenantId::new(tenant).unwrap(), name);
        assert_ne!(hash("a", "bc"), hash("ab", "c"));
        assert_eq!(hash("a", "bc"), hash("a", "bc"));
    }

    #[test]
    fn shards_are_the_top_bits() {
        let hash = ActorHash([0xF0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(hash.shard(1), 0);
        assert_eq!(hash.shard(16), 15);
        assert_eq!(hash.shard(256), 240);
    }
}
