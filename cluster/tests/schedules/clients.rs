//! Those who call cells from outside, and what they may be told.

use std::time::Duration;

use cluster::{IdempotencyKey, prelude::*};
use tokio::time::Instant;

use crate::{
    cell::{Cell, Do, failure},
    ground::Nodes,
    plan::Step,
    world::{Shared, Stamp, World},
};

/// How often a call is repeated under one key.
const ATTEMPTS: usize = 12;

/// Pause before it is repeated.
const PAUSE: Duration = Duration::from_millis(150);

/// Calls a cell through one reference, without waiting in between.
pub(crate) async fn calls(world: Shared, cluster: Cluster, to: usize, deadline: Duration, scripts: Vec<Vec<Step>>) {
    let reference = cluster.get::<Cell>(world.lock().id(to));
    let stream = world.lock().stream();
    let asks = scripts.into_iter().enumerate().map(|(number, script)| {
        let call = world.lock().call(None, to);
        let panics = format!("{script:?}").contains("Panic");
        let message = Do {
            call,
            stream: Some((stream, number)),
            from: None,
            chain: Vec::new(),
            script,
        };
        // A clone would be a new reference, which keeps no order with this one.
        let (world, reference) = (world.clone(), &reference);
        async move {
            let begin = Instant::now();
            let outcome = reference.ask_within(deadline, message).await;
            judge(&mut world.lock(), call, panics, begin.elapsed(), deadline, &outcome);
            outcome.is_ok()
        }
    });
    let fine = futures(asks).await;
    world.lock().check_order(stream, fine);
}

/// Guarantee 13: repeats a call under one key, from one node after another, until it is answered.
pub(crate) async fn repeat(world: Shared, nodes: Nodes, via: usize, to: usize, deadline: Duration) {
    let call = world.lock().repeated_call(to);
    let key = IdempotencyKey::new(&format!("call-{call}")).expect("the name is lawful");
    let id = world.lock().id(to);
    for attempt in 0..ATTEMPTS {
        let cluster = running(&nodes, via + attempt);
        let Some(cluster) = cluster else { return };
        let message = Do {
            call,
            stream: None,
            from: None,
            chain: Vec::new(),
            script: vec![Step::Once(call)],
        };
        let reference = cluster.get::<Cell>(id.clone());
        let outcome = reference.ask_idempotent_within(deadline, &key, message).await;
        {
            let mut world = world.lock();
            world.note(|| format!("call {call}, attempt {attempt}: {outcome:?}"));
            match outcome {
                Ok(stamp) => {
                    world.tally.acknowledged += 1;
                    return world.call_answered(call, stamp, "a kept reply");
                }
                Err(error) if matches!(error.kind(), ErrorKind::Unknown | ErrorKind::Retryable) => {}
                Err(error) if error.kind() == ErrorKind::Overloaded && (world.refuses || world.tight) => {}
                Err(error) => world.violated(format!("call {call}, which is repeated, failed: {error:?}")),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A node that is running, this one if it is.
pub(crate) fn running(nodes: &Nodes, via: usize) -> Option<Cluster> {
    let nodes = nodes.lock();
    let from = via % nodes.len();
    let (before, behind) = nodes.split_at(from);
    behind.iter().chain(before).flatten().next().cloned()
}

/// Drives all at once; answers how many succeeded before the first failure.
async fn futures(asks: impl Iterator<Item = impl Future<Output = bool>>) -> usize {
    futures_util::future::join_all(asks)
        .await
        .into_iter()
        .take_while(|fine| *fine)
        .count()
}

/// Guarantee 13: whether a caller may be told this.
fn judge(world: &mut World, call: u64, panics: bool, elapsed: Duration, deadline: Duration, outcome: &Result<Stamp>) {
    world.note(|| format!("call {call}: {outcome:?}"));
    let (faulty, refuses, tight) = (world.faulty, world.refuses, world.tight);
    if elapsed > deadline + Duration::from_millis(1) {
        world.violated(format!("call {call} took {elapsed:?} of {deadline:?}"));
    }
    let error = match outcome {
        Ok(stamp) => {
            world.tally.acknowledged += 1;
            return world.call_answered(call, *stamp, "a reply");
        }
        Err(error) => error,
    };
    let may = match (error.kind(), error.code()) {
        (ErrorKind::Conflict, "cell.failed") => {
            world.tally.acknowledged += 1;
            if let Some(stamp) = failure(error) {
                world.call_answered(call, stamp, "an error");
            }
            true
        }
        (ErrorKind::Conflict, "actor.cycle") => true,
        (ErrorKind::Internal, "panic") => panics,
        (ErrorKind::Unknown, code) => {
            world.tally.unknown += 1;
            world.call_left(call);
            faulty || code == "deadline"
        }
        (ErrorKind::Retryable, code) => {
            world.tally.denied += 1;
            world.call_denied(call);
            // One before it may have met a bound, or panicked.
            faulty || code == "reference.broken"
        }
        (ErrorKind::Overloaded, "cell.refused") => refuses,
        (ErrorKind::Overloaded, _) => {
            world.tally.refused += 1;
            tight
        }
        _ => false,
    };
    if !may {
        world.violated(format!("call {call} failed: {error:?}"));
    }
}
