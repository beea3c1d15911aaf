//! Appearance, keyboard and session.

use askama::Template;

use super::{
    super::shell::{Shell, Theme, page},
    Tabs,
};

#[derive(Debug, Template)]
#[template(path = "settings.html")]
struct SettingsPage<'a> {
    shell: &'a Shell,
    tabs: &'a Tabs,
}
impl SettingsPage<'_> {
    fn themes(&self) -> [(&'static str, &'static str, bool); 3] {
        let chosen = self.shell.preferences.theme;
        [
            ("system", "As the system says", Theme::System),
            ("light", "Light", Theme::Light),
            ("dark", "Dark", Theme::Dark),
        ]
        .map(|(value, word, theme)| (value, word, theme == chosen))
    }
}

/// Shortcuts that exist, with what they do.
const KEYS: [(&str, &str); 13] = [
    ("N", "New run"),
    ("J K", "Next, previous row"),
    ("Enter", "Open the row"),
    ("G then R", "Go to runs"),
    ("G then K", "Go to parked ideas"),
    ("G then C", "Go to the cluster, for operators"),
    ("A", "Approve what waits"),
    ("D", "Decline what waits"),
    ("P", "Pause or resume the run"),
    ("[ ]", "Previous, next phase"),
    ("/", "Filter this list"),
    ("?", "This list"),
    ("Ctrl Enter", "Submit the form"),
];

/// Renders the settings. The form posts `theme`, `keys` and `back` to `/theme`; sign-out posts to `/sign-out`.
#[must_use]
pub fn settings_page(shell: &Shell, tabs: &Tabs) -> String {
    page(&SettingsPage { shell, tabs })
}
