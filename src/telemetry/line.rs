//! Each event is one line of the log, whatever text is in it.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Makes writers that write what they are given at a time, which is an event, as one line.
#[derive(Debug, Clone)]
pub(super) struct OneLine<M>(pub(super) M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLine<M> {
    type Writer = OneLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine(self.0.make_writer())
    }
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(&one_line(event))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Colours and weights that the library writes; other escape sequences come from elsewhere.
const STYLES: [&str; 11] = ["0", "1", "2", "3", "4", "31", "32", "33", "34", "35", "36"];

/// Shows whatever ends a line or rules the terminal, but the end of the event.
fn one_line(event: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(event);
    let (body, end) = text.strip_suffix('\n').map_or((&*text, ""), |body| (body, "\n"));
    let mut line = String::with_capacity(text.len());
    for (place, letter) in body.char_indices() {
        let is_harmless = match letter {
            '\u{1b}' => is_style(&body[place + 1..]),
            '\u{2028}' | '\u{2029}' => false,
            _ => !letter.is_control(),
        };
        if is_harmless {
            line.push(letter);
        } else {
            line.extend(letter.escape_default());
        }
    }
    line.push_str(end);
    line.into_bytes()
}

/// Whether a text goes on as the sequence of a style does after its first byte.
fn is_style(text: &str) -> bool {
    let code = text.strip_prefix('[').and_then(|text| text.split_once('m'));
    code.is_some_and(|(code, _)| STYLES.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_an_event_ends_a_line() {
        let shown = |text: &str| String::from_utf8(one_line(text.as_bytes())).unwrap();
        assert_eq!(shown("a\nb\r\nc\n"), "a\\nb\\r\\nc\n");
        assert_eq!(shown("a\u{2028}b"), "a\\u{2028}b");
        assert_eq!(shown("\u{1b}[2m20\u{1b}[0m ü\n"), "\u{1b}[2m20\u{1b}[0m ü\n");
        assert_eq!(shown("\u{1b}[2J\u{1b}]0;x\u{7}"), "\\u{1b}[2J\\u{1b}]0;x\\u{7}");
        assert_eq!(shown("\u{1b}[8mhidden\t\u{9b}2J"), "\\u{1b}[8mhidden\\t\\u{9b}2J");
    }
}
