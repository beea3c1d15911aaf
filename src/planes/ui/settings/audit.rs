//! The audit chain of a tenant.

use askama::Template;

use super::{
    super::{
        moment::Moment,
        shell::{Shell, page},
    },
    Tabs,
};

/// A record of the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordView {
    /// Its number.
    pub seq: u64,
    /// What happened, as `run_created`.
    pub event: String,
    /// Who did it.
    pub actor: String,
    /// The rest of the payload, as JSON.
    pub about: String,
    /// Unix seconds.
    pub at: i64,
    /// Hash of the record.
    pub hash: String,
}

impl RecordView {
    fn moment(&self, now: &i64) -> Moment {
        Moment::near(self.at, *now)
    }

    /// What happened, in words.
    fn words(&self) -> String {
        self.event.replace(['_', '.'], " ")
    }

    fn short_hash(&self) -> &str {
        self.hash.get(..12).unwrap_or(&self.hash)
    }
}

/// What came of checking the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictNote {
    /// How many records there ever were.
    pub length: u64,
    /// Hash of the last one.
    pub head: String,
    /// Number of the first record that is not what it was, and why.
    pub fault: Option<(u64, String)>,
}

/// The chain of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditView {
    /// The newest first.
    pub records: Vec<RecordView>,
    /// Cursor of the next page, where there is one.
    pub next: Option<String>,
    /// Whether this is not the first page.
    pub is_later: bool,
    /// What came of checking, if that was asked for.
    pub verdict: Option<VerdictNote>,
    /// Whether the person may take the chain out as a file.
    pub may_export: bool,
}

#[derive(Debug, Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    shell: &'a Shell,
    tabs: &'a Tabs,
    view: &'a AuditView,
}

/// Renders the chain. The button that checks it leads to `/settings/audit?check=1`.
#[must_use]
pub fn audit_page(shell: &Shell, tabs: &Tabs, view: &AuditView) -> String {
    page(&AuditPage { shell, tabs, view })
}
