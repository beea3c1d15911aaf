//! Nudges that keep a very small model from its worst habits in structured answers: copying the example, repeating
//! itself, writing on until the length limit cuts a word, and falling into chains of
//! capitals and hyphens. They only move scores: what the
//! schema leaves as the one way to go on stays possible.

use std::collections::{HashMap, HashSet};

use super::vocabulary::Vocabulary;

/// Tokens in a row that count as copied from an earlier turn, and as repeated from the answer itself.
const COPIED: usize = 4;
const REPEATED: usize = 6;

/// What a copied or repeated token loses: enough to fall behind every sensible one.
const LOSS: f32 = 20.0;

/// What a token in capitals or one that goes on with a hyphen loses, and a word with a capital inside a text. What is
/// really meant survives; chains of them do not.
const CHAIN_LOSS: f32 = 3.0;
const CAPITAL_LOSS: f32 = 1.0;

/// What a comma, a digit or a longer word loses for each one like it in the same text: sentences, not enumerations.
const COMMA_LOSS: f32 = 1.5;
const DIGIT_LOSS: f32 = 1.0;
const WORD_LOSS: f32 = 4.0;

/// What a word of the subject wins until the text has it: a model this small wanders off into generalities.
const SUBJECT_WIN: f32 = 1.2;

/// Bytes from which a word is not just a helper of grammar, the space before it included.
const WORD: usize = 6;

/// Characters after which a sentence should think of its end, and a name, and what each further character adds.
const SENTENCE: (usize, f32) = (40, 0.1);
const NAME: (usize, f32) = (8, 0.25);

/// Most that the wish for an end adds.
const MOST: f32 = 8.0;

/// What kinds of text the tokens of a vocabulary are.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    ends_sentence: Vec<u32>,
    ends_string: Vec<u32>,
    chains: Vec<u32>,
    capitals: Vec<u32>,
    commas: Vec<u32>,
    digits: Vec<u32>,
    words: HashSet<u32>,
    /// Tokens with a quotation mark anywhere: they end one text or begin another.
    quotes: HashSet<u32>,
}

impl Kinds {
    pub(super) fn of(vocabulary: &Vocabulary) -> Self {
        let mut kinds = Self::default();
        for token in 0..vocabulary.count() {
            kinds.note(token, vocabulary.bytes(token));
        }
        kinds
    }

    /// The words in both texts, each once.
    fn shared(&self, system: &[u32], question: &[u32]) -> Vec<u32> {
        let both = |token: &u32| self.words.contains(token) && question.contains(token);
        let both: HashSet<u32> = system.iter().copied().filter(both).collect();
        both.into_iter().collect()
    }

    fn note(&mut self, token: u32, bytes: &[u8]) {
        match bytes.first() {
            Some(b'.') => self.ends_sentence.push(token),
            Some(b'"') => self.ends_string.push(token),
            Some(b',') => self.commas.push(token),
            Some(byte) if byte.is_ascii_digit() => self.digits.push(token),
            Some(_) | None => {}
        }
        if bytes.contains(&b'"') {
            self.quotes.insert(token);
        }
        let letters = bytes.strip_prefix(b" ").unwrap_or(bytes);
        if bytes.starts_with(b"-") || letters.len() > 1 && letters.iter().all(u8::is_ascii_uppercase) {
            self.chains.push(token);
        } else if bytes.starts_with(b" ") && letters.first().is_some_and(u8::is_ascii_uppercase) {
            self.capitals.push(token);
        }
        if bytes.len() >= WORD && letters.iter().all(u8::is_ascii_alphabetic) {
            self.words.insert(token);
        }
    }
}

/// The nudges for one answer.
#[derive(Debug)]
pub(super) struct Manners<'a> {
    kinds: &'a Kinds,
    copied: HashMap<Vec<u32>, Vec<u32>>,
    repeated: HashMap<Vec<u32>, Vec<u32>>,
    wrote: Vec<u32>,
    text: Text,
    subject: Vec<u32>,
}

/// What the text being written holds already.
#[derive(Debug, Default)]
struct Text {
    commas: u8,
    digits: u8,
    words: Vec<u32>,
}

impl<'a> Manners<'a> {
    /// `examples` are the earlier answers in the prompt, which show the form and not what to say. What `system` and
    /// `question` both name is the subject.
    pub(super) fn new(kinds: &'a Kinds, examples: &[Vec<u32>], system: &[u32], question: &[u32]) -> Self {
        let mut copied = HashMap::new();
        for run in examples.iter().flat_map(|tokens| tokens.windows(COPIED)) {
            remember(&mut copied, run);
        }
        Self {
            kinds,
            copied,
            repeated: HashMap::new(),
            wrote: Vec::new(),
            text: Text::default(),
            subject: kinds.shared(system, question),
        }
    }

    /// Notes a token of the answer.
    pub(super) fn wrote(&mut self, token: u32) {
        self.wrote.push(token);
        if self.kinds.quotes.contains(&token) {
            self.text = Text::default();
        } else if self.kinds.words.contains(&token) {
            self.text.words.push(token);
        } else if self.kinds.commas.contains(&token) {
            self.text.commas = self.text.commas.saturating_add(1);
        } else if self.kinds.digits.contains(&token) {
            self.text.digits = self.text.digits.saturating_add(1);
        }
        if let Some(run) = self.wrote.len().checked_sub(REPEATED).map(|start| &self.wrote[start..]) {
            remember(&mut self.repeated, run);
        }
    }

    /// Moves the scores of the next token. `text` is the answer so far.
    pub(super) fn nudge(&self, scores: &mut [f32], text: &str) {
        let mut add = |tokens: &[u32], value: f32| {
            for token in tokens {
                if let Some(score) = scores.get_mut(*token as usize) {
                    *score += value;
                }
            }
        };
        let length = text.rfind('"').map_or(0, |quote| text.len() - quote - 1);
        let wish = |(from, slope): (usize, f32)| -> f32 {
            let beyond = u16::try_from(length.saturating_sub(from)).unwrap_or(u16::MAX);
            (f32::from(beyond) * slope).min(MOST)
        };
        add(&self.kinds.ends_sentence, wish(SENTENCE));
        add(&self.kinds.ends_string, wish(NAME));
        add(&self.kinds.chains, -CHAIN_LOSS);
        add(&self.kinds.capitals, -CAPITAL_LOSS);
        add(&self.kinds.commas, -COMMA_LOSS * f32::from(self.text.commas));
        add(&self.kinds.digits, -DIGIT_LOSS * f32::from(self.text.digits));
        add(&self.subject, SUBJECT_WIN);
        add(&self.text.words, -WORD_LOSS);
        for (known, run) in [(&self.copied, COPIED), (&self.repeated, REPEATED)] {
            let before = self.wrote.len().checked_sub(run - 1).map(|start| &self.wrote[start..]);
            if let Some(next) = before.and_then(|before| known.get(before)) {
                add(next, -LOSS);
            }
        }
    }
}

/// Remembers which token came after the others of `run`.
fn remember(known: &mut HashMap<Vec<u32>, Vec<u32>>, run: &[u32]) {
    if let Some((last, before)) = run.split_last() {
        let next = known.entry(before.to_vec()).or_default();
        if !next.contains(last) {
            next.push(*last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> Kinds {
        let mut kinds = Kinds::default();
        for (token, text) in (0..).zip(["a", ".", "\"", " API", "A", ".\",", " Farm", "-like"]) {
            kinds.note(token, text.as_bytes());
        }
        kinds
    }

    fn nudged(manners: &Manners<'_>, text: &str) -> Vec<f32> {
        let mut scores = vec![0.0; 8];
        manners.nudge(&mut scores, text);
        scores
    }

    #[test]
    fn tokens_are_told_apart_by_how_they_begin() {
        let kinds = kinds();
        assert_eq!(kinds.ends_sentence, [1, 5]);
        assert_eq!(kinds.ends_string, [2]);
        assert_eq!((kinds.chains, kinds.capitals), (vec![3, 7], vec![6]));
    }

    #[test]
    fn the_longer_a_text_the_more_it_wishes_to_end() {
        let kinds = kinds();
        let manners = Manners::new(&kinds, &[], &[], &[]);
        let at = |length: usize| nudged(&manners, &format!("{{\"key\": \"{}", "x".repeat(length)))[1];
        assert_eq!(at(40), 0.0);
        assert!(at(60) > 0.0 && at(90) > at(60));
        assert_eq!(at(1000), MOST);
    }

    #[test]
    fn a_text_does_not_become_an_enumeration_and_the_next_text_starts_anew() {
        let mut kinds = kinds();
        for (token, text) in [(8, ","), (9, "7"), (10, " irrigation")] {
            kinds.note(token, text.as_bytes());
        }
        let mut manners = Manners::new(&kinds, &[], &[], &[]);
        let lost = |manners: &Manners<'_>| {
            let mut scores = vec![0.0; 11];
            manners.nudge(&mut scores, "");
            [scores[8], scores[9], scores[10]]
        };
        assert_eq!(lost(&manners), [0.0, 0.0, 0.0]);
        for token in [8, 9, 9, 10] {
            manners.wrote(token);
        }
        assert_eq!(lost(&manners), [-COMMA_LOSS, -2.0 * DIGIT_LOSS, -WORD_LOSS]);
        manners.wrote(2);
        assert_eq!(lost(&manners), [0.0, 0.0, 0.0]);
    }

    #[test]
    fn words_of_the_subject_are_preferred_until_the_text_has_them() {
        let mut kinds = kinds();
        for (token, text) in [(8, " irrigation"), (9, " business"), (10, " a")] {
            kinds.note(token, text.as_bytes());
        }
        let mut manners = Manners::new(&kinds, &[], &[10, 8], &[9, 10, 8]);
        let moved = |manners: &Manners<'_>| {
            let mut scores = vec![0.0; 11];
            manners.nudge(&mut scores, "");
            [scores[8], scores[9], scores[10]]
        };
        assert_eq!(moved(&manners), [SUBJECT_WIN, 0.0, 0.0]);
        manners.wrote(8);
        assert_eq!(moved(&manners), [SUBJECT_WIN - WORD_LOSS, 0.0, 0.0]);
    }

    #[test]
    fn the_example_is_not_copied_further_and_may_be_left() {
        let kinds = kinds();
        let mut manners = Manners::new(&kinds, &[vec![0, 6, 0, 4, 6]], &[], &[]);
        for token in [0, 6] {
            manners.wrote(token);
        }
        assert_eq!(nudged(&manners, "")[4], 0.0, "two tokens are no copy yet");
        manners.wrote(0);
        let scores = nudged(&manners, "");
        assert_eq!((scores[4], scores[6]), (-LOSS, -CAPITAL_LOSS));
    }

    #[test]
    fn the_answer_does_not_repeat_its_own_words() {
        let kinds = kinds();
        let mut manners = Manners::new(&kinds, &[], &[], &[]);
        for token in [0, 4, 6, 0, 0, 6, /* again */ 0, 4, 6, 0, 0] {
            manners.wrote(token);
        }
        assert_eq!(nudged(&manners, "")[6], -LOSS - CAPITAL_LOSS);
        assert_eq!(nudged(&manners, "")[4], 0.0);
    }
}
