//! Blocks as Markdown.

use std::fmt::Write;

use super::Block;

/// Renders blocks as Markdown (with the tables of GitHub's dialect). Control characters in the text are escaped, so that
/// text can neither become markup nor leave its place.
#[must_use]
pub fn markdown(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        render(&mut out, block);
    }
    out
}

fn render(out: &mut String, block: &Block) {
    match block {
        Block::Heading(level, text) => {
            line(
                out,
                &format!("{} {}", "#".repeat(usize::from((*level).clamp(1, 6))), escape(text)),
            );
        }
        Block::Paragraph(text) => line(out, &start(text)),
        Block::List(items) => {
            for item in items {
                line(out, &format!("- {}", start(item)));
            }
        }
        Block::Numbered(items) => {
            for (index, item) in items.iter().enumerate() {
                line(out, &format!("{}. {}", index + 1, start(item)));
            }
        }
        Block::Table { head, rows } => {
            line(out, &row(head));
            line(out, &format!("|{}", " --- |".repeat(head.len())));
            for cells in rows {
                line(out, &row(cells));
            }
        }
        Block::Facts(facts) => {
            for (name, value) in facts {
                line(out, &format!("- **{}:** {}", escape(name), escape(value)));
            }
        }
        Block::Quote(text) => line(out, &format!("> {}", start(text))),
        Block::Code(text) => {
            let fence = "`".repeat(longest_run(text, '`').max(2) + 1);
            line(out, &fence);
            line(out, text.trim_end());
            line(out, &fence);
        }
        Block::Note(text) => line(out, &format!("*{}*", escape(text))),
    }
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
    format!("| {} |", cells.join(" | "))
}

fn longest_run(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted).map(str::len).max().unwrap_or(0)
}

/// Text on one line with every control character of Markdown escaped.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        for c in word.chars().filter(|c| !c.is_control()) {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '{' | '}' | '$' => {
                    out.push('\\');
                    out.push(c);
                }
                _ => out.push(c),
            }
        }
    }
    out
}

/// Escaped text at the start of a line, where a dash, a plus, an equals sign or a number would begin another block.
fn start(text: &str) -> String {
    let escaped = escape(text);
    let digits = escaped.chars().take_while(char::is_ascii_digit).count();
    let first = escaped.chars().next();
    if matches!(first, Some('-' | '+' | '=')) {
        format!("\\{escaped}")
    } else if digits > 0 && escaped[digits..].starts_with(['.', ')']) {
        format!("{}\\{}", &escaped[..digits], &escaped[digits..])
    } else {
        escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let hostile = "# <script>alert(1)</script> [x](javascript:y) | **b** `c` ![i](u)\n\n---\n> q";
        let text = markdown(&[Block::Paragraph(hostile.to_owned())]);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with("\\# &lt;script&gt;"), "{text}");
        for markup in ["<script", "[x]", " | ", "**b", " `c", "\n>"] {
            assert!(!text.contains(markup), "{markup} in {text}");
        }
    }

    #[test]
    fn a_line_cannot_begin_another_block() {
        let blocks =
            ["- dash", "1. one", "12) twelve", "+ plus", "=== rule"].map(|text| Block::Paragraph(text.to_owned()));
        let text = markdown(&blocks);
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(
            lines,
            ["\\- dash", "1\\. one", "12\\) twelve", "\\+ plus", "\\=== rule"]
        );
    }

    #[test]
    fn code_cannot_close_its_fence() {
        let text = markdown(&[Block::Code("a\n````\nb".to_owned())]);
        assert_eq!(text, "`````\na\n````\nb\n`````\n");
    }

    #[test]
    fn tables_have_one_line_per_row() {
        let table = Block::Table {
            head: vec!["A".into(), "B".into()],
            rows: vec![vec!["x|y".into(), "1\n2".into()]],
        };
        assert_eq!(markdown(&[table]), "| A | B |\n| --- | --- |\n| x\\|y | 1 2 |\n");
    }
}
