//! Sessions as their owner sees them, on one node.

use cluster::prelude::Uuid;
use serde_json::{Value, json};

use crate::{
    agents::{
        AgentCaller,
        tests::bench::{Bench, person},
    },
    role::Role,
    scene::code,
    session::CheckSession,
};

fn id(session: u128) -> String {
    Uuid::from_u128(session).to_string()
}

/// The sessions of a list or a state.
fn ids(devices: &Value) -> Vec<String> {
    let devices = devices.as_array().unwrap().iter();
    devices
        .map(|device| device["id"].as_str().unwrap().to_owned())
        .collect()
}

impl Bench {
    /// The person signs in by the first session and the others, an agent of whom is asked here.
    async fn signs_in(&self, who: &str, sessions: &[u128]) -> Vec<AgentCaller> {
        let user = self.scene.person(who).await.user;
        let mut callers = Vec::new();
        for session in sessions {
            let caller = self.signed_in(who, *session).await;
            callers.push(AgentCaller {
                user: user.as_str().to_owned(),
                ..caller
            });
            self.wait(1000).await;
        }
        callers
    }

    async fn is_open(&self, session: u128) -> bool {
        self.scene.session(session, CheckSession).await.is_ok()
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_hears_who_they_are_since_when_and_where_they_are_signed_in() {
    let bench = Bench::start(1).await;
    let callers = bench.signs_in("ann", &[1, 2]).await;
    let me = bench.call("session", &callers[0], "whoami", json!([])).await.unwrap();
    assert_eq!(
        (&me["user"], &me["email"], &me["session"], &me["device"]),
        (
            &json!(callers[0].user),
            &json!("ann@example.org"),
            &json!(id(1)),
            &json!("a device")
        )
    );
    let (opened, seen) = (me["opened_at"].as_i64().unwrap(), me["seen_at"].as_i64().unwrap());
    assert!(opened < seen && seen <= bench.scene.now().as_secs(), "{me}");
    let devices = bench.call("session", &callers[0], "devices", json!([])).await.unwrap();
    assert_eq!(devices["current"], id(1));
    assert_eq!(ids(&devices["items"]), [id(2), id(1)], "the latest first");
    let devices = bench.call("session", &callers[1], "devices", json!([])).await.unwrap();
    assert_eq!(devices["current"], id(2));
}

#[tokio::test(start_paused = true)]
async fn what_is_revoked_ends_everywhere_and_all_others_hear_of_it() {
    let bench = Bench::start(2).await;
    let callers = bench.signs_in("ann", &[1, 2, 3]).await;
    let mut first = bench.client("session", &callers[0]).await.unwrap();
    let mut second = bench.client("session", &callers[1]).await.unwrap();
    first.state(|state| ids(&state["devices"]).len() == 3).await;
    let revoked = bench
        .call("session", &callers[0], "revoke", json!({ "session": id(2) }))
        .await;
    assert_eq!(revoked.unwrap(), json!([id(2)]));
    assert_eq!(second.end().await, 1008, "clients do not come back after it");
    let state = first.state(|state| ids(&state["devices"]).len() == 2).await;
    assert_eq!(ids(&state["devices"]), [id(3), id(1)]);
    assert_eq!(code(bench.scene.session(2, CheckSession).await), "session.revoked");
    let again = bench
        .call("session", &callers[0], "revoke", json!({ "session": id(2) }))
        .await;
    assert_eq!(again.unwrap_err().code(), "session.unknown");
    let others = bench.call("session", &callers[0], "revokeOthers", json!([])).await;
    assert_eq!(others.unwrap(), json!([id(3)]));
    assert!(bench.is_open(1).await && !bench.is_open(3).await);
    first.cannot_set(json!({ "devices": [] })).await;
    // Signing out of this one is the same.
    let own = bench
        .call("session", &callers[0], "revoke", json!({ "session": id(1) }))
        .await;
    assert_eq!(own.unwrap(), json!([id(1)]));
    assert!(!bench.is_open(1).await);
    let late = bench
        .call("session", &callers[0], "whoami", json!([]))
        .await
        .unwrap_err();
    assert_eq!(late.code(), "session.revoked");
}

#[tokio::test(start_paused = true)]
async fn a_new_session_is_heard_of_while_somebody_is_connected() {
    let bench = Bench::start(3).await;
    let callers = bench.signs_in("ann", &[1]).await;
    let mut client = bench.client("session", &callers[0]).await.unwrap();
    client.state(|state| ids(&state["devices"]) == [id(1)]).await;
    bench.signed_in("ann", 2).await;
    bench.wait(31_000).await;
    client.state(|state| ids(&state["devices"]) == [id(2), id(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn sessions_of_others_are_nothing_to_a_person_and_programs_have_none() {
    let bench = Bench::start(4).await;
    let ann = bench.signs_in("ann", &[1]).await.remove(0);
    bench.signs_in("bob", &[2]).await;
    for session in [id(2), id(9), "no-id".to_owned()] {
        let refused = bench
            .call("session", &ann, "revoke", json!({ "session": session }))
            .await;
        assert_eq!(refused.unwrap_err().code(), "session.unknown", "{session}");
    }
    bench.call("session", &ann, "revokeOthers", json!([])).await.unwrap();
    assert!(bench.is_open(2).await);
    let program = person("key:7", Role::Admin);
    for method in ["whoami", "devices", "revokeOthers"] {
        let refused = bench.call("session", &program, method, json!([])).await.unwrap_err();
        assert_eq!(refused.code(), "auth.no-session", "{method}");
    }
    let refused = bench.client("session", &program).await;
    assert_eq!(refused.err().unwrap().code(), "auth.no-session");
    let nobody = bench.call_as_nobody("session", "devices", json!([])).await.unwrap_err();
    assert_eq!(nobody.code(), "auth.no-session");
}

#[tokio::test(start_paused = true)]
async fn revoking_can_be_repeated_whenever_the_node_dies() {
    for millis in 0..20 {
        let mut bench = Bench::with_disk(100 + millis, 3).await;
        let callers = bench.signs_in("ann", &[1, 2]).await;
        let cut_off = bench.call("session", &callers[0], "revokeOthers", json!([]));
        let cut_off = tokio::time::timeout(std::time::Duration::from_millis(millis), cut_off);
        let answered = cut_off.await.is_ok_and(|answer| answer.is_ok());
        bench.crash().await;
        assert!(
            !(answered && bench.is_open(2).await),
            "what was answered holds, after {millis} ms"
        );
        bench
            .call("session", &callers[0], "revokeOthers", json!([]))
            .await
            .unwrap();
        bench.scene.settle().await;
        assert!(bench.is_open(1).await && !bench.is_open(2).await, "after {millis} ms");
    }
}
