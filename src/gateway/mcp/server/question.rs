//! Asking the person at the client what is to become of a plan.

use actors::records::PlanningRun;
use rmcp::{
    RoleServer,
    model::{ClientResult, ElicitRequest, ElicitRequestParams, ElicitationAction, ProtocolVersion, ServerRequest},
    service::RequestContext,
};
use serde_json::json;

use crate::gateway::error::Problem;

/// What the person chose.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The plan is finished, and why.
    Approve(Option<String>),
    /// The run ends without a plan, and why.
    Reject(Option<String>),
    /// Nothing is decided.
    Leave,
}

/// Whether the client can ask its person while a tool works.
pub(super) fn can_ask(context: &RequestContext<RoleServer>) -> bool {
    let is_older = context
        .protocol_version()
        .is_none_or(|version| version < ProtocolVersion::V_2026_07_28);
    is_older
        && context
            .client_capabilities()
            .is_some_and(|can| can.elicitation.is_some())
}

/// Asks.
pub(super) async fn ask(context: &RequestContext<RoleServer>, run: &PlanningRun) -> Result<Choice, Problem> {
    let score = run.quality_score.map_or_else(String::new, |score| {
        format!(" Its quality was scored {score:.1} of 10.")
    });
    let message = format!("A plan waits for your decision: {}{score}", run.idea);
    let params = json!({
        "mode": "form",
        "message": message,
        "requestedSchema": {
            "type": "object",
            "properties": {
                "decision": {
                    "type": "string",
                    "title": "Decision",
                    "description": "What becomes of the plan",
                    "enum": ["approve", "reject"],
                },
                "comment": { "type": "string", "title": "Comment", "description": "Why", "maxLength": 2000 },
            },
            "required": ["decision"],
        },
    });
    let params: ElicitRequestParams = serde_json::from_value(params).map_err(|_| Problem::internal())?;
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(params));
    let answer = tokio::select! {
        answer = context.peer.send_request(request) => answer,
        () = context.ct.cancelled() => return Ok(Choice::Leave),
    };
    let result = match answer {
        Ok(ClientResult::ElicitResult(result)) => result,
        Ok(_) | Err(_) => {
            return Err(Problem::unprocessable(
                "body.invalid",
                "the client did not say what its person decided",
            ));
        }
    };
    if result.action != ElicitationAction::Accept {
        return Ok(Choice::Leave);
    }
    let content = result.content.unwrap_or_default();
    let comment = content["comment"]
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned);
    match content["decision"].as_str() {
        Some("approve") => Ok(Choice::Approve(comment)),
        Some("reject") => Ok(Choice::Reject(comment)),
        Some(_) | None => Err(Problem::unprocessable(
            "body.invalid",
            "the decision is approve or reject",
        )),
    }
}
