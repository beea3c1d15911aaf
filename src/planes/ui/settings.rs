//! The settings: appearance, the own account, members, API keys, the audit chain.

mod account;
mod appearance;
mod audit;
mod keys;
mod members;

pub use account::{AccountView, OpenSessionView, WorkplaceView, account_page};
pub use appearance::settings_page;
pub use audit::{AuditView, RecordView, VerdictNote, audit_page};
pub use keys::{KeyView, KeysView, keys_page};
pub use members::{InvitedView, MemberView, MembersView, members_page};

/// A page of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsTab {
    /// Ground and keyboard.
    Appearance,
    /// The own account.
    Account,
    /// Members and invitations.
    Members,
    /// API keys.
    Keys,
    /// The audit chain.
    Audit,
}

impl SettingsTab {
    fn address(self) -> &'static str {
        match self {
            Self::Appearance => "/settings",
            Self::Account => "/settings/account",
            Self::Members => "/settings/members",
            Self::Keys => "/settings/keys",
            Self::Audit => "/settings/audit",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Appearance => "Appearance",
            Self::Account => "Account",
            Self::Members => "Members",
            Self::Keys => "API keys",
            Self::Audit => "Audit",
        }
    }
}

/// The pages of the settings that somebody may see, and the one that they see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tabs {
    /// This one.
    pub current: SettingsTab,
    /// All of them.
    pub shown: Vec<SettingsTab>,
}

impl Tabs {
    fn rows(&self) -> Vec<(&'static str, &'static str, bool)> {
        let row = |tab: &SettingsTab| (tab.address(), tab.word(), *tab == self.current);
        self.shown.iter().map(row).collect()
    }
}

/// The roles, by value and word.
const ROLES: [(&str, &str); 3] = [
    ("operator", "Operator"),
    ("supervisor", "Supervisor"),
    ("admin", "Admin"),
];
