//! What the planning API takes: the readers of its bodies and queries, of which the API's document is made too.

use actors::{
    records::{Mode, RunConfig, RunStatus},
    run::{COMMENT_MAX, IDEA_MAX, IDEA_MIN, QUERY_MAX, TOP_K_MAX},
};

use super::{PARKED, RUNS};
use crate::gateway::{
    body::Fields,
    cursor,
    error::Problem,
    planning::{NewRun, PackageFormat},
};

/// Results of a search when the client does not say.
const RESULTS_DEFAULT: usize = 5;

/// Reads the fields of a run to create, from a body or a form.
pub(crate) fn new_run(fields: &mut Fields) -> NewRun {
    let idea = fields.text_within("idea", IDEA_MIN, IDEA_MAX);
    let mode = fields
        .choice("mode", &[("cloud", Mode::Cloud), ("local", Mode::Local)])
        .unwrap_or(Mode::Cloud);
    let config = fields.object("config", run_config);
    fields.says(
        "idea",
        "What is to be planned",
        "A shared tool library for apartment houses with a locker in each cellar",
    );
    fields.says("mode", "Who produces the phases; `local` is refused so far", "cloud");
    NewRun { idea, mode, config }
}

/// Reads what the run of a parked idea is asked to do.
pub(crate) fn promotion(fields: &mut Fields) -> RunConfig {
    fields.object("config", run_config)
}

fn run_config(fields: &mut Fields) -> RunConfig {
    let config = RunConfig {
        require_review: fields.flag("requireReview"),
        require_approval: fields.flag("requireApproval"),
    };
    fields.says(
        "requireReview",
        "Review each artifact and revise it up to three times",
        false,
    );
    fields.says("requireApproval", "Wait for a person before the package is made", true);
    config
}

/// All statuses by their names.
pub(crate) const STATUSES: [(&str, RunStatus); 8] = [
    ("running", RunStatus::Running),
    ("awaiting_approval", RunStatus::AwaitingApproval),
    ("paused", RunStatus::Paused),
    ("completed", RunStatus::Completed),
    ("killed", RunStatus::Killed),
    ("failed", RunStatus::Failed),
    ("cancelled", RunStatus::Cancelled),
    ("deleted", RunStatus::Deleted),
];

/// Which runs are asked for.
#[derive(Debug)]
pub(crate) struct RunsQuery {
    pub(super) limit: usize,
    pub(super) after: Option<String>,
    pub(super) status: Option<RunStatus>,
}

/// Reads which runs are asked for.
pub(crate) fn runs_query(fields: &mut Fields) -> Result<RunsQuery, Problem> {
    let (limit, after) = cursor::page_query(fields, RUNS)?;
    let status = fields.choice("status", &STATUSES);
    fields.says("status", "Only runs that stand here", "running");
    Ok(RunsQuery { limit, after, status })
}

/// Reads a body that has no fields.
pub(crate) fn no_fields(_: &mut Fields) {}

/// Reads what a person says about a decision.
pub(crate) fn comment(fields: &mut Fields) -> Option<String> {
    let comment = fields.optional_text("comment", COMMENT_MAX);
    fields.says("comment", "Why it is decided so", "Start with one house");
    comment
}

/// Reads whether the artifacts of all attempts are asked for.
pub(crate) fn artifacts_query(fields: &mut Fields) -> bool {
    let all_attempts = fields.choice("attempts", &[("present", false), ("all", true)]);
    fields.says(
        "attempts",
        "Whether those of attempts before a pivot are listed too",
        "present",
    );
    all_attempts.unwrap_or(false)
}

/// Reads which version of an artifact is asked for.
pub(crate) fn artifact_query(fields: &mut Fields) -> Option<u32> {
    let version = fields.integer("version", 1..=u64::from(u32::MAX));
    fields.says("version", "Another version than the latest", 1);
    version.and_then(|version| u32::try_from(version).ok())
}

/// Reads an artifact that was made elsewhere, which is refused so far: whatever it holds, it is not looked at.
pub(crate) fn artifact(fields: &mut Fields) {
    fields.anything();
}

/// What is looked for among the artifacts of a run.
#[derive(Debug)]
pub(crate) struct Search {
    pub(super) query: String,
    pub(super) limit: usize,
}

/// Reads what is looked for.
pub(crate) fn search(fields: &mut Fields) -> Search {
    let query = fields.text("query", QUERY_MAX);
    let limit = fields.integer("topK", 1..=TOP_K_MAX as u64);
    fields.says(
        "query",
        "What the artifacts should be about",
        "who pays for the lockers",
    );
    fields.says("topK", "Most results", RESULTS_DEFAULT);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    Search {
        query,
        limit: limit.unwrap_or(RESULTS_DEFAULT),
    }
}

/// Reads which document of the package is asked for.
pub(crate) fn package_query(fields: &mut Fields) -> Option<PackageFormat> {
    let format = fields.choice(
        "format",
        &[("json", PackageFormat::Json), ("markdown", PackageFormat::Markdown)],
    );
    fields.says("format", "Without it, the Accept header decides", "json");
    format
}

/// Which parked ideas are asked for.
#[derive(Debug)]
pub(crate) struct ParkedQuery {
    pub(super) limit: usize,
    pub(super) after: Option<String>,
    pub(super) source: Option<String>,
}

/// Reads which parked ideas are asked for.
pub(crate) fn parked_query(fields: &mut Fields) -> Result<ParkedQuery, Problem> {
    let (limit, after) = cursor::page_query(fields, PARKED)?;
    let source = fields.optional_text("source", 64);
    fields.says("source", "Only those that this phase stopped", "kill-test");
    Ok(ParkedQuery { limit, after, source })
}
