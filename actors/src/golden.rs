//! Golden files: the bytes under which actors have stored their values, in `tests/golden`, one file for each key.
//!
//! They are read by today's code and must give the same values and the same bytes. A test that fails here has found a
//! change that data which exists would not survive.

use std::{collections::BTreeSet, env, fmt::Debug, fs, path::PathBuf};

use cluster::{
    prelude::{Key, Keys},
    testing::{stored_bytes, stored_value},
};
use serde::{Serialize, de::DeserializeOwned};

/// What to do about a difference.
const ADVICE: &str = "values that are stored already look like the file: give the class another VERSION and an upgrade \
                      from this one, keep the old bytes for the test of the upgrade, and only then replace the file \
                      (migrations/README.md)";

/// Compares samples of the values under a key with its golden file, a line of hexadecimal digits for each.
pub(crate) fn check<T>(class: &str, key: &Key<T>, samples: &[T])
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    compare(&format!("{class}.{}", key.name()), samples);
}

/// As [`check`], for a family of keys.
pub(crate) fn check_family<T>(class: &str, keys: &Keys<T>, samples: &[T])
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    compare(&format!("{class}.{}", keys.prefix()), samples);
}

fn compare<T>(name: &str, samples: &[T])
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let file = format!("{}.hex", name.trim_end_matches('/').replace('/', "."));
    let lines: Vec<String> = samples
        .iter()
        .map(|sample| hex(&stored_bytes(sample).unwrap()))
        .collect();
    let today = lines.join("\n");
    let path = root().join("tests/golden").join(&file);
    let Ok(golden) = fs::read_to_string(&path) else {
        panic!("tests/golden/{file} is missing; if the key is new, the file is to be\n{today}\n");
    };
    assert_eq!(
        golden.lines().count(),
        samples.len(),
        "tests/golden/{file} has other samples"
    );
    for (number, (line, sample)) in (1..).zip(golden.lines().zip(samples)) {
        let place = format!("line {number} of tests/golden/{file}");
        match stored_value::<T>(&bytes(line)) {
            Ok(value) => assert_eq!(value, *sample, "{place} is another value now; {ADVICE}"),
            Err(error) => panic!("{place} cannot be read any more ({error}); {ADVICE}"),
        }
        assert_eq!(
            hex(&stored_bytes(sample).unwrap()),
            line,
            "{place} is stored otherwise now; {ADVICE}"
        );
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asked at run time: a build that a copy of the project elsewhere has left behind names another place.
fn root() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names it"))
}

fn bytes(line: &str) -> Vec<u8> {
    let digit = |place: usize| u8::from_str_radix(&line[place..place + 2], 16).expect("a golden file is hexadecimal");
    (0..line.len()).step_by(2).map(digit).collect()
}

#[test]
fn every_key_has_a_golden_file() {
    let root = root();
    let mut keys = BTreeSet::new();
    let mut directories = vec![root.join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Tests have keys of their own.
                directories.extend((!path.ends_with("tests")).then_some(path));
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let is_key = |line: &&str| {
                line.split_once(": Key")
                    .is_some_and(|(name, _)| name.contains("const "))
            };
            let declared = text.lines().filter(is_key);
            keys.extend(declared.map(|line| format!("{}: {line}", path.display())));
        }
    }
    let files = fs::read_dir(root.join("tests/golden")).unwrap();
    let files: BTreeSet<_> = files.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(keys.len(), files.len(), "{keys:#?} and {files:#?}");
}
