//! Lists over all shards: asked of their owners, and from the copies on the node that is asked.

use crate::{client::Connection, figures::Figures, host::Host};

pub(crate) const OWNERS: &str = "list of 50 actors, 32 shards, asked of the owners, us";
pub(crate) const CONFIRMED: &str = "list of 50 actors, 32 shards, from copies confirmed each time, us";
pub(crate) const COPIES: &str = "list of 50 actors, 32 shards, from copies up to 500 ms old, us";
pub(crate) const OLDEST: &str = "age of the oldest of lists up to 500 ms old, ms";

/// Lists of a round, one after another.
const LISTS: u32 = 500;

/// Ages that are allowed, in microseconds. No list is so short that the next one begins within the shortest.
const NONE: u32 = 0;
const SHORTEST: u32 = 1;
const SOME: u32 = 500_000;

/// Asks one node for lists.
pub(super) async fn run(figures: &mut Figures, host: &Host) {
    let mut connection = Connection::open(host.clients()).await.expect("the node listens");
    for (case, age) in [(OWNERS, NONE), (CONFIRMED, SHORTEST), (COPIES, SOME)] {
        let answer = connection.call(&format!("ages {age} {LISTS}")).await;
        let answer = answer.expect("the node answers");
        let mut counts = answer
            .split(' ')
            .skip(1)
            .map(|count| count.parse::<f64>().expect("a count"));
        figures.add(case, counts.next().expect("how long it took") / f64::from(LISTS));
        if age == SOME {
            figures.add(OLDEST, counts.next().expect("the age of the oldest") / 1e3);
        }
    }
}
