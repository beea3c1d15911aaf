//! The only place that prints. Results go to standard output, everything else to standard error.

use std::{fmt, io::Write};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

/// Prints results as text for people or as JSON for programs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    is_json: bool,
}

impl Output {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    pub(super) fn is_json(self) -> bool {
        self.is_json
    }

    /// Prints a result: the value as JSON, or the text made from it.
    pub(super) fn result<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) {
        if self.is_json {
            self.json(value);
        } else {
            line(&text());
        }
    }

    /// Prints one JSON value on one line, also where there are many.
    pub(super) fn json<T: Serialize>(self, value: &T) {
        line(&serde_json::to_string(value).expect("results have string keys only"));
    }

    /// Prints a table, or its rows as JSON.
    pub(super) fn table<T: Serialize>(self, value: &T, head: &[&str], rows: Vec<Vec<String>>) {
        if self.is_json {
            return self.json(value);
        }
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(head);
        table.add_rows(rows);
        line(&table.to_string());
    }

    /// Prints bytes as they are.
    pub(super) fn bytes(self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        // A closed pipe is not our error.
        out.write_all(bytes).and_then(|()| out.flush()).ok();
    }

    /// Tells a person something that is not part of the result.
    pub(super) fn note(self, note: &impl fmt::Display) {
        writeln!(std::io::stderr().lock(), "{note}").ok();
    }

    /// Tells what went wrong.
    pub(super) fn error(self, error: &dyn std::error::Error) {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        if self.is_json {
            line(&json!({ "error": text }).to_string());
        } else {
            writeln!(std::io::stderr().lock(), "error: {text}").ok();
        }
    }

    /// A bar of `length` steps on standard error, hidden where the result is JSON.
    pub(super) fn steps(self, length: u64) -> ProgressBar {
        self.bar(length, "{prefix} {bar:30} {pos}/{len} {elapsed_precise} {wide_msg}")
    }

    /// A bar of `length` bytes on standard error, hidden where the result is JSON.
    pub(super) fn download(self, length: u64) -> ProgressBar {
        self.bar(
            length,
            "{prefix} {bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {wide_msg}",
        )
    }

    fn bar(self, length: u64, template: &str) -> ProgressBar {
        let target = if self.is_json {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let style = ProgressStyle::with_template(template).expect("the template is a literal that parses");
        ProgressBar::with_draw_target(Some(length), target).with_style(style.progress_chars("=> "))
    }
}

fn line(text: &str) {
    // A closed pipe is not our error.
    writeln!(std::io::stdout().lock(), "{text}").ok();
}

/// Makes text of a server safe for a terminal: no control characters, so no escape sequences.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// Shortens text to one line of at most `length` characters.
pub(super) fn short(text: &str, length: usize) -> String {
    let text = plain(text);
    match text.char_indices().nth(length) {
        None => text,
        Some(_) => text.chars().take(length.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_server_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(short("öööö", 4), "öööö");
        assert_eq!(short("ööööö", 4), "ööö…");
    }

    #[test]
    fn the_bars_have_valid_templates() {
        let output = Output::new(true);
        output.steps(1);
        output.download(1);
    }
}
