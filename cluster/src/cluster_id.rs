//! Which cluster a node belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Identity of a cluster, drawn at random when it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(Uuid);

impl ClusterId {
    /// Wraps what was drawn.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// What was drawn.
    pub const fn get(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
