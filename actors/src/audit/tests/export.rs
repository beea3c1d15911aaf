//! An exported chain is checked without the server.

use super::harness::Bench;
use crate::{
    audit::{ExportFault, ExportVerifier, Exported, Exporter, SetRetention, SignHead},
    ports::fake::FakeSigner,
};

/// The lines of the export of a tenant.
async fn export(bench: &Bench, tenant: &str) -> Vec<String> {
    let mut exporter = Exporter::begin(bench.audit(tenant)).await.unwrap();
    let mut file = String::new();
    while let Some(lines) = exporter.next().await.unwrap() {
        file.push_str(&lines);
    }
    assert!(file.ends_with("\n"));
    file.lines().map(str::to_owned).collect()
}

fn check<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Exported, ExportFault> {
    let signer = FakeSigner::new("key");
    let mut verifier = ExportVerifier::new(&signer, None);
    for line in lines {
        verifier.line(line)?;
    }
    verifier.finish()
}

fn named(lines: &[String]) -> u64 {
    check(lines.iter().map(String::as_str)).unwrap_err().first_bad_seq()
}

#[tokio::test(start_paused = true)]
async fn an_export_is_checked_without_the_server() {
    let bench = Bench::start(1).await;
    bench.fill("acme", 5).await;
    let lines = export(&bench, "acme").await;
    assert!(
        lines[0]
            .starts_with(r#"{"tenant":"acme","seq":1,"event_type":"something_done","payload":"{\"actor\":\"u-1\","#),
        "{}",
        lines[0]
    );
    let exported = check(lines.iter().map(String::as_str)).unwrap();
    assert_eq!(
        (exported.tenant.as_str(), exported.first_seq, exported.length),
        ("acme", 1, 5)
    );
    assert_eq!(exported.head_hash, bench.head("acme").await.hash);
    let empty = export(&bench, "empty").await;
    assert_eq!(check(empty.iter().map(String::as_str)).unwrap().length, 0);
}

#[tokio::test(start_paused = true)]
async fn any_bit_of_an_export_counts() {
    let bench = Bench::start(1).await;
    bench.fill("acme", 3).await;
    let lines = export(&bench, "acme").await;
    let file = lines.join("\n");
    check(file.split('\n')).unwrap();
    let mut at = 0;
    let mut ends = Vec::new();
    for line in &lines {
        // With its line feed.
        at += line.len() + 1;
        ends.push(at);
    }
    for bit in 0..file.len() * 8 {
        let mut bytes = file.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let record = ends.iter().position(|end| bit / 8 < *end).unwrap() as u64 + 1;
        // What is not UTF-8 cannot be read as a line at all.
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let fault = check(text.split('\n')).unwrap_err();
        if record <= 3 {
            // Of two lines with different tenants it is the second that is named.
            let is_second = record == 1 && matches!(fault, ExportFault::Tenant { first_bad_seq: 2, .. });
            assert!(is_second || fault.first_bad_seq() == record, "bit {bit}: {fault}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_moved_swapped_and_cut_lines_are_named() {
    let bench = Bench::start(1).await;
    bench.fill("acme", 9).await;
    bench.append("other", "something_else").await;
    bench.fill("other", 8).await;
    let (lines, others) = (export(&bench, "acme").await, export(&bench, "other").await);
    for seq in 1..=9 {
        let mut dropped = lines.clone();
        dropped.remove(seq - 1);
        assert_eq!(named(&dropped), seq as u64, "dropped");
        assert_eq!(named(&lines[..seq - 1]), seq as u64, "cut with the end");
        let mut cut = lines[..seq - 1].to_vec();
        cut.push(lines[9].clone());
        assert_eq!(named(&cut), seq as u64, "cut before the end");
        let mut doubled = lines.clone();
        doubled.insert(seq, lines[seq - 1].clone());
        assert_eq!(named(&doubled), seq as u64 + 1, "doubled");
        let mut foreign = lines.clone();
        foreign[seq - 1].clone_from(&others[seq - 1]);
        assert_eq!(named(&foreign), seq.max(2) as u64, "of another tenant");
        let mut renamed = lines.clone();
        renamed[seq - 1] = others[seq - 1].replace("\"other\"", "\"acme\"");
        assert_eq!(named(&renamed), seq.max(2) as u64, "of another tenant, renamed");
    }
    let mut swapped = lines.clone();
    swapped.swap(3, 6);
    assert_eq!(named(&swapped), 4);
    let renamed: Vec<String> = others
        .iter()
        .map(|line| line.replace("\"other\"", "\"acme\""))
        .collect();
    assert_eq!(named(&renamed), 1, "the whole chain of another tenant");
    let mut crossed = renamed;
    crossed[9].clone_from(&lines[9]);
    assert_eq!(named(&crossed), 1, "under the end of this one");
    let mut more = lines.clone();
    more.push(lines[9].clone());
    assert!(
        check(more.iter().map(String::as_str)).is_err(),
        "nothing comes behind the end"
    );
}

#[tokio::test(start_paused = true)]
async fn who_knows_the_key_is_not_deceived_by_another_one() {
    let mut bench = Bench::start(1).await;
    bench.fill("acme", 2).await;
    let key = bench.audit("acme").ask(SignHead).await.unwrap().public_key;
    bench.restart_with(FakeSigner::new("another")).await;
    bench.fill("acme", 1).await;
    let forged = export(&bench, "acme").await;
    check(forged.iter().map(String::as_str)).unwrap();
    let signer = FakeSigner::absent();
    let mut verifier = ExportVerifier::new(&signer, Some(key));
    let outcome = forged.iter().try_for_each(|line| verifier.line(line));
    assert!(
        matches!(outcome, Err(ExportFault::Key { first_bad_seq: 1, .. })),
        "{outcome:?}"
    );
}

/// The program in the README agrees, where there is a Python to ask.
#[tokio::test(start_paused = true)]
async fn the_program_of_the_readme_agrees() {
    let readme = include_str!("../../../README.md");
    let program = readme.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let run = |lines: &[String]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            lines.iter().map(|line| format!("{line}\n")).collect::<String>(),
        )
        .unwrap();
        let python = std::process::Command::new("python3")
            .arg("-c")
            .arg(program)
            .arg(file.path())
            .output()
            .ok()?;
        let said = String::from_utf8([python.stdout, python.stderr].concat()).unwrap();
        Some((python.status.success(), said))
    };
    let bench = Bench::start(1).await;
    bench.fill("acme", 6).await;
    let lines = export(&bench, "acme").await;
    let Some((true, said)) = run(&lines) else {
        let python = std::process::Command::new("python3").arg("--version").output();
        assert!(python.is_err(), "there is a Python, and it refuses a whole chain");
        return;
    };
    assert!(said.starts_with("acme: 6 records, "), "{said}");
    let changed = |seq: usize, from: &str, to: &str| {
        let mut lines = lines.clone();
        lines[seq - 1] = lines[seq - 1].replace(from, to);
        lines
    };
    let without = |from: usize, to: usize| [&lines[..from - 1], &lines[to..]].concat();
    let cases = [
        changed(3, "u-1", "u-2"),
        changed(4, "something_done", "something_else"),
        changed(2, "\"seq\":2", "\"seq\":3"),
        changed(5, "acme", "other"),
        without(1, 1),
        without(4, 4),
        without(5, 6),
        without(7, 7),
        without(5, 7),
    ];
    for case in cases {
        let ours = check(case.iter().map(String::as_str)).unwrap_err();
        let (valid, said) = run(&case).unwrap();
        assert!(!valid);
        assert!(
            said.starts_with(&format!("record {} ", ours.first_bad_seq())),
            "{said} and {ours}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_chain_is_exported_as_it_was_when_the_export_began() {
    let bench = Bench::start(1).await;
    bench.fill("acme", 1_000).await;
    let mut exporter = Exporter::begin(bench.audit("acme")).await.unwrap();
    bench.fill("acme", 5).await;
    let mut file = String::new();
    while let Some(lines) = exporter.next().await.unwrap() {
        file.push_str(&lines);
    }
    assert_eq!(check(file.lines()).unwrap().length, 1_000);

    bench.cluster.advance(std::time::Duration::from_hours(48)).await;
    bench.audit("acme").ask(SetRetention { days: Some(1) }).await.unwrap();
    let mut exporter = Exporter::begin(bench.audit("acme")).await.unwrap();
    exporter.next().await.unwrap();
    bench.cluster.advance(std::time::Duration::from_hours(26)).await;
    assert_eq!(exporter.next().await.unwrap_err().code(), "audit.removed");
    let lines = export(&bench, "acme").await;
    assert!(
        lines[0].starts_with(r#"{"anchor":{"tenant":"acme","seq":"#),
        "{}",
        lines[0]
    );
    assert!(check(lines.iter().map(String::as_str)).unwrap().first_seq > 1_005);
}
