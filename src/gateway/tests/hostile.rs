//! Artifacts full of what must not come alive, over HTTP: what a browser is given by the real server, headers included.

use actors::{
    ports::fake::{FakeModel, Reply},
    workflows::planning::{phase::PhaseId, sample},
};
use serde_json::{Value, json};

use super::bench::{Bench, GO, PIVOT, asked};

/// Markup, an attribute's end, and addresses that run.
const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "</textarea></title><svg onload=alert(3)>",
    "' autofocus onfocus='alert(4)",
];

/// Replaces the middle of every long text, so that its length stays within the schema of its phase.
fn poison(value: &mut Value, turn: &mut usize) {
    match value {
        Value::String(text) if text.is_ascii() => {
            let hostile = HOSTILE[*turn % HOSTILE.len()];
            if text.len() < hostile.len() + 24 || !text.contains(' ') {
                return;
            }
            text.replace_range(12..12 + hostile.len(), hostile);
            *turn += 1;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| poison(item, turn)),
        Value::Object(fields) => fields.values_mut().for_each(|field| poison(field, turn)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A model that writes valid artifacts with hostile sentences; its first kill test pivots.
fn hostile() -> FakeModel {
    FakeModel::new(|request, _| {
        let (phase, step, attempt) = asked(request);
        let seed = 1 + attempt * 40 + phase.number() as usize;
        let mut answer = match (step.as_str(), phase) {
            ("draft", PhaseId::KillTest) => sample::kill_test(if attempt == 0 { PIVOT } else { GO }, seed),
            ("draft", phase) => sample::full(phase.phase(), seed),
            (_, phase) => sample::review(phase.phase(), 8.0, seed),
        };
        poison(&mut answer, &mut 0);
        Reply::Text(answer.to_string())
    })
}

/// Asserts that a page shows hostile text as text and holds nothing that runs.
fn assert_harmless(path: &str, html: &str) {
    let lower = html.to_lowercase();
    for (index, _) in lower.match_indices("<script") {
        let tag = &lower[index..lower[index..].find('>').map_or(lower.len(), |end| index + end)];
        assert!(tag.contains("src=\"/assets/"), "{path}: {tag}");
    }
    for alive in [
        "<img",
        "<iframe",
        "<object",
        "<embed",
        "<style",
        "<svg onload",
        "javascript:",
    ] {
        assert!(!lower.contains(alive), "{path}: {alive}");
    }
    // Inside a tag there is no handler and no style; outside of tags the words are text.
    for piece in html.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap_or_default();
        let outside_of_values: String = tag.split('"').step_by(2).collect();
        assert!(
            !outside_of_values.contains(" on") && !outside_of_values.contains("style="),
            "{path}: <{tag}>"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_artifacts_are_text_on_every_page() {
    Bench::with(hostile(), async |bench| {
        let idea = "A plan with \"><script>alert(1)</script><img src=x onerror=alert(2)> in its name";
        let config = json!({ "requireReview": true, "requireApproval": true });
        let answer = bench
            .post("/api/planning/runs", &json!({ "idea": idea, "config": config }))
            .await;
        let run = answer.json()["id"].as_str().unwrap().to_owned();
        bench.until(&run, "awaiting_approval").await;
        let mut paths = vec![
            "/runs".to_owned(),
            "/runs?view=table".to_owned(),
            format!("/runs/{run}"),
            format!("/runs/{run}/plan"),
            format!("/runs/{run}/phases/kill-test?version=1"),
        ];
        paths.extend(["pipeline", "now", "timeline"].map(|part| format!("/runs/{run}/fragments/{part}")));
        paths.extend(PhaseId::ALL.map(|phase| format!("/runs/{run}/phases/{}", phase.as_str())));
        let mut seen = String::new();
        for path in &paths {
            let page = bench.browse(path).await;
            assert_eq!(page.status, 200, "{path}: {}", page.text());
            let policy = page.header("content-security-policy");
            assert!(
                policy.contains("script-src 'self';") && policy.contains("style-src 'self';"),
                "{path}: {policy}"
            );
            assert!(
                !policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"),
                "{path}"
            );
            assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
            assert_harmless(path, &page.text());
            seen.push_str(&page.text());
        }
        for text in ["alert(1)", "alert(2)", "alert(3)", "alert(4)"] {
            assert!(seen.contains(text), "{text} is shown, so it was delivered");
        }
        let comment = "</blockquote><script>alert(5)</script>";
        let answer = bench
            .submit(&format!("/runs/{run}/reject"), &[("comment", comment)])
            .await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let page = bench.browse(&format!("/runs/{run}")).await.text();
        assert!(page.contains("alert(5)"), "the comment is shown");
        assert_harmless("after the rejection", &page);
    })
    .await;
}
