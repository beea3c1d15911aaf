//! A prompt: sections in the order of importance, under a budget of tokens.

use super::{phase::PhaseId, record::cut};
use crate::ports::{ModelInfo, Profile};

/// Characters that one token stands for, at least: text is counted rather too long than too short.
const CHARS_PER_TOKEN: usize = 3;

/// The longest answer to ask a model for.
pub(super) fn answer_tokens(id: PhaseId, info: &ModelInfo) -> u32 {
    let most = id.phase().max_tokens_for(info.profile);
    match info.profile {
        Profile::Full => most.min(info.context_tokens / 2),
        Profile::Embedded => most,
    }
}

/// Characters that the text for a model may have beside `fixed` characters and an answer of `answer` tokens.
pub(super) fn budget(info: &ModelInfo, most: u32, answer: u32, fixed: usize) -> usize {
    let window = (info.context_tokens.saturating_sub(answer) as usize * CHARS_PER_TOKEN).saturating_sub(fixed);
    window.min(most as usize * CHARS_PER_TOKEN)
}

/// A part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    title: String,
    body: String,
}

impl Section {
    pub(super) fn new(title: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            body: body.into(),
        }
    }
}

/// Puts sections together until the budget is used up. The first ones matter most; a section that does not fit is cut between
/// two lines, or between two words, and says so.
pub(super) fn assemble(sections: &[Section], budget: usize) -> String {
    let mut prompt = String::new();
    for Section { title, body } in sections {
        let body = body.trim();
        if body.is_empty() {
            continue;
        }
        let used = prompt.chars().count();
        let frame = title.chars().count() + 6;
        let Some(room) = budget.checked_sub(used + frame).filter(|room| *room > 0) else {
            break;
        };
        if !prompt.is_empty() {
            prompt.push_str("\n\n");
        }
        prompt.push_str(title);
        prompt.push_str(":\n");
        prompt.push_str(&fit(body, room));
    }
    prompt
}

fn fit(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let beginning = cut(text, room.saturating_sub(2));
    let end = beginning
        .rfind('\n')
        .or_else(|| beginning.rfind(' '))
        .unwrap_or(beginning.len());
    format!("{} …", beginning[..end].trim_end())
}

/// A list with a line for each text.
pub(super) fn list(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("- {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_never_passes_its_budget_and_keeps_the_first_sections() {
        let sections: Vec<Section> = (0..20)
            .map(|n| Section::new(format!("Part {n}"), format!("word{n} ").repeat(40)))
            .collect();
        for budget in [0, 10, 50, 333, 1_000, 5_000, 100_000] {
            let prompt = assemble(&sections, budget);
            assert!(prompt.chars().count() <= budget, "{budget}: {}", prompt.chars().count());
        }
        assert!(assemble(&sections, 333).starts_with("Part 0:\nword0 word0"));
        assert!(!assemble(&sections, 333).contains("Part 2"));
    }

    #[test]
    fn a_section_is_cut_between_lines_and_says_so() {
        let section = Section::new("List", "- the first line\n- the second line\n- the third line");
        assert_eq!(assemble(&[section], 52), "List:\n- the first line\n- the second line …");
    }

    #[test]
    fn empty_sections_leave_no_trace() {
        assert_eq!(
            assemble(&[Section::new("A", " "), Section::new("B", "b")], 100),
            "B:\nb"
        );
    }

    #[test]
    fn the_text_leaves_room_for_the_answer() {
        let info = |context_tokens| ModelInfo {
            id: String::new(),
            profile: Profile::Full,
            context_tokens,
        };
        assert_eq!(budget(&info(128_000), 12_000, 4_000, 3_000), 36_000);
        assert_eq!(budget(&info(8_000), 12_000, 4_000, 3_000), 9_000);
        assert_eq!(budget(&info(4_000), 12_000, 4_000, 3_000), 0);
    }
}
