//! Who is connected.

use std::collections::BTreeSet;

use cluster::prelude::{ActorError, Opening, Result, SocketId, Uuid};
use serde::{Deserialize, Serialize};

/// Header of an opening that says who connects. The gateway writes it, and nothing of what the client sent.
const CALLER: &str = "foundation-caller";

/// What stands before the id of a session among permissions.
const SESSION: &str = "session:";

/// Longest id that a client may give its connection, in bytes.
const ID_BYTES_MAX: usize = 128;

/// A person or program, as the gateway has let it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentCaller {
    /// Id of the user, or `key:` and the id of an API key.
    pub user: String,
    /// What it may do in the tenant, by the names of the permissions.
    pub permissions: BTreeSet<String>,
}

impl AgentCaller {
    /// Whether it has a permission.
    #[must_use]
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.contains(permission)
    }

    /// Refuses whoever lacks a permission.
    ///
    /// # Errors
    /// `auth.permission` if the caller lacks it.
    pub fn require(&self, permission: &str) -> Result<()> {
        if self.may(permission) {
            return Ok(());
        }
        Err(ActorError::forbidden(
            "auth.permission",
            format!("this needs the permission {permission}, which you do not have"),
        ))
    }

    /// The caller, who came by this session. It is noted among the permissions, where only the gateway writes: a session is
    /// what lets its owner see to the others of the same account.
    #[must_use]
    pub fn by_session(mut self, session: Uuid) -> Self {
        self.permissions.insert(format!("{SESSION}{session}"));
        self
    }

    /// The session by which the caller came; none for programs.
    #[must_use]
    pub fn session(&self) -> Option<Uuid> {
        let mut sessions = self.permissions.iter().filter_map(|name| name.strip_prefix(SESSION));
        Uuid::parse_str(sessions.next()?).ok()
    }

    /// The caller without the session, for what is done when the person may not be there any more.
    #[must_use]
    pub(super) fn without_session(mut self) -> Self {
        self.permissions.retain(|name| !name.starts_with(SESSION));
        self
    }

    /// What the gateway says when this caller connects.
    ///
    /// # Panics
    /// Never: a caller is strings.
    #[must_use]
    pub fn opening(&self, uri: &str) -> Opening {
        let caller = serde_json::to_string(self).expect("strings are JSON");
        Opening {
            uri: uri.to_owned(),
            headers: vec![(CALLER.to_owned(), caller)],
        }
    }

    fn of(opening: &Opening) -> Result<Self> {
        let header = opening.headers.iter().find(|(name, _)| name == CALLER);
        header
            .and_then(|(_, caller)| serde_json::from_str(caller).ok())
            .ok_or_else(|| ActorError::forbidden("agent.nobody", "nobody says who connects"))
    }
}

/// A client that is connected to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its socket.
    pub socket: SocketId,
    /// What it calls itself, or else an id that it was given.
    pub id: String,
    /// Who it is.
    pub caller: AgentCaller,
    /// Whether it can change the state.
    pub is_readonly: bool,
    /// What was asked for: path and query. Known while it connects.
    pub uri: String,
}

/// What is attached to the socket of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attached {
    pub(super) id: String,
    pub(super) caller: AgentCaller,
    pub(super) is_readonly: bool,
}

impl Connection {
    /// A client that connects.
    pub(super) fn new(socket: SocketId, opening: Opening) -> Result<Self> {
        let caller = AgentCaller::of(&opening)?;
        let id = given_id(&opening.uri).unwrap_or_else(|| socket.to_string());
        Ok(Self {
            socket,
            id,
            caller,
            is_readonly: false,
            uri: opening.uri,
        })
    }

    pub(super) fn attached(&self) -> Attached {
        Attached {
            id: self.id.clone(),
            caller: self.caller.clone(),
            is_readonly: self.is_readonly,
        }
    }

    pub(super) fn of(socket: SocketId, attached: Attached) -> Self {
        let Attached {
            id,
            caller,
            is_readonly,
        } = attached;
        Self {
            socket,
            id,
            caller,
            is_readonly,
            uri: String::new(),
        }
    }
}

/// The id in the query `_pk`, in which clients name their connections.
fn given_id(uri: &str) -> Option<String> {
    let (_, query) = uri.split_once('?')?;
    let id = query.split('&').find_map(|pair| pair.strip_prefix("_pk="))?;
    let is_id = !id.is_empty()
        && id.len() <= ID_BYTES_MAX
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    is_id.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_connection_is_what_the_client_calls_it() {
        assert_eq!(given_id("/agents/a/b?_pk=0-a_b.C&x=1").as_deref(), Some("0-a_b.C"));
        assert_eq!(given_id("/agents/a/b?x=1&_pk=2").as_deref(), Some("2"));
        for uri in [
            "/a",
            "/a?_pk=",
            "/a?_pk=a%20b",
            "/a?x_pk=1",
            &format!("/a?_pk={}", "x".repeat(129)),
        ] {
            assert_eq!(given_id(uri), None, "{uri}");
        }
    }

    #[test]
    fn who_connects_is_what_the_gateway_says() {
        let caller = AgentCaller {
            user: "ann".to_owned(),
            permissions: BTreeSet::from(["run:view".to_owned()]),
        };
        assert_eq!(AgentCaller::of(&caller.opening("/x")).unwrap(), caller);
        assert_eq!(AgentCaller::of(&Opening::default()).unwrap_err().code(), "agent.nobody");
        caller.require("run:view").unwrap();
        assert_eq!(caller.require("run:create").unwrap_err().code(), "auth.permission");
        assert_eq!(caller.session(), None);
        let session = Uuid::from_u128(7);
        let signed_in = caller.clone().by_session(session);
        assert_eq!(
            AgentCaller::of(&signed_in.opening("/x")).unwrap().session(),
            Some(session)
        );
        assert_eq!(signed_in.without_session(), caller);
    }
}
