//! What surrounds every page: who is signed in, what waits for them, how they want it to look.

use super::assets::asset_url;

/// Name of the cookie that keeps [`Preferences`]. It holds nothing secret and may be read by scripts.
pub const PREFERENCES_COOKIE: &str = "preferences";

/// Ground of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// Parses the field `theme` of the form that posts to `/theme`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "system" => Some(Self::System),
            "light" => Some(Self::Light),
            "dark" => Some(Self::Dark),
            _ => None,
        }
    }

    /// The name in form and cookie.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// What a person chose in `/settings`; kept in a cookie, so it works before sign-in and without a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preferences {
    /// Ground of the pages.
    pub theme: Theme,
    /// Single-letter shortcuts are on.
    pub keys: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            theme: Theme::System,
            keys: true,
        }
    }
}

impl Preferences {
    /// Reads the cookie; what it does not understand stays at its default.
    #[must_use]
    pub fn from_cookie(value: &str) -> Self {
        let mut chosen = Self::default();
        for word in value.split('.') {
            match Theme::parse(word) {
                Some(theme) => chosen.theme = theme,
                None => chosen.keys = chosen.keys && word != "no-keys",
            }
        }
        chosen
    }

    /// Writes the cookie: letters, hyphen and dot only.
    #[must_use]
    pub fn to_cookie(self) -> String {
        let keys = if self.keys { "keys" } else { "no-keys" };
        format!("{}.{keys}", self.theme.as_str())
    }

    /// Applies the fields of the form that posts to `/theme`; a field that is absent or unknown changes nothing.
    #[must_use]
    pub fn with_form(mut self, theme: Option<&str>, keys: Option<&str>) -> Self {
        self.theme = theme.and_then(Theme::parse).unwrap_or(self.theme);
        self.keys = match keys {
            Some("on") => true,
            Some("off") => false,
            Some(_) | None => self.keys,
        };
        self
    }
}

/// The address to return to after a form, if it stays on this server; else `/runs`.
///
/// Only a path is taken: an address of another server, `//host`, a backslash or a control character falls back.
#[must_use]
pub fn local_path(path: &str) -> &str {
    let local = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains(|letter: char| letter == '\\' || letter.is_control() || letter.is_whitespace());
    if local { path } else { "/runs" }
}

/// Place in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Section {
    /// No place: sign-in, errors.
    #[default]
    None,
    /// Runs and everything below them.
    Runs,
    /// Parked ideas.
    Parked,
    /// The nodes.
    Cluster,
    /// Settings.
    Settings,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name of the identity: its subject or e-mail address.
    pub name: String,
    /// Tenant it works in.
    pub tenant: String,
    /// Whether it runs the server, and may see how that is doing.
    pub operates: bool,
}

/// What surrounds a page.
#[derive(Debug, Clone, Default)]
pub struct Shell {
    /// Who is signed in; nobody on sign-in and its errors.
    pub person: Option<Person>,
    /// From the cookie.
    pub preferences: Preferences,
    /// Place in the navigation.
    pub section: Section,
    /// Path and query of this page, to come back to after a change of theme.
    pub path: String,
    /// Runs that wait for a person.
    pub needs_you: u32,
    /// Parked ideas, where they were counted.
    pub parked: Option<u32>,
    /// The server's time, Unix seconds.
    pub now: i64,
    /// A sentence about what the last form did ("Run paused."), shown once.
    pub said: Option<String>,
}

impl Shell {
    pub(super) fn asset(&self, source: &str) -> &'static str {
        asset_url(source)
    }

    pub(super) fn icons(&self) -> &'static str {
        asset_url("icons.svg")
    }

    /// Value of `data-theme`; absent when the system decides.
    pub(super) fn theme(&self) -> Option<&'static str> {
        match self.preferences.theme {
            Theme::System => None,
            Theme::Light | Theme::Dark => Some(self.preferences.theme.as_str()),
        }
    }

    pub(super) fn operates(&self) -> bool {
        self.person.as_ref().is_some_and(|person| person.operates)
    }

    pub(super) fn in_runs(&self) -> bool {
        self.section == Section::Runs
    }

    pub(super) fn in_parked(&self) -> bool {
        self.section == Section::Parked
    }

    pub(super) fn in_cluster(&self) -> bool {
        self.section == Section::Cluster
    }

    pub(super) fn in_settings(&self) -> bool {
        self.section == Section::Settings
    }

    /// The letter on the face of the signed-in person.
    pub(super) fn initial(&self) -> String {
        let letter = self
            .person
            .as_ref()
            .and_then(|person| person.name.chars().find(|letter| letter.is_alphanumeric()));
        letter.map_or_else(|| "?".to_owned(), |letter| letter.to_uppercase().collect())
    }
}

/// Renders a template. Writing to memory cannot fail, and our templates call nothing that does.
pub(super) fn page(template: &impl askama::Template) -> String {
    template.render().expect("templates write only to memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_survive_their_cookie() {
        for theme in [Theme::System, Theme::Light, Theme::Dark] {
            for keys in [true, false] {
                let chosen = Preferences { theme, keys };
                assert_eq!(Preferences::from_cookie(&chosen.to_cookie()), chosen);
            }
        }
        assert_eq!(Preferences::from_cookie("\"><script>"), Preferences::default());
        let dark = Preferences::default().with_form(Some("dark"), None);
        assert_eq!(
            dark,
            Preferences {
                theme: Theme::Dark,
                keys: true
            }
        );
        assert_eq!(
            dark.with_form(Some("neon"), Some("off")),
            Preferences {
                theme: Theme::Dark,
                keys: false
            }
        );
    }

    #[test]
    fn only_paths_of_this_server_are_returned_to() {
        assert_eq!(local_path("/runs?status=paused"), "/runs?status=paused");
        for path in [
            "//example.org",
            "https://example.org",
            "/\\example.org",
            "",
            "runs",
            "/a\r\nSet-Cookie: b",
        ] {
            assert_eq!(local_path(path), "/runs", "{path:?}");
        }
    }
}
