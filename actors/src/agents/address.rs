//! Where an agent is found.

use cluster::prelude::{ActorError, ActorId, Result, TenantId};

use super::AgentActor;
use crate::user::UserId;

/// Longest name of a kind, in bytes.
const KIND_BYTES_MAX: usize = 40;
/// Longest name of an agent, in bytes.
const NAME_BYTES_MAX: usize = 100;
/// Longest name of an actor, in bytes.
const ACTOR_NAME_BYTES_MAX: usize = 256;

/// An agent within its tenant: the kind, whose it is, and what they call it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AgentAddress {
    kind: String,
    owner: Option<UserId>,
    name: String,
}

impl AgentAddress {
    /// The agent of this kind that `owner`, or everyone in the tenant, calls `name`.
    ///
    /// # Errors
    /// `agent.name` if the name is empty, too long or has control characters, or if kind, owner and name are too long together.
    pub fn new(kind: &str, owner: Option<UserId>, name: &str) -> Result<Self> {
        let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
        let address = Self {
            kind: kind.to_owned(),
            owner,
            name: name.to_owned(),
        };
        if !is_kind(kind) || !is_name || address.actor_name().len() > ACTOR_NAME_BYTES_MAX {
            return Err(ActorError::invalid(
                "agent.name",
                format!("the name of an agent has 1 to {NAME_BYTES_MAX} bytes and no control characters"),
            ));
        }
        Ok(address)
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Whose it is; none if it is shared in the tenant.
    #[must_use]
    pub fn owner(&self) -> Option<&UserId> {
        self.owner.as_ref()
    }

    /// What the owner calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The actor.
    #[must_use]
    pub fn actor(&self, tenant: &TenantId) -> ActorId {
        ActorId::from_name::<AgentActor>(tenant, &self.actor_name())
    }

    /// Kind, owner and name, with a slash between them. Neither a kind nor an escaped owner has one.
    fn actor_name(&self) -> String {
        let owner = self.owner.as_ref().map_or("", UserId::as_str);
        let owner = owner.replace('%', "%25").replace('/', "%2F");
        format!("{}/{owner}/{}", self.kind, self.name)
    }

    /// Reads the name of an actor.
    pub(super) fn of_actor(actor_name: &str) -> Option<Self> {
        let mut parts = actor_name.splitn(3, '/');
        let (kind, owner, name) = (parts.next()?, parts.next()?, parts.next()?);
        let owner = owner.replace("%2F", "/").replace("%25", "%");
        let owner = (!owner.is_empty()).then(|| UserId::new(&owner)).transpose().ok()?;
        Self::new(kind, owner, name).ok()
    }
}

/// Whether a kind of agents can be called so: words of small letters and digits, with hyphens between them.
pub(super) fn is_kind(name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.len() <= KIND_BYTES_MAX && name.split('-').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> Option<UserId> {
        Some(UserId::new(id).unwrap())
    }

    #[test]
    fn an_address_is_read_back_from_the_name_of_its_actor() {
        for (owner, name) in [
            (None, "general"),
            (user("ann"), "a/b"),
            (user("key:1"), "%2F"),
            (user("a/b%2F"), "ü x"),
        ] {
            let address = AgentAddress::new("chat", owner, name).unwrap();
            assert_eq!(AgentAddress::of_actor(&address.actor_name()), Some(address));
        }
    }

    #[test]
    fn nobody_can_name_the_agent_of_somebody_else() {
        let names = [
            AgentAddress::new("chat", user("ann"), "x/y"),
            AgentAddress::new("chat", user("ann/x"), "y"),
            AgentAddress::new("chat", user("ann%2Fx"), "y"),
            AgentAddress::new("chat", None, "ann/x/y"),
        ];
        let names: std::collections::BTreeSet<_> = names.map(|address| address.unwrap().actor_name()).into();
        assert_eq!(names.len(), 4, "{names:?}");
    }

    #[test]
    fn names_have_bounds() {
        for name in ["", "a\nb", &"x".repeat(101)] {
            assert_eq!(
                AgentAddress::new("chat", None, name).unwrap_err().code(),
                "agent.name",
                "{name:?}"
            );
        }
        let owner = Some(UserId::new(&"/".repeat(128)).unwrap());
        assert_eq!(AgentAddress::new("chat", owner, "x").unwrap_err().code(), "agent.name");
        for kind in ["", "Chat", "chat-", "-chat", "chat_x", "a--b", &"x".repeat(41)] {
            assert!(!is_kind(kind), "{kind:?}");
        }
        assert!(is_kind("my-agent-2"));
    }
}
