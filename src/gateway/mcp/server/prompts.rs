//! The prompts: what a person picks to have a plan made, or judged.

use rmcp::{
    handler::server::{router::prompt::PromptRouter, wrapper::Parameters},
    model::{PromptMessage, Role},
    prompt, prompt_router,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PlatformServer;

/// What is to be planned.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct PlanIdea {
    /// The idea, in a sentence or more.
    idea: String,
}

/// Which plan is judged.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct JudgePlan {
    /// Id of the run.
    run: String,
}

/// The prompts.
pub(super) fn router() -> PromptRouter<PlatformServer> {
    PlatformServer::prompt_router()
}

#[prompt_router]
impl PlatformServer {
    /// Has a plan made for an idea.
    #[prompt]
    async fn plan_idea(&self, Parameters(PlanIdea { idea }): Parameters<PlanIdea>) -> Vec<PromptMessage> {
        let text = format!(
            "Have a plan made for this idea:\n\n{idea}\n\nStart a run with create_run and wait for it with follow_run. Then say in a \
             few sentences what came of it: the verdict of the kill test and why, who would pay, and what to do first. Read the \
             artifacts that you need with get_artifact."
        );
        vec![PromptMessage::new_text(Role::User, text)]
    }

    /// Judges a plan before a person decides about it.
    #[prompt]
    async fn judge_plan(&self, Parameters(JudgePlan { run }): Parameters<JudgePlan>) -> Vec<PromptMessage> {
        let text = format!(
            "Judge the plan of run {run}. Read it with get_run, list_artifacts and get_artifact. Name the three weakest assumptions and \
             what evidence the plan has for each, then say whether you would approve it. Decide nothing yourself: decide_run is for \
             the person to ask for."
        );
        vec![PromptMessage::new_text(Role::User, text)]
    }
}
