//! What was measured, round by round.

use std::collections::BTreeMap;

/// The figures of each case, one per round.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<&'static str, Vec<f64>>);

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
        self.0.entry(case).or_default().push(figure);
    }

    /// Forgets the first round of these cases, which warmed up.
    pub(crate) fn warmed_up(&mut self, cases: &[&'static str]) {
        for case in cases {
            self.0.get_mut(case).map(|figures| figures.remove(0));
        }
    }

    pub(crate) fn spread(&self, case: &str) -> Option<Spread> {
        self.0.get(case).and_then(|figures| Spread::of(figures.clone()))
    }

    /// How two cases compare within each round.
    pub(crate) fn ratio(&self, case: &str, base: &str) -> Option<Spread> {
        let (case, base) = (self.0.get(case)?, self.0.get(base)?);
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
