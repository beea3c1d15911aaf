//! Addresses that lead somewhere else than they seem to.

use actix_web::test::TestRequest;
use actors::role::Role;
use serde_json::json;

use super::super::bench::{Bench, silent};

/// Ways up, as they are and encoded once and twice.
const UP: [&str; 8] = [
    "../",
    "..%2f",
    "%2e%2e/",
    "%2e%2e%2f",
    "%252e%252e%252f",
    "..%5c",
    "....//",
    "%2e%2e%c0%af",
];

#[tokio::test(start_paused = true)]
async fn no_address_leads_out_of_the_files_of_the_pages() {
    Bench::with(silent(), async |bench| {
        for up in UP {
            for file in ["Cargo.toml", "etc/passwd", "data/operator-token"] {
                for path in [
                    format!("/assets/{}{file}", up.repeat(6)),
                    format!("/assets/x/{}{file}", up.repeat(6)),
                    format!("/{}{file}", up.repeat(6)),
                    format!("/assets/{file}%00.css"),
                ] {
                    let answer = bench.browse(&path).await;
                    assert!(
                        [400, 404].contains(&answer.status.as_u16()),
                        "{path}: {}",
                        answer.status
                    );
                    let text = answer.text();
                    assert!(!text.contains("root:") && !text.contains("[package]"), "{path}");
                }
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_spelling_of_an_address_passes_the_gate() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Admin).await;
        let as_ann = |path: &str| {
            TestRequest::get()
                .uri(path)
                .insert_header(("authorization", format!("Bearer {token}")))
        };
        let plain = bench.call(as_ann("/api/cluster")).await;
        plain.problem(403, "auth.permission");
        for path in [
            "//api/cluster",
            "/api//cluster",
            "/./api/cluster",
            "/api/./cluster",
            "/api/planning/../cluster",
            "/api/planning/..%2fcluster",
            "/api/planning/%2e%2e/cluster",
            "/API/CLUSTER",
            "/api/cluster/",
            "/api/cluster%2f",
            "/api/cluster%00",
            "/api/cluster;a=b",
            "/api/cluster.json",
            "/api/%63luster",
            "/api/clu%73ter?x=1",
            "/%61pi/cluster",
            "/health/../api/cluster",
            "/assets/../api/cluster",
            "/assets/..%2fapi%2fcluster",
        ] {
            let answer = bench.call(as_ann(path)).await;
            let status = answer.status.as_u16();
            assert!([400, 403, 404].contains(&status), "{path}: {status}");
            assert!(!answer.text().contains("\"nodes\""), "{path}");
            let nobody = bench.call(TestRequest::get().uri(path)).await;
            assert!(
                [303, 400, 401, 404].contains(&nobody.status.as_u16()),
                "{path}: {}",
                nobody.status
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_id_leads_out_of_the_tenant() {
    Bench::with(silent(), async |bench| {
        let run = bench.create(json!({})).await;
        let token = bench.token("acme", "ann", Role::Admin).await;
        for up in UP {
            for path in [
                format!("/api/planning/runs/{up}default%2f{run}"),
                format!("/api/planning/runs/{up}{up}default/{run}"),
                format!("/api/planning/runs/{run}/artifacts/{up}{up}opportunity"),
                format!("/api/tenant/members/{up}default"),
            ] {
                let request = TestRequest::get()
                    .uri(&path)
                    .insert_header(("authorization", format!("Bearer {token}")));
                let answer = bench.call(request).await;
                let status = answer.status.as_u16();
                assert!([400, 403, 404, 405, 422].contains(&status), "{path}: {status}");
            }
        }
    })
    .await;
}
