//! From HTML to text: what a reader would see, without markup.
//!
//! A single pass in linear time over whatever a stranger sent. It builds no tree, follows nothing and never fails: broken
//! markup yields odd text at worst.

mod entity;

/// The readable part of a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Content of the first `title` element.
    pub title: String,
    /// The text, one line per block, without empty lines.
    pub text: String,
}

/// Elements whose content is not markup: it ends at their own end tag.
const RAW: [&str; 8] = [
    "script", "style", "title", "textarea", "iframe", "noembed", "noframes", "xmp",
];
/// Elements whose content is not shown, or not text.
const HIDDEN: [&str; 8] = [
    "noscript", "template", "svg", "math", "object", "canvas", "audio", "video",
];
/// Elements that go on in the same line; all others begin and end one.
const INLINE: [&str; 37] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "ins", "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub",
    "sup", "time", "tt", "u", "var", "wbr",
];

/// Reads the text of a page.
pub fn text_of(html: &str) -> Page {
    let mut page = Page::default();
    let mut writer = Writer::default();
    // The hidden element that is open, and how often it was opened inside itself.
    let mut hidden: Option<(String, usize)> = None;
    let mut rest = html;
    while !rest.is_empty() {
        let end = rest.find('<').unwrap_or(rest.len());
        if end > 0 {
            if hidden.is_none() {
                writer.text(&rest[..end]);
            }
            rest = &rest[end..];
            continue;
        }
        let (markup, after) = markup(rest);
        rest = after;
        match markup {
            Markup::Text(text) => {
                if hidden.is_none() {
                    writer.text(text);
                }
            }
            Markup::Ignored => {}
            Markup::Open { name, closed } => match &mut hidden {
                Some((element, depth)) => {
                    if *element == name && !closed {
                        *depth += 1;
                    }
                }
                None if RAW.contains(&name.as_str()) => {
                    let (content, after) = raw(rest, &name);
                    rest = after;
                    if name == "title" && page.title.is_empty() {
                        let mut title = Writer::default();
                        title.text(content);
                        page.title = title.finish().replace('\n', " ");
                    }
                }
                None if HIDDEN.contains(&name.as_str()) => {
                    if !closed {
                        hidden = Some((name, 1));
                    }
                }
                None => writer.tag(&name, true),
            },
            Markup::Close { name } => match &mut hidden {
                Some((element, depth)) => {
                    if *element == name {
                        *depth -= 1;
                        if *depth == 0 {
                            hidden = None;
                        }
                    }
                }
                None => writer.tag(&name, false),
            },
        }
    }
    page.text = writer.finish();
    page
}

/// What begins with `<`.
enum Markup<'a> {
    /// Nothing but that character.
    Text(&'a str),
    /// A comment, a declaration or an instruction.
    Ignored,
    Open {
        name: String,
        /// Whether it ends with `/>`.
        closed: bool,
    },
    Close {
        name: String,
    },
}

/// Takes the markup at the beginning of a text that begins with `<`.
fn markup(text: &str) -> (Markup<'_>, &str) {
    if let Some(comment) = text.strip_prefix("<!--") {
        return (
            Markup::Ignored,
            comment.find("-->").map_or("", |end| &comment[end + 3..]),
        );
    }
    let closing = text.starts_with("</");
    let inner = &text[if closing { 2 } else { 1 }..];
    match inner.bytes().next() {
        Some(first) if first.is_ascii_alphabetic() => {}
        Some(b'!' | b'?') => return (Markup::Ignored, inner.find('>').map_or("", |end| &inner[end + 1..])),
        Some(_) if closing => return (Markup::Ignored, inner.find('>').map_or("", |end| &inner[end + 1..])),
        Some(_) | None => return (Markup::Text(&text[..1]), &text[1..]),
    }
    let name_end = inner
        .find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'))
        .unwrap_or(inner.len());
    let name = inner[..name_end].to_ascii_lowercase();
    let (attributes, rest) = attributes(&inner[name_end..]);
    let markup = if closing {
        Markup::Close { name }
    } else {
        Markup::Open {
            name,
            closed: attributes.ends_with('/'),
        }
    };
    (markup, rest)
}

/// Splits at the end of a tag. A `>` in a quoted value does not end it; a quote only begins a value after `=`.
fn attributes(text: &str) -> (&str, &str) {
    let mut quote = None;
    let mut after_equals = false;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) => {
                if byte == open {
                    quote = None;
                }
            }
            (None, b'>') => return (&text[..at], &text[at + 1..]),
            (None, b'"' | b'\'') if after_equals => quote = Some(byte),
            (None, _) => {}
        }
        if !byte.is_ascii_whitespace() {
            after_equals = quote.is_none() && byte == b'=';
        }
    }
    (text, "")
}

/// Splits the content of a raw element from what follows its end tag.
fn raw<'a>(text: &'a str, name: &str) -> (&'a str, &'a str) {
    let mut from = 0;
    while let Some(found) = text[from..].find("</") {
        let at = from + found;
        let tag = &text.as_bytes()[at + 2..];
        let named = tag
            .get(..name.len())
            .is_some_and(|bytes| bytes.eq_ignore_ascii_case(name.as_bytes()));
        let ended = tag
            .get(name.len())
            .is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        if named && ended {
            let (_, rest) = attributes(&text[at + 2 + name.len()..]);
            return (&text[..at], rest);
        }
        from = at + 2;
    }
    (text, "")
}

/// Collects text with single spaces and single line ends.
#[derive(Debug, Default)]
struct Writer {
    out: String,
    gap: Gap,
}

/// What goes before the next character, if anything precedes it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Space,
    Line,
}

impl Writer {
    fn text(&mut self, text: &str) {
        for c in entity::decode(text).chars() {
            if c.is_whitespace() {
                self.gap = self.gap.max(Gap::Space);
            } else if !c.is_control() {
                self.fill();
                self.out.push(c);
            }
        }
    }

    fn tag(&mut self, name: &str, opening: bool) {
        if INLINE.contains(&name) {
            return;
        }
        // Cells of a row stay in one line.
        let gap = if matches!(name, "td" | "th" | "input" | "button" | "option") {
            Gap::Space
        } else {
            Gap::Line
        };
        self.gap = self.gap.max(gap);
        if name == "li" && opening {
            self.fill();
            self.out.push('-');
            self.gap = Gap::Space;
        }
    }

    fn fill(&mut self) {
        let gap = std::mem::take(&mut self.gap);
        if self.out.is_empty() {
            return;
        }
        match gap {
            Gap::None => {}
            Gap::Space => self.out.push(' '),
            Gap::Line => self.out.push('\n'),
        }
    }

    fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests;
