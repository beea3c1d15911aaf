//! Readable documents: what a phase says, as headings, tables, lists and quotes instead of JSON.
//!
//! The blocks hold plain, untrusted text. [`markdown`] escapes it; a page escapes it in its template.

mod layout;
mod markdown;

pub use layout::{Layout, decisions};
pub use markdown::{escape, markdown};

/// One part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading of the given level, 1 to 6.
    Heading(u8, String),
    /// Running text.
    Paragraph(String),
    /// An unordered list.
    List(Vec<String>),
    /// An ordered list.
    Numbered(Vec<String>),
    /// A table.
    Table {
        /// Column headings.
        head: Vec<String>,
        /// Rows, each as long as the head.
        rows: Vec<Vec<String>>,
    },
    /// Names and their values.
    Facts(Vec<(String, String)>),
    /// Words of a customer, or words that stand for themselves.
    Quote(String),
    /// Literal text such as a table definition.
    Code(String),
    /// A remark of the program, for example that something was not assessed.
    Note(String),
}

/// The same blocks with each heading `by` levels deeper.
#[must_use]
pub fn deeper(blocks: Vec<Block>, by: u8) -> Vec<Block> {
    blocks
        .into_iter()
        .map(|block| match block {
            Block::Heading(level, text) => Block::Heading(level.saturating_add(by).min(6), text),
            other @ (Block::Paragraph(_)
            | Block::List(_)
            | Block::Numbered(_)
            | Block::Table { .. }
            | Block::Facts(_)
            | Block::Quote(_)
            | Block::Code(_)
            | Block::Note(_)) => other,
        })
        .collect()
}

/// How enumerated values read in a sentence.
const WORDS: &[(&str, &str)] = &[
    ("VERY_HIGH", "very high"),
    ("HIGH", "high"),
    ("MEDIUM", "medium"),
    ("LOW", "low"),
    ("FAST", "fast"),
    ("SLOW", "slow"),
    ("NOT_ASSESSED", "not assessed"),
    ("hair_on_fire", "hair on fire"),
    ("nice_to_have", "nice to have"),
    ("must_have", "must have"),
    ("one_time", "one time"),
];

/// An enumerated value as it reads in a sentence; other text as it is.
#[must_use]
pub fn readable(text: &str) -> &str {
    WORDS
        .iter()
        .find(|(value, _)| *value == text)
        .map_or(text, |(_, words)| words)
}
