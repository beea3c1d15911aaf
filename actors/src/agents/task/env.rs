//! What tasks are given by the server.

use std::{collections::BTreeSet, sync::Arc};

use cluster::prelude::TenantId;

use crate::api_key::Scope;

/// The permissions that a role, or the scope of a key, gives in a tenant, by their names.
pub type Grants = fn(&Scope, &TenantId) -> BTreeSet<String>;

/// By which rules tasks are done. Cloning shares them.
#[derive(Debug, Clone)]
pub struct TaskEnv {
    /// Who may do what.
    pub grants: Grants,
    /// What tasks may call: a kind of agents, or kind and method with a dot between them.
    pub callable: Arc<BTreeSet<String>>,
}

impl TaskEnv {
    /// Whether tasks may call a method.
    pub(super) fn may_call(&self, kind: &str, method: &str) -> bool {
        let is_whole = !kind.contains('.') && self.callable.contains(kind);
        is_whole || self.callable.contains(&format!("{kind}.{method}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_may_be_called_whole_or_by_some_of_its_methods() {
        let env = TaskEnv {
            grants: |_, _| BTreeSet::new(),
            callable: Arc::new(["counter", "limiter.check"].map(str::to_owned).into()),
        };
        assert!(env.may_call("counter", "add") && env.may_call("limiter", "check"));
        assert!(!env.may_call("limiter", "define") && !env.may_call("chat", "allowTool"));
        assert!(!env.may_call("limiter.check", ""));
    }
}
