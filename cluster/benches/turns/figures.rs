//! What was measured, round by round.

use std::collections::BTreeMap;

use crate::load::Rate;

/// The figures of each case, one per round.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    cases: BTreeMap<&'static str, Vec<f64>>,
    /// Processor time of a call, of those cases where there is much of it.
    processor: BTreeMap<&'static str, Vec<f64>>,
}

/// The middle of some figures, and their ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Figures {
    /// Adds the figure of one round.
    pub(crate) fn add(&mut self, case: &'static str, figure: f64) {
        self.cases.entry(case).or_default().push(figure);
    }

    /// Adds what callers reached in one round.
    pub(crate) fn add_rate(&mut self, case: &'static str, rate: Rate) {
        self.add(case, rate.calls);
        self.processor.entry(case).or_default().push(rate.processor);
    }

    /// Forgets the first round of these cases, which warmed up.
    pub(crate) fn warmed_up(&mut self, cases: &[&'static str]) {
        for case in cases {
            for figures in [&mut self.cases, &mut self.processor] {
                figures.get_mut(case).map(|figures| figures.remove(0));
            }
        }
    }

    pub(crate) fn spread(&self, case: &str) -> Option<Spread> {
        self.cases.get(case).and_then(|figures| Spread::of(figures.clone()))
    }

    /// Median processor time of a call, in microseconds.
    pub(crate) fn processor(&self, case: &str) -> Option<f64> {
        Some(Spread::of(self.processor.get(case)?.clone())?.median)
    }

    /// How two cases compare within each round.
    pub(crate) fn ratio(&self, case: &str, base: &str) -> Option<Spread> {
        let (case, base) = (self.cases.get(case)?, self.cases.get(base)?);
        Spread::of(case.iter().zip(base).map(|(case, base)| case / base).collect())
    }
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        Some(Self {
            median: median(&figures)?,
            least: *figures.first()?,
            most: *figures.last()?,
        })
    }
}

/// The middle of sorted figures.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 {
        upper
    } else {
        f64::midpoint(sorted[middle - 1], upper)
    })
}
