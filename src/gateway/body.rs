//! Request bodies and queries: counted while they are read, and checked field by field.

use std::time::Duration;

use actix_web::{HttpRequest, http::StatusCode, http::header, web};
use actors::email::Email;
use bytes::BytesMut;
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::error::{FieldError, Problem};

/// Longest time that a client may take to send its body.
const READ_TIME_MAX: Duration = Duration::from_secs(30);

/// How much of a body that is too large is read and thrown away, so that the client hears why it was refused.
const DISCARDED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most of a field that comes back in a form.
const TYPED_MAX: usize = 300;

/// Media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

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
}

/// Reads a JSON object.
///
/// # Errors
///
/// Fails for another media type, a body that is too large or too slow, invalid UTF-8, invalid JSON, and JSON that is no
/// object.
pub(crate) async fn json(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<Fields, Problem> {
    let body = read(payload, limit).await?;
    if body.is_empty() {
        return Ok(Fields::new(Map::new(), false));
    }
    expect_type(request, "application/json")?;
    let text = utf8(&body)?;
    match serde_json::from_str(text) {
        Ok(Value::Object(values)) => Ok(Fields::new(values, false)),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(Problem::unprocessable("body.invalid", "the body must be a JSON object"))
        }
        Err(error) => Err(Problem::bad_request(
            "body.invalid-json",
            format!("the body is not valid JSON: {error}"),
        )),
    }
}

/// Reads a JSON object, or the body of an HTML form if it says that it is one.
///
/// # Errors
///
/// As [`json`] and [`form`].
pub(crate) async fn json_or_form(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
) -> Result<Fields, Problem> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(FORM.as_bytes()));
    if is_form {
        form(request, payload, limit).await
    } else {
        json(request, payload, limit).await
    }
}

/// Reads the body of an HTML form.
///
/// # Errors
///
/// Fails for another media type, a body that is too large or too slow, and invalid UTF-8.
pub(crate) async fn form(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<Fields, Problem> {
    let body = read(payload, limit).await?;
    if !body.is_empty() {
        expect_type(request, FORM)?;
    }
    utf8(&body)?;
    pairs(&body, "body.invalid-utf8")
}

/// Reads the query of a request.
///
/// # Errors
///
/// Fails for invalid UTF-8.
pub(crate) fn query(request: &HttpRequest) -> Result<Fields, Problem> {
    pairs(request.query_string().as_bytes(), "query.invalid-utf8")
}

fn pairs(bytes: &[u8], code: &'static str) -> Result<Fields, Problem> {
    let mut values = Map::new();
    for (name, value) in url::form_urlencoded::parse(bytes) {
        // The parser writes U+FFFD where escapes do not form UTF-8.
        if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
            return Err(Problem::bad_request(code, "the text is not valid UTF-8"));
        }
        values.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    Ok(Fields::new(values, true))
}

fn utf8(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| {
        let position = error.valid_up_to();
        Problem::bad_request(
            "body.invalid-utf8",
            format!("the body is not valid UTF-8 after byte {position}"),
        )
    })
}

fn expect_type(request: &HttpRequest, expected: &str) -> Result<(), Problem> {
    let actual = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = actual.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "body.media-type",
        format!("the Content-Type of the body must be {expected}"),
    ))
}

async fn read(payload: web::Payload, limit: usize) -> Result<BytesMut, Problem> {
    match tokio::time::timeout(READ_TIME_MAX, collect(payload, limit)).await {
        Ok(body) => body,
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body.timeout",
            "the body took too long to arrive",
        )),
    }
}

async fn collect(mut payload: web::Payload, limit: usize) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    let mut total = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk
            .map_err(|error| Problem::bad_request("body.unreadable", format!("the body could not be read: {error}")))?;
        total = total.saturating_add(chunk.len());
        if total <= limit {
            body.extend_from_slice(&chunk);
        } else if total > DISCARDED_BYTES_MAX {
            break;
        }
    }
    if total > limit {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body.too-large",
            format!("the body must have at most {limit} bytes"),
        ));
    }
    Ok(body)
}

impl Fields {
    fn new(values: Map<String, Value>, is_text: bool) -> Self {
        Self {
            values,
            errors: Vec::new(),
            prefix: String::new(),
            is_text,
        }
    }

    fn fail(&mut self, name: &str, detail: impl Into<String>) {
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
        match self.optional_text(name, max) {
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

    /// Takes a truth value; a form sends `on` for a ticked box and nothing for another.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
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
        let value = self.take(name)?;
        if self.is_text && value.as_str() == Some("") {
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
        match self.take(name) {
            None => T::default(),
            Some(Value::Object(values)) => {
                let mut inner = Self {
                    values,
                    errors: Vec::new(),
                    prefix: format!("{}/{name}", self.prefix),
                    is_text: self.is_text,
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
