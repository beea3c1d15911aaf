//! What goes wrong, as the protocol has it: an error of the protocol, or a result of a tool that says so.

use rmcp::{
    ErrorData,
    handler::server::tool::IntoCallToolResult,
    model::{CallToolResponse, CallToolResult, ContentBlock},
};
use serde_json::json;

use crate::gateway::{catalogue, error::Problem};

/// A problem as an error of the protocol.
pub(super) fn fault(problem: &Problem) -> ErrorData {
    let data = Some(json!({ "code": problem.code() }));
    let text = problem.detail().to_owned();
    match problem.status().as_u16() {
        404 => ErrorData::resource_not_found(text, data),
        500.. => ErrorData::internal_error(text, data),
        _ => ErrorData::invalid_params(text, data),
    }
}

/// Why a tool failed, with the stable code and what to do: models read results, and are often not shown errors of the protocol.
#[derive(Debug)]
pub(super) struct Fault(Problem);

impl<E: Into<Problem>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoCallToolResult for Fault {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let (code, detail) = (self.0.code(), self.0.detail());
        let remedy = catalogue::find(code).map_or("", |known| known.remedy);
        let text = format!("{code}: {detail}. {remedy}");
        let mut result = CallToolResult::error(vec![ContentBlock::text(text.trim_end().to_owned())]);
        let meta = json!({ "foundation/code": code });
        result.meta = serde_json::from_value(meta).ok();
        Ok(result.into())
    }
}
