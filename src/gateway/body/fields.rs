//! Fields of a body, a form or a query, checked one by one as they are taken out.

use actors::email::Email;
use serde_json::{Map, Value};

use super::description::Description;
use crate::gateway::error::{FieldError, Problem};

/// Most of a field that comes back in a form.
const TYPED_MAX: usize = 300;

/// Longest text that is looked at as an e-mail address.
const EMAIL_MAX: usize = 300;

/// Most faults that one answer lists.
const ERRORS_MAX: usize = 20;

/// Fields of a JSON body, a form or a query that are taken out one by one. Every fault is collected; what is left over is
/// an unknown field.
#[derive(Debug)]
pub(crate) struct Fields {
    values: Map<String, Value>,
    errors: Vec<FieldError>,
    prefix: String,
    /// Forms and queries know text only.
    is_text: bool,
    /// A form sends the fields that nobody filled in, too; a query has what somebody wrote.
    is_query: bool,
    /// Where nothing is read: what would be taken.
    pub(super) description: Option<Description>,
}

impl Fields {
    pub(super) fn new(values: Map<String, Value>, is_text: bool) -> Self {
        Self {
            values,
            errors: Vec::new(),
            prefix: String::new(),
            is_text,
            is_query: false,
            description: None,
        }
    }

    pub(super) fn of_query(mut self) -> Self {
        self.is_query = true;
        self
    }

    /// Notes a field where nothing is read; says whether it is so.
    fn describes(&mut self, note: impl FnOnce(&mut Description)) -> bool {
        self.description.as_mut().map(note).is_some()
    }

    /// Says what a field is for, and what it may look like. Only the API's document reads it.
    pub(crate) fn says(&mut self, name: &str, about: &str, example: impl Into<Value>) {
        self.describes(|description| description.says(name, about, example.into()));
    }

    pub(super) fn fail(&mut self, name: &str, detail: impl Into<String>) {
        if self.errors.len() < ERRORS_MAX {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            self.errors.push(FieldError {
                pointer: format!("{}/{escaped}", self.prefix),
                detail: detail.into(),
            });
        }
    }

    /// Takes the value of a field; `null` counts as absent.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text that must be there and hold more than white space.
    pub(crate) fn text(&mut self, name: &str, max: usize) -> String {
        self.text_within(name, 1, max)
    }

    /// Takes a text that must be there and have from `min` to `max` characters.
    pub(crate) fn text_within(&mut self, name: &str, min: usize, max: usize) -> String {
        if self.describes(|description| description.text(name, min, max)) {
            return String::new();
        }
        match self.optional_text(name, max) {
            Some(text) if text.chars().count() < min => {
                self.fail(name, format!("must have at least {min} characters"));
                String::new()
            }
            Some(text) => text,
            None => {
                if !self
                    .errors
                    .iter()
                    .any(|error| error.pointer == format!("{}/{name}", self.prefix))
                {
                    self.fail(name, "is required");
                }
                String::new()
            }
        }
    }

    /// Takes a text of at most `max` characters. Blank text counts as absent.
    pub(crate) fn optional_text(&mut self, name: &str, max: usize) -> Option<String> {
        if self.describes(|description| description.optional_text(name, max)) {
            return None;
        }
        match self.take(name)? {
            Value::String(text) if text.chars().count() > max => {
                self.fail(name, format!("must have at most {max} characters"));
                None
            }
            Value::String(text) if text.contains('\0') => {
                self.fail(name, "must not contain the character U+0000");
                None
            }
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            other => {
                self.fail(name, format!("must be a text, not {}", kind(&other)));
                None
            }
        }
    }

    /// Takes a text of one line that must be there, as the name of a person.
    pub(crate) fn line(&mut self, name: &str, max: usize) -> String {
        if self.describes(|description| description.line(name, max)) {
            return String::new();
        }
        let text = self.text(name, max);
        self.checked_line(name, text)
    }

    /// Takes a text of one line.
    pub(crate) fn optional_line(&mut self, name: &str, max: usize) -> Option<String> {
        let text = self.optional_text(name, max)?;
        Some(self.checked_line(name, text))
    }

    fn checked_line(&mut self, name: &str, text: String) -> String {
        if text.contains(char::is_control) {
            self.fail(name, "must be one line without control characters");
        }
        text
    }

    /// Takes a secret that must be there, as it is: a password may begin with a space.
    pub(crate) fn secret(&mut self, name: &str, max: usize) -> String {
        if self.describes(|description| description.secret(name, max)) {
            return String::new();
        }
        match self.take(name) {
            Some(Value::String(text)) if text.chars().count() > max => {
                self.fail(name, format!("must have at most {max} characters"));
            }
            Some(Value::String(text)) if !text.is_empty() => return text,
            Some(Value::String(_)) | None => self.fail(name, "is required"),
            Some(other) => self.fail(name, format!("must be a text, not {}", kind(&other))),
        }
        String::new()
    }

    /// Takes an e-mail address that must be there.
    pub(crate) fn email(&mut self, name: &str) -> Option<Email> {
        if self.describes(|description| description.email(name, EMAIL_MAX)) {
            return None;
        }
        let text = self.text(name, EMAIL_MAX);
        if text.is_empty() {
            return None;
        }
        let email = Email::new(&text);
        email
            .inspect_err(|_| self.fail(name, "must be a plain e-mail address, as name@example.org"))
            .ok()
    }

    /// What was typed into a field, for a form that comes back.
    pub(crate) fn typed(&self, name: &str) -> String {
        let text = self.values.get(name).and_then(Value::as_str).unwrap_or_default();
        text.chars().take(TYPED_MAX).collect()
    }

    /// Takes a text that must be one of `choices`.
    pub(crate) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        if self.describes(|description| description.choice(name, choices.iter().map(|(name, _)| *name))) {
            return None;
        }
        let names = || choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        match self.take(name)? {
            Value::String(text) if text.is_empty() && self.is_text => None,
            Value::String(text) => {
                let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
                if found.is_none() {
                    self.fail(name, format!("must be one of: {}", names()));
                }
                found
            }
            other => {
                self.fail(name, format!("must be a text, not {}", kind(&other)));
                None
            }
        }
    }

    /// Takes a text that must be there and be one of `choices`.
    pub(crate) fn needed_choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        if self.describes(|description| description.needed_choice(name, choices.iter().map(|(name, _)| *name))) {
            return None;
        }
        let faults = self.errors.len();
        let chosen = self.choice(name, choices);
        if chosen.is_none() && self.errors.len() == faults {
            self.fail(name, "is required");
        }
        chosen
    }

    /// Takes a truth value; a form sends `on` for a ticked box and nothing for another.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        if self.describes(|description| description.flag(name)) {
            return false;
        }
        match self.take(name) {
            None => false,
            Some(Value::Bool(value)) => value,
            Some(Value::String(text)) if self.is_text && matches!(text.as_str(), "on" | "true" | "1") => true,
            Some(Value::String(text)) if self.is_text && matches!(text.as_str(), "" | "false" | "0") => false,
            Some(other) => {
                self.fail(name, format!("must be true or false, not {}", kind(&other)));
                false
            }
        }
    }

    /// Takes a whole number within `range`.
    pub(crate) fn integer(&mut self, name: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        if self.describes(|description| description.integer(name, &range)) {
            return None;
        }
        let value = self.take(name)?;
        if self.is_text && !self.is_query && value.as_str() == Some("") {
            return None;
        }
        let number = match &value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) if self.is_text => text.parse().ok(),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(number);
        }
        self.fail(
            name,
            format!("must be a whole number from {} to {}", range.start(), range.end()),
        );
        None
    }

    /// Takes a list of up to `most` texts of at most `max` characters each.
    pub(crate) fn texts(&mut self, name: &str, most: usize, max: usize) -> Option<Vec<String>> {
        if self.describes(|description| description.texts(name, most, max)) {
            return None;
        }
        let items = match self.take(name)? {
            Value::Array(items) if items.len() <= most => items,
            Value::Array(_) => {
                self.fail(name, format!("must have at most {most} items"));
                return None;
            }
            other => {
                self.fail(name, format!("must be a list, not {}", kind(&other)));
                return None;
            }
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Value::String(text) if text.chars().count() <= max => texts.push(text),
                Value::String(_) => self.fail(name, format!("must have items of at most {max} characters")),
                other => self.fail(name, format!("must have texts as items, not {}", kind(&other))),
            }
        }
        Some(texts)
    }

    /// Takes an object and hands its fields to `read`.
    pub(crate) fn object<T: Default>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        if let Some(description) = &mut self.description {
            return description.object(name, read);
        }
        match self.take(name) {
            None => T::default(),
            Some(Value::Object(values)) => {
                let mut inner = Self {
                    values,
                    errors: Vec::new(),
                    prefix: format!("{}/{name}", self.prefix),
                    is_text: self.is_text,
                    is_query: self.is_query,
                    description: None,
                };
                let value = read(&mut inner);
                inner.leftovers();
                self.errors.append(&mut inner.errors);
                self.errors.truncate(ERRORS_MAX);
                value
            }
            Some(other) => {
                self.fail(name, format!("must be an object, not {}", kind(&other)));
                T::default()
            }
        }
    }

    /// Says that one field is enough; what else is needed depends on who asks.
    pub(crate) fn needs_only(&mut self, name: &str) {
        self.describes(|description| description.needs_only(name));
    }

    /// Takes whatever is left.
    pub(crate) fn anything(&mut self) {
        if !self.describes(Description::anything) {
            self.values.clear();
        }
    }

    /// All of it, as JSON.
    pub(crate) fn into_text(self) -> String {
        Value::Object(self.values).to_string()
    }

    fn leftovers(&mut self) {
        let names: Vec<String> = self.values.keys().take(ERRORS_MAX).cloned().collect();
        for name in names {
            let shown: String = name.chars().take(64).collect();
            self.fail(&shown, "is not a known field");
        }
    }

    /// Ends a body.
    ///
    /// # Errors
    ///
    /// Fails with every fault that was found, unknown fields included.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        self.end("body.invalid", "the body does not fit")
    }

    /// Ends a query.
    ///
    /// # Errors
    ///
    /// Fails with every fault that was found, unknown parameters included.
    pub(crate) fn finish_query(self) -> Result<(), Problem> {
        self.end("query.invalid", "the query does not fit")
    }

    fn end(mut self, code: &'static str, what: &str) -> Result<(), Problem> {
        self.leftovers();
        let Some(first) = self.errors.first() else {
            return Ok(());
        };
        let detail = format!("{what}: {} {}", first.pointer, first.detail);
        Err(Problem::unprocessable(code, detail).with_errors(self.errors))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gateway::body::pairs;

    fn fields(value: Value) -> Fields {
        let Value::Object(values) = value else {
            panic!("an object")
        };
        Fields::new(values, false)
    }

    #[test]
    fn all_faults_are_listed_with_their_pointers() {
        let mut fields =
            fields(json!({ "idea": 7, "mode": "moon", "config": { "x/y": 1, "flag": "yes" }, "extra": [] }));
        fields.text("idea", 10);
        fields.choice("mode", &[("cloud", 1)]);
        fields.object("config", |config| config.flag("flag"));
        let problem = fields.finish().unwrap_err();
        assert_eq!((problem.status().as_u16(), problem.code()), (422, "body.invalid"));
        let pointers: Vec<_> = problem.errors().iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/idea", "/mode", "/config/flag", "/config/x~1y", "/extra"]);
    }

    #[test]
    fn text_is_trimmed_counted_in_characters_and_required() {
        let mut good = fields(json!({ "idea": "  öö  " }));
        assert_eq!(good.text("idea", 6), "öö");
        good.finish().unwrap();
        for bad in [
            json!({}),
            json!({ "idea": null }),
            json!({ "idea": " \n" }),
            json!({ "idea": "abcdefg" }),
        ] {
            let mut fields = fields(bad);
            fields.text("idea", 6);
            assert_eq!(fields.finish().unwrap_err().errors().len(), 1);
        }
    }

    #[test]
    fn a_secret_is_taken_as_it_is() {
        let mut good = fields(json!({ "password": "  two spaces " }));
        assert_eq!(good.secret("password", 20), "  two spaces ");
        good.finish().unwrap();
        for bad in [
            json!({}),
            json!({ "password": "" }),
            json!({ "password": 7 }),
            json!({ "password": "abcdefg" }),
        ] {
            let mut fields = fields(bad);
            fields.secret("password", 6);
            assert_eq!(fields.finish().unwrap_err().errors().len(), 1);
        }
    }

    #[test]
    fn lines_and_addresses_are_plain() {
        let mut fields = fields(json!({ "name": "Ann\nBcc: x", "email": "Ann <ann@example.org>" }));
        fields.line("name", 100);
        assert!(fields.email("email").is_none());
        assert_eq!(fields.finish().unwrap_err().errors().len(), 2);
    }

    #[test]
    fn numbers_are_bounded() {
        for (value, expected) in [
            (json!(5), Some(5)),
            (json!(0), None),
            (json!(2.5), None),
            (json!("5"), None),
        ] {
            let mut fields = fields(json!({ "topK": value }));
            assert_eq!(fields.integer("topK", 1..=20), expected);
            assert_eq!(fields.finish().is_ok(), expected.is_some());
        }
    }

    #[test]
    fn a_form_sends_text_only() {
        let mut fields = pairs(b"idea=a+b&require_review=on&limit=7", "x").unwrap();
        assert_eq!(fields.text("idea", 10), "a b");
        assert!(fields.flag("require_review"));
        assert!(!fields.flag("require_approval"));
        assert_eq!(fields.integer("limit", 1..=10), Some(7));
        fields.finish().unwrap();
    }

    #[test]
    fn escapes_that_are_no_utf8_are_refused() {
        assert_eq!(
            pairs(b"idea=%ff", "body.invalid-utf8").unwrap_err().code(),
            "body.invalid-utf8"
        );
    }
}
