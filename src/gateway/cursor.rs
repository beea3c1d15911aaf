//! Cursors: where a page of a list ends, opaque to clients.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr, Schema,
        schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type},
    },
};

use super::{body::Fields, error::Problem};

/// Most items of one page.
pub(crate) const PAGE_MAX: usize = 100;

/// Items of a page when the client does not say.
pub(crate) const PAGE_DEFAULT: usize = 50;

/// Longest cursor that is read: a storage key of 2 KiB fits in.
const CURSOR_BYTES_MAX: usize = 4096;

/// Marks the format, so that a later one can be told from it.
const VERSION: &str = "1:";

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Page<T> {
    /// The items, in the order of the list.
    pub(crate) items: Vec<T>,
    /// Pass it as `cursor` to get the next page; absent on the last one.
    pub(crate) next_cursor: Option<String>,
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new()
            .items(Ref::from_schema_name(T::name()))
            .description(Some("The items, in the order of the list"));
        let next = ObjectBuilder::new()
            .schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
            .description(Some("Pass it as `cursor` to get the next page; none on the last one"));
        let page = ObjectBuilder::new()
            .property("items", items)
            .property("next_cursor", next)
            .required("items")
            .required("next_cursor");
        RefOr::T(Schema::Object(page.build()))
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("PageOf{}", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// How many items are asked for, and the position behind which they begin.
pub(crate) type PageQuery = (usize, Option<String>);

/// Takes how many items are asked for, and the position of the list named `list` behind which they begin.
///
/// # Errors
///
/// Fails for a cursor that this list did not return; a bad limit is among the faults of `fields`.
pub(crate) fn page_query(fields: &mut Fields, list: &str) -> Result<PageQuery, Problem> {
    Ok((limit(fields), after(fields, list)?))
}

/// Takes how many items are asked for.
pub(crate) fn limit(fields: &mut Fields) -> usize {
    let limit = fields.integer("limit", 1..=PAGE_MAX as u64);
    fields.says("limit", "Most items of the page", PAGE_DEFAULT);
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(PAGE_DEFAULT)
}

/// Takes the position behind which the items begin.
///
/// # Errors
///
/// Fails for a cursor that the list named `list` did not return.
pub(crate) fn after(fields: &mut Fields, list: &str) -> Result<Option<String>, Problem> {
    let cursor = fields.optional_text("cursor", CURSOR_BYTES_MAX);
    fields.says("cursor", "`next_cursor` of the page before", Value::Null);
    cursor.map(|cursor| decode(list, &cursor)).transpose()
}

/// Hides a position of the list named `list` in a cursor.
pub(crate) fn encode(list: &str, position: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{VERSION}{list}:{position}"))
}

/// Reads a cursor of the list named `list`.
///
/// # Errors
///
/// Fails for anything that `encode` did not make for this list.
pub(crate) fn decode(list: &str, cursor: &str) -> Result<String, Problem> {
    if cursor.len() > CURSOR_BYTES_MAX {
        return Err(foreign());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| foreign())?;
    let text = String::from_utf8(bytes).map_err(|_| foreign())?;
    text.strip_prefix(VERSION)
        .and_then(|rest| rest.strip_prefix(list))
        .and_then(|rest| rest.strip_prefix(':'))
        .filter(|position| !position.is_empty())
        .map(str::to_owned)
        .ok_or_else(foreign)
}

/// The problem of a cursor that this list did not return.
pub(crate) fn foreign() -> Problem {
    Problem::bad_request("query.cursor", "the cursor is not one that this list returned")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        assert_eq!(decode("runs", &encode("runs", "01998:a/b")).unwrap(), "01998:a/b");
    }

    #[test]
    fn a_cursor_of_another_list_or_an_invented_one_is_refused() {
        for cursor in [
            encode("parked", "1"),
            encode("runs", ""),
            String::new(),
            "%%%".to_owned(),
            "A".repeat(5000),
        ] {
            assert_eq!(decode("runs", &cursor).unwrap_err().code(), "query.cursor", "{cursor}");
        }
    }
}
