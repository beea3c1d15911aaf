//! The review loop.

use super::harness::{Asked, Bench, GO, asked, good, reviewed};
use crate::{
    ports::{
        ModelRequest, Slot,
        fake::{FakeModel, Reply},
    },
    records::{ReviewVerdict, RunConfig, RunEventKind, RunStatus},
    run::GetArtifact,
    workflows::planning::{phase::PhaseId, sample},
};

/// A model whose reviews of the first phase have these scores, and whose tiebreaker has that one.
fn model(reviews: &'static [f64], tiebreak: f64) -> FakeModel {
    FakeModel::new(move |request, _| {
        let Asked { phase, step, .. } = asked(request);
        match (
            phase,
            step.strip_prefix("review-").and_then(|n| n.parse::<usize>().ok()),
        ) {
            (PhaseId::Opportunity, Some(n)) => {
                Reply::Text(sample::review(phase.phase(), reviews[n - 1], n).to_string())
            }
            (PhaseId::Opportunity, None) if step == "tiebreak" => {
                Reply::Text(sample::review(phase.phase(), tiebreak, 9).to_string())
            }
            _ => good(request, &[GO]),
        }
    })
}

fn of_opportunity(bench: &Bench) -> Vec<ModelRequest> {
    bench
        .model
        .requests()
        .into_iter()
        .filter(|request| asked(request).phase == PhaseId::Opportunity)
        .collect()
}

async fn opportunity(bench: &Bench) -> crate::records::PlanningArtifact {
    let get = GetArtifact {
        phase: "opportunity".to_owned(),
        version: None,
    };
    bench.run("r1").ask(get).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_good_draft_is_accepted_by_its_first_review_and_the_kill_test_has_none() {
    let bench = Bench::new(1, model(&[8.0], 0.0)).await;
    bench.start("r1", reviewed()).await;
    let detail = bench.until("r1", RunStatus::Completed).await;
    let artifact = opportunity(&bench).await;
    assert_eq!(
        (artifact.review_verdict, artifact.review_iterations),
        (Some(ReviewVerdict::Accept), 1)
    );
    assert_eq!(artifact.overall_score, Some(8.0));
    assert_eq!(artifact.scores.len(), PhaseId::Opportunity.phase().criteria().count());
    assert_eq!(detail.run.quality_score, Some(8.0));
    let reviews = bench
        .model
        .requests()
        .into_iter()
        .filter(|request| request.slot == Slot::Reviewer);
    let phases: Vec<PhaseId> = reviews.map(|request| asked(&request).phase).collect();
    assert_eq!(phases.len(), 14);
    assert!(!phases.contains(&PhaseId::KillTest));
}

#[tokio::test(start_paused = true)]
async fn a_weak_draft_is_revised_with_the_feedback() {
    let bench = Bench::new(2, model(&[6.9, 7.0], 0.0)).await;
    bench.start("r1", reviewed()).await;
    bench.until("r1", RunStatus::Completed).await;
    let artifact = opportunity(&bench).await;
    assert_eq!(
        (artifact.review_verdict, artifact.review_iterations),
        (Some(ReviewVerdict::Accept), 2)
    );
    assert_eq!(
        (artifact.version, artifact.usage.output_tokens),
        (1, 40),
        "two drafts and two reviews"
    );
    let prompts = bench.prompts(PhaseId::Opportunity, 0);
    let feedback = sample::review(PhaseId::Opportunity.phase(), 6.9, 1)["feedback"][0]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!prompts[0].contains(&feedback) && prompts[1].contains(&feedback));
}

/// P11: the tiebreaker has a slot of its own and is told what the reviewer really found.
#[tokio::test(start_paused = true)]
async fn reviews_that_do_not_converge_go_to_the_tiebreaker_once() {
    let bench = Bench::new(3, model(&[5.0, 5.0, 5.0], 6.0)).await;
    bench.start("r1", reviewed()).await;
    bench.until("r1", RunStatus::Completed).await;
    let artifact = opportunity(&bench).await;
    assert_eq!(
        (artifact.review_verdict, artifact.review_iterations),
        (Some(ReviewVerdict::Accept), 3)
    );
    assert_eq!(artifact.overall_score, Some(6.0));
    let slots: Vec<Slot> = of_opportunity(&bench).iter().map(|request| request.slot).collect();
    let (generator, reviewer) = (Slot::Generator, Slot::Reviewer);
    assert_eq!(
        slots,
        [
            generator,
            reviewer,
            generator,
            reviewer,
            generator,
            reviewer,
            Slot::Tiebreaker
        ]
    );
    let requests = of_opportunity(&bench);
    assert!(
        requests[6].turns[0]
            .text
            .contains("The first reviewer still asks for changes")
    );
}

/// P11: a rejection is told to the tiebreaker as one.
#[tokio::test(start_paused = true)]
async fn a_rejected_draft_goes_to_the_tiebreaker_at_once_and_may_fail_the_run() {
    let bench = Bench::new(4, model(&[3.9], 3.0)).await;
    bench.start("r1", reviewed()).await;
    let detail = bench.until("r1", RunStatus::Failed).await;
    assert!(detail.error.unwrap().starts_with("review rejected opportunity: "));
    let requests = of_opportunity(&bench);
    assert_eq!(requests.len(), 3);
    assert!(requests[2].turns[0].text.contains("The first reviewer would reject it"));
    assert_eq!(bench.kinds("r1").await.last(), Some(&RunEventKind::RunFailed));
}

/// P11: a verdict in words counts for nothing.
#[tokio::test(start_paused = true)]
async fn a_verdict_in_words_is_refused() {
    let bench = Bench::new(
        5,
        FakeModel::new(|request, _| {
            let Asked { phase, step, call, .. } = asked(request);
            if phase == PhaseId::Opportunity && step == "review-1" && call == 1 {
                let mut review = sample::review(phase.phase(), 1.0, 1);
                review["verdict"] = "ACCEPT".into();
                return Reply::Text(review.to_string());
            }
            good(request, &[GO])
        }),
    )
    .await;
    bench.start("r1", reviewed()).await;
    bench.until("r1", RunStatus::Completed).await;
    let second = &of_opportunity(&bench)[2];
    assert!(
        second.turns.last().unwrap().text.contains("/verdict"),
        "{}",
        second.turns.last().unwrap().text
    );
}

#[tokio::test(start_paused = true)]
async fn without_review_nothing_is_scored_but_the_kill_test() {
    let bench = Bench::new(6, model(&[], 0.0)).await;
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Completed).await;
    let artifact = opportunity(&bench).await;
    assert_eq!(
        (
            artifact.review_verdict,
            artifact.overall_score,
            artifact.review_iterations
        ),
        (None, None, 1)
    );
    assert_eq!(bench.model.requests().len(), 15);
}
