//! The faults of the original that SECURITY.md lists, each with the test that would fail if this server had it.

use std::{collections::BTreeSet, fs, path::Path};

/// Faults of the gateway and of the audit chain, as they are numbered in the list.
const GATEWAY: u32 = 22;
const AUDIT: u32 = 7;

/// The names of all functions below a folder that are tests.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let marked = source.split("#[").filter(|part| {
                let mark = part.split(']').next().unwrap_or_default();
                mark == "test" || mark.starts_with("tokio::test") || mark.starts_with("actix_web::test")
            });
            let named = marked.filter_map(|part| part.split_once("fn ")?.1.split('(').next());
            names.extend(named.map(str::to_owned));
        }
    }
}

#[test]
fn each_fault_of_the_original_has_a_test_or_belongs_to_what_is_not_built() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for folder in ["src", "actors/src", "cluster/tests", "tests"] {
        tests_below(&root.join(folder), &mut tests);
    }
    let docs = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let (_, list) = docs
        .split_once("\n## Faults of the original\n")
        .expect("SECURITY.md has the list");
    let list = list.split("\n## ").next().unwrap();
    let mut listed = BTreeSet::new();
    for row in list
        .lines()
        .filter(|line| line.starts_with("| G") || line.starts_with("| A"))
    {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        assert!(listed.insert(cells[0].to_owned()), "{row} is there twice");
        let named: Vec<&str> = cells[2].split('`').skip(1).step_by(2).collect();
        assert!(
            !named.is_empty() || cells[2].starts_with("not built yet"),
            "{row} names no test"
        );
        for name in named {
            assert!(tests.contains(name), "there is no test {name}");
        }
    }
    let all = (1..=GATEWAY)
        .map(|n| format!("G{n}"))
        .chain((1..=AUDIT).map(|n| format!("A{n}")));
    assert_eq!(listed, all.collect::<BTreeSet<_>>());
}
