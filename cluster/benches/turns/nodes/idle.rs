//! What nodes cost of whom nobody wants anything.

use std::time::{Duration, Instant};

use crate::{figures::Figures, host::Host, machine, options::Options};

pub(crate) const IDLE: &str = "processor of an idle node of 3, 32 shards, % of a core";
pub(crate) const IDLE_ONE: &str = "processor of an idle node alone, 32 shards, % of a core";

/// How long nodes are left alone before.
const SETTLES: Duration = Duration::from_secs(10);

/// How long they are watched.
fn span(options: &Options) -> Duration {
    Duration::from_secs(if options.quick { 10 } else { 30 })
}

/// Watches them.
pub(super) async fn run(options: &Options, figures: &mut Figures, one: &[Host], three: &[Host]) {
    tokio::time::sleep(SETTLES).await;
    let cases = one.iter().map(|host| (IDLE_ONE, host));
    let cases = cases.chain(three.iter().map(|host| (IDLE, host)));
    let cases: Vec<_> = cases
        .filter_map(|(case, host)| Some((case, host.process()?.to_string())))
        .collect();
    let busy = || cases.iter().map(|(_, process)| machine::processor_time_of(process));
    let (begin, before) = (Instant::now(), busy().collect::<Vec<_>>());
    tokio::time::sleep(span(options)).await;
    let elapsed = begin.elapsed().as_secs_f64();
    for ((case, _), (before, after)) in cases.iter().zip(before.into_iter().zip(busy())) {
        figures.add(case, 100.0 * (after - before) / elapsed);
    }
}
