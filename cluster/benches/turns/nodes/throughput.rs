//! Durable turns through all of three nodes, beside those of one node; and what both cost at rest.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{SHAPE, idle, lists, traffic::balanced};
use crate::{
    client::Connection,
    field::Field,
    figures::Figures,
    host::Host,
    load::{Rate, precise},
    machine,
    options::Options,
};

pub(crate) const ONE: &str = "durable turn, 1,000 actors, 256 callers, 32 shards, 1 node";
pub(crate) const THREE: &str = "durable turn, 1,000 actors, 256 callers, 32 shards, 3 nodes";

/// Callers of a cluster, spread over its nodes. They are in the nodes, so that clients cost both sides nothing.
const CALLERS: usize = 256;

/// How long a case runs compared with others: nodes have more to come to terms with.
const LONGER: u32 = 4;

/// How long nodes are left alone after they were frozen.
const SETTLES: Duration = Duration::from_secs(2);

/// Runs both sides in turns; the one that is not measured stands still.
pub(super) async fn run(options: &Options, figures: &mut Figures) {
    let one = Field::shaped(1, SHAPE).await;
    let mut three = Field::shaped(3, SHAPE).await;
    three.grow().await;
    balanced(&three, 3).await;
    idle::run(options, figures, &one.hosts, &three.hosts).await;
    let span = LONGER * options.span();
    for _ in 0..=options.rounds() {
        freeze(&three, true);
        figures.add_rate(ONE, rate(&one.hosts, span).await);
        freeze(&three, false);
        freeze(&one, true);
        balanced(&three, 3).await;
        tokio::time::sleep(SETTLES).await;
        figures.add_rate(THREE, rate(&three.hosts, span).await);
        lists::run(figures, &three.hosts[0]).await;
        freeze(&one, false);
    }
    figures.warmed_up(&[ONE, THREE]);
}

fn freeze(field: &Field, is_frozen: bool) {
    for host in &field.hosts {
        host.freeze(is_frozen);
    }
}

/// What callers in all these nodes reach together.
async fn rate(hosts: &[Host], span: Duration) -> Rate {
    let callers = CALLERS.div_ceil(hosts.len());
    let (begin, busy) = (Instant::now(), processor_time(hosts));
    let loads = hosts.iter().map(async |host| {
        let mut connection = Connection::open(host.clients()).await.expect("the node listens");
        let load = format!("load {callers} {}", span.as_millis());
        let answer = connection.call(&load).await.expect("the node answers");
        let mut counts = answer
            .split(' ')
            .skip(1)
            .map(|count| count.parse::<u64>().expect("a count"));
        let stored = counts.next().expect("what was stored");
        assert_eq!(counts.next(), Some(0), "no turn fails");
        stored
    });
    let calls = precise(join_all(loads).await.into_iter().sum());
    Rate {
        calls: calls / begin.elapsed().as_secs_f64(),
        processor: (processor_time(hosts) - busy) * 1e6 / calls,
    }
}

/// Seconds that the processes of some hosts have run together.
fn processor_time(hosts: &[Host]) -> f64 {
    let processes = hosts.iter().filter_map(Host::process);
    processes
        .map(|process| machine::processor_time_of(&process.to_string()))
        .sum()
}
