use serde_json::json;

use super::*;
use crate::{
    ports::Usage,
    records::{Evidence, Mode, RevenuePotential, RunStatus},
    workflows::planning::sample,
};

const IDEA: &str = "A service that lends garden tools to the people of one street";

fn run() -> PlanningRun {
    PlanningRun {
        id: "run-1".to_owned(),
        idea: IDEA.to_owned(),
        refined_idea: Some("A shed of shared tools that keeps itself complete.".to_owned()),
        status: RunStatus::Completed,
        current_phase: Some("synthesis".to_owned()),
        mode: Mode::Cloud,
        quality_score: None,
        revenue_potential: Some(RevenuePotential::NotAssessed),
        workflow_instance_id: "instance-1".to_owned(),
        kill_verdict: None,
        pivot_count: 1,
        package_key: None,
        created_at: 0,
        updated_at: 0,
    }
}

fn artifact(id: PhaseId, profile: Profile) -> PlanningArtifact {
    let phase = id.phase();
    let answer = match profile {
        Profile::Full => sample::full(phase, 1),
        Profile::Embedded => sample::embedded(phase, 3),
    };
    let content = phase.accept(profile, IDEA, &answer.to_string()).unwrap();
    PlanningArtifact {
        id: format!("artifact-{}", id.number()),
        run_id: "run-1".to_owned(),
        phase: id.as_str().to_owned(),
        version: 2,
        content: content.to_string(),
        review_verdict: None,
        review_iterations: 1,
        overall_score: None,
        created_at: 0,
        attempt: 1,
        schema_version: phase.schema_version,
        profile,
        model: "sample".to_owned(),
        usage: Usage {
            input_tokens: 700,
            output_tokens: 300,
        },
        scores: Vec::new(),
        evidence: vec![
            Evidence {
                claim: "Sheds stand empty.".to_owned(),
                sources: vec!["https://example.org/sheds".to_owned()],
            },
            Evidence {
                claim: "Neighbours share tools.".to_owned(),
                sources: Vec::new(),
            },
        ],
        object_key: String::new(),
        sha256: "00".to_owned(),
        duration_ms: 0,
    }
}

fn all(profile: Profile) -> Vec<PlanningArtifact> {
    PhaseId::ALL.into_iter().map(|id| artifact(id, profile)).collect()
}

#[test]
fn a_small_package_reads_as_the_golden_file_says() {
    let artifacts =
        [PhaseId::Synthesis, PhaseId::KillTest, PhaseId::Opportunity].map(|id| artifact(id, Profile::Embedded));
    let text = Package::new(&run(), &artifacts, 1_700_000_000).markdown();
    let golden = include_str!("golden.md");
    if text != golden {
        let line = text.lines().zip(golden.lines()).position(|(is, was)| is != was);
        panic!(
            "the package differs from golden.md, first in line {:?}; if that is meant, it reads now:\n{text}",
            line.map(|l| l + 1)
        );
    }
}

#[test]
fn every_link_of_the_contents_has_its_chapter() {
    for profile in [Profile::Full, Profile::Embedded] {
        let artifacts = all(profile);
        let text = Package::new(&run(), &artifacts, 0).markdown();
        let anchors: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .map(anchor)
            .collect();
        let links: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("- [")?.split_once("](#")?.1.strip_suffix(')'))
            .collect();
        assert_eq!(links.len(), 17);
        for link in links {
            assert!(anchors.iter().any(|anchor| anchor == link), "{link} not in {anchors:?}");
        }
    }
}

#[test]
fn only_a_plan_of_the_embedded_model_carries_the_notice() {
    let (full, embedded) = (all(Profile::Full), all(Profile::Embedded));
    assert!(!Package::new(&run(), &full, 0).markdown().contains(NOTICE));
    let run = run();
    let package = Package::new(&run, &embedded, 0);
    assert_eq!(package.markdown().matches(NOTICE).count(), 1);
    assert_eq!(package.json()["notice"], json!(NOTICE));
}

#[test]
fn the_plan_reads_as_text_and_not_as_data() {
    for profile in [Profile::Full, Profile::Embedded] {
        let text = Package::new(&run(), &all(profile), 0).markdown();
        for trace in ["{", "}", "null", "NOT_ASSESSED", "\":", "undefined"] {
            assert!(!text.contains(trace), "{trace} in {profile:?}");
        }
    }
}

#[test]
fn the_json_package_has_every_phase_and_how_it_came_about() {
    let artifacts = all(Profile::Full);
    let package = Package::new(&run(), &artifacts, 1_700_000_000).json();
    assert_eq!(package["runId"], "run-1");
    assert_eq!(package["idea"], IDEA);
    assert_eq!(package["completedAt"], "2023-11-14T22:13:20Z");
    assert_eq!(package["verdict"], "GO");
    for field in [
        "artifacts",
        "scores",
        "evidence",
        "schemaVersions",
        "profiles",
        "models",
        "usage",
        "checksums",
        "versions",
    ] {
        let names: Vec<&String> = package[field].as_object().unwrap().keys().collect();
        assert_eq!(names, PhaseId::ALL.map(PhaseId::as_str), "{field}");
    }
    assert_eq!(
        package["artifacts"]["strategy"],
        serde_json::from_str::<Value>(&artifacts[6].content).unwrap()
    );
}

#[test]
fn the_latest_version_of_a_phase_counts() {
    let mut old = artifact(PhaseId::Strategy, Profile::Full);
    old.version = 1;
    old.content = "{}".to_owned();
    let artifacts = [artifact(PhaseId::Strategy, Profile::Full), old];
    let package = Package::new(&run(), &artifacts, 0).json();
    assert_eq!(package["versions"], json!({"strategy": 2}));
}
