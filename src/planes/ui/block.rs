//! The readable layout of an artifact. The text comes from models: templates put it into the page as text and nothing else.

/// A part of a document. The same shape as the layout of a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading, 1 for the highest.
    Heading(u8, String),
    /// A paragraph.
    Paragraph(String),
    /// Points without an order.
    List(Vec<String>),
    /// Points in order.
    Numbered(Vec<String>),
    /// A table.
    Table {
        /// Head of each column.
        head: Vec<String>,
        /// Cells, row by row.
        rows: Vec<Vec<String>>,
    },
    /// Names and their values.
    Facts(Vec<(String, String)>),
    /// Words of somebody else.
    Quote(String),
    /// Text to copy as it is.
    Code(String),
    /// A remark about the document, such as "not assessed".
    Note(String),
}

/// Blocks with the level of heading they start from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prose<'a> {
    pub(super) blocks: &'a [Block],
    base: u8,
    top: u8,
}

impl<'a> Prose<'a> {
    /// Blocks under a heading of the level above `base`: their highest heading becomes `base`, so that no level is skipped.
    pub(super) fn new(blocks: &'a [Block], base: u8) -> Self {
        let levels = blocks.iter().filter_map(|block| {
            if let Block::Heading(level, _) = block {
                Some(*level)
            } else {
                None
            }
        });
        Self {
            blocks,
            base,
            top: levels.min().unwrap_or(1),
        }
    }

    pub(super) fn level(&self, level: &u8) -> u8 {
        self.base.saturating_add(level.saturating_sub(self.top)).min(6)
    }

    /// Says whether a column holds numbers, which stand at the right.
    pub(super) fn is_number(&self, rows: &[Vec<String>], column: &usize) -> bool {
        let cells = || rows.iter().filter_map(|row| row.get(*column)).map(|cell| cell.trim());
        let number = |cell: &str| {
            cell.chars().any(|letter| letter.is_ascii_digit())
                && cell.chars().count() <= 14
                && cell
                    .chars()
                    .all(|letter| letter.is_ascii_digit() || " .,%+-−–€$£~<>kKMB/".contains(letter))
        };
        *column > 0 && cells().any(number) && cells().all(|cell| cell.is_empty() || cell == "–" || number(cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_start_below_the_page_and_skip_nothing() {
        let blocks = [
            Block::Heading(3, String::new()),
            Block::Heading(4, String::new()),
            Block::Heading(9, String::new()),
        ];
        let prose = Prose::new(&blocks, 2);
        assert_eq!([3, 4, 9].map(|level| prose.level(&level)), [2, 3, 6]);
    }

    #[test]
    fn a_column_of_numbers_is_told_from_words() {
        let rows = vec![
            vec!["a".into(), "1,200".into(), "2 sites".into()],
            vec!["b".into(), "30 %".into(), String::new()],
        ];
        let prose = Prose::new(&[], 2);
        assert_eq!(
            [0, 1, 2].map(|column| prose.is_number(&rows, &column)),
            [false, true, false]
        );
    }
}
