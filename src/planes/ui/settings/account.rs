//! The own account: password, where one is signed in, the tenants one works in, and the end.

use askama::Template;

use super::{
    super::{
        form::{FieldKind, Form, FormState},
        moment::Moment,
        shell::{Shell, page},
    },
    Tabs,
};

/// Somewhere that the person is signed in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenSessionView {
    /// Id of the session.
    pub id: String,
    /// What the browser or program said of itself.
    pub device: String,
    /// Unix seconds.
    pub opened_at: i64,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

impl OpenSessionView {
    fn opened(&self, now: &i64) -> Moment {
        Moment::near(self.opened_at, *now)
    }

    /// Which browser on which system, as far as that can be told.
    fn words(&self) -> String {
        let find = |names: &[(&str, &'static str)]| {
            let found = names.iter().find(|(mark, _)| self.device.contains(mark));
            found.map(|(_, word)| *word)
        };
        let browser = find(&[
            ("Edg/", "Edge"),
            ("OPR/", "Opera"),
            ("Firefox/", "Firefox"),
            ("Chrome/", "Chrome"),
            ("Safari/", "Safari"),
            ("curl/", "curl"),
        ]);
        let system = find(&[
            ("Android", "Android"),
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Windows", "Windows"),
            ("Mac OS", "macOS"),
            ("Linux", "Linux"),
        ]);
        match (browser, system) {
            (Some(browser), Some(system)) => format!("{browser} on {system}"),
            (Some(browser), None) => browser.to_owned(),
            (None, _) => self.device.chars().take(60).collect(),
        }
    }
}

/// A tenant that the person is a member of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkplaceView {
    /// Id of the tenant.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What the person may do there.
    pub role: String,
    /// Whether they work there now.
    pub is_current: bool,
    /// Whether it is not served.
    pub is_suspended: bool,
}

/// The own account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountView {
    /// What the person is called and the address, of whoever has an account.
    pub account: Option<(String, String)>,
    /// The user, of whoever has none.
    pub user: String,
    /// The latest first.
    pub sessions: Vec<OpenSessionView>,
    /// In no order.
    pub tenants: Vec<WorkplaceView>,
    /// The form of another password.
    pub password: FormState,
    /// The form of the end.
    pub erase: FormState,
}

#[derive(Debug, Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    shell: &'a Shell,
    tabs: &'a Tabs,
    view: &'a AccountView,
}

impl AccountPage<'_> {
    fn password(&self) -> Form {
        let state = &self.view.password;
        Form::new("pw", "/settings/account/password", "Change the password", state)
            .asking(state, "password", "Present password", FieldKind::PresentPassword, "")
            .asking(
                state,
                "new_password",
                "New password",
                FieldKind::NewPassword,
                "At least ten characters. You are signed out everywhere else then.",
            )
    }

    fn erase(&self) -> Form {
        let state = &self.view.erase;
        Form::new("erase", "/settings/account/erase", "Remove the account for good", state)
            .asking(state, "password", "Password", FieldKind::PresentPassword, "")
            .dangerous()
    }

    fn has_others(&self) -> bool {
        self.view.sessions.iter().any(|session| !session.is_current)
    }
}

/// Renders the own account. Its forms post to addresses below `/settings/account`.
#[must_use]
pub fn account_page(shell: &Shell, tabs: &Tabs, view: &AccountView) -> String {
    page(&AccountPage { shell, tabs, view })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_in_a_few_words() {
        for (device, words) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36 Edg/142.0",
                "Edge on Windows",
            ),
            ("curl/8.5.0", "curl"),
            ("an unknown program", "an unknown program"),
        ] {
            let session = OpenSessionView {
                device: device.to_owned(),
                ..OpenSessionView::default()
            };
            assert_eq!(session.words(), words);
        }
    }
}
