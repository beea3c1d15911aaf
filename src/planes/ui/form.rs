//! Forms: fields with what was typed and what is wrong with it, beside each.

use std::collections::BTreeMap;

/// What was typed into a form that comes back, and why it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormState {
    /// What was typed, by the name of the field. No passwords.
    pub values: BTreeMap<&'static str, String>,
    /// What is wrong, as a sentence, by the name of the field.
    pub errors: BTreeMap<String, String>,
    /// What is wrong with the whole, as a sentence.
    pub error: Option<String>,
}

impl FormState {
    /// A form that is filled with this and has no faults.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self {
            values: values.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// A widget by which people show that they are such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeView {
    /// Public key of the widget.
    pub sitekey: String,
    /// What it is solved for.
    pub action: String,
}

/// What a field takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FieldKind {
    /// A line of text; the second part is what a browser may fill in.
    Text(&'static str),
    /// An e-mail address.
    Email,
    /// The password there is.
    PresentPassword,
    /// A password that is chosen.
    NewPassword,
    /// A whole number.
    Number,
    /// One of these: value and word.
    Choice(Vec<(&'static str, &'static str)>),
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: FieldKind,
    pub(super) help: &'static str,
    pub(super) required: bool,
    pub(super) value: String,
    pub(super) error: Option<String>,
}

impl Field {
    pub(super) fn choices(&self) -> Option<&[(&'static str, &'static str)]> {
        match &self.kind {
            FieldKind::Choice(choices) => Some(choices),
            FieldKind::Text(_)
            | FieldKind::Email
            | FieldKind::PresentPassword
            | FieldKind::NewPassword
            | FieldKind::Number => None,
        }
    }

    pub(super) fn input(&self) -> &'static str {
        match self.kind {
            FieldKind::Text(_) | FieldKind::Choice(_) => "text",
            FieldKind::Email => "email",
            FieldKind::PresentPassword | FieldKind::NewPassword => "password",
            FieldKind::Number => "number",
        }
    }

    pub(super) fn autocomplete(&self) -> &'static str {
        match self.kind {
            FieldKind::Text(filled) => filled,
            FieldKind::Email => "email",
            FieldKind::PresentPassword => "current-password",
            FieldKind::NewPassword => "new-password",
            FieldKind::Number | FieldKind::Choice(_) => "off",
        }
    }

    fn is_password(&self) -> bool {
        self.input() == "password"
    }
}

/// A form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// Where it posts to.
    pub(super) action: String,
    /// Tells the ids of its fields from those of other forms of the page.
    pub(super) id: &'static str,
    pub(super) hidden: Vec<(&'static str, String)>,
    pub(super) fields: Vec<Field>,
    pub(super) error: Option<String>,
    pub(super) button: &'static str,
    /// Whether the button takes something away for good.
    pub(super) is_dangerous: bool,
    pub(super) challenge: Option<ChallengeView>,
}

impl Form {
    pub(super) fn new(id: &'static str, action: &str, button: &'static str, state: &FormState) -> Self {
        Self {
            action: action.to_owned(),
            id,
            hidden: Vec::new(),
            fields: Vec::new(),
            error: state.error.clone(),
            button,
            is_dangerous: false,
            challenge: None,
        }
    }

    pub(super) fn hiding(mut self, name: &'static str, value: &str) -> Self {
        self.hidden.push((name, value.to_owned()));
        self
    }

    pub(super) fn asking(
        mut self,
        state: &FormState,
        name: &'static str,
        label: &'static str,
        kind: FieldKind,
        help: &'static str,
    ) -> Self {
        let mut field = Field {
            name,
            label,
            kind,
            help,
            required: true,
            value: String::new(),
            error: state.errors.get(name).cloned(),
        };
        if !field.is_password() {
            field.value = state.values.get(name).cloned().unwrap_or_default();
        }
        self.fields.push(field);
        self
    }

    /// The last field may stay empty.
    pub(super) fn or_nothing(mut self) -> Self {
        if let Some(field) = self.fields.last_mut() {
            field.required = false;
        }
        self
    }

    pub(super) fn behind(mut self, challenge: Option<&ChallengeView>) -> Self {
        self.challenge = challenge.cloned();
        self
    }

    pub(super) fn dangerous(mut self) -> Self {
        self.is_dangerous = true;
        self
    }
}
