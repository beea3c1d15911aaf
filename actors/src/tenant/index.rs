//! The tenant actor and its index of runs.

#[cfg(test)]
mod golden;

use std::collections::{BTreeMap, VecDeque};

use cluster::prelude::{Ctx, Handler, Interface, Key, Keys, List, Result, VirtualActor};

use super::messages::{
    Counts, DeleteParked, GetCounts, GetParked, ListParked, ListRuns, Park, PhaseMedian, PhaseTiming, Promote,
    RunChanged, RunPage, RunSummary, Timings,
};
use crate::{env::Env, records::RunStatus};

/// Name of the one tenant actor of a tenant.
pub const NAME: &str = "tenant";
/// Most rows of a page.
pub(super) const PAGE: u32 = 100;
/// Rows looked at for one page at most; with a filter that few rows pass, a page may be short and still have a cursor.
const SCANNED: usize = 2_000;
/// Samples kept of each phase.
const SAMPLES: usize = 20;

const RUNS: Keys<RunSummary> = Keys::new("runs/");
const COUNTS: Key<Counts> = Key::new("counts");
const TIMINGS: Key<BTreeMap<String, VecDeque<u64>>> = Key::new("timings");

/// The indexes of a tenant.
#[derive(Debug)]
pub struct Tenant {
    /// Durations in milliseconds of each phase, the latest last.
    timings: BTreeMap<String, VecDeque<u64>>,
    counts: Counts,
}

impl VirtualActor for Tenant {
    const CLASS: &'static str = "tenant";
    type Env = Env;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<RunChanged>()
            .on::<ListRuns>()
            .on::<Timings>()
            .on::<GetCounts>()
            .on::<Park>()
            .on::<ListParked>()
            .on::<GetParked>()
            .on::<Promote>()
            .on::<DeleteParked>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            timings: ctx.storage().get(&TIMINGS).await?.unwrap_or_default(),
            counts: ctx.storage().get(&COUNTS).await?.unwrap_or_default(),
        })
    }
}

impl Handler<RunChanged> for Tenant {
    async fn handle(&mut self, RunChanged { summary, timing }: RunChanged, ctx: &mut Ctx<Self>) -> Result<()> {
        if let Some(PhaseTiming { phase, duration_ms }) = timing {
            let samples = self.timings.entry(phase).or_default();
            samples.push_back(duration_ms);
            if samples.len() > SAMPLES {
                samples.pop_front();
            }
            ctx.storage().put(&TIMINGS, &self.timings)?;
        }
        let key = RUNS.key(&newest_first(summary.created_ms, &summary.run.id));
        let known = ctx.storage().get(&key).await?;
        if known.as_ref().is_none_or(|known| known.revision < summary.revision) {
            ctx.storage().put(&key, &summary)?;
            let waits = |summary: &RunSummary| summary.run.status == RunStatus::AwaitingApproval;
            match (known.as_ref().is_some_and(waits), waits(&summary)) {
                (false, true) => self.count(ctx, |counts| counts.awaiting += 1)?,
                (true, false) => self.count(ctx, |counts| counts.awaiting = counts.awaiting.saturating_sub(1))?,
                (true, true) | (false, false) => {}
            }
        }
        Ok(())
    }
}

impl Tenant {
    /// Changes the counts, in this turn.
    pub(super) fn count(&mut self, ctx: &mut Ctx<Self>, change: impl FnOnce(&mut Counts)) -> Result<()> {
        change(&mut self.counts);
        ctx.storage().put(&COUNTS, &self.counts)
    }
}

impl Handler<GetCounts> for Tenant {
    async fn handle(&mut self, GetCounts: GetCounts, _ctx: &mut Ctx<Self>) -> Result<Counts> {
        Ok(self.counts)
    }
}

impl Handler<ListRuns> for Tenant {
    async fn handle(&mut self, list: ListRuns, ctx: &mut Ctx<Self>) -> Result<RunPage> {
        let wanted = |summary: &RunSummary| match list.status {
            Some(status) => summary.run.status == status,
            None => summary.run.status != RunStatus::Deleted,
        };
        let (items, next) = page(&RUNS, list.after.clone(), list.limit, wanted, ctx).await?;
        Ok(RunPage { items, next })
    }
}

impl Handler<Timings> for Tenant {
    async fn handle(&mut self, Timings: Timings, _ctx: &mut Ctx<Self>) -> Result<Vec<PhaseMedian>> {
        let medians = self.timings.iter().filter_map(|(phase, samples)| {
            Some(PhaseMedian {
                phase: phase.clone(),
                seconds: median_seconds(samples)?,
                samples: samples.len() as u32,
            })
        });
        Ok(medians.collect())
    }
}

/// Reads a page of rows that `wanted` lets pass, and the cursor of the next one.
pub(super) async fn page<T: serde::de::DeserializeOwned>(
    keys: &Keys<T>,
    mut after: Option<String>,
    limit: u32,
    wanted: impl Fn(&T) -> bool,
    ctx: &mut Ctx<Tenant>,
) -> Result<(Vec<T>, Option<String>)> {
    let limit = limit.clamp(1, PAGE) as usize;
    let (mut items, mut scanned) = (Vec::new(), 0);
    loop {
        let list = List {
            after: after.clone(),
            limit,
            ..List::default()
        };
        let rows = ctx.storage().list(keys, list).await?;
        let last = rows.len() < limit;
        scanned += rows.len();
        for (key, row) in rows {
            if items.len() == limit {
                return Ok((items, after));
            }
            after = Some(key);
            if wanted(&row) {
                items.push(row);
            }
        }
        if last {
            return Ok((items, None));
        }
        if items.len() == limit || scanned >= SCANNED {
            return Ok((items, after));
        }
    }
}

/// A key that sorts by time, the newest first.
pub(super) fn newest_first(created_ms: i64, id: &str) -> String {
    format!("{:020}-{id}", u64::MAX - created_ms.max(0).unsigned_abs())
}

fn median_seconds(samples: &VecDeque<u64>) -> Option<f64> {
    let mut sorted: Vec<u64> = samples.iter().copied().collect();
    sorted.sort_unstable();
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    let median = if sorted.len() % 2 == 1 {
        upper as f64
    } else {
        (upper + sorted[middle - 1]) as f64 / 2.0
    };
    Some(median / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_rows_sort_before_older_ones() {
        assert!(newest_first(2_000, "b") < newest_first(1_000, "a"));
        assert!(newest_first(1_000, "a") < newest_first(1_000, "b"));
        assert!(newest_first(1_800_000_000_000, "a") < newest_first(0, "a"));
    }

    #[test]
    fn the_median_of_an_even_number_of_samples_is_between_the_middle_two() {
        assert_eq!(median_seconds(&VecDeque::new()), None);
        assert_eq!(median_seconds(&VecDeque::from([9_000])), Some(9.0));
        assert_eq!(median_seconds(&VecDeque::from([9_000, 1_000, 2_000, 4_000])), Some(3.0));
    }
}
