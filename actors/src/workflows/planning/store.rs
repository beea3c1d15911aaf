//! What a run leaves in the object store: its artifacts and its package.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    RunParams,
    context::live,
    effect::{Applied, Effect},
    package::Package,
    phase::PhaseId,
    plan::Plan,
};
use crate::{
    env::Env,
    ports::ObjectError,
    records::PlanningArtifact,
    run::PackageKeys,
    workflows::{StepError, WorkError},
};

const JSON: &str = "application/json";
const MARKDOWN: &str = "text/markdown; charset=utf-8";

/// A stored object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) key: String,
    pub(super) sha256: String,
}

/// The id of an artifact follows from what it is, so that a repeated step makes the same.
pub(super) fn artifact_id(params: &RunParams, phase: PhaseId, version: u32) -> String {
    let name = format!(
        "artifact/{}/{}/{}/{version}",
        params.tenant,
        params.run_id,
        phase.as_str()
    );
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

/// Where the objects of a run are.
fn prefix(params: &RunParams) -> String {
    format!("tenants/{}/runs/{}", params.tenant, params.run_id)
}

async fn put(env: &Env, key: String, content_type: &'static str, body: String) -> Result<Stored, WorkError> {
    let stored = env.objects.put(key, content_type, Bytes::from(body)).await;
    let meta = stored.map_err(|error| match error {
        ObjectError::Failed(_) | ObjectError::Corrupt(_) | ObjectError::NotFound(_) => {
            WorkError::retryable(error.to_string())
        }
        ObjectError::InvalidKey(_) => WorkError::non_retryable(error.to_string()),
    })?;
    Ok(Stored {
        key: meta.key,
        sha256: meta.sha256,
    })
}

/// Stores the content of an accepted artifact.
pub(super) async fn artifact(plan: &Plan, id: PhaseId, artifact: &PlanningArtifact) -> Result<Stored, StepError> {
    let key = format!(
        "{}/artifacts/{}/v{}.json",
        prefix(&plan.params),
        id.as_str(),
        artifact.version
    );
    let work = |_| {
        live(&plan.env, &plan.params, id, "store");
        put(&plan.env, key.clone(), JSON, artifact.content.clone())
    };
    plan.steps
        .run(&plan.step(id, "store"), plan.env.planning.step, work)
        .await
}

/// Makes the package and stores both of its documents.
pub(super) async fn package(plan: &Plan) -> Result<PackageKeys, StepError> {
    let Applied::Run(run) = plan.steps.record("package/begin", &Effect::PackageBegun).await? else {
        return Err(StepError::run("the run could not be read for its package"));
    };
    let artifacts: Vec<PlanningArtifact> = plan.accepted.values().cloned().collect();
    let work = |_| async {
        let (json, markdown) = {
            let package = Package::new(&run, &artifacts, run.updated_at);
            (package.json().to_string(), package.markdown())
        };
        let prefix = prefix(&plan.params);
        let json = put(&plan.env, format!("{prefix}/planning-package.json"), JSON, json).await?;
        let markdown = put(&plan.env, format!("{prefix}/planning-package.md"), MARKDOWN, markdown).await?;
        Ok(PackageKeys {
            json_key: json.key,
            json_sha256: json.sha256,
            markdown_key: markdown.key,
            markdown_sha256: markdown.sha256,
        })
    };
    plan.steps.run("package/store", plan.env.planning.step, work).await
}
