//! The API's document: whole, true to itself, and shown.

use std::collections::HashSet;

use actix_web::test::TestRequest;
use serde_json::Value;

use super::{
    bench::{Bench, silent},
    contract,
};
use crate::gateway::{catalogue, openapi, routes};

/// What is for people only.
const PAGES: [&str; 7] = [
    "/api/docs",
    "/api/docs/{file:.*}",
    "/problems",
    // What agents answer there is their own matter.
    "/agents/{agent}/{agent_name}",
    "/agents/{agent}/{agent_name}/{path:.*}",
    "/api/agents/{agent}/{agent_name}",
    "/api/agents/{agent}/{agent_name}/{path:.*}",
];

#[test]
fn every_endpoint_but_the_pages_is_in_the_document() {
    let document = contract::document();
    let mut names = HashSet::new();
    for chapter in routes::chapters() {
        for endpoint in chapter.endpoints {
            // MCP clients have a document of their own: what the protocol says.
            let is_page = ["Pages", "MCP"].contains(&chapter.title) || PAGES.contains(&endpoint.path);
            assert_eq!(endpoint.is_documented(), !is_page, "{endpoint:?}");
            if is_page {
                continue;
            }
            let method = endpoint.method.as_str().to_lowercase();
            let operation = &document["paths"][endpoint.path][&method];
            assert!(operation.is_object(), "{endpoint:?}");
            assert!(
                names.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{endpoint:?}"
            );
            assert!(!endpoint.summary.is_empty(), "{endpoint:?}");
            assert_eq!(operation["tags"][0], chapter.title);
            for code in openapi::codes(&endpoint) {
                assert!(catalogue::find(code).is_some(), "{endpoint:?}: {code}");
            }
            let is_refused_always =
                endpoint.contract.codes.contains(&"run.local-mode") && endpoint.path.contains("{phase}");
            assert!(
                is_refused_always || !endpoint.contract.answers.is_empty(),
                "{endpoint:?} answers nothing"
            );
        }
    }
}

/// Visits each JSON content of the document, with its place.
fn contents(visit: &mut impl FnMut(&str, &Value)) {
    let document = contract::document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("/paths/{}/{method}", contract::step(path));
            let mut found = vec![(format!("{place}/requestBody"), &operation["requestBody"])];
            for (status, answer) in operation["responses"].as_object().unwrap() {
                found.push((format!("{place}/responses/{status}"), answer));
            }
            for (place, holder) in found {
                for (media_type, content) in holder["content"].as_object().into_iter().flatten() {
                    if media_type.ends_with("json") {
                        visit(&format!("{place}/content/{}", contract::step(media_type)), content);
                    }
                }
            }
        }
    }
}

#[test]
fn each_body_and_answer_has_an_example_that_fits_its_schema() {
    let mut count = 0;
    contents(&mut |place, content| {
        let example = &content["example"];
        assert!(!example.is_null(), "{place} has no example");
        let faults = contract::faults(&format!("{place}/schema"), example);
        assert!(faults.is_empty(), "{place}: {faults:?} in {example}");
        count += 1;
    });
    assert!(count > 300, "only {count} contents were visited");
}

#[test]
fn bodies_refuse_members_that_are_not_known() {
    contents(&mut |place, content| {
        if place.contains("/requestBody/") && !place.contains("{phase}") && !place.contains("{method}") {
            assert_eq!(content["schema"]["additionalProperties"], false, "{place}");
        }
    });
}

#[test]
fn parameters_are_bounded() {
    let document = contract::document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let schema = &parameter["schema"];
                let bounds = ["maxLength", "maximum", "enum", "format"];
                let is_bounded = bounds.iter().any(|bound| !schema[bound].is_null());
                let is_left_open =
                    ["If-None-Match", "Last-Event-ID", "node"].contains(&parameter["name"].as_str().unwrap());
                assert!(is_bounded || is_left_open, "{path}: {parameter}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_document_is_served_to_everyone_and_sent_once() {
    Bench::with(silent(), async |bench| {
        let answer = bench.call(TestRequest::get().uri("/api/openapi.json")).await;
        assert_eq!(answer.status, 200);
        let document = answer.json();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], openapi::VERSION);
        let tag = answer.header("etag").to_owned();
        let again = TestRequest::get()
            .uri("/api/openapi.json")
            .insert_header(("if-none-match", tag));
        assert_eq!(bench.call(again).await.status, 304);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_page_of_the_document_has_nothing_inline_and_all_its_files() {
    Bench::with(silent(), async |bench| {
        let answer = bench.call(TestRequest::get().uri("/api/docs")).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (308, "/api/docs/"));
        let page = bench.call(TestRequest::get().uri("/api/docs/")).await;
        let html = page.text();
        assert!(
            !html.contains("<style") && !html.contains("style=") && !html.contains("<script>"),
            "{html}"
        );
        assert!(page.header("content-security-policy").contains("script-src 'self'"));
        let mut files = 0;
        for part in html.split(['"', '\'']).filter(|part| part.starts_with("./")) {
            let file = bench
                .call(TestRequest::get().uri(&format!("/api/docs/{}", &part[2..])))
                .await;
            assert_eq!(file.status, 200, "{part}");
            files += 1;
        }
        assert!(files >= 3, "{html}");
        let start = bench
            .call(TestRequest::get().uri("/api/docs/swagger-initializer.js"))
            .await;
        assert!(start.text().contains("../openapi.json"));
        bench
            .call(TestRequest::get().uri("/api/docs/nothing.js"))
            .await
            .problem(404, "asset.not-found");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_type_of_a_problem_leads_to_its_explanation() {
    Bench::with(silent(), async |bench| {
        let problem = bench
            .call(TestRequest::get().uri("/api/auth/me"))
            .await
            .problem(401, "auth.required");
        let (page, anchor) = problem["type"].as_str().unwrap().split_once('#').unwrap();
        let page = bench.call(TestRequest::get().uri(page)).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains(&format!("id=\"{anchor}\"")));
    })
    .await;
}
