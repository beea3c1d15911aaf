//! The phases of a run on a common axis of working time.

use super::RunView;
use crate::planes::ui::{
    moment,
    phase::{PHASES, PhaseInfo, Stone, StoneState},
    summary::VerdictKind,
};

/// How far a phase is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PhaseView {
    /// What its stone shows.
    pub state: StoneState,
    /// Milliseconds it took, once accepted.
    pub duration_ms: Option<u64>,
    /// When it started, Unix seconds, while it is worked on.
    pub started_at: Option<i64>,
    /// Milliseconds such a phase takes (median of earlier ones), where it can be told.
    pub estimate_ms: Option<u64>,
    /// Score, 0 to 10, where it was assessed.
    pub score: Option<f64>,
    /// For the kill test: its verdict.
    pub verdict: Option<VerdictKind>,
    /// Drafts it took; 0 and 1 say nothing.
    pub drafts: u32,
    /// Version that can be read, where there is one.
    pub version: Option<u32>,
}

impl PhaseView {
    pub(in crate::planes::ui) fn is_done(&self) -> bool {
        self.state == StoneState::Done
    }

    pub(in crate::planes::ui) fn is_live(&self) -> bool {
        self.state == StoneState::Running
    }

    fn spent(&self, now: i64) -> u64 {
        let running = || {
            self.started_at
                .filter(|_| self.is_live())
                .map(|start| moment::between(start, now))
        };
        self.duration_ms.or_else(running).unwrap_or(0)
    }

    /// Time under the stone.
    pub(in crate::planes::ui) fn time(&self, now: &i64) -> String {
        match self.spent(*now) {
            0 if !self.is_live() => "–".to_owned(),
            spent => moment::clock_length(spent),
        }
    }
}

/// An attempt that ended in a pivot.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptView {
    /// 1 for the first.
    pub number: u32,
    /// Why it pivoted.
    pub reason: String,
    /// Its phases, in order.
    pub phases: Vec<PhaseView>,
}

impl AttemptView {
    pub(in crate::planes::ui) fn took(&self) -> String {
        moment::clock_length(self.phases.iter().filter_map(|phase| phase.duration_ms).sum())
    }

    /// Phases of it that can still be read, with the version and time of each.
    pub(in crate::planes::ui) fn readable(&self) -> Vec<(&'static PhaseInfo, u32, String)> {
        let rows = PHASES.iter().zip(&self.phases);
        rows.filter_map(|(info, phase)| Some((info, phase.version?, phase.time(&0))))
            .collect()
    }

    pub(in crate::planes::ui) fn stones(&self) -> Vec<Stone> {
        let state = |index: usize| self.phases.get(index).map(|phase| phase.state).unwrap_or_default();
        PHASES
            .iter()
            .enumerate()
            .map(|(index, phase)| Stone {
                phase,
                state: state(index),
            })
            .collect()
    }
}

/// The waterfall: a row per phase, a bar per row, one axis. The axis is working time, so that a pause of a night does not
/// squeeze everything else into a line.
#[derive(Debug)]
pub(in crate::planes::ui) struct Fall {
    pub(in crate::planes::ui) rows: Vec<FallRow>,
}

/// A row of the waterfall.
#[derive(Debug)]
pub(in crate::planes::ui) struct FallRow {
    pub(in crate::planes::ui) info: &'static PhaseInfo,
    pub(in crate::planes::ui) state: StoneState,
    pub(in crate::planes::ui) bars: Vec<Bar>,
    pub(in crate::planes::ui) word: String,
    pub(in crate::planes::ui) tone: &'static str,
    pub(in crate::planes::ui) score: String,
    pub(in crate::planes::ui) time: String,
    pub(in crate::planes::ui) since: Option<i64>,
    pub(in crate::planes::ui) readable: bool,
}

impl FallRow {
    pub(in crate::planes::ui) fn class(&self) -> &'static str {
        match self.state {
            StoneState::Running => "now",
            StoneState::Todo => "todo",
            StoneState::Waiting => "ask",
            StoneState::Done | StoneState::Paused | StoneState::Pivoted | StoneState::Stopped => "",
        }
    }
}

/// A bar on an axis of 1000.
#[derive(Debug)]
pub(in crate::planes::ui) struct Bar {
    pub(in crate::planes::ui) x: u64,
    pub(in crate::planes::ui) width: u64,
    pub(in crate::planes::ui) class: &'static str,
}

impl Fall {
    pub(super) fn new(view: &RunView, now: i64) -> Self {
        let phases: Vec<PhaseView> = (0..PHASES.len()).map(|index| view.phase(&index)).collect();
        let known: Vec<u64> = phases
            .iter()
            .filter_map(|phase| phase.duration_ms)
            .filter(|spent| *spent > 0)
            .collect();
        let guess = if known.is_empty() {
            60_000
        } else {
            known.iter().sum::<u64>() / known.len() as u64
        };
        // A phase that was not started in a run that is over needs no place on the axis.
        let over = view.summary.state.is_final();
        let lengths: Vec<(u64, u64)> = phases
            .iter()
            .map(|phase| {
                let spent = phase.spent(now);
                let whole = phase.estimate_ms.unwrap_or(guess);
                let rest = match phase.state {
                    StoneState::Running | StoneState::Paused => whole.saturating_sub(spent),
                    StoneState::Todo if !over => whole,
                    StoneState::Todo
                    | StoneState::Done
                    | StoneState::Waiting
                    | StoneState::Pivoted
                    | StoneState::Stopped => 0,
                };
                (spent, rest)
            })
            .collect();
        let total = lengths.iter().map(|(spent, rest)| spent + rest).sum::<u64>().max(1);
        let scale = |length: u64| length.saturating_mul(1000) / total;
        let mut start = 0;
        let rows = PHASES
            .iter()
            .zip(&phases)
            .zip(&lengths)
            .map(|((info, phase), (spent, rest))| {
                let mut bars = Vec::with_capacity(2);
                if *spent > 0 {
                    bars.push(Bar {
                        x: scale(start),
                        width: scale(*spent).max(6),
                        class: phase.state.class(),
                    });
                }
                if *rest > 0 {
                    bars.push(Bar {
                        x: scale(start + spent),
                        width: scale(*rest).max(4),
                        class: "plan",
                    });
                }
                start += spent + rest;
                row(info, phase, bars, now)
            });
        Self { rows: rows.collect() }
    }
}

fn row(info: &'static PhaseInfo, phase: &PhaseView, bars: Vec<Bar>, now: i64) -> FallRow {
    let (word, tone) = match (phase.state, phase.verdict) {
        // Colour is for what was judged.
        (StoneState::Done, Some(verdict)) if phase.score.is_none() => (format!("{}, not assessed", verdict.word()), ""),
        (StoneState::Done | StoneState::Pivoted | StoneState::Stopped, Some(verdict)) => {
            (verdict.word().to_owned(), verdict.tone())
        }
        (StoneState::Done, None) if phase.drafts > 1 => (format!("Accepted, draft {}", phase.drafts), ""),
        (StoneState::Done, None) => ("Accepted".to_owned(), ""),
        (StoneState::Running, _) => ("Running".to_owned(), "live"),
        (StoneState::Waiting, _) => ("Needs you".to_owned(), "wait"),
        (StoneState::Paused, _) => ("Paused".to_owned(), ""),
        (StoneState::Pivoted, None) => ("Pivoted".to_owned(), "pivot"),
        (StoneState::Stopped, None) => ("Stopped".to_owned(), "bad"),
        (StoneState::Todo, _) => (String::new(), ""),
    };
    let time = match phase.estimate_ms {
        Some(estimate) if phase.state == StoneState::Todo => format!("~{}", moment::clock_length(estimate)),
        _ => phase.time(&now),
    };
    FallRow {
        info,
        state: phase.state,
        bars,
        word,
        tone,
        score: phase.score.map(|score| format!("{score:.1}")).unwrap_or_default(),
        time,
        since: phase.started_at.filter(|_| phase.is_live()),
        readable: phase.version.is_some(),
    }
}
