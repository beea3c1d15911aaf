//! The resources: a run, its timeline, what its phases wrote, and the finished plan. A client can subscribe to each and hears when the run has
//! moved on.

use actors::{records::PlanningRun, workflows::planning::phase::PhaseId};
use cluster::prelude::Uuid;
use rmcp::model::{
    CompletionInfo, ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate,
};

use super::{
    PlatformServer,
    tools::{RUNS, RunWithPhases},
};
use crate::gateway::{
    cursor,
    error::Problem,
    permission::Permission,
    planning::{self, PackageFormat, Planning},
};

/// Runs of a page.
const RUNS_PAGE: usize = 50;
/// Events that a timeline shows, the newest last.
const EVENTS_MAX: usize = 1000;
/// Begin of every address.
const SCHEME: &str = "foundation://runs/";

/// What an address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Run,
    Timeline,
    Package,
    Artifact(PhaseId),
}

/// Reads an address.
fn parse(uri: &str) -> Result<(Uuid, Part), Problem> {
    let unknown = || Problem::not_found("mcp.resource", "there is no resource at this address");
    let rest = uri.strip_prefix(SCHEME).ok_or_else(unknown)?;
    let mut parts = rest.split('/');
    let run = Planning::run_id(parts.next().unwrap_or_default())?;
    let part = match (parts.next(), parts.next(), parts.next()) {
        (None, None, None) => Part::Run,
        (Some("timeline"), None, None) => Part::Timeline,
        (Some("package"), None, None) => Part::Package,
        (Some("artifacts"), Some(phase), None) => Part::Artifact(planning::phase(phase)?),
        _ => return Err(unknown()),
    };
    Ok((run, part))
}

fn json<T: serde::Serialize>(value: &T) -> Result<(&'static str, String), Problem> {
    let text = serde_json::to_string(value).map_err(|_| Problem::internal())?;
    Ok(("application/json", text))
}

/// What can be read without asking anything: where the others are.
pub(super) fn templates() -> ListResourceTemplatesResult {
    let template = |path: &str, name: &str, about: &str, kind: &str| {
        ResourceTemplate::new(format!("{SCHEME}{path}"), name)
            .with_description(about)
            .with_mime_type(kind)
    };
    ListResourceTemplatesResult::with_all_items(vec![
        template("{run}", "run", "A run and how far its phases are", "application/json"),
        template(
            "{run}/timeline",
            "timeline",
            "What happened in a run",
            "application/json",
        ),
        template(
            "{run}/artifacts/{phase}",
            "artifact",
            "What a phase of a run wrote",
            "application/json",
        ),
        template("{run}/package", "package", "The finished plan", "text/markdown"),
    ])
}

/// The runs as resources: each with its timeline, and its plan if that is finished.
fn of_run(run: &PlanningRun) -> Vec<Resource> {
    let title: String = run.idea.chars().take(80).collect();
    let resource = |path: &str, kind: &str, media_type: &str| {
        Resource::new(format!("{SCHEME}{}{path}", run.id), format!("{kind} {}", run.id))
            .with_title(format!("{title} ({kind})"))
            .with_description(format!("{kind}: {title}"))
            .with_mime_type(media_type)
    };
    let mut resources = vec![
        resource("", "run", "application/json"),
        resource("/timeline", "timeline", "application/json"),
    ];
    if run.package_key.is_some() {
        resources.push(resource("/package", "package", "text/markdown"));
    }
    resources
}

impl PlatformServer {
    /// A page of the resources, the newest runs first.
    pub(super) async fn resources(&self, after: Option<String>) -> Result<ListResourcesResult, Problem> {
        self.call.needs(Permission::RunView)?;
        let after = after.map(|cursor| cursor::decode(RUNS, &cursor)).transpose()?;
        let planning = &self.call.gateway().planning;
        let page = planning.list(self.call.caller(), None, after, RUNS_PAGE).await?;
        let resources = page.items.iter().flat_map(|item| of_run(&item.run)).collect();
        let mut result = ListResourcesResult::with_all_items(resources);
        result.next_cursor = page.next.map(|next| cursor::encode(RUNS, &next));
        Ok(result)
    }

    /// Reads a resource.
    pub(super) async fn read(&self, uri: &str) -> Result<ReadResourceResult, Problem> {
        let (run, part) = parse(uri)?;
        self.call.needs(needed(part))?;
        let (planning, caller) = (&self.call.gateway().planning, self.call.caller());
        let (media_type, text) = match part {
            Part::Run => json(&RunWithPhases::from(self.detail(run).await?))?,
            Part::Timeline => json(&planning.events(caller, run, 0, EVENTS_MAX).await?)?,
            Part::Artifact(phase) => (
                "application/json",
                planning.artifact(caller, run, phase, None).await?.content,
            ),
            Part::Package => {
                let (bytes, _) = planning.package(caller, run, PackageFormat::Markdown).await?;
                let text = String::from_utf8(bytes.to_vec()).map_err(|_| Problem::internal())?;
                ("text/markdown", text)
            }
        };
        let contents = ResourceContents::text(text, uri).with_mime_type(media_type);
        Ok(ReadResourceResult::new(vec![contents]))
    }

    /// The state of a resource: the number of the last event of its run, which each change has.
    pub(super) async fn state_of(&self, uri: &str) -> Option<String> {
        let (run, part) = parse(uri).ok()?;
        self.call.needs(needed(part)).ok()?;
        let planning = &self.call.gateway().planning;
        let run = planning.run(self.call.caller(), run).await.ok()?;
        let phase = run.current_phase.unwrap_or_default();
        let status = run.status.as_str();
        Some(format!("{}/{status}/{phase}/{}", run.updated_at, run.pivot_count))
    }

    /// What an argument of an address or a prompt may be.
    pub(super) async fn completions(&self, argument: &str, begin: &str) -> Result<CompletionInfo, Problem> {
        let values: Vec<String> = match argument {
            "phase" => PhaseId::ALL.iter().map(|phase| phase.as_str().to_owned()).collect(),
            "run" => {
                self.call.needs(Permission::RunView)?;
                let planning = &self.call.gateway().planning;
                let page = planning.list(self.call.caller(), None, None, RUNS_PAGE).await?;
                page.items.into_iter().map(|item| item.run.id).collect()
            }
            _ => Vec::new(),
        };
        let values = values.into_iter().filter(|value| value.starts_with(begin)).collect();
        CompletionInfo::with_all_values(values).map_err(|_| Problem::internal())
    }
}

fn needed(part: Part) -> Permission {
    match part {
        Part::Run | Part::Timeline => Permission::RunView,
        Part::Package | Part::Artifact(_) => Permission::ArtifactView,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_part_of_a_run_or_nothing() {
        let run = Uuid::from_u128(7);
        let read = |rest: &str| parse(&format!("{SCHEME}{run}{rest}")).map(|(_, part)| part).ok();
        assert_eq!(read(""), Some(Part::Run));
        assert_eq!(read("/timeline"), Some(Part::Timeline));
        assert_eq!(read("/package"), Some(Part::Package));
        assert_eq!(read("/artifacts/kill-test"), Some(Part::Artifact(PhaseId::KillTest)));
        for rest in [
            "/",
            "/timeline/",
            "/artifacts",
            "/artifacts/x",
            "/artifacts/kill-test/1",
            "/other",
        ] {
            assert_eq!(read(rest), None, "{rest}");
        }
        assert!(parse("https://example.org").is_err());
    }
}
