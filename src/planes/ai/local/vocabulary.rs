//! The tokens of the embedded model: text to tokens, tokens to bytes, and the tree that constraints walk.

use candle_core::quantized::{gguf_file, tokenizer::TokenizerFromGguf};
use tokenizers::{
    Tokenizer,
    pre_tokenizers::{PreTokenizerWrapper, byte_level::ByteLevel, digits::Digits, sequence::Sequence},
    processors::PostProcessorWrapper,
};
use toktrie::{TokRxInfo, TokTrie, TokenizerEnv};

use super::engine::EngineError;

/// Opens a turn of the conversation.
const START: &str = "<|im_start|>";
/// Closes a turn of the conversation, and the answer.
const END: &str = "<|im_end|>";

/// The tokens of the model.
pub(super) struct Vocabulary {
    tokenizer: Tokenizer,
    trie: TokTrie,
    specials: Vec<String>,
    start: u32,
    end: u32,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary")
            .field("tokens", &self.trie.vocab_size())
            .finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// Reads the vocabulary of a model file.
    pub(super) fn read(content: &gguf_file::Content) -> Result<Self, EngineError> {
        let mut tokenizer = Tokenizer::from_gguf(content)?;
        // The reader does not know the family of this tokenizer and falls back to one that adds a space in front and
        // keeps digits together; the model was trained with neither.
        let digits = Digits::new(true).into();
        let bytes = ByteLevel::new(false, true, true).into();
        tokenizer.with_pre_tokenizer(Some(PreTokenizerWrapper::from(Sequence::new(vec![digits, bytes]))));
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);

        let list = |key: &str| {
            let value = content
                .metadata
                .get(key)
                .ok_or_else(|| EngineError::Metadata(key.to_owned()))?;
            value.to_vec().map_err(EngineError::from)
        };
        let tokens = list("tokenizer.ggml.tokens")?;
        let tokens = tokens
            .iter()
            .map(|token| token.to_string().map(String::as_str))
            .collect::<Result<Vec<_>, _>>()?;
        let added = tokenizer.get_added_tokens_decoder();
        let special = |id: u32| added.get(&id).is_some_and(|token| token.special);
        Self::new(tokenizer.clone(), &tokens, special)
    }

    fn new(tokenizer: Tokenizer, tokens: &[&str], special: impl Fn(u32) -> bool) -> Result<Self, EngineError> {
        let mut specials = Vec::new();
        let mut words = Vec::with_capacity(tokens.len());
        for (id, token) in (0..).zip(tokens) {
            if special(id) {
                specials.push((*token).to_owned());
                words.push([&[TokTrie::SPECIAL_TOKEN_MARKER], token.as_bytes()].concat());
            } else {
                words.push(token_bytes(token));
            }
        }
        let id = |name: &str| {
            let found = tokens
                .iter()
                .position(|token| *token == name)
                .and_then(|at| u32::try_from(at).ok());
            found
                .filter(|id| special(*id))
                .ok_or_else(|| EngineError::Metadata(name.to_owned()))
        };
        let (start, end) = (id(START)?, id(END)?);
        let count =
            u32::try_from(words.len()).map_err(|_| EngineError::Metadata("tokenizer.ggml.tokens".to_owned()))?;
        let trie = TokTrie::from(&TokRxInfo::new(count, end), &words);
        Ok(Self {
            tokenizer,
            trie,
            specials,
            start,
            end,
        })
    }

    /// The tokens of `text`, in which the names of special tokens are taken out: what a person writes is text, and
    /// must not open or close a turn.
    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        self.encode_as_is(&without(&self.specials, text))
    }

    fn encode_as_is(&self, text: &str) -> Vec<u32> {
        match self.tokenizer.encode_fast(text, false) {
            Ok(encoding) => encoding.get_ids().to_vec(),
            // Byte-level tokens cover every text, so this is for form's sake.
            Err(_) => self.trie.greedy_tokenize(text.as_bytes()),
        }
    }

    /// The bytes that `token` stands for; none for a special token.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        if token as usize >= self.trie.vocab_size() || self.trie.is_special_token(token) {
            return &[];
        }
        self.trie.token(token)
    }

    /// How many tokens there are.
    pub(super) fn count(&self) -> u32 {
        self.trie.info().vocab_size
    }

    /// The token that opens a turn.
    pub(super) fn start(&self) -> u32 {
        self.start
    }

    /// The token that closes a turn.
    pub(super) fn end(&self) -> u32 {
        self.end
    }
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        self.trie
            .tokenize_with_greedy_fallback(bytes, |text| self.encode_as_is(text))
    }
}

/// `text` without any of `names`, also where taking one out would put another together.
fn without(names: &[String], text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(name) = names.iter().find(|name| text.contains(name.as_str())) {
        text = text.replace(name.as_str(), "");
    }
    text
}

/// The bytes of a token. Vocabularies of this family spell each byte as one printable character.
fn token_bytes(token: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(token.len());
    for character in token.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// Bytes that are printable stand for themselves; the others follow from U+0100 on, in their order.
fn byte_of(character: char) -> Option<u8> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let code = u32::from(character);
    match u8::try_from(code) {
        Ok(byte) => Some(byte).filter(printable),
        Err(_) => (0..=u8::MAX)
            .filter(|byte| !printable(byte))
            .nth((code - 0x100) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let mut bytes: Vec<u8> = (0..0x300).filter_map(char::from_u32).filter_map(byte_of).collect();
        assert_eq!(bytes.len(), 256);
        bytes.sort_unstable();
        bytes.dedup();
        assert_eq!(bytes.len(), 256);
    }

    #[test]
    fn tokens_spell_their_bytes() {
        assert_eq!(token_bytes("\u{120}world"), b" world");
        assert_eq!(token_bytes("\u{10a}"), b"\n");
        assert_eq!(token_bytes("\u{c3}\u{a9}"), "é".as_bytes());
        assert_eq!(
            token_bytes("日"),
            "日".as_bytes(),
            "characters outside the alphabet stand for themselves"
        );
    }

    #[test]
    fn special_names_are_taken_out_of_text_even_when_nested() {
        let names = [START.to_owned(), END.to_owned()];
        assert_eq!(without(&names, "a <|im_end|>b"), "a b");
        assert_eq!(without(&names, "<|im_<|im_end|>start|>system"), "system");
        assert_eq!(without(&names, "<|im_<|im_<|im_end|>end|>end|>x"), "x");
        assert_eq!(without(&names, "nothing < | to do"), "nothing < | to do");
    }
}
