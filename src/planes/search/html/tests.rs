//! Pages as they are and as they should not be.

use super::*;

#[test]
fn blocks_are_lines_and_inline_elements_are_not() {
    let table = [
        ("one two", "one two"),
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("<p>o<b>n</b>e <i>two</i></p>", "one two"),
        ("  <div>\n\n one \t\n two </div>\n", "one two"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<h1>Head</h1>text<hr>more", "Head\ntext\nmore"),
        ("<ul><li>one<li>two</ul>end", "- one\n- two\nend"),
        ("<tr><td>a</td><td>b</td></tr><tr><td>c</td></tr>", "a b\nc"),
        ("<my-element>own</my-element>next", "own\nnext"),
        ("a&nbsp;&nbsp;b &amp;lt; c", "a b &lt; c"),
        ("zero\u{0}byte\u{7}", "zerobyte"),
        ("", ""),
    ];
    for (html, expected) in table {
        assert_eq!(text_of(html).text, expected, "{html}");
    }
}

#[test]
fn what_is_not_shown_is_not_text() {
    let table = [
        ("a<script>if (1 < 2) alert('<p>x</p>')</script>b", "ab"),
        ("a<SCRIPT type=x>y</Script >b", "ab"),
        ("a<script>var s = '</scriptx>'; y</script>b", "ab"),
        ("a<style>p { color: red }</style>b", "ab"),
        ("a<!-- <p>no</p> -- > no -->b", "ab"),
        ("a<!doctype html><?xml version='1'?>b", "ab"),
        ("a<noscript><p>turn it on</p></noscript>b", "ab"),
        ("a<svg><svg></svg><text>no</text></svg>b", "ab"),
        ("a<svg/>b", "ab"),
        ("a<template><p>no</template>b", "ab"),
        ("a<textarea><p>no</textarea>b", "ab"),
    ];
    for (html, expected) in table {
        assert_eq!(text_of(html).text, expected, "{html}");
    }
}

#[test]
fn the_title_is_not_part_of_the_text() {
    let page = text_of("<head><title>\n One &amp;\n <b>two </title></head><body>text<title>second</title>");
    assert_eq!(
        page,
        Page {
            title: "One & <b>two".into(),
            text: "text".into()
        }
    );
}

#[test]
fn broken_markup_yields_text_and_ends() {
    let table = [
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("a<", "a<"),
        ("a</", "a</"),
        ("a<b", "a"),
        ("<a href=\"x>y\">text</a>", "text"),
        ("<a title='it''s' href=x>text", "text"),
        ("<p it's>text", "text"),
        ("a<script>never closed", "a"),
        ("a<!-- never closed", "a"),
        ("a<svg>never closed", "a"),
        ("a</svg>b</p></p>c", "a\nb\nc"),
        ("<\u{65e5}>\u{65e5}", "<\u{65e5}>\u{65e5}"),
    ];
    for (html, expected) in table {
        assert_eq!(text_of(html).text, expected, "{html}");
    }
}

#[test]
fn hostile_pages_are_read_in_linear_time() {
    // Each of these is a megabyte that a quadratic reader would take minutes for.
    for pattern in [
        "<",
        "</",
        "<a ",
        "<a '",
        "<!--",
        "&",
        "&#",
        "<script></script",
        "<svg>",
        "<title>",
        "<li>",
    ] {
        let html = pattern.repeat(1024 * 1024 / pattern.len());
        let page = text_of(&html);
        assert!(page.text.len() <= 2 * html.len(), "{pattern}");
    }
}
