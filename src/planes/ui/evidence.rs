//! Claims and what supports them.

use super::summary::shorten;

/// A claim and its sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceView {
    /// The claim.
    pub claim: String,
    /// Addresses of the fetched pages that support it; none means that it is assumed.
    pub sources: Vec<String>,
}

impl EvidenceView {
    pub(super) fn mark(&self) -> Mark {
        match self.sources.len() {
            0 => Mark::None,
            1 => Mark::Supported,
            2.. => Mark::Verified,
        }
    }
}

/// How well a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Verified,
    Supported,
    None,
}

impl Mark {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Verified => "Verified",
            Self::Supported => "Supported",
            Self::None => "No evidence",
        }
    }

    pub(super) fn glyph(self) -> &'static str {
        match self {
            Self::Verified => "s-full",
            Self::Supported => "s-half",
            Self::None => "s-none",
        }
    }

    pub(super) fn tone(self) -> &'static str {
        match self {
            Self::Verified => "t-good",
            Self::Supported => "t-wait",
            Self::None => "t-bad",
        }
    }
}

/// A source with the number that superscripts use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source<'a> {
    pub(super) number: usize,
    address: &'a str,
}

impl<'a> Source<'a> {
    /// The address, if a browser may follow it: http or https with a host, and nothing that could break out of a line.
    pub(super) fn link(&self) -> Option<&'a str> {
        let (scheme, rest) = self.address.split_once("://")?;
        let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let clean = !self
            .address
            .contains(|letter: char| letter.is_control() || letter.is_whitespace() || "\\\"'<>`".contains(letter));
        (web && clean && !host.is_empty() && !host.contains('@')).then_some(self.address)
    }

    /// The host, or what there is of an address that cannot be followed.
    pub(super) fn name(&self) -> String {
        let rest = self
            .link()
            .and_then(|link| link.split_once("://"))
            .map_or(self.address, |(_, rest)| rest);
        let host = if self.link().is_some() {
            rest.split(['/', '?', '#']).next().unwrap_or(rest)
        } else {
            rest
        };
        shorten(host.trim_start_matches("www."), 80)
    }

    pub(super) fn address(&self) -> String {
        shorten(self.address, 160)
    }
}

/// All sources of some claims in the order of their first use, and each claim with the numbers of its own.
pub(super) struct Bibliography<'a> {
    pub(super) sources: Vec<Source<'a>>,
    pub(super) claims: Vec<Claim<'a>>,
}

/// A claim with the numbers of its sources.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) text: &'a str,
    pub(super) mark: Mark,
    pub(super) numbers: Vec<usize>,
}

impl<'a> Bibliography<'a> {
    pub(super) fn new(evidence: impl Iterator<Item = &'a EvidenceView>) -> Self {
        let mut bibliography = Self {
            sources: Vec::new(),
            claims: Vec::new(),
        };
        for item in evidence {
            let numbers = item
                .sources
                .iter()
                .map(|address| bibliography.number(address))
                .collect();
            bibliography.claims.push(Claim {
                text: &item.claim,
                mark: item.mark(),
                numbers,
            });
        }
        bibliography
    }

    fn number(&mut self, address: &'a str) -> usize {
        if let Some(known) = self.sources.iter().find(|source| source.address == address) {
            return known.number;
        }
        let number = self.sources.len() + 1;
        self.sources.push(Source { number, address });
        number
    }

    pub(super) fn count(&self, mark: &Mark) -> usize {
        self.claims.iter().filter(|claim| claim.mark == *mark).count()
    }

    /// The three counts in the order of the page.
    pub(super) fn counts(&self) -> [(Mark, usize); 3] {
        [Mark::Verified, Mark::Supported, Mark::None].map(|mark| (mark, self.count(&mark)))
    }
}

impl std::fmt::Debug for Bibliography<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bibliography")
            .field("sources", &self.sources.len())
            .field("claims", &self.claims.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clean_web_addresses_are_links() {
        let link = |address| Source { number: 1, address }.link();
        assert!(link("https://example.org/a?b=c#d").is_some());
        assert!(link("HTTP://example.org").is_some());
        for address in [
            "javascript:alert(1)",
            "javascript://example.org/%0aalert(1)",
            "data:text/html,x",
            "//example.org",
            "ftp://example.org",
            "https://",
            "https:///path",
            "https://example.org/\" onclick=\"x",
            "https://example.org/ x",
            "https://user@example.org/",
            " https://example.org",
            "",
        ] {
            assert_eq!(link(address), None, "{address:?}");
        }
    }

    #[test]
    fn a_source_has_one_number_however_often_it_is_used() {
        let claim = |sources: &[&str]| EvidenceView {
            claim: "c".into(),
            sources: sources.iter().map(|s| (*s).into()).collect(),
        };
        let evidence = [
            claim(&["https://a.example", "https://b.example"]),
            claim(&["https://b.example"]),
            claim(&[]),
        ];
        let all = Bibliography::new(evidence.iter());
        assert_eq!(all.sources.len(), 2);
        assert_eq!(all.claims[1].numbers, [2]);
        assert_eq!(all.counts().map(|(_, count)| count), [1, 1, 1]);
    }
}
