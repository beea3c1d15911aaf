//! An answer as it grows: tokens chosen, bytes put together to text.

use actors::ports::ModelError;

use super::{grammar::Constraint, manners::Manners, sampler::Sampler, vocabulary::Vocabulary};

/// The answer as it grows.
pub(super) struct Answer<'a> {
    vocabulary: &'a Vocabulary,
    sampler: Sampler,
    manners: Option<Manners<'a>>,
    tokens: u32,
    text: String,
    /// Bytes of a character whose other bytes are still to come.
    partial: Vec<u8>,
    reported: usize,
}

impl<'a> Answer<'a> {
    /// An empty answer. `manners` are for structured answers only.
    pub(super) fn new(vocabulary: &'a Vocabulary, sampler: Sampler, manners: Option<Manners<'a>>) -> Self {
        Self {
            vocabulary,
            sampler,
            manners,
            tokens: 0,
            text: String::new(),
            partial: Vec::new(),
            reported: 0,
        }
    }

    /// Chooses the next token and takes those that must follow it. `None` at the end of the answer.
    pub(super) fn choose(
        &mut self,
        scores: &mut [f32],
        constraint: Option<&mut Constraint>,
        budget: u32,
    ) -> Result<Option<Vec<u32>>, ModelError> {
        let no_token = || ModelError::Unavailable("the model gave no token a score".to_owned());
        let Some(constraint) = constraint else {
            let token = self.sampler.choose(scores, None).ok_or_else(no_token)?;
            return Ok((token != self.vocabulary.end()).then(|| {
                self.take(token);
                vec![token]
            }));
        };
        let allowed = constraint.allowed()?;
        if let Some(manners) = &self.manners {
            manners.nudge(scores, &self.text);
        }
        let token = self
            .sampler
            .choose(scores, Some(allowed.as_slice()))
            .ok_or_else(no_token)?;
        if token == self.vocabulary.end() {
            return Ok(None);
        }
        constraint.accept(token)?;
        self.take(token);
        let mut taken = vec![token];
        if !constraint.is_finished() {
            for token in constraint.forced() {
                if self.tokens == budget || token == self.vocabulary.end() {
                    break;
                }
                self.take(token);
                taken.push(token);
            }
        }
        Ok(Some(taken))
    }

    fn take(&mut self, token: u32) {
        self.tokens += 1;
        self.sampler.wrote(token);
        if let Some(manners) = &mut self.manners {
            manners.wrote(token);
        }
        self.partial.extend_from_slice(self.vocabulary.bytes(token));
        while !self.partial.is_empty() {
            match std::str::from_utf8(&self.partial) {
                Ok(text) => {
                    self.text.push_str(text);
                    self.partial.clear();
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    self.text.push_str(&String::from_utf8_lossy(&self.partial[..valid]));
                    let Some(invalid) = error.error_len() else {
                        self.partial.drain(..valid);
                        return;
                    };
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    self.partial.drain(..valid + invalid);
                }
            }
        }
    }

    /// Text that was not reported yet.
    pub(super) fn fresh(&mut self) -> Option<String> {
        let fresh = self.text[self.reported..].to_owned();
        self.reported = self.text.len();
        (!fresh.is_empty()).then_some(fresh)
    }

    /// What is left at the end, half characters included.
    pub(super) fn rest(&mut self) -> Option<String> {
        if !self.partial.is_empty() {
            self.partial.clear();
            self.text.push(char::REPLACEMENT_CHARACTER);
        }
        self.fresh()
    }

    /// Tokens written.
    pub(super) fn tokens(&self) -> u32 {
        self.tokens
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}
