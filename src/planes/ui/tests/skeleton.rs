//! A reader of tags, enough to compare pages: names, attributes and their values as they are written.

/// An opening tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }
}

/// The opening tags of a page in order; closing tags, text and the doctype are left out.
pub(crate) fn tags(html: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if !rest.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            continue;
        }
        let end = rest
            .find(|letter: char| letter.is_whitespace() || letter == '>' || letter == '/')
            .unwrap_or(rest.len());
        let mut tag = Tag {
            name: rest[..end].to_ascii_lowercase(),
            attributes: Vec::new(),
        };
        rest = &rest[end..];
        loop {
            rest = rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '/');
            if rest.is_empty() || rest.starts_with('>') {
                break;
            }
            let end = rest
                .find(|letter: char| letter.is_whitespace() || "=>/".contains(letter))
                .unwrap_or(rest.len())
                .max(1);
            let key = rest[..end].to_ascii_lowercase();
            rest = &rest[end..];
            let mut value = String::new();
            if let Some(after) = rest.strip_prefix('=') {
                let quote = after
                    .chars()
                    .next()
                    .filter(|letter| ['"', '\''].contains(letter))
                    .expect("our templates quote every value");
                let end = after[1..].find(quote).expect("our templates close every value");
                value = after[1..=end].to_owned();
                rest = &after[end + 2..];
            }
            tag.attributes.push((key, value));
        }
        found.push(tag);
    }
    found
}
