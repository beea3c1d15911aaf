//! The API keys of a tenant.

use askama::Template;

use super::{
    super::{
        form::{FieldKind, Form, FormState},
        moment::Moment,
        shell::{Shell, page},
    },
    ROLES, Tabs,
};

/// A key, without its secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyView {
    /// Id of the key.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it may do, in words.
    pub scope: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds, if it ends by itself.
    pub expires_at: Option<i64>,
}

impl KeyView {
    fn created(&self, now: &i64) -> Moment {
        Moment::near(self.created_at, *now)
    }

    fn until(&self) -> Option<Moment> {
        self.expires_at.map(Moment::day_and_time)
    }

    fn is_over(&self, now: &i64) -> bool {
        self.expires_at.is_some_and(|at| at <= *now)
    }
}

/// The keys of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeysView {
    /// By age.
    pub keys: Vec<KeyView>,
    /// Cursor of the next page, where there is one.
    pub next: Option<String>,
    /// The form that makes one.
    pub form: FormState,
    /// The key that was made just now, with its secret.
    pub made: Option<String>,
    /// Whether the person may make one.
    pub may_create: bool,
    /// Whether the person may revoke one.
    pub may_revoke: bool,
}

#[derive(Debug, Template)]
#[template(path = "keys.html")]
struct KeysPage<'a> {
    shell: &'a Shell,
    tabs: &'a Tabs,
    view: &'a KeysView,
}

impl KeysPage<'_> {
    fn form(&self) -> Form {
        let state = &self.view.form;
        Form::new("key", "/settings/keys", "Make a key", state)
            .asking(
                state,
                "name",
                "Name",
                FieldKind::Text("off"),
                "What the program is, so that you know later which key to revoke.",
            )
            .asking(
                state,
                "role",
                "Role",
                FieldKind::Choice(ROLES.to_vec()),
                "A key with single permissions is made through the API.",
            )
            .asking(
                state,
                "expires_in_days",
                "Days until it ends",
                FieldKind::Number,
                "Without end if it is empty.",
            )
            .or_nothing()
    }
}

/// Renders the keys. Its forms post to `/settings/keys` and `/settings/keys/{id}/revoke`.
#[must_use]
pub fn keys_page(shell: &Shell, tabs: &Tabs, view: &KeysView) -> String {
    page(&KeysPage { shell, tabs, view })
}
