//! The pages as a whole: nothing alive comes out of text, nothing inline, nothing missing.

mod document;
mod nodes;
mod people;
mod poison;
mod sample;
mod skeleton;

use std::collections::HashSet;

use self::{
    people::tabs,
    skeleton::{Tag, tags},
};
use super::*;

/// Every page and fragment of the sample data, with its name.
fn drawn() -> Vec<(&'static str, String)> {
    let runs = sample::shell(Section::Runs);
    let settings = sample::shell(Section::Settings);
    let word = "Repair cafes";
    let door = Shell {
        person: None,
        ..sample::shell(Section::None)
    };
    let mut pages = vec![
        ("wall", runs_page(&runs, &sample::runs(Layout::Wall))),
        ("table", runs_page(&runs, &sample::runs(Layout::Table))),
        ("no runs", runs_page(&runs, &RunsView::default())),
        (
            "no such runs",
            runs_page(
                &runs,
                &RunsView {
                    status: Some("failed".into()),
                    ..RunsView::default()
                },
            ),
        ),
        (
            "new run",
            new_run_page(
                &runs,
                &NewRunView {
                    embedded: true,
                    error: Some("Too short.".into()),
                    ..NewRunView::default()
                },
            ),
        ),
        ("artifact", artifact_page(&runs, &document::artifact())),
        (
            "kill test",
            artifact_page(
                &runs,
                &ArtifactView {
                    verdict: Some(sample::verdict()),
                    ..document::artifact()
                },
            ),
        ),
        ("plan", plan_page(&runs, &document::plan())),
        (
            "plan so far",
            plan_page(
                &runs,
                &PlanView {
                    seal: None,
                    ..document::plan()
                },
            ),
        ),
        (
            "parked",
            parked_page(&sample::shell(Section::Parked), &document::parked()),
        ),
        (
            "none parked",
            parked_page(&sample::shell(Section::Parked), &ParkedView::default()),
        ),
        (
            "cluster",
            cluster_page(&sample::shell(Section::Cluster), &nodes::cluster()),
        ),
        (
            "one node",
            cluster_page(&sample::shell(Section::Cluster), &nodes::alone()),
        ),
        ("settings", settings_page(&settings, &tabs(SettingsTab::Appearance))),
        (
            "account",
            account_page(&settings, &tabs(SettingsTab::Account), &people::account(word)),
        ),
        (
            "account of nobody",
            account_page(&settings, &tabs(SettingsTab::Account), &AccountView::default()),
        ),
        (
            "members",
            members_page(&settings, &tabs(SettingsTab::Members), &people::members(word)),
        ),
        (
            "keys",
            keys_page(&settings, &tabs(SettingsTab::Keys), &people::keys(word)),
        ),
        (
            "audit",
            audit_page(&settings, &tabs(SettingsTab::Audit), &people::audit(word)),
        ),
        ("sign-up", sign_up_page(&door, &people::refused(word), true, None)),
        (
            "sign-up closed",
            sign_up_page(&door, &FormState::default(), false, None),
        ),
        ("mailed", mailed_page(&door, Some("data/mail"))),
        ("confirm", confirm_page(&door, "a.b", &FormState::default())),
        ("forgot", forgot_page(&door, &people::refused(word))),
        ("reset", reset_page(&door, "a.b", &FormState::default())),
        (
            "invitation",
            invitation_page(&door, &people::invitation(word), &people::refused(word)),
        ),
        (
            "fault",
            fault_page(&runs, &FaultView::no_run("x", "default").with_request("r")),
        ),
        (
            "error codes",
            problems_page(
                &door,
                &[ProblemsView {
                    title: "Planning",
                    rows: vec![ProblemView {
                        code: "run.not-found",
                        statuses: &[404],
                        meaning: "There is no such run",
                        remedy: "List the runs",
                    }],
                }],
            ),
        ),
        ("fault alone", fault_page(&door, &FaultView::no_page())),
    ];
    for view in [
        SignInView::Ask,
        SignInView::LinkUsed,
        SignInView::SignedOut,
        SignInView::Ended,
        SignInView::Confirmed,
        SignInView::PasswordSet,
    ] {
        pages.push((
            "sign-in",
            sign_in_page(&door, view, &people::refused(word), "/runs", true),
        ));
    }
    for view in every_run() {
        pages.push(("run", run_page(&runs, &view)));
    }
    pages
}

fn every_run() -> Vec<RunView> {
    let mut views = vec![sample::run(), sample::waiting()];
    for state in [
        RunState::Queued { ahead: 1 },
        RunState::Running,
        RunState::Paused,
        RunState::Completed,
        RunState::Killed,
        RunState::PivotsUsedUp,
        RunState::Failed,
        RunState::Cancelled,
    ] {
        views.push(sample::finished(state));
    }
    views
}

#[test]
fn hostile_text_changes_no_tag_and_no_attribute() {
    let hostile = poison::pages(poison::HOSTILE);
    let harmless = poison::pages(&poison::harmless());
    assert!(hostile.len() > 20);
    for ((name, alive), (_, dead)) in hostile.iter().zip(&harmless) {
        let shape = |html: &str| {
            tags(html)
                .into_iter()
                .map(|tag| {
                    (
                        tag.name,
                        tag.attributes.into_iter().map(|(key, _)| key).collect::<Vec<_>>(),
                    )
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(shape(alive), shape(dead), "{name}");
        assert!(!alive.contains(poison::HOSTILE), "{name} prints the text as it is");
        assert!(
            alive.contains("&#60;script&#62;") || alive.contains("&lt;script&gt;"),
            "{name} does not show the text at all"
        );
    }
}

#[test]
fn hostile_addresses_are_text_and_never_links() {
    let mut view = document::artifact();
    view.evidence = vec![EvidenceView {
        claim: "c".into(),
        sources: [
            "javascript:alert(1)",
            "JaVaScRiPt://example.org/%0aalert(1)",
            "data:text/html,<script>",
            "//example.org/x",
            "vbscript:x",
            "https://ok.example/a?b=1&c=2",
        ]
        .map(String::from)
        .into(),
    }];
    let html = artifact_page(&sample::shell(Section::Runs), &view);
    let out: Vec<_> = tags(&html)
        .into_iter()
        .filter(|tag| tag.get("href").is_some_and(|href| !href.starts_with(['/', '#'])))
        .collect();
    assert_eq!(out.len(), 1, "one of the six addresses is a link: {out:?}");
    assert_eq!(out[0].get("href"), Some("https://ok.example/a?b=1&#38;c=2"));
    assert_eq!(out[0].get("rel"), Some("noopener noreferrer nofollow"));
}

#[test]
fn nothing_on_a_page_is_inline_or_from_elsewhere() {
    for (name, html) in drawn() {
        for tag in tags(&html) {
            assert!(
                tag.name != "style" && tag.name != "iframe" && tag.name != "object",
                "{name}: {tag:?}"
            );
            for (key, value) in &tag.attributes {
                assert!(key != "style" && !key.starts_with("on"), "{name}: {tag:?}");
                if ["src", "action", "formaction"].contains(&key.as_str()) {
                    assert!(value.starts_with('/') && !value.starts_with("//"), "{name}: {tag:?}");
                }
                if key == "href" && !value.starts_with(['/', '#']) {
                    assert_eq!(tag.get("rel"), Some("noopener noreferrer nofollow"), "{name}: {tag:?}");
                }
            }
            if tag.name == "script" {
                assert_eq!(tag.get("type"), Some("module"), "{name}");
                assert!(
                    tag.get("src")
                        .is_some_and(|src| asset(src.trim_start_matches("/assets/")).is_some()),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn every_page_has_one_title_one_h1_and_ids_that_are_its_own() {
    for (name, html) in drawn() {
        let all = tags(&html);
        let count = |wanted: &str| all.iter().filter(|tag| tag.name == wanted).count();
        assert_eq!((count("title"), count("h1"), count("main")), (1, 1, 1), "{name}");
        assert_eq!(
            all.iter()
                .find(|tag| tag.name == "html")
                .and_then(|tag| tag.get("lang")),
            Some("en"),
            "{name}"
        );
        let ids: Vec<_> = all.iter().filter_map(|tag| tag.get("id")).collect();
        let own: HashSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), own.len(), "{name}: {ids:?}");
        for tag in &all {
            for key in ["aria-labelledby", "aria-describedby", "for", "popovertarget"] {
                assert!(tag.get(key).is_none_or(|id| ids.contains(&id)), "{name}: {tag:?}");
            }
            let local = tag
                .get("href")
                .and_then(|href| href.strip_prefix('#'))
                .filter(|id| !id.is_empty());
            assert!(local.is_none_or(|id| ids.contains(&id)), "{name}: {tag:?}");
        }
    }
}

#[test]
fn every_symbol_a_page_uses_is_in_the_sprite() {
    let sprite = assets()
        .iter()
        .find(|file| file.source == "icons.svg")
        .expect("the sprite is in the table");
    let symbols: HashSet<String> = tags(&String::from_utf8_lossy(&sprite.bytes))
        .iter()
        .filter_map(|tag| tag.get("id").map(str::to_owned))
        .collect();
    for (name, html) in drawn() {
        for tag in tags(&html).iter().filter(|tag| tag.name == "use") {
            let (file, symbol) = tag
                .get("href")
                .and_then(|href| href.split_once('#'))
                .expect("a use has an address");
            assert_eq!(file, sprite.url, "{name}");
            assert!(symbols.contains(symbol), "{name}: {symbol}");
        }
    }
}

#[test]
fn pages_of_a_run_of_the_built_in_model_say_so() {
    const WORDS: &str =
        "The small built-in model drafts this plan. It shows how the pipeline works; it is not an analysis.";
    let shell = sample::shell(Section::Runs);
    for embedded in [true, false] {
        let (mut run, mut artifact, mut plan) = (sample::run(), document::artifact(), document::plan());
        run.summary.embedded = embedded;
        artifact.run.embedded = embedded;
        plan.run.embedded = embedded;
        for html in [
            run_page(&shell, &run),
            artifact_page(&shell, &artifact),
            plan_page(&shell, &plan),
        ] {
            assert_eq!(html.contains(WORDS), embedded);
        }
    }
}

#[test]
fn a_run_offers_what_its_state_allows_and_nothing_else() {
    let shell = sample::shell(Section::Runs);
    for view in every_run() {
        let html = run_page(&shell, &view);
        let posts = |act: &str| {
            let address = format!("/runs/{}/{act}", view.summary.id);
            tags(&html)
                .iter()
                .any(|tag| tag.get("action") == Some(&address) || tag.get("formaction") == Some(&address))
        };
        let state = view.summary.state;
        let working = matches!(state, RunState::Running | RunState::Queued { .. });
        assert_eq!(posts("pause"), working, "{state:?}");
        assert_eq!(posts("resume"), state == RunState::Paused, "{state:?}");
        assert_eq!(posts("cancel"), !state.is_final(), "{state:?}");
        assert_eq!(posts("delete"), state.is_final(), "{state:?}");
        assert_eq!(
            (posts("approve"), posts("reject")),
            (state == RunState::AwaitingApproval, state == RunState::AwaitingApproval),
            "{state:?}"
        );
    }
}

#[test]
fn fragments_are_the_parts_of_the_page() {
    let shell = sample::shell(Section::Runs);
    for view in every_run() {
        let whole = run_page(&shell, &view);
        let ids: Vec<String> = tags(&whole)
            .iter()
            .filter_map(|tag| tag.get("id").map(str::to_owned))
            .collect();
        for (name, fragment, own) in [
            (
                "pipeline",
                pipeline_fragment(&shell, &view),
                ["state", "name", "acts", "course", "tabs", "phases"].as_slice(),
            ),
            ("now", now_fragment(&shell, &view), ["now"].as_slice()),
            ("timeline", timeline_fragment(&shell, &view), ["timeline"].as_slice()),
        ] {
            let parts: Vec<_> = tags(&fragment)
                .iter()
                .filter_map(|tag| tag.get("id").map(str::to_owned))
                .collect();
            assert!(
                own.iter().all(|id| parts.iter().any(|part| part == id)),
                "{name}: {parts:?}"
            );
            assert!(parts.iter().all(|part| ids.contains(part)), "{name}: {parts:?}");
            assert!(!tags(&fragment).iter().any(|tag| tag.name == "html"), "{name}");
        }
    }
}

#[test]
fn the_strip_shows_how_far_a_run_is() {
    let strip = |state, phase: &str| {
        let stones = sample::summary("0", "An idea of some length", state, phase).stones();
        stones.iter().map(|stone| stone.state).collect::<Vec<_>>()
    };
    assert!(
        strip(RunState::Completed, "synthesis")
            .iter()
            .all(|stone| *stone == StoneState::Done)
    );
    let killed = strip(RunState::Killed, "kill-test");
    assert_eq!(
        (killed[3], killed[4], killed[5]),
        (StoneState::Done, StoneState::Stopped, StoneState::Todo)
    );
    assert_eq!(strip(RunState::PivotsUsedUp, "kill-test")[4], StoneState::Pivoted);
    assert_eq!(strip(RunState::AwaitingApproval, "synthesis")[14], StoneState::Waiting);
    assert_eq!(strip(RunState::Running, "")[0], StoneState::Running);
    assert!(
        strip(RunState::Queued { ahead: 1 }, "")
            .iter()
            .all(|stone| *stone == StoneState::Todo)
    );
}

#[test]
fn bars_of_the_waterfall_follow_each_other_on_one_axis() {
    for view in every_run() {
        let html = pipeline_fragment(&sample::shell(Section::Runs), &view);
        let number = |tag: &Tag, key: &str| tag.get(key).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        let bars: Vec<_> = tags(&html)
            .into_iter()
            .filter(|tag| tag.name == "rect" && tag.get("height") == Some("10"))
            .collect();
        let mut start = 0;
        for bar in &bars {
            assert!(number(bar, "x") >= start, "{bar:?}");
            start = number(bar, "x");
            assert!(start + number(bar, "width") <= 1006, "{bar:?}");
        }
    }
}

#[test]
fn the_board_filters_and_pages_by_address() {
    let mut view = sample::runs(Layout::Table);
    view.status = Some("paused".into());
    let html = runs_page(&sample::shell(Section::Runs), &view);
    let hrefs: Vec<String> = tags(&html)
        .iter()
        .filter_map(|tag| tag.get("href").map(str::to_owned))
        .collect();
    assert!(
        hrefs.iter().any(|href| href == "/runs?status=paused"),
        "the wall under the same filter"
    );
    assert!(
        hrefs
            .iter()
            .any(|href| href == "/runs?status=paused&#38;view=table&#38;cursor=abc%3D/%26"),
        "{hrefs:?}"
    );
    view.status = Some("\"><script>".into());
    assert!(!runs_page(&sample::shell(Section::Runs), &view).contains("\"><script>"));
}

#[test]
fn a_refused_form_keeps_what_was_typed() {
    let form = NewRunView {
        idea: "my <idea>".into(),
        require_review: true,
        error: Some("An idea needs more words.".into()),
        key: "k-1".into(),
        ..NewRunView::default()
    };
    let html = new_run_page(&sample::shell(Section::Runs), &form);
    assert!(html.contains("my &#60;idea&#62;</textarea>"));
    assert!(html.contains("An idea needs more words."));
    let all = tags(&html);
    let field = |name: &str| {
        all.iter()
            .find(|tag| tag.get("name") == Some(name))
            .expect("the field is there")
    };
    assert!(field("requireReview").get("checked").is_some());
    assert!(field("requireApproval").get("checked").is_none());
    assert_eq!(field("key").get("value"), Some("k-1"));
    assert_eq!(field("idea").get("aria-invalid"), Some("true"));
}

#[test]
fn the_chosen_ground_is_on_the_root_and_the_other_one_is_offered() {
    for (theme, attribute) in [
        (Theme::System, None),
        (Theme::Light, Some("light")),
        (Theme::Dark, Some("dark")),
    ] {
        let shell = Shell {
            preferences: Preferences { theme, keys: false },
            path: "/runs?a=\"b".into(),
            ..sample::shell(Section::Runs)
        };
        let html = runs_page(&shell, &RunsView::default());
        let all = tags(&html);
        let root = all.iter().find(|tag| tag.name == "html").expect("a page has a root");
        assert_eq!(root.get("data-theme"), attribute);
        assert_eq!(root.get("data-keys"), Some("off"));
        assert!(
            all.iter()
                .any(|tag| tag.get("name") == Some("back") && tag.get("value") == Some("/runs?a=&#34;b"))
        );
    }
}

#[test]
fn the_faces_of_a_page_stay_within_their_budget() {
    let size = |source: &str| {
        assets()
            .iter()
            .find(|file| file.source == source)
            .map_or(0, |file| file.bytes.len())
    };
    let page = size("fonts/instrument-sans.woff2") + size("fonts/literata.woff2");
    assert!(page > 0 && page <= 44 * 1024, "{page}");
}
