//! The 15 phases as the pages name them, and the state of a stone.

/// A phase as pages show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseInfo {
    /// Identifier in records, API and addresses.
    pub id: &'static str,
    /// 1 to 15.
    pub number: usize,
    /// Short name, at most two words where the width is a stone's.
    pub name: &'static str,
    /// Heading of the group it belongs to.
    pub stage: &'static str,
}

const fn phase(number: usize, id: &'static str, name: &'static str, stage: &'static str) -> PhaseInfo {
    PhaseInfo {
        id,
        number,
        name,
        stage,
    }
}

/// The 15 phases in order.
pub const PHASES: [PhaseInfo; 15] = [
    phase(1, "opportunity", "Opportunity", "Discovery"),
    phase(2, "customer-intel", "Customer intel", "Discovery"),
    phase(3, "market-research", "Market research", "Discovery"),
    phase(4, "competitive-intel", "Competitive intel", "Discovery"),
    phase(5, "kill-test", "Kill test", "Validation"),
    phase(6, "revenue-expansion", "Revenue expansion", "Strategy"),
    phase(7, "strategy", "Strategy", "Strategy"),
    phase(8, "business-model", "Business model", "Strategy"),
    phase(9, "product-design", "Product design", "Design"),
    phase(10, "gtm-marketing", "Go to market", "Design"),
    phase(11, "content-engine", "Content engine", "Design"),
    phase(12, "tech-arch", "Technology", "Execution"),
    phase(13, "analytics", "Analytics", "Execution"),
    phase(14, "launch-execution", "Launch plan", "Execution"),
    phase(15, "synthesis", "Synthesis", "Execution"),
];

impl PhaseInfo {
    /// Finds a phase by its identifier.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        PHASES.iter().find(|phase| phase.id == id)
    }

    /// Says whether this is the keystone.
    #[must_use]
    pub fn is_gate(&self) -> bool {
        self.id == "kill-test"
    }

    /// Says whether it opens its stage: the joint before it is wider.
    #[must_use]
    pub fn opens_stage(&self) -> bool {
        self.number == 1 || PHASES[self.number - 2].stage != self.stage
    }

    /// The phase before this one.
    #[must_use]
    pub fn previous(&self) -> Option<&'static Self> {
        self.number.checked_sub(2).and_then(|index| PHASES.get(index))
    }

    /// The phase after this one.
    #[must_use]
    pub fn next(&self) -> Option<&'static Self> {
        PHASES.get(self.number)
    }
}

/// The stages with the range of phases each holds, for headings over groups.
pub(super) const STAGES: [(&str, std::ops::Range<usize>); 5] = [
    ("Discovery", 0..4),
    ("Validation", 4..5),
    ("Strategy", 5..8),
    ("Design", 8..11),
    ("Execution", 11..15),
];

/// What a stone shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoneState {
    /// Not started.
    #[default]
    Todo,
    /// Accepted.
    Done,
    /// Being worked on.
    Running,
    /// Waits for a person.
    Waiting,
    /// Paused here.
    Paused,
    /// Pivoted here.
    Pivoted,
    /// Failed or killed here.
    Stopped,
}

impl StoneState {
    /// Class of the stone.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Todo => "todo",
            Self::Done => "done",
            Self::Running => "live",
            Self::Waiting => "wait",
            Self::Paused => "held",
            Self::Pivoted => "pivot",
            Self::Stopped => "bad",
        }
    }

    /// Word for those who do not see the stone.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Todo => "not started",
            Self::Done => "done",
            Self::Running => "running",
            Self::Waiting => "needs you",
            Self::Paused => "paused",
            Self::Pivoted => "pivoted",
            Self::Stopped => "stopped here",
        }
    }
}

/// A stone in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stone {
    pub(super) phase: &'static PhaseInfo,
    pub(super) state: StoneState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stages_and_neighbours_agree() {
        for (index, phase) in PHASES.iter().enumerate() {
            assert_eq!(phase.number, index + 1);
            assert_eq!(PhaseInfo::find(phase.id), Some(phase));
            let stage = STAGES.iter().find(|(_, range)| range.contains(&index));
            assert_eq!(stage.map(|(name, _)| *name), Some(phase.stage));
        }
        assert_eq!(PHASES.iter().filter(|phase| phase.opens_stage()).count(), STAGES.len());
        assert_eq!(PHASES[0].previous(), None);
        assert_eq!(PHASES[14].next(), None);
        assert_eq!(PHASES[4].previous().map(|phase| phase.number), Some(4));
        assert_eq!(PHASES[4].next().map(|phase| phase.number), Some(6));
    }
}
