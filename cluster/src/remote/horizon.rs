//! Up to where everything is known to be there that was acknowledged before some moment.

use std::time::Duration;

use parking_lot::Mutex;

/// What the owner of a shard has confirmed: everything that anybody was told is done before it was asked is in the
/// entries up to an index.
///
/// The moment is one of the clock of the node that asked, and the owner makes sure after it that it still is one. So it
/// stays true whatever becomes of the owner, and no clocks are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Horizon {
    /// When the owner was asked.
    pub(super) asked: Duration,
    /// Index of the last entry that the owner had applied.
    pub(super) index: u64,
}

/// The last horizon of each shard.
pub(super) struct Horizons(Vec<Mutex<Option<Horizon>>>);

impl Horizons {
    pub(super) fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| Mutex::default()).collect())
    }

    /// That of a shard, unless the owner was asked before `since`.
    pub(super) fn since(&self, shard: u16, since: Duration) -> Option<Horizon> {
        let horizon = *self.0.get(usize::from(shard))?.lock();
        horizon.filter(|horizon| horizon.asked >= since)
    }

    /// Takes note of an answer; one to an earlier question never replaces one to a later.
    pub(super) fn learn(&self, shard: u16, horizon: Horizon) {
        if let Some(known) = self.0.get(usize::from(shard)) {
            let mut known = known.lock();
            if known.is_none_or(|known| known.asked < horizon.asked) {
                *known = Some(horizon);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_overtaken_changes_nothing() {
        let horizons = Horizons::new(2);
        let horizon = |asked, index| Horizon {
            asked: Duration::from_secs(asked),
            index,
        };
        horizons.learn(1, horizon(5, 9));
        horizons.learn(1, horizon(4, 7));
        horizons.learn(2, horizon(4, 7));
        let since = |shard, since| horizons.since(shard, Duration::from_secs(since));
        assert_eq!(since(1, 5), Some(horizon(5, 9)));
        assert_eq!(since(1, 6), None);
        assert_eq!((since(0, 0), since(2, 0)), (None, None));
    }
}
