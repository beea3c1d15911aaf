//! The pages: the same operations, seen by a person.

use actix_web::test::TestRequest;
use actors::{
    ports::fake::{FakeModel, Reply},
    workflows::planning::{phase::PhaseId, sample},
};
use serde_json::json;

use super::bench::{Bench, GO, IDEA, KILL, asked, model, silent};

#[tokio::test(start_paused = true)]
async fn every_page_of_a_finished_run_is_there() {
    Bench::with(model(GO), async |bench| {
        let run = bench.create(json!({ "requireReview": true })).await;
        bench.until(&run, "completed").await;
        for path in [
            "/runs".to_owned(),
            "/runs?view=table&status=completed".to_owned(),
            "/runs/new".to_owned(),
            "/parked".to_owned(),
            "/settings".to_owned(),
            format!("/runs/{run}"),
            format!("/runs/{run}/plan"),
            format!("/runs/{run}/phases/opportunity"),
            format!("/runs/{run}/phases/kill-test"),
            format!("/runs/{run}/phases/strategy?version=1"),
            format!("/runs/{run}/fragments/pipeline"),
            format!("/runs/{run}/fragments/now"),
            format!("/runs/{run}/fragments/timeline"),
        ] {
            let page = bench.browse(&path).await;
            assert_eq!(page.status, 200, "{path}: {}", page.text());
            assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
            assert!(
                page.header("content-security-policy").contains("script-src 'self'"),
                "{path}"
            );
            let text = page.text();
            assert!(
                !text.contains(" style=\"") && !text.contains("<style") && !text.contains("onclick="),
                "{path}"
            );
        }
        let home = bench.browse("/").await;
        assert_eq!((home.status.as_u16(), home.header("location")), (303, "/runs"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_not_there_says_so() {
    Bench::with(silent(), async |bench| {
        let run = bench.create(json!({})).await;
        for path in [
            "/runs/01980000-0000-7000-8000-000000000000".to_owned(),
            "/runs/nonsense".to_owned(),
            format!("/runs/{run}/phases/astrology"),
            format!("/runs/{run}/phases/strategy"),
            format!("/runs/{run}/fragments/secret"),
            "/assets/nothing.css".to_owned(),
        ] {
            let page = bench.browse(&path).await;
            assert_eq!(
                (page.status.as_u16(), page.header("content-type")),
                (404, "text/html; charset=utf-8"),
                "{path}"
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_form_starts_one_run_and_leads_to_it() {
    Bench::with(silent(), async |bench| {
        let form = [("idea", IDEA), ("key", "form-1"), ("requireReview", "true")];
        let first = bench.submit("/runs", &form).await;
        assert_eq!(first.status, 303, "{}", first.text());
        let place = first.header("location").to_owned();
        assert!(place.starts_with("/runs/"));
        assert_eq!(
            bench.submit("/runs", &form).await.header("location"),
            place,
            "pressed twice, started once"
        );
        let said = first.header("set-cookie").split(';').next().unwrap().to_owned();
        let cookies = format!("{}; {said}", bench.cookie().await);
        let page = bench
            .call(TestRequest::get().uri(&place).insert_header(("cookie", cookies)))
            .await;
        assert!(page.text().contains("Run started."));
        assert!(page.header("set-cookie").contains("Max-Age=0"), "said once");
        assert!(!bench.browse(&place).await.text().contains("Run started."));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_form_comes_back_with_what_was_typed() {
    Bench::with(silent(), async |bench| {
        let page = bench
            .submit("/runs", &[("idea", "tiny <b>"), ("requireApproval", "true")])
            .await;
        assert_eq!(page.status, 422);
        let text = page.text();
        assert!(
            text.contains("tiny &#60;b&#62;") || text.contains("tiny &lt;b&gt;"),
            "{text}"
        );
        assert!(text.contains("checked"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn forms_pause_resume_cancel_and_delete() {
    Bench::with(silent(), async |bench| {
        let run = bench.create(json!({})).await;
        for (act, place) in [
            ("pause", format!("/runs/{run}")),
            ("resume", format!("/runs/{run}")),
            ("cancel", format!("/runs/{run}")),
            ("delete", "/runs".to_owned()),
        ] {
            let answer = bench.submit(&format!("/runs/{run}/{act}"), &[]).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("location")),
                (303, place.as_str()),
                "{act}"
            );
        }
        assert_eq!(bench.submit(&format!("/runs/{run}/explode"), &[]).await.status, 404);
        let run = bench.create(json!({})).await;
        let refused = bench.submit(&format!("/runs/{run}/resume"), &[]).await;
        assert_eq!(refused.status, 409);
        assert!(refused.text().contains("Nothing was lost"), "{}", refused.text());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_form_of_another_site_does_nothing() {
    Bench::with(silent(), async |bench| {
        let run = bench.create(json!({})).await;
        for path in [
            format!("/runs/{run}/cancel"),
            "/runs".to_owned(),
            "/theme".to_owned(),
            "/sign-out".to_owned(),
        ] {
            let request = TestRequest::post()
                .uri(&path)
                .insert_header(("cookie", bench.cookie().await))
                .insert_header(("host", "plans.test"))
                .insert_header(("origin", "http://evil.test"))
                .set_form([("idea", IDEA)]);
            assert_eq!(bench.call(request).await.status, 403, "{path}");
        }
        assert_eq!(bench.until(&run, "running").await["id"], run);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_idea_starts_again_from_its_page() {
    Bench::with(model(KILL), async |bench| {
        let run = bench.create(json!({})).await;
        bench.until(&run, "killed").await;
        bench.cluster.advance(std::time::Duration::from_secs(5)).await;
        let parked = bench.browse("/parked").await.text();
        let id = parked
            .split("/parked/")
            .nth(1)
            .and_then(|rest| rest.split("/promote").next())
            .unwrap()
            .to_owned();
        let answer = bench.submit(&format!("/parked/{id}/promote"), &[]).await;
        assert_eq!(answer.status, 303);
        assert!(answer.header("location").starts_with("/runs/"));
        assert_eq!(bench.submit(&format!("/parked/{id}/promote"), &[]).await.status, 409);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_ground_is_kept_in_a_cookie_and_leads_back_here_only() {
    Bench::with(silent(), async |bench| {
        let answer = bench
            .submit("/theme", &[("theme", "dark"), ("back", "/runs/new")])
            .await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/runs/new"));
        assert!(answer.header("set-cookie").starts_with("preferences=dark.keys"));
        let answer = bench
            .submit("/theme", &[("theme", "dark"), ("back", "//evil.test")])
            .await;
        assert_eq!(answer.header("location"), "/runs");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn files_are_kept_by_browsers_for_ever() {
    Bench::with(silent(), async |bench| {
        for asset in crate::planes::ui::assets() {
            let answer = bench.call(TestRequest::get().uri(&asset.url)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-type")),
                (200, asset.content_type)
            );
            assert!(answer.header("cache-control").contains("immutable"), "{}", asset.url);
            assert_eq!(answer.body.len(), asset.bytes.len());
            let compressed = bench
                .call(
                    TestRequest::get()
                        .uri(&asset.url)
                        .insert_header(("accept-encoding", "gzip")),
                )
                .await;
            assert!(
                compressed.body.len() <= asset.bytes.len(),
                "{} grows on its way",
                asset.url
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_shows_its_risks_and_counts_in_the_rail() {
    Bench::with(model(GO), async |bench| {
        let run = bench
            .create(json!({ "requireReview": true, "requireApproval": true }))
            .await;
        bench.until(&run, "awaiting_approval").await;
        bench.cluster.advance(std::time::Duration::from_secs(5)).await;
        let page = bench.browse(&format!("/runs/{run}")).await.text();
        assert!(page.contains("Risks the plan names"), "{page}");
        assert!(page.contains("<b class=\"n call\">1<"), "the run is counted");
        let answer = bench
            .submit(&format!("/runs/{run}/approve"), &[("comment", "Good.")])
            .await;
        assert_eq!(answer.status, 303);
        bench.until(&run, "completed").await;
        bench.cluster.advance(std::time::Duration::from_secs(5)).await;
        assert!(!bench.browse("/runs").await.text().contains("n call"), "nothing waits");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn parked_ideas_are_counted_until_they_are_promoted() {
    Bench::with(model(KILL), async |bench| {
        let run = bench.create(json!({})).await;
        bench.until(&run, "killed").await;
        bench.cluster.advance(std::time::Duration::from_secs(5)).await;
        let board = bench.browse("/runs").await.text();
        assert!(board.contains("Parked<span class=\"n\">1</span>"), "{board}");
        assert!(board.contains("look again in"), "{board}");
        let parked = bench.browse("/parked").await.text();
        let id = parked
            .split("/parked/")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .unwrap();
        assert_eq!(bench.submit(&format!("/parked/{id}/promote"), &[]).await.status, 303);
        assert!(
            bench.browse("/runs").await.text().contains("Parked</a>"),
            "none is left"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_live_run_says_what_was_gathered_and_what_is_written() {
    let slow = FakeModel::new(|request, _| {
        let (phase, ..) = asked(request);
        match phase {
            PhaseId::Opportunity => Reply::Text(sample::full(phase.phase(), 1).to_string()),
            _ => Reply::Hang,
        }
    });
    Bench::with(slow, async |bench| {
        let run = bench.create(json!({})).await;
        bench.cluster.advance(std::time::Duration::from_secs(5)).await;
        let page = bench.browse(&format!("/runs/{run}")).await.text();
        assert!(page.contains("Now: Customer intel"), "{page}");
        assert!(page.contains("1 phase"), "what it was told is counted: {page}");
        assert!(!page.contains("Sources read"), "nothing was searched");
        assert!(page.contains(">Drafting<"), "{page}");
    })
    .await;
}
