//! Lays the content of a phase out as blocks.

use serde_json::Value;

use super::{Block, readable};
use crate::workflows::planning::schema::{NOT_ASSESSED, NOT_ASSESSED_UPPER};

/// What stands in an empty cell of a document in which everything was judged.
const NONE: &str = "none";

/// Longest decision that is carried to later prompts, in characters.
const MAX_DECISION: usize = 220;

/// Most names of what was not assessed. A small model leaves dozens open, and a reader wants what is there.
const MAX_MISSING: usize = 6;

/// Most decisions of one phase.
const MAX_DECISIONS: usize = 6;

/// Builds the blocks of one document. Paths are JSON pointers into the content.
///
/// What nobody judged leaves no holes: such facts, columns and sections are left out, and one note at the end names them.
#[derive(Debug)]
pub struct Layout<'a> {
    content: &'a Value,
    level: u8,
    /// How an empty list reads: as none, or as not assessed where the content has fields that nobody judged.
    empty: &'static str,
    blocks: Vec<Block>,
    /// Names of what was left out, and how many blocks stood before it.
    missing: Vec<(usize, String)>,
}

impl<'a> Layout<'a> {
    /// Starts a document whose headings begin at level 2.
    #[must_use]
    pub fn of(content: &'a Value) -> Self {
        let empty = if is_judged(content) { NONE } else { NOT_ASSESSED };
        Self {
            content,
            level: 2,
            empty,
            blocks: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// A heading. Without anything under it, it is left out and named in the note at the end.
    #[must_use]
    pub fn heading(mut self, title: &str) -> Self {
        if !title.is_empty() {
            self.blocks.push(Block::Heading(self.level, title.to_owned()));
        }
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

    /// Any block, as it is.
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
            .map(|(name, path)| ((*name).to_owned(), cell(self.at(path), self.empty)));
        let (known, unknown): (Vec<_>, Vec<_>) = facts.partition(|(_, value)| value != NOT_ASSESSED);
        if !known.is_empty() {
            self.blocks.push(Block::Facts(known));
        }
        let at = self.blocks.len();
        self.missing.extend(unknown.into_iter().map(|(name, _)| (at, name)));
        self
    }

    /// A titled list.
    #[must_use]
    pub fn list(self, title: &str, path: &str) -> Self {
        self.items(title, path, Block::List)
    }

    /// A titled ordered list.
    #[must_use]
    pub fn numbered(self, title: &str, path: &str) -> Self {
        self.items(title, path, Block::Numbered)
    }

    /// A titled table with a row per item: `(column, path within the item)`.
    #[must_use]
    pub fn table(self, title: &str, path: &str, columns: &[(&str, &str)]) -> Self {
        let empty = self.empty;
        let row = |item: &Value| {
            columns
                .iter()
                .map(|(_, path)| cell(item.pointer(path).unwrap_or(&Value::Null), empty))
                .collect()
        };
        let rows = items(self.at(path)).iter().map(row).collect();
        let head: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        self.rows(title, &head, rows)
    }

    /// A titled table of rows that were laid out by hand.
    #[must_use]
    pub fn rows(self, title: &str, head: &[&str], rows: Vec<Vec<String>>) -> Self {
        let mut layout = self.heading(title);
        let known = |column: &usize| {
            rows.iter()
                .any(|row| row.get(*column).is_some_and(|cell| cell != NOT_ASSESSED))
        };
        let (known, unknown): (Vec<usize>, Vec<usize>) = (0..head.len()).partition(known);
        let kept = rows
            .iter()
            .map(|row| known.iter().map(|column| row[*column].clone()).collect::<Vec<_>>());
        let kept = kept.filter(|row| row.len() < 2 || row[1..].iter().any(|cell| cell != NOT_ASSESSED));
        let kept: Vec<Vec<String>> = kept.collect();
        if kept.is_empty() || known.is_empty() {
            return if layout.empty == NONE {
                layout.block(Block::Note("None.".to_owned()))
            } else {
                layout
            };
        }
        layout.blocks.push(if known.len() == 1 {
            Block::List(kept.into_iter().flatten().collect())
        } else {
            Block::Table {
                head: known.iter().map(|column| head[*column].to_owned()).collect(),
                rows: kept,
            }
        });
        let at = layout.blocks.len();
        layout
            .missing
            .extend(unknown.iter().map(|column| (at, head[*column].to_owned())));
        layout
    }

    /// A titled table of claims and their sources.
    #[must_use]
    pub fn citations(self, path: &str) -> Self {
        let rows = items(self.at(path)).iter().map(|item| {
            let urls: Vec<&str> = items(&item["urls"]).iter().filter_map(Value::as_str).collect();
            let sources = if urls.is_empty() {
                "no evidence".to_owned()
            } else {
                urls.join(", ")
            };
            vec![cell(&item["claim"], NONE), sources]
        });
        let rows = rows.collect();
        self.rows("Claims and sources", &["Claim", "Sources"], rows)
    }

    /// A part per item of a list, each one level below, under a heading made of `name`, the item's number and the text at
    /// `title`.
    #[must_use]
    pub fn each(mut self, path: &str, name: &str, title: &str, part: impl Fn(Layout<'a>) -> Layout<'a>) -> Self {
        for (index, item) in items(self.at(path)).iter().enumerate() {
            let title = match item.pointer(title).and_then(Value::as_str) {
                Some(text) if name.is_empty() && text != NOT_ASSESSED => text.to_owned(),
                Some(text) if text != NOT_ASSESSED => format!("{name} {}: {text}", index + 1),
                Some(_) | None => format!("{name} {}", index + 1),
            };
            let inner = part(self.part(item, self.level + 2));
            // An item of which only its title is known is a line, not a chapter.
            let is_line = inner.blocks.iter().all(|block| matches!(block, Block::Heading(..)));
            self.blocks.push(if is_line {
                Block::List(vec![title])
            } else {
                Block::Heading(self.level + 1, title)
            });
            self.append(inner, is_line);
        }
        self
    }

    /// A part whose paths start at `path`.
    #[must_use]
    pub fn within(mut self, path: &str, part: impl Fn(Layout<'a>) -> Layout<'a>) -> Self {
        let inner = part(self.part(self.at(path), self.level));
        self.append(inner, false);
        self
    }

    /// The texts of some fields of an object, for a row of a table that is laid out by hand.
    #[must_use]
    pub fn row(object: &Value, fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| cell(&object[*field], NONE)).collect()
    }

    /// The blocks, without headings that have nothing under them, and with a note on what was not assessed.
    #[must_use]
    pub fn blocks(self) -> Vec<Block> {
        let mut kept = Vec::new();
        let mut names: Vec<String> = Vec::new();
        let mut name = |name: &String| {
            if !names.contains(name) {
                names.push(name.clone());
            }
        };
        let mut skip = 0;
        self.missing
            .iter()
            .filter(|(at, _)| *at == 0)
            .for_each(|(_, missing)| name(missing));
        for (index, block) in self.blocks.iter().enumerate() {
            if index < skip {
                continue;
            }
            if let Block::Heading(level, title) = block {
                let end = section_end(&self.blocks, index, *level);
                if self.blocks[index..end]
                    .iter()
                    .all(|block| matches!(block, Block::Heading(..)))
                {
                    // The names of what is missing inside go without saying.
                    name(title);
                    skip = end;
                    continue;
                }
            }
            kept.push(block.clone());
            self.missing
                .iter()
                .filter(|(at, _)| *at == index + 1)
                .for_each(|(_, missing)| name(missing));
        }
        if !names.is_empty() {
            let more = names.len().saturating_sub(MAX_MISSING);
            let names = names[..names.len() - more].join("; ");
            kept.push(Block::Note(match more {
                0 => format!("Not assessed: {names}."),
                _ => format!("Not assessed: {names}; and {more} more."),
            }));
        }
        kept
    }

    fn at(&self, path: &str) -> &'a Value {
        self.content.pointer(path).unwrap_or(&Value::Null)
    }

    fn worded(mut self, path: &str, block: fn(String) -> Block) -> Self {
        if let Some(text) = self.at(path).as_str().filter(|text| *text != NOT_ASSESSED) {
            self.blocks.push(block(text.to_owned()));
        }
        self
    }

    fn items(self, title: &str, path: &str, block: fn(Vec<String>) -> Block) -> Self {
        let items: Vec<String> = items(self.at(path)).iter().map(|item| cell(item, self.empty)).collect();
        let mut layout = self.heading(title);
        if !items.is_empty() {
            layout.blocks.push(block(items));
        } else if layout.empty == NONE {
            layout.blocks.push(Block::Note("None.".to_owned()));
        }
        layout
    }

    fn part(&self, content: &'a Value, level: u8) -> Layout<'a> {
        Layout {
            content,
            level,
            empty: self.empty,
            blocks: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Appends a part, or only what it misses.
    fn append(&mut self, part: Layout<'a>, only_missing: bool) {
        let offset = self.blocks.len();
        if only_missing {
            self.missing
                .extend(part.missing.into_iter().map(|(_, name)| (offset, name)));
        } else {
            self.blocks.extend(part.blocks);
            self.missing
                .extend(part.missing.into_iter().map(|(at, name)| (at + offset, name)));
        }
    }
}

/// Where the section that begins with the heading at `start` ends.
fn section_end(blocks: &[Block], start: usize, level: u8) -> usize {
    let ends = |block: &Block| matches!(block, Block::Heading(other, _) if *other <= level);
    blocks[start + 1..]
        .iter()
        .position(ends)
        .map_or(blocks.len(), |length| start + 1 + length)
}

/// Whether the content has no field that nobody judged.
fn is_judged(content: &Value) -> bool {
    match content {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => text != NOT_ASSESSED && text != NOT_ASSESSED_UPPER,
        Value::Array(items) => items.iter().all(is_judged),
        Value::Object(fields) => fields.values().all(is_judged),
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A value as one line of text: lists and objects are joined, what is missing is said.
fn cell(value: &Value, empty: &str) -> String {
    match value {
        Value::Null => NOT_ASSESSED.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => readable(text).to_owned(),
        Value::Array(list) if list.is_empty() => empty.to_owned(),
        Value::Array(list) => list.iter().map(|item| cell(item, empty)).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            // A name and its value, or several things in a row.
            let between = if fields.len() == 2 { ": " } else { ", " };
            fields
                .values()
                .map(|field| cell(field, empty))
                .collect::<Vec<_>>()
                .join(between)
        }
    }
}

/// The lines that later prompts carry: `(label, path)`, without what nobody judged.
#[must_use]
pub fn decisions(content: &Value, lines: &[(&str, &str)]) -> Vec<String> {
    lines
        .iter()
        .filter_map(|(label, path)| {
            let value = cell(content.pointer(path)?, NOT_ASSESSED);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_judged_leaves_no_holes() {
        let content = json!({
            "rows": [{"name": "A", "size": "not assessed", "note": "x"}], "single": [{"name": "B", "size": null}],
            "price": null, "kind": "NOT_ASSESSED", "why": "Because.", "list": [],
        });
        let blocks = Layout::of(&content)
            .table(
                "Rows",
                "/rows",
                &[("Name", "/name"), ("Size", "/size"), ("Note", "/note")],
            )
            .table("Single", "/single", &[("Name", "/name"), ("Weight", "/size")])
            .heading("Money")
            .facts(&[("Price", "/price"), ("Kind", "/kind")])
            .heading("Reasons")
            .facts(&[("Why", "/why"), ("Kind", "/kind")])
            .heading("Parts")
            .list("Inner", "/list")
            .blocks();
        assert_eq!(
            blocks,
            [
                Block::Heading(2, "Rows".into()),
                Block::Table {
                    head: vec!["Name".into(), "Note".into()],
                    rows: vec![vec!["A".into(), "x".into()]]
                },
                Block::Heading(2, "Single".into()),
                Block::List(vec!["B".into()]),
                Block::Heading(2, "Reasons".into()),
                Block::Facts(vec![("Why".into(), "Because.".into())]),
                Block::Note("Not assessed: Size; Weight; Money; Kind; Parts; Inner.".into()),
            ]
        );
    }

    #[test]
    fn an_empty_list_of_a_judged_document_is_none() {
        let content = json!({"list": [], "rows": [], "why": "Because."});
        let blocks = Layout::of(&content)
            .list("List", "/list")
            .table("Rows", "/rows", &[("Name", "/name")])
            .facts(&[("List", "/list")])
            .blocks();
        let none = || Block::Note("None.".into());
        let heading = |title: &str| Block::Heading(2, title.into());
        assert_eq!(
            blocks,
            [
                heading("List"),
                none(),
                heading("Rows"),
                none(),
                Block::Facts(vec![("List".into(), "none".into())])
            ]
        );
    }

    #[test]
    fn a_long_decision_is_cut_at_a_word() {
        let line = decisions(&json!({"a": "word ".repeat(100)}), &[("Long", "/a")]).remove(0);
        assert!(
            line.chars().count() <= MAX_DECISION && line.ends_with("word…"),
            "{line}"
        );
    }
}
