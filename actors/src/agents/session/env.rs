//! What the agent is given by the server.

use std::{fmt, sync::Arc};

use crate::ports::OwnSessions;

/// The way to the sessions. Cloning shares it.
#[derive(Clone)]
pub struct SessionEnv(pub Arc<dyn OwnSessions>);

impl fmt::Debug for SessionEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEnv").finish_non_exhaustive()
    }
}
