use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-01-01T00:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn node(id: u64, name: &str) -> Value {
    json!({
        "id": id, "name": name, "role": "replica", "state": "up", "format": 1, "requests": format!("10.0.0.{id}:7802"),
        "raft": format!("10.0.0.{id}:7801"), "silent_ms": null, "silent_why": null, "raft_why": null,
    })
}

fn silent(mut node: Value, millis: u64) -> Value {
    node["silent_ms"] = json!(millis);
    node["silent_why"] = json!("failed to connect: Connection refused");
    node
}

/// A group as node 3 sees it, which follows node 1.
fn group(shard: Option<u16>) -> Value {
    json!({
        "shard": shard, "role": "follower", "term": 4, "leader": 1, "voters": [1, 2, 3], "learners": [], "is_changing": false,
        "epoch": null, "applied": 9, "last": 9, "lag": {}, "heard_ms": 120.0, "lease_ms": null,
    })
}

fn seen() -> Value {
    json!({
        "cluster": "00000000-0000-0000-0000-000000000007", "node": 3, "format": 1, "certificate_ends_at_ms": null,
        "nodes": [node(1, "one"), node(2, "two"), node(3, "three")],
        "groups": [group(None), group(Some(0)), group(Some(1)), group(Some(2))],
        "leaderless": [],
    })
}

fn told() -> Value {
    let node = |id: u64| json!({ "id": id, "state": "up", "drained": false, "why": [] });
    json!({
        "nodes": [node(1), node(2), node(3)],
        "groups": [{ "shard": null, "lag": { "2": 0, "3": 0 } }, { "shard": 0, "lag": { "2": 0, "3": 1000 } }],
        "notes": [],
    })
}

fn judged(seen: Value, told: Result<Value, &str>) -> Vec<Check> {
    let seen: LocalBody = serde_json::from_value(seen).unwrap();
    let told = told.map(|told| serde_json::from_value::<Told>(told).unwrap());
    judge(&seen, told.as_ref().map_err(|error| *error), now())
}

/// The only check there is, with its advice.
#[track_caller]
fn one(checks: &[Check], name: &str, verdict: Verdict) -> (String, String) {
    let [check] = checks else {
        panic!("{checks:#?}");
    };
    assert_eq!((check.name, check.verdict), (name, verdict), "{check:?}");
    (check.detail.clone(), check.next.clone().unwrap_or_default())
}

#[test]
fn a_cluster_that_is_well_is_told_in_one_line() {
    let (detail, next) = one(&judged(seen(), Ok(told())), "cluster", Verdict::Good);
    assert!(detail.contains("three sees 3 nodes") && next.is_empty(), "{detail}");
}

#[test]
fn a_majority_that_is_silent_is_named_and_recovery_is_the_last_advice() {
    let mut seen = seen();
    seen["nodes"][0] = silent(node(1, "one"), 12_300);
    seen["nodes"][1] = silent(node(2, "two"), 240_000);
    for group in seen["groups"].as_array_mut().unwrap() {
        // Who led last is still known; it is not heard any more.
        group["heard_ms"] = json!(12_000.0);
    }
    let (detail, next) = one(&judged(seen, Err("503 cluster.leader")), "leader", Verdict::Bad);
    for told in [
        "the group of the cluster itself",
        "shards 0-2 are without a leader",
        "2 of the voters one, two, three",
        "only 1 is reached with this node counted",
        "one has not answered at 10.0.0.1:7802 for 12 s: failed to connect: Connection refused",
        "two has not answered at 10.0.0.2:7802 for 4 min",
    ] {
        assert!(detail.contains(told), "{told}: {detail}");
    }
    let [look, start, recover] = [
        "only this node is cut off",
        "start 1 of one, two again",
        "unsafe-recover",
    ]
    .map(|advice| next.find(advice).unwrap_or_else(|| panic!("{advice}: {next}")));
    assert!(look < start && start < recover, "{next}");
}

#[test]
fn recovery_is_not_advised_while_a_majority_answers() {
    let mut seen = seen();
    for group in seen["groups"].as_array_mut().unwrap() {
        group["leader"] = Value::Null;
    }
    seen["nodes"][1]["raft_why"] = json!("connecting took too long");
    let (detail, next) = one(&judged(seen.clone(), Err("503 cluster.leader")), "leader", Verdict::Bad);
    assert!(detail.contains("3 answer three"), "{detail}");
    assert!(
        detail.contains("do not reach two at 10.0.0.2:7801: connecting took too long"),
        "{detail}"
    );
    assert!(
        next.contains("raft-advertise") && !next.contains("unsafe-recover"),
        "{next}"
    );

    seen["nodes"][0] = silent(node(1, "one"), 1_000);
    let (detail, next) = one(&judged(seen, Err("503 cluster.leader")), "leader", Verdict::Bad);
    assert!(
        detail.contains("2 answer three") && detail.contains("one has not answered"),
        "{detail}"
    );
    assert!(!next.contains("unsafe-recover"), "{next}");
}

#[test]
fn groups_with_other_voters_are_told_apart_and_a_leader_that_owns_nothing_is_none() {
    let mut seen = seen();
    seen["nodes"]
        .as_array_mut()
        .unwrap()
        .push(silent(node(4, "four"), 5_000));
    seen["nodes"]
        .as_array_mut()
        .unwrap()
        .push(silent(node(5, "five"), 5_000));
    seen["groups"][1] = json!({
        "shard": 0, "role": "leader", "term": 4, "leader": 3, "voters": [3, 4, 5], "learners": [], "is_changing": false,
        "epoch": null, "applied": 9, "last": 9, "lag": {}, "heard_ms": null, "lease_ms": null,
    });
    seen["leaderless"] = json!([0, 7]);
    let checks = judged(seen, Ok(told()));
    assert!(
        checks[0].detail.starts_with("shard 0 is without a leader"),
        "{checks:#?}"
    );
    assert!(
        checks[0].next.as_ref().unwrap().contains("start 1 of four, five again"),
        "{checks:#?}"
    );
    assert!(
        checks[1].detail.starts_with("shard 7 is without a leader, as far as"),
        "{checks:#?}"
    );
    assert_eq!(checks.len(), 2, "{checks:#?}");
}

#[test]
fn a_node_that_nothing_waits_for_is_a_warning() {
    let mut seen = seen();
    seen["nodes"][1] = silent(node(2, "two"), 5_000);
    let (detail, next) = one(&judged(seen.clone(), Ok(told())), "node", Verdict::Warning);
    assert!(detail.contains("two has not answered"), "{detail}");
    assert!(
        next.contains("cluster remove two") && !next.contains("unsafe-recover"),
        "{next}"
    );
    seen["nodes"][1]["state"] = json!("joining");
    let (_, next) = one(&judged(seen, Ok(told())), "node", Verdict::Warning);
    assert!(next.contains("start its server"), "{next}");
}

#[test]
fn nodes_that_do_not_get_away_are_told_with_the_reason() {
    for (state, drained, why, name, verdict, advice) in [
        ("draining", true, json!([]), "drain", Verdict::Good, "stop it"),
        ("draining", false, json!([]), "drain", Verdict::Good, ""),
        (
            "draining",
            false,
            json!(["it has to keep 3 shards"]),
            "drain",
            Verdict::Warning,
            "cluster up two",
        ),
        (
            "removing",
            false,
            json!(["shard 1 would be lost"]),
            "removal",
            Verdict::Warning,
            "start the other nodes",
        ),
        ("up", false, json!(["it is late"]), "node", Verdict::Warning, ""),
    ] {
        let mut told = told();
        told["nodes"][1] = json!({ "id": 2, "state": state, "drained": drained, "why": why });
        let (detail, next) = one(&judged(seen(), Ok(told)), name, verdict);
        assert!(detail.contains("two") && next.contains(advice), "{detail}: {next}");
        assert!(
            why.as_array()
                .unwrap()
                .iter()
                .all(|why| detail.contains(why.as_str().unwrap())),
            "{detail}"
        );
    }
}

#[test]
fn a_copy_that_lags_is_told() {
    let mut told = told();
    told["groups"][1]["lag"]["2"] = json!(5_000);
    let (detail, next) = one(&judged(seen(), Ok(told)), "lag", Verdict::Warning);
    assert_eq!(detail, "two lacks 5000 entries of shard 0");
    assert!(next.contains("the disk of two"), "{next}");
}

#[test]
fn a_lease_that_has_run_out_is_told() {
    let mut seen = seen();
    seen["groups"][2]["leader"] = json!(3);
    seen["groups"][2]["role"] = json!("leader");
    seen["groups"][2]["epoch"] = json!(5);
    seen["groups"][2]["lease_ms"] = json!(400.0);
    one(&judged(seen.clone(), Ok(told())), "cluster", Verdict::Good);
    seen["groups"][2]["lease_ms"] = json!(0.0);
    let (detail, _) = one(&judged(seen, Ok(told())), "lease", Verdict::Warning);
    assert!(detail.starts_with("shard 1 is owned here without a lease"), "{detail}");
}

#[test]
fn older_and_newer_programs_are_told() {
    for (format, whose) in [(0, "of two"), (2, "of this node")] {
        let mut seen = seen();
        seen["nodes"][1]["format"] = json!(format);
        let (_, next) = one(&judged(seen, Ok(told())), "format", Verdict::Warning);
        assert!(next.contains(&format!("replace the program {whose}")), "{next}");
    }
}

#[test]
fn certificates_are_told_of_a_month_before_they_end() {
    let at = |days: i64| now().as_millisecond() + days * DAY_MS + 1;
    for (days, verdict, says) in [
        (30, None, ""),
        (29, Some(Verdict::Warning), "in 29 days"),
        (3, Some(Verdict::Warning), "in 3 days"),
        (1, Some(Verdict::Bad), "in 1 day"),
        (0, Some(Verdict::Bad), "within a day"),
        (-1, Some(Verdict::Bad), "has expired"),
    ] {
        let check = certificate(at(days), now());
        assert_eq!(check.as_ref().map(|check| check.verdict), verdict, "{days}");
        assert!(check.is_none_or(|check| check.detail.contains(says)), "{days}");
    }
    let mut seen = seen();
    seen["certificate_ends_at_ms"] = json!(at(5));
    one(&judged(seen, Ok(told())), "certificate", Verdict::Warning);
}

#[test]
fn a_cluster_that_does_not_tell_of_itself_is_told_unless_the_reason_is() {
    let (detail, _) = one(&judged(seen(), Err("503 cluster.leader")), "cluster", Verdict::Warning);
    assert!(detail.contains("503 cluster.leader"), "{detail}");
    let mut told = told();
    told["notes"] = json!(["shard 3 has two copies"]);
    let (detail, _) = one(&judged(seen(), Ok(told)), "note", Verdict::Warning);
    assert_eq!(detail, "shard 3 has two copies");
}

#[test]
fn numbers_and_times_are_short() {
    assert_eq!(listed(&[1, 2, 3, 7, 9, 10]), "shards 1-3, 7, 9-10 are");
    assert_eq!(listed(&[255]), "shard 255 is");
    for (millis, told) in [
        (900.0, "0 s"),
        (119_000.0, "119 s"),
        (3_600_000.0, "60 min"),
        (7_200_000.0, "2 h"),
    ] {
        assert_eq!(ago(millis), told);
    }
    assert_eq!(ago(2.0 * 86_400_000.0), "2 days");
}
