//! Tools: workflows, whatever they do. What only planning has is in the tools for runs.

use actors::workflows::{Workflow, planning::Planning as PlanningWorkflow};
use rmcp::{Json, handler::server::wrapper::Parameters, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Answer, PlatformServer};
use crate::gateway::{error::Problem, permission::Permission, planning::Planning};

/// The workflows.
#[derive(Debug, Serialize, JsonSchema)]
struct Workflows {
    workflows: Vec<Known>,
}

/// A workflow.
#[derive(Debug, Serialize, JsonSchema)]
struct Known {
    name: &'static str,
    /// What it does.
    about: &'static str,
    /// The tool that starts an instance.
    started_by: &'static str,
}

/// Which instance is meant.
#[derive(Debug, Deserialize, JsonSchema)]
struct OfInstance {
    /// Name of the workflow, as list_workflows has it.
    workflow: String,
    /// Id of the instance. An instance of planning is a run.
    instance: String,
}

/// Where an instance stands.
#[derive(Debug, Serialize, JsonSchema)]
struct Instance {
    /// queued, running, waiting, paused, waitingForPause, complete, errored or terminated.
    status: &'static str,
    /// What it came to, once it is complete.
    output: Option<Value>,
    /// What it failed of, once it is errored.
    error: Option<String>,
}

#[tool_router(router = workflow_tools, vis = "pub(super)")]
impl PlatformServer {
    /// Lists the workflows that there are.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn list_workflows(&self) -> Answer<Workflows> {
        self.call.needs(Permission::RunView)?;
        let planning = Known {
            name: PlanningWorkflow::NAME,
            about: "Makes a plan for an idea in 15 phases, or says why not",
            started_by: "create_run",
        };
        Ok(Json(Workflows {
            workflows: vec![planning],
        }))
    }

    /// Shows where an instance of a workflow stands as such: whether it works, waits or is over, and what it came to.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn get_workflow(&self, Parameters(asked): Parameters<OfInstance>) -> Answer<Instance> {
        self.call.needs(Permission::RunView)?;
        if asked.workflow != PlanningWorkflow::NAME {
            let detail = format!("there is no workflow {:?}", asked.workflow);
            return Err(Problem::unprocessable("body.invalid", detail).into());
        }
        let planning = &self.call.gateway().planning;
        let id = Planning::run_id(&asked.instance)?;
        // What was deleted is not there, whatever is left of its instance.
        planning.run(self.call.caller(), id).await?;
        let stands = planning.instance(self.call.caller(), id).await?;
        let output = stands.output.map(|json| serde_json::from_str(&json)).transpose();
        Ok(Json(Instance {
            status: stands.status.as_str(),
            output: output.map_err(|_| Problem::internal())?,
            error: stands.error,
        }))
    }
}
