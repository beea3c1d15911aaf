//! The attacks that SECURITY.md lists, each tried.

mod body;
mod header;
mod issuer;
mod log;
mod origin;
mod path;
mod session;
mod token;
mod wire;

use std::collections::BTreeSet;

/// Where the tests are that the list names.
const TRIALS: [&str; 9] = [
    include_str!("attacks/body.rs"),
    include_str!("attacks/header.rs"),
    include_str!("attacks/issuer.rs"),
    include_str!("attacks/log.rs"),
    include_str!("attacks/origin.rs"),
    include_str!("attacks/path.rs"),
    include_str!("attacks/session.rs"),
    include_str!("attacks/token.rs"),
    include_str!("attacks/wire.rs"),
];

/// Others that the list names, which belong where they are.
const ELSEWHERE: [&str; 5] = [
    include_str!("auth.rs"),
    include_str!("hostile.rs"),
    include_str!("limits.rs"),
    include_str!("witness.rs"),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/actors/src/identity/tests/sign_in.rs"
    )),
];

fn tests_of(source: &str) -> impl Iterator<Item = &str> {
    source
        .split("#[tokio::test")
        .skip(1)
        .filter_map(|test| test.split_once("async fn ")?.1.split('(').next())
}

#[test]
fn each_attack_of_the_list_is_tried_and_each_trial_is_in_the_list() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/SECURITY.md")).unwrap();
    let (_, list) = docs.split_once("\n## Attacks\n").expect("SECURITY.md has the list");
    let list = list.split("\n## ").next().unwrap();
    let named: BTreeSet<&str> = list
        .lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|row| row.trim_end_matches('|').rsplit('|').next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let trials: BTreeSet<&str> = TRIALS.iter().flat_map(|source| tests_of(source)).collect();
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().flat_map(|source| tests_of(source)).collect();
    for name in &named {
        assert!(
            trials.contains(name) || elsewhere.contains(name),
            "there is no test {name}"
        );
    }
    let missing: Vec<_> = trials.difference(&named).collect();
    assert!(missing.is_empty(), "SECURITY.md has to name {missing:?}");
}
