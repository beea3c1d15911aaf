//! Lays the content of a phase out as blocks.

use serde_json::Value;

use super::{Block, readable};
use crate::workflows::planning::schema::NOT_ASSESSED;

/// What is shown where nobody judged.
const NOTE: &str = "Not assessed.";

/// Longest decision that is carried to later prompts, in characters.
const MAX_DECISION: usize = 220;

/// Most decisions of one phase.
const MAX_DECISIONS: usize = 6;

/// Builds the blocks of one document. Paths are JSON pointers into the content.
#[derive(Debug)]
pub struct Layout<'a> {
    content: &'a Value,
    level: u8,
    blocks: Vec<Block>,
}

impl<'a> Layout<'a> {
    /// Starts a document whose headings begin at level 2.
    #[must_use]
    pub fn of(content: &'a Value) -> Self {
        Self {
            content,
            level: 2,
            blocks: Vec::new(),
        }
    }

    /// A heading.
    #[must_use]
    pub fn heading(mut self, title: &str) -> Self {
        self.blocks.push(Block::Heading(self.level, title.to_owned()));
        self
    }

    /// Running text.
    #[must_use]
    pub fn paragraph(self, path: &str) -> Self {
        self.worded(path, Block::Paragraph)
    }

    /// A quotation.
    #[must_use]
    pub fn quote(self, path: &str) -> Self {
        self.worded(path, Block::Quote)
    }

    /// Literal text.
    #[must_use]
    pub fn code(self, path: &str) -> Self {
        self.worded(path, Block::Code)
    }

    /// Any block.
    #[must_use]
    pub fn block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// Names and values: `(name, path)`.
    #[must_use]
    pub fn facts(mut self, facts: &[(&str, &str)]) -> Self {
        let facts = facts
            .iter()
            .map(|(name, path)| ((*name).to_owned(), cell(self.at(path))))
            .collect();
        self.blocks.push(Block::Facts(facts));
        self
    }

    /// A titled list.
    #[must_use]
    pub fn list(mut self, title: &str, path: &str) -> Self {
        self.title(title);
        let items = cells(self.at(path));
        self.blocks.push(if items.is_empty() {
            Block::Note(NOTE.to_owned())
        } else {
            Block::List(items)
        });
        self
    }

    /// A titled ordered list.
    #[must_use]
    pub fn numbered(mut self, title: &str, path: &str) -> Self {
        self.title(title);
        let items = cells(self.at(path));
        self.blocks.push(if items.is_empty() {
            Block::Note(NOTE.to_owned())
        } else {
            Block::Numbered(items)
        });
        self
    }

    /// A titled table with a row per item: `(column, path within the item)`.
    #[must_use]
    pub fn table(mut self, title: &str, path: &str, columns: &[(&str, &str)]) -> Self {
        self.title(title);
        let rows: Vec<Vec<String>> = items(self.at(path))
            .iter()
            .map(|item| {
                columns
                    .iter()
                    .map(|(_, path)| cell(item.pointer(path).unwrap_or(&Value::Null)))
                    .collect()
            })
            .collect();
        self.blocks.push(if rows.is_empty() {
            Block::Note(NOTE.to_owned())
        } else {
            Block::Table {
                head: columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
                rows,
            }
        });
        self
    }

    /// A titled table of claims and their sources.
    #[must_use]
    pub fn citations(mut self, path: &str) -> Self {
        self.title("Claims and sources");
        let rows: Vec<Vec<String>> = items(self.at(path))
            .iter()
            .map(|item| {
                let urls = cells(&item["urls"]);
                vec![
                    cell(&item["claim"]),
                    if urls.is_empty() {
                        "no evidence".to_owned()
                    } else {
                        urls.join(", ")
                    },
                ]
            })
            .collect();
        self.blocks.push(if rows.is_empty() {
            Block::Note("No claims were checked against sources.".to_owned())
        } else {
            Block::Table {
                head: vec!["Claim".to_owned(), "Sources".to_owned()],
                rows,
            }
        });
        self
    }

    /// A part per item of a list, each one level below, under a heading made of `name`, the item's number and the text at
    /// `title`.
    #[must_use]
    pub fn each(mut self, path: &str, name: &str, title: &str, part: impl Fn(Layout<'a>) -> Layout<'a>) -> Self {
        let items = items(self.at(path));
        if items.is_empty() {
            self.blocks.push(Block::Note(NOTE.to_owned()));
        }
        for (index, item) in items.iter().enumerate() {
            let title = match item.pointer(title).and_then(Value::as_str) {
                Some(text) if name.is_empty() => text.to_owned(),
                Some(text) if text != NOT_ASSESSED => format!("{name} {}: {text}", index + 1),
                Some(_) | None => format!("{name} {}", index + 1),
            };
            self.blocks.push(Block::Heading(self.level + 1, title));
            self.blocks.extend(
                part(Layout {
                    content: item,
                    level: self.level + 2,
                    blocks: Vec::new(),
                })
                .blocks,
            );
        }
        self
    }

    /// The texts of some fields of an object, for a row of a table that is laid out by hand.
    #[must_use]
    pub fn row(object: &Value, fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| cell(&object[*field])).collect()
    }

    /// The blocks.
    #[must_use]
    pub fn blocks(self) -> Vec<Block> {
        self.blocks
    }

    fn at(&self, path: &str) -> &'a Value {
        self.content.pointer(path).unwrap_or(&Value::Null)
    }

    fn title(&mut self, title: &str) {
        if !title.is_empty() {
            self.blocks.push(Block::Heading(self.level, title.to_owned()));
        }
    }

    fn worded(mut self, path: &str, block: fn(String) -> Block) -> Self {
        match self.at(path).as_str() {
            Some(text) if text != NOT_ASSESSED => self.blocks.push(block(text.to_owned())),
            Some(_) | None => self.blocks.push(Block::Note(NOTE.to_owned())),
        }
        self
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn cells(value: &Value) -> Vec<String> {
    items(value).iter().map(cell).collect()
}

/// A value as one line of text: lists and objects are joined, what is missing is said.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => NOT_ASSESSED.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => readable(text).to_owned(),
        Value::Array(list) if list.is_empty() => NOT_ASSESSED.to_owned(),
        Value::Array(list) => list.iter().map(cell).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => fields.values().map(cell).collect::<Vec<_>>().join(": "),
    }
}

/// The lines that later prompts carry: `(label, path)`, without what nobody judged.
#[must_use]
pub fn decisions(content: &Value, lines: &[(&str, &str)]) -> Vec<String> {
    lines
        .iter()
        .filter_map(|(label, path)| {
            let value = cell(content.pointer(path)?);
            (value != NOT_ASSESSED).then(|| shortened(&format!("{label}: {value}")))
        })
        .take(MAX_DECISIONS)
        .collect()
}

/// Cuts a line at a word so that it stays within the bound of a decision.
fn shortened(line: &str) -> String {
    if line.chars().count() <= MAX_DECISION {
        return line.to_owned();
    }
    let cut: String = line.chars().take(MAX_DECISION - 1).collect();
    let end = cut.rfind(' ').unwrap_or(cut.len());
    format!("{}…", cut[..end].trim_end_matches([',', ';', ' ']))
}
