//! Where copies of groups should be, and the next steps there: a pure function of what is known of the cluster.
//!
//! First it is decided which nodes each group should have ([`Target`]), with as few moves as possible from what it has;
//! then, for each group, the one next step on the way ([`steps`]). Nothing is remembered between two calls: what is
//! under way is seen in the groups themselves.

mod leaders;
mod steps;
mod target;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use steps::{plan, why_not_removed};
use target::Target;
pub(crate) use view::{Action, Candidate, Limits, Note, Placed, Step, View};
