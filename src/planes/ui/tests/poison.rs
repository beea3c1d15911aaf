//! Every page with one text in every place a text can come from.

use super::{document, nodes, people, sample};
use crate::planes::ui::*;

/// Markup, handlers, closing tags and quotes, as a model or a person might send them.
pub(crate) const HOSTILE: &str = "</textarea></title></p></section>\"><script>alert(1)</script><img src=x onerror=alert(1)> ' onmouseover='alert(1)' `${x}` {{ x }} <svg/onload=alert(1)> &lt;b&gt; javascript:alert(1) --> ]]>";

/// The same length of text with everything that means something to a browser taken out.
pub(crate) fn harmless() -> String {
    HOSTILE.replace(['<', '>', '"', '\'', '&', '`', '=', '{', '}', '-', ']'], "x")
}

fn summary(text: &str, state: RunState) -> RunSummary {
    let some = || Some(text.to_owned());
    RunSummary {
        idea: text.to_owned(),
        refined_idea: some(),
        reason: some(),
        pivots: 1,
        ..sample::summary("7f3a91", text, state, "kill-test")
    }
}

fn verdict(text: &str) -> VerdictView {
    let some = || Some(text.to_owned());
    let criteria = vec![CriterionView {
        name: text.into(),
        score: None,
        why: text.into(),
    }];
    VerdictView {
        criteria,
        reason: text.into(),
        pivot_brief: some(),
        revisit_months: Some(3),
        revisit_note: some(),
        ..sample::verdict()
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let texts = || vec![text.to_owned(), text.to_owned()];
    vec![
        Block::Heading(1, text.into()),
        Block::Paragraph(text.into()),
        Block::List(texts()),
        Block::Numbered(texts()),
        Block::Table {
            head: texts(),
            rows: vec![texts(), texts()],
        },
        Block::Facts(vec![(text.into(), text.into())]),
        Block::Quote(text.into()),
        Block::Code(text.into()),
        Block::Note(text.into()),
    ]
}

fn evidence(text: &str) -> Vec<EvidenceView> {
    vec![EvidenceView {
        claim: text.into(),
        sources: vec![text.into(), format!("https://example.org/{text}")],
    }]
}

fn run(text: &str, state: RunState) -> RunView {
    let sample = sample::run();
    let mut events = sample.events;
    for event in &mut events {
        event.reason = Some(text.to_owned());
        event.phase = Some(text.to_owned());
        event.verdict = Some(text.to_owned());
    }
    RunView {
        summary: summary(text, state),
        eta_basis: text.into(),
        now: state_now(text, state),
        approval: (state == RunState::AwaitingApproval).then(|| ApprovalView {
            waiting_since: 0,
            consequence: text.into(),
            risks: vec![text.into()],
        }),
        verdict: Some(verdict(text)),
        attempts: vec![AttemptView {
            number: 1,
            reason: text.into(),
            phases: Vec::new(),
        }],
        events,
        revenue_potential: Some(text.into()),
        ..sample::run()
    }
}

fn state_now(text: &str, state: RunState) -> Option<NowView> {
    let now = NowView {
        phase: text.into(),
        started_at: 0,
        step: StepName::Draft,
        reviews: true,
        searches: true,
        details: std::array::from_fn(|_| text.to_owned()),
        queue: None,
        draft: 2,
        model: text.into(),
    };
    (state == RunState::Running).then_some(now)
}

/// Draws every page and fragment with `text` in every place.
pub(crate) fn pages(text: &str) -> Vec<(String, String)> {
    let shell = Shell {
        person: Some(Person {
            name: text.into(),
            tenant: text.into(),
            operates: true,
        }),
        path: format!("/{text}"),
        said: Some(text.into()),
        ..sample::shell(Section::Runs)
    };
    let states = [
        RunState::Running,
        RunState::AwaitingApproval,
        RunState::Paused,
        RunState::Completed,
        RunState::Killed,
        RunState::PivotsUsedUp,
        RunState::Failed,
        RunState::Cancelled,
    ];
    let form = NewRunView {
        idea: text.into(),
        error: Some(text.into()),
        key: text.into(),
        ..NewRunView::default()
    };
    let mut pages = Vec::new();
    for layout in [Layout::Wall, Layout::Table] {
        let rows = states.map(|state| summary(text, state)).into();
        pages.push((
            format!("{layout:?}"),
            runs_page(
                &shell,
                &RunsView {
                    layout,
                    rows,
                    next: Some(text.into()),
                    form: form.clone(),
                    ..RunsView::default()
                },
            ),
        ));
    }
    for state in states {
        let view = run(text, state);
        pages.push((format!("run {state:?}"), run_page(&shell, &view)));
        pages.push((format!("pipeline {state:?}"), pipeline_fragment(&shell, &view)));
        pages.push((format!("now {state:?}"), now_fragment(&shell, &view)));
        pages.push((format!("timeline {state:?}"), timeline_fragment(&shell, &view)));
    }
    let artifact = ArtifactView {
        run: summary(text, RunState::Running),
        purpose: text.into(),
        blocks: blocks(text),
        review: Some(text.into()),
        scores: vec![(text.into(), 1.0)],
        verdict: Some(verdict(text)),
        evidence: evidence(text),
        model: text.into(),
        sha256: text.into(),
        ..document::artifact()
    };
    pages.push(("cluster".into(), cluster_page(&shell, &nodes::named(text))));
    pages.push(("artifact".into(), artifact_page(&shell, &artifact)));
    let chapter = ChapterView {
        phase: "opportunity".into(),
        title: text.into(),
        score: None,
        blocks: blocks(text),
        evidence: evidence(text),
    };
    let plan = PlanView {
        run: summary(text, RunState::Completed),
        chapters: vec![chapter],
        models: vec![text.into()],
        seal: Some(SealView {
            at: 0,
            sha256: text.into(),
        }),
    };
    pages.push(("plan".into(), plan_page(&shell, &plan)));
    let idea = ParkedIdeaView {
        idea: text.into(),
        refined_idea: Some(text.into()),
        source_phase: text.into(),
        reason: text.into(),
        revisit_note: Some(text.into()),
        ..document::parked().rows[0].clone()
    };
    pages.push((
        "parked".into(),
        parked_page(
            &shell,
            &ParkedView {
                rows: vec![idea],
                next: Some(text.into()),
            },
        ),
    ));
    pages.push(("new run".into(), new_run_page(&shell, &form)));
    let tabs = people::tabs;
    pages.push(("settings".into(), settings_page(&shell, &tabs(SettingsTab::Appearance))));
    let account = account_page(&shell, &tabs(SettingsTab::Account), &people::account(text));
    pages.push(("account".into(), account));
    let members = members_page(&shell, &tabs(SettingsTab::Members), &people::members(text));
    pages.push(("members".into(), members));
    pages.push((
        "keys".into(),
        keys_page(&shell, &tabs(SettingsTab::Keys), &people::keys(text)),
    ));
    let audit = audit_page(&shell, &tabs(SettingsTab::Audit), &people::audit(text));
    pages.push(("audit".into(), audit));
    let refused = people::refused(text);
    pages.push(("sign-up".into(), sign_up_page(&shell, &refused, true, None)));
    pages.push((
        "sign-in".into(),
        sign_in_page(&shell, SignInView::Ask, &refused, text, true),
    ));
    pages.push(("mailed".into(), mailed_page(&shell, Some(text))));
    pages.push(("confirm".into(), confirm_page(&shell, text, &refused)));
    pages.push(("forgot".into(), forgot_page(&shell, &refused)));
    pages.push(("reset".into(), reset_page(&shell, text, &refused)));
    let invitation = invitation_page(&shell, &people::invitation(text), &refused);
    pages.push(("invitation".into(), invitation));
    pages.push((
        "fault".into(),
        fault_page(&shell, &FaultView::invalid(text).with_request(text)),
    ));
    pages
}
