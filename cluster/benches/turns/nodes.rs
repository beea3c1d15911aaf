//! What several nodes cost, and what clients notice when actors move: processes on hosts of their own, which are those of
//! the tests in `tests/nodes`, with mTLS between them.
//!
//! Needs the right to make network namespaces; without it the part is left out, with a loud message.

mod idle;
mod lists;
mod moves;
mod throughput;
mod traffic;

pub(crate) use idle::{IDLE, IDLE_ONE};
pub(crate) use lists::{CONFIRMED, COPIES, OLDEST, OWNERS};
pub(crate) use moves::{CALM, DRAIN, FAILED, JOIN, JOIN_FAILED, JOIN_TIME, STOP};
pub(crate) use throughput::{ONE, THREE};

use crate::{bridge::Bridge, figures::Figures, load::runtime, options::Options, process::Shape};

/// Shards of the clusters, as the targets have it, and threads of the actors, as the server has them.
const SHAPE: Shape = Shape { shards: 32, threads: 2 };

/// Runs the part.
pub(crate) fn run(options: &Options, figures: &mut Figures) {
    if let Err(reason) = Bridge::permitted() {
        println!("SKIPPED: nodes on hosts of their own need network namespaces: {reason}");
        return;
    }
    runtime(2).block_on(async {
        throughput::run(options, figures).await;
        moves::run(options, figures).await;
    });
}
