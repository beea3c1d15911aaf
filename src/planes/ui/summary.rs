//! What every page says about a run: its name, where it stands, its strip of stones.

use super::{
    moment::{self, Moment},
    phase::{PHASES, PhaseInfo, Stone, StoneState},
};

/// Where a run stands, as people read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Waits for the model; others are ahead.
    Queued {
        /// Requests ahead of its own at the model.
        ahead: u32,
    },
    /// Phases are being worked on.
    Running,
    /// A person must approve or reject.
    AwaitingApproval,
    /// Stopped by a person, can go on.
    Paused,
    /// The package is ready.
    Completed,
    /// Stopped by the kill test; the idea is parked.
    Killed,
    /// A fourth pivot would have been due; the idea is parked.
    PivotsUsedUp,
    /// A step failed for good.
    Failed,
    /// Stopped or rejected by a person.
    Cancelled,
}

impl RunState {
    /// Says whether nothing more happens to the run by itself or by a decision.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued { .. } | Self::Running | Self::AwaitingApproval | Self::Paused => false,
            Self::Completed | Self::Killed | Self::PivotsUsedUp | Self::Failed | Self::Cancelled => true,
        }
    }

    /// Says whether work goes on without a person.
    pub(super) fn is_working(self) -> bool {
        match self {
            Self::Queued { .. } | Self::Running => true,
            Self::AwaitingApproval
            | Self::Paused
            | Self::Completed
            | Self::Killed
            | Self::PivotsUsedUp
            | Self::Failed
            | Self::Cancelled => false,
        }
    }

    fn stone(self) -> StoneState {
        match self {
            Self::Queued { .. } | Self::Cancelled => StoneState::Todo,
            Self::Running => StoneState::Running,
            Self::AwaitingApproval => StoneState::Waiting,
            Self::Paused => StoneState::Paused,
            Self::Completed => StoneState::Done,
            Self::Killed | Self::Failed => StoneState::Stopped,
            Self::PivotsUsedUp => StoneState::Pivoted,
        }
    }
}

/// Verdict of the kill test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictKind {
    /// Go on.
    Go,
    /// Start again with another angle.
    Pivot,
    /// Stop and park the idea.
    Kill,
    /// A pivot was due but none was left.
    PivotExhausted,
}

impl VerdictKind {
    /// The word on the page.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Go => "GO",
            Self::Pivot => "PIVOT",
            Self::Kill => "KILL",
            Self::PivotExhausted => "PIVOT, none left",
        }
    }

    /// Pigment of the word.
    #[must_use]
    pub fn tone(self) -> &'static str {
        match self {
            Self::Go => "good",
            Self::Pivot | Self::PivotExhausted => "pivot",
            Self::Kill => "bad",
        }
    }

    /// Glyph beside the word.
    pub(super) fn glyph(self) -> &'static str {
        match self {
            Self::Go => "s-done",
            Self::Pivot | Self::PivotExhausted => "s-pivot",
            Self::Kill => "s-bad",
        }
    }
}

/// A glyph and a word in the pigment of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pill {
    pub(super) tone: &'static str,
    pub(super) glyph: &'static str,
    pub(super) word: String,
}

impl Pill {
    pub(super) fn new(tone: &'static str, glyph: &'static str, word: impl Into<String>) -> Self {
        Self {
            tone,
            glyph,
            word: word.into(),
        }
    }
}

/// A run in a list, and the head of its own pages.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// UUID of the run.
    pub id: String,
    /// The idea as it was given.
    pub idea: String,
    /// The idea as the opportunity phase refined it.
    pub refined_idea: Option<String>,
    /// Where the run stands.
    pub state: RunState,
    /// Identifier of the phase being worked on, or of the last one.
    pub phase: Option<String>,
    /// Pivots so far, 0 to 3.
    pub pivots: u32,
    /// Mean of the phases' scores, 0 to 10; empty where nothing was assessed.
    pub quality: Option<f64>,
    /// Verdict of the kill test, once it fell.
    pub verdict: Option<VerdictKind>,
    /// Its score, 0 to 10; empty where it was not assessed (then the run is of the built-in model) or is not at hand.
    pub verdict_score: Option<f64>,
    /// Why it stands where it stands: the error, the reason of the kill, the comment of the person who stopped it.
    pub reason: Option<String>,
    /// Milliseconds the rest will take, where it can be told.
    pub eta_ms: Option<u64>,
    /// Months after which to look again, for a parked idea.
    pub revisit_months: Option<u32>,
    /// When it was created, Unix seconds.
    pub created_at: i64,
    /// When it last changed, Unix seconds.
    pub updated_at: i64,
    /// Drafted by the small built-in model: the page says so.
    pub embedded: bool,
}

impl RunSummary {
    /// Title of the run.
    pub(super) fn title(&self) -> String {
        headline(&self.idea)
    }

    /// The sentence under the title, where it says more than the title.
    pub(super) fn lede(&self) -> Option<&str> {
        let text = self
            .refined_idea
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty());
        text.or_else(|| (self.idea.trim() != self.title()).then(|| self.idea.trim()))
    }

    /// The whole idea as it was given, where neither title nor lede shows it.
    pub(super) fn given(&self) -> Option<&str> {
        let idea = self.idea.trim();
        (self.lede() != Some(idea) && self.title() != idea).then_some(idea)
    }

    /// The first characters of the identifier, enough to tell runs apart in a list: the random end of a UUID, whose start
    /// is a time that neighbours share.
    pub(super) fn short_id(&self) -> &str {
        let start = self.id.char_indices().rev().nth(5).map_or(0, |(index, _)| index);
        &self.id[start..]
    }

    pub(super) fn attempt(&self) -> u32 {
        self.pivots + 1
    }

    /// `2nd attempt`, where there was a pivot.
    pub(super) fn attempt_words(&self) -> Option<String> {
        (self.pivots > 0).then(|| format!("{} attempt", ordinal(self.attempt())))
    }

    pub(super) fn current(&self) -> Option<&'static PhaseInfo> {
        self.phase.as_deref().and_then(PhaseInfo::find)
    }

    /// The strip: what is before the current phase is done, the current one shows the state.
    pub(super) fn stones(&self) -> Vec<Stone> {
        let current = self.current().map_or(0, |phase| phase.number);
        let state = |number: usize| {
            if self.state == RunState::Completed || number < current {
                StoneState::Done
            } else if number == current || (current == 0 && number == 1 && self.state != RunState::AwaitingApproval) {
                self.state.stone()
            } else {
                StoneState::Todo
            }
        };
        PHASES
            .iter()
            .map(|phase| Stone {
                phase,
                state: state(phase.number),
            })
            .collect()
    }

    /// The pill of a list: a running run shows its phase.
    pub(super) fn pill(&self) -> Pill {
        match self.state {
            RunState::Running => Pill::new(
                "live",
                "s-running",
                self.current().map_or("Starting", |phase| phase.name),
            ),
            RunState::Queued { ahead } => Pill::new("", "s-queued", queued(ahead)),
            RunState::AwaitingApproval => Pill::new("wait", "s-wait", "Needs you"),
            RunState::Paused => Pill::new("", "s-paused", "Paused"),
            RunState::Completed => Pill::new("good", "s-done", "Finished"),
            RunState::Killed => Pill::new("bad", "s-bad", "Killed, parked"),
            RunState::PivotsUsedUp => Pill::new("pivot", "s-pivot", "Pivots used up"),
            RunState::Failed => Pill::new("bad", "s-bad", "Failed"),
            RunState::Cancelled => Pill::new("", "s-bad", "Cancelled"),
        }
    }

    /// The pill of the run's own page, where the phase needs its place.
    pub(super) fn head_pill(&self) -> Pill {
        match (self.state, self.current()) {
            (RunState::Running, Some(phase)) => {
                Pill::new("live", "s-running", format!("Running, phase {} of 15", phase.number))
            }
            (RunState::Paused, Some(phase)) => {
                Pill::new("", "s-paused", format!("Paused at phase {} of 15", phase.number))
            }
            _ => self.pill(),
        }
    }

    /// The line under the pill in a list.
    pub(super) fn state_note(&self) -> String {
        match self.state {
            RunState::Running => self
                .eta_ms
                .map_or_else(String::new, |left| format!("about {} left", moment::rough_length(left))),
            RunState::Queued { .. } => "the model is busy".to_owned(),
            RunState::AwaitingApproval => "waits for your decision".to_owned(),
            RunState::Paused => self
                .current()
                .map_or_else(String::new, |phase| format!("at {}", phase.name)),
            RunState::Completed => {
                let took = moment::rough_length(moment::between(self.created_at, self.updated_at));
                self.quality.map_or_else(
                    || format!("not assessed · {took}"),
                    |score| format!("{score:.1} · {took}"),
                )
            }
            RunState::Killed | RunState::PivotsUsedUp => self.revisit_months.map_or_else(
                || "parked".to_owned(),
                |months| format!("look again in {}", months_words(months)),
            ),
            RunState::Failed | RunState::Cancelled => self
                .reason
                .as_deref()
                .map_or_else(String::new, |reason| shorten(reason, 60)),
        }
    }

    pub(super) fn created(&self, now: &i64) -> Moment {
        Moment::near(self.created_at, *now)
    }

    pub(super) fn changed(&self, now: &i64) -> Moment {
        Moment::near(self.updated_at, *now)
    }

    /// How long it has been waiting for a person.
    pub(super) fn waiting(&self, now: &i64) -> String {
        moment::rough_length(moment::between(self.updated_at, *now))
    }

    /// The verdict in a sentence.
    pub(super) fn verdict_words(&self) -> Option<String> {
        self.verdict.map(|verdict| match self.verdict_score {
            Some(score) => format!("{}, {score:.1} of 10", verdict.word()),
            None if self.embedded => format!("{}, not assessed", verdict.word()),
            None => verdict.word().to_owned(),
        })
    }
}

/// `Queued, 2 ahead`.
pub(super) fn queued(ahead: u32) -> String {
    format!("Queued, {ahead} ahead")
}

/// `1 month`, `6 months`.
pub(super) fn months_words(months: u32) -> String {
    if months == 1 {
        "1 month".to_owned()
    } else {
        format!("{months} months")
    }
}

fn ordinal(number: u32) -> String {
    let suffix = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

/// A count with its thousands apart: `4,210`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let place = |index: usize| digits.len() - index;
    let comma = |index: usize| {
        if index > 0 && place(index).is_multiple_of(3) {
            ","
        } else {
            ""
        }
    };
    digits
        .char_indices()
        .flat_map(|(index, digit)| comma(index).chars().chain([digit]))
        .collect()
}

/// Cuts a text at a word, at most `limit` characters, and marks the cut.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    let text = text.trim();
    let Some((cut, _)) = text.char_indices().nth(limit) else {
        return text.to_owned();
    };
    let head = &text[..cut];
    let head = head
        .rfind(char::is_whitespace)
        .filter(|space| *space > cut / 2)
        .map_or(head, |space| &head[..space]);
    format!(
        "{}…",
        head.trim_end_matches(|end: char| end.is_whitespace() || end.is_ascii_punctuation())
    )
}

/// The title of a run: the first line or sentence of its idea, cut at a word where it is longer than a title can be.
#[must_use]
pub fn headline(idea: &str) -> String {
    let line = idea.trim().lines().next().unwrap_or_default().trim();
    let sentence = [". ", "? ", "! ", ": "]
        .iter()
        .filter_map(|end| line.find(end))
        .min()
        .map_or(line, |end| &line[..=end]);
    let sentence = if sentence.chars().count() < 12 { line } else { sentence };
    let title = shorten(sentence.trim_end_matches(['.', ':']), 72);
    if title.is_empty() {
        "Untitled idea".to_owned()
    } else {
        title
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_is_the_first_sentence_cut_at_a_word() {
        assert_eq!(
            headline("Frost watch for small orchards. It reads stations."),
            "Frost watch for small orchards"
        );
        assert_eq!(headline("  \n "), "Untitled idea");
        let long = "word ".repeat(60);
        assert!(headline(&long).chars().count() <= 73);
        assert!(headline(&long).ends_with("word…"));
        assert!(headline(&"ß".repeat(400)).ends_with('…'));
        assert_eq!(headline("A. I."), "A. I");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [0, 999, 1000, 4_210, 1_234_567].map(grouped),
            ["0", "999", "1,000", "4,210", "1,234,567"]
        );
    }

    #[test]
    fn ordinals_follow_the_language() {
        let words: Vec<_> = [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal).into();
        assert_eq!(
            words,
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"]
        );
    }
}
