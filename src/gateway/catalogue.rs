//! Every code that a problem of this server can have, with its status, what it means and what to do. `docs/errors.md` and the
//! page at `/problems` are made of this; a test finds codes that are missing here.

mod agents;
mod audit;
mod identity;
mod mcp;
mod planning;
mod request;
mod server;
mod tenants;

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code {
    /// The stable name.
    pub(crate) name: &'static str,
    /// The HTTP statuses that it comes with.
    pub(crate) statuses: &'static [u16],
    /// What it means.
    pub(crate) meaning: &'static str,
    /// What to do.
    pub(crate) remedy: &'static str,
}

/// Codes about one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chapter {
    /// What they are about.
    pub(crate) title: &'static str,
    /// The codes, in the order of their names.
    pub(crate) codes: &'static [Code],
}

const fn code(name: &'static str, statuses: &'static [u16], meaning: &'static str, remedy: &'static str) -> Code {
    Code {
        name,
        statuses,
        meaning,
        remedy,
    }
}

/// All codes.
pub(crate) const CATALOGUE: &[Chapter] = &[
    request::CHAPTER,
    identity::CHAPTER,
    tenants::CHAPTER,
    planning::CHAPTER,
    agents::CHAPTER,
    audit::CHAPTER,
    mcp::CHAPTER,
    server::CHAPTER,
];

/// The entry of a code.
pub(crate) fn find(name: &str) -> Option<&'static Code> {
    codes().find(|code| code.name == name)
}

/// All codes, chapter by chapter.
pub(crate) fn codes() -> impl Iterator<Item = &'static Code> {
    CATALOGUE.iter().flat_map(|chapter| chapter.codes)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fmt::Write,
        fs,
        path::Path,
    };

    use super::*;

    const ROOT: &str = env!("CARGO_MANIFEST_DIR");

    /// The statuses that `gateway::error` gives to what these functions make.
    const MAKERS: [(&str, u16); 15] = [
        ("::bad_request(", 400),
        ("::unauthorized(", 401),
        ("::forbidden(", 403),
        ("::not_found(", 404),
        ("::conflict(", 409),
        ("::too_large(", 413),
        ("::invalid(", 422),
        ("::unprocessable(", 422),
        ("::unsupported(", 422),
        ("::too_many(", 429),
        ("::overloaded(", 503),
        ("::retryable(", 503),
        ("::unavailable(", 503),
        ("::deadline(", 504),
        ("::unknown(", 504),
    ];

    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && name != "tests" {
                sources(&path, found);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = fs::read_to_string(&path).unwrap();
                let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
                found.push(text[..end].to_owned());
            }
        }
    }

    /// The literal that begins a text, white space aside.
    fn literal(text: &str) -> Option<&str> {
        let text = text.trim_start().strip_prefix('"')?;
        let (literal, _) = text.split_once('"')?;
        let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'-' || byte == b'.' || byte.is_ascii_digit();
        (!literal.is_empty() && literal.bytes().all(is_code)).then_some(literal)
    }

    /// Every code that is made with its name beside it, and the statuses that it can come with.
    fn made() -> BTreeMap<String, BTreeSet<u16>> {
        let mut texts = Vec::new();
        for folder in ["src", "actors/src", "cluster/src"] {
            sources(&Path::new(ROOT).join(folder), &mut texts);
        }
        let mut made: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
        for text in &texts {
            for (maker, status) in MAKERS {
                for (place, _) in text.match_indices(maker) {
                    if let Some(code) = literal(&text[place + maker.len()..]) {
                        made.entry(code.to_owned()).or_default().insert(status);
                    }
                }
            }
            for (place, new) in text.match_indices("StatusCode::") {
                let rest = &text[place + new.len()..];
                let Some((name, rest)) = rest.split_once(',') else {
                    continue;
                };
                let status = match name {
                    "CONFLICT" => 409,
                    "METHOD_NOT_ALLOWED" => 405,
                    "PAYLOAD_TOO_LARGE" => 413,
                    "REQUEST_TIMEOUT" => 408,
                    "TOO_MANY_REQUESTS" => 429,
                    "UNSUPPORTED_MEDIA_TYPE" => 415,
                    _ => continue,
                };
                if let Some(code) = literal(rest) {
                    made.entry(code.to_owned()).or_default().insert(status);
                }
            }
        }
        made
    }

    #[test]
    fn every_code_that_is_made_is_in_the_catalogue_with_its_status() {
        let made = made();
        assert!(made.len() > 100, "the sources were not read: {made:?}");
        for (name, statuses) in made {
            let code = find(&name).unwrap_or_else(|| panic!("{name} ({statuses:?}) is missing in the catalogue"));
            for status in statuses {
                assert!(code.statuses.contains(&status), "{name} also comes with {status}");
            }
        }
    }

    #[test]
    fn each_code_is_there_once_in_order_and_explained() {
        let names: Vec<_> = codes().map(|code| code.name).collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), distinct.len());
        for chapter in CATALOGUE {
            assert!(chapter.codes.is_sorted_by_key(|code| code.name), "{}", chapter.title);
        }
        for code in codes() {
            assert!(!code.statuses.is_empty() && code.statuses.is_sorted(), "{}", code.name);
            assert!(
                !code.meaning.is_empty() && !code.meaning.ends_with('.'),
                "{}",
                code.name
            );
            assert!(!code.remedy.is_empty() && !code.remedy.ends_with('.'), "{}", code.name);
        }
    }

    /// The catalogue as `docs/errors.md` shows it.
    fn document() -> String {
        let mut text = String::from(
            "# Error codes\n\n\
             Every error of the API is `application/problem+json` (RFC 9457) with a stable `code`. Its `type` is the address \
             of the code's entry at `/problems`, which every server serves. Programs decide by the code, never by the texts.\n",
        );
        for chapter in CATALOGUE {
            writeln!(
                text,
                "\n## {}\n\n| code | status | meaning | what to do |\n|---|---|---|---|",
                chapter.title
            )
            .unwrap();
            for code in chapter.codes {
                let statuses: Vec<_> = code.statuses.iter().map(u16::to_string).collect();
                let statuses = statuses.join(", ");
                writeln!(
                    text,
                    "| `{}` | {statuses} | {} | {} |",
                    code.name, code.meaning, code.remedy
                )
                .unwrap();
            }
        }
        text
    }

    #[test]
    fn the_catalogue_in_the_docs_is_this_one() {
        let path = Path::new(ROOT).join("docs/errors.md");
        let expected = document();
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "docs/errors.md has to be:\n{expected}");
    }
}
