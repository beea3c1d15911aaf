//! A fetched page as a source.

use actors::ports::Source;
use encoding_rs::{Encoding, UTF_8};
use reqwest::header::{ACCEPT, HeaderValue};
use url::Url;

use super::html::text_of;
use crate::outbound::{OutboundRequest, OutboundResponse};

/// Most bytes of a page that are read.
const MAX_READ_BYTES: usize = 1024 * 1024;
/// Most bytes of its text that are kept.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Most characters of its title.
const MAX_TITLE_CHARS: usize = 300;
/// Where a page may name its encoding.
const DECLARATION_BYTES: usize = 1024;

/// The request for a page.
pub(super) fn request(url: Url) -> OutboundRequest {
    let mut request = OutboundRequest {
        accept: &["text/html", "text/plain"],
        ..OutboundRequest::get(url, MAX_READ_BYTES)
    };
    request
        .headers
        .insert(ACCEPT, HeaderValue::from_static("text/html, text/plain;q=0.9"));
    request
}

/// Reads the text of an answer. A page without a title is named by its address.
pub(super) fn source(answer: &OutboundResponse, retrieved_at: i64) -> Source {
    let content_type = answer.content_type.as_deref().unwrap_or_default();
    let is_html = content_type
        .trim_start()
        .get(..9)
        .is_some_and(|media| media.eq_ignore_ascii_case("text/html"));
    let (decoded, _, _) = encoding(content_type, is_html, &answer.body).decode(&answer.body);
    let (title, text) = if is_html {
        let page = text_of(&decoded);
        (page.title, page.text)
    } else {
        (String::new(), decoded.replace('\0', "").trim().to_owned())
    };
    let title: String = title.chars().take(MAX_TITLE_CHARS).collect();
    let mut text = text;
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    Source {
        url: answer.url.to_string(),
        title: if title.is_empty() {
            answer.url.to_string()
        } else {
            title
        },
        text,
        retrieved_at,
    }
}

/// The encoding by the header, else by the page's own declaration, else UTF-8; a byte order mark overrules them all.
fn encoding(content_type: &str, is_html: bool, body: &[u8]) -> &'static Encoding {
    let start = String::from_utf8_lossy(&body[..body.len().min(DECLARATION_BYTES)]);
    let declared = is_html.then(|| label(&start)).flatten();
    label(content_type).or(declared).unwrap_or(UTF_8)
}

/// Finds `charset=<label>` in a header or in a `meta` element.
fn label(text: &str) -> Option<&'static Encoding> {
    let lower = text.to_ascii_lowercase();
    let (_, rest) = lower.split_once("charset")?;
    let value = rest
        .trim_start()
        .strip_prefix('=')?
        .trim_start()
        .trim_start_matches(['"', '\'']);
    let end = value
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.')))
        .unwrap_or(value.len());
    Encoding::for_label(&value.as_bytes()[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: &str, body: &[u8]) -> Source {
        let answer = OutboundResponse {
            url: Url::parse("https://example.com/page").unwrap(),
            status: reqwest::StatusCode::OK,
            content_type: Some(content_type.into()),
            body: body.to_vec().into(),
            truncated: false,
        };
        source(&answer, 7)
    }

    #[test]
    fn a_page_is_its_title_and_text() {
        let source = read("Text/HTML", b"<title>One &amp; two</title><p>Some <b>text</b></p>");
        let expected = Source {
            url: "https://example.com/page".into(),
            title: "One & two".into(),
            text: "Some text".into(),
            retrieved_at: 7,
        };
        assert_eq!(source, expected);
        assert_eq!(read("text/html", b"<p>no title").title, "https://example.com/page");
    }

    #[test]
    fn plain_text_is_not_read_as_markup() {
        assert_eq!(read("text/plain", b"  if a <b> c & d\n").text, "if a <b> c & d");
    }

    #[test]
    fn encodings_are_found_in_the_header_in_the_page_and_in_the_mark() {
        assert_eq!(read("text/plain; charset=ISO-8859-1", b"caf\xe9").text, "caf\u{e9}");
        assert_eq!(
            read("text/html", b"<meta charset='windows-1252'><p>\x93caf\xe9\x94").text,
            "\u{201c}caf\u{e9}\u{201d}"
        );
        let meta = b"<META http-equiv=x content=\"text/html; charset=shift_jis\"><p>\x93\xfa";
        assert_eq!(read("text/html", meta).text, "\u{65e5}");
        assert_eq!(
            read("text/plain; charset=latin1", b"\xef\xbb\xbf\xc3\xa9").text,
            "\u{e9}"
        );
        assert_eq!(read("text/plain; charset=nonsense", "\u{e9}".as_bytes()).text, "\u{e9}");
        assert_eq!(read("text/plain", b"a\xffb").text, "a\u{fffd}b");
    }

    #[test]
    fn text_is_cut_at_a_character() {
        let source = read("text/plain", "\u{65e5}".repeat(40_000).as_bytes());
        assert_eq!(
            source.text.len(),
            MAX_TEXT_BYTES - 1,
            "65,536 is not a multiple of three"
        );
        assert!(
            read("text/html", format!("<title>{}</title>", "t".repeat(1000)).as_bytes())
                .title
                .len()
                == 300
        );
    }
}
