//! The conversation as the embedded model was trained to read it, cut to what fits.

use actors::ports::{ModelError, Role, Turn};

use super::vocabulary::Vocabulary;

/// Turns text into tokens; the marks around a turn are tokens of their own.
pub(super) trait Encode {
    /// The tokens of `text`, which cannot spell a mark.
    fn encode(&self, text: &str) -> Vec<u32>;
    /// The mark that opens a turn.
    fn start(&self) -> u32;
    /// The mark that closes a turn.
    fn end(&self) -> u32;
}

impl Encode for Vocabulary {
    fn encode(&self, text: &str) -> Vec<u32> {
        Self::encode(self, text)
    }
    fn start(&self) -> u32 {
        Self::start(self)
    }
    fn end(&self) -> u32 {
        Self::end(self)
    }
}

/// The tokens of a prompt of at most `limit` tokens, the opening of the answer included. When the conversation is too
/// long, turns between the system text and the last turn are left out, the oldest first, an answer with its question.
pub(super) fn prompt(
    vocabulary: &impl Encode,
    system: &str,
    turns: &[Turn],
    limit: usize,
) -> Result<Vec<u32>, ModelError> {
    let system = message(vocabulary, "system", system);
    let mut messages: Vec<(Role, Vec<u32>)> = turns
        .iter()
        .map(|turn| {
            let name = match turn.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            (turn.role, message(vocabulary, name, &turn.text))
        })
        .collect();
    let mut opening = vec![vocabulary.start()];
    opening.extend(vocabulary.encode("assistant\n"));

    let needed = |messages: &[(Role, Vec<u32>)]| {
        system.len() + opening.len() + messages.iter().map(|(_, tokens)| tokens.len()).sum::<usize>()
    };
    while needed(&messages) > limit && messages.len() > 1 {
        messages.remove(0);
        if messages.len() > 1 && messages[0].0 == Role::Assistant {
            messages.remove(0);
        }
    }
    if needed(&messages) > limit {
        let needed = needed(&messages);
        return Err(ModelError::Refused(format!(
            "the prompt has {needed} tokens and the embedded model reads at most {limit}"
        )));
    }
    let left_out = turns.len() - messages.len();
    if left_out > 0 {
        tracing::debug!(left_out, "turns were left out of a prompt of the embedded model");
    }
    Ok([system]
        .into_iter()
        .chain(messages.into_iter().map(|(_, tokens)| tokens))
        .chain([opening])
        .flatten()
        .collect())
}

fn message(vocabulary: &impl Encode, role: &str, text: &str) -> Vec<u32> {
    let mut tokens = vec![vocabulary.start()];
    tokens.extend(vocabulary.encode(&format!("{role}\n{}", text.trim())));
    tokens.push(vocabulary.end());
    tokens.extend(vocabulary.encode("\n"));
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One token for each character, which makes the layout readable.
    struct Characters;

    impl Encode for Characters {
        fn encode(&self, text: &str) -> Vec<u32> {
            text.chars().map(u32::from).collect()
        }
        fn start(&self) -> u32 {
            u32::from('[')
        }
        fn end(&self) -> u32 {
            u32::from(']')
        }
    }

    fn turn(role: Role, text: &str) -> Turn {
        Turn {
            role,
            text: text.to_owned(),
        }
    }

    fn rendered(turns: &[Turn], limit: usize) -> Result<String, ModelError> {
        let tokens = prompt(&Characters, "Be brief.", turns, limit)?;
        Ok(tokens.into_iter().filter_map(char::from_u32).collect())
    }

    #[test]
    fn the_layout_is_that_of_the_training() {
        let turns = [
            turn(Role::User, "Hi"),
            turn(Role::Assistant, "Yes?"),
            turn(Role::User, " Go \n"),
        ];
        assert_eq!(
            rendered(&turns, 1000).unwrap(),
            "[system\nBe brief.]\n[user\nHi]\n[assistant\nYes?]\n[user\nGo]\n[assistant\n"
        );
    }

    #[test]
    fn the_oldest_turns_are_left_out_with_their_answers() {
        let turns = [
            turn(Role::User, "first"),
            turn(Role::Assistant, "one"),
            turn(Role::User, "second"),
            turn(Role::Assistant, "two"),
            turn(Role::User, "last"),
        ];
        let whole = rendered(&turns, 1000).unwrap();
        let shorter = rendered(&turns, whole.len() - 1).unwrap();
        assert_eq!(
            shorter,
            "[system\nBe brief.]\n[user\nsecond]\n[assistant\ntwo]\n[user\nlast]\n[assistant\n"
        );
        let shortest = rendered(&turns, shorter.len() - 1).unwrap();
        assert_eq!(shortest, "[system\nBe brief.]\n[user\nlast]\n[assistant\n");
    }

    #[test]
    fn a_last_turn_that_does_not_fit_is_refused_with_both_numbers() {
        let error = rendered(&[turn(Role::User, "a question that is too long")], 50).unwrap_err();
        assert!(!error.is_retryable());
        assert!(error.to_string().contains("50"), "{error}");
    }
}
