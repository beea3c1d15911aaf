//! What the compiler says to an author who made a mistake.
//!
//! Each file in `tests/refusals` holds one mistake. Its lines that begin with `//~ ` stand in what the compiler says, in
//! this order. The compiler is called as it is, with the libraries that this test was built with, so that nothing is
//! built a second time.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it by panicking")]

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

/// The file without a mistake.
const ACCEPTED: &str = "accepted.rs";

/// The compiler, and the libraries that go with each other.
struct Compiler {
    libraries: PathBuf,
    cluster: PathBuf,
    serde: PathBuf,
}

impl Compiler {
    /// Finds the libraries beside this test. There may be several builds of them: those go with each other that compile
    /// the file without a mistake.
    fn find() -> Self {
        let test = std::env::current_exe().unwrap();
        let libraries = test.parent().unwrap().to_owned();
        let mut said = String::new();
        for cluster in latest_first(&libraries, "libcluster-") {
            for serde in latest_first(&libraries, "libserde-") {
                let compiler = Self {
                    libraries: libraries.clone(),
                    cluster: cluster.clone(),
                    serde,
                };
                match compiler.compile(&file(ACCEPTED)) {
                    Ok(()) => return compiler,
                    Err(refusal) => said = refusal,
                }
            }
        }
        panic!(
            "nothing in {} compiles what has no mistake: {said}",
            libraries.display()
        );
    }

    /// Compiles a file; what the compiler says is the error.
    fn compile(&self, file: &Path) -> Result<(), String> {
        let external = |name: &str, library: &Path| format!("{name}={}", library.display());
        let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args([
                "--edition",
                "2024",
                "--crate-type",
                "lib",
                "--emit",
                "metadata",
                "--color",
                "never",
            ])
            .args(["--cap-lints", "allow", "--out-dir", env!("CARGO_TARGET_TMPDIR")])
            .args(["-L".to_owned(), external("dependency", &self.libraries)])
            .args(["--extern".to_owned(), external("cluster", &self.cluster)])
            .args(["--extern".to_owned(), external("serde", &self.serde)])
            .arg(file)
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
        .join("tests/refusals")
        .join(name)
}

fn latest_first(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let mut found: Vec<(SystemTime, PathBuf)> = entries
        .filter(|entry| {
            let name = entry.file_name().into_string().unwrap_or_default();
            name.starts_with(prefix) && name.ends_with(".rlib")
        })
        .map(|entry| (entry.metadata().unwrap().modified().unwrap(), entry.path()))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

/// What stands in `text` of `wanted`, up to the first line that does not, which is returned.
fn first_missing<'a>(text: &str, wanted: &[&'a str]) -> Option<&'a str> {
    let mut rest = text;
    for line in wanted {
        match rest.split_once(line) {
            Some((_, behind)) => rest = behind,
            None => return Some(line),
        }
    }
    None
}

#[test]
fn the_compiler_tells_authors_what_is_wrong() {
    let compiler = Compiler::find();
    let mut files: Vec<PathBuf> = fs::read_dir(file(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.retain(|file| file.extension() == Some(OsStr::new("rs")) && file.file_name() != Some(OsStr::new(ACCEPTED)));
    assert!(files.len() >= 5, "the mistakes are gone");
    for file in files {
        let name = file.file_name().unwrap().display().to_string();
        let source = fs::read_to_string(&file).unwrap();
        let wanted: Vec<&str> = source.lines().filter_map(|line| line.strip_prefix("//~ ")).collect();
        assert!(
            !wanted.is_empty(),
            "{name} says nothing of what the compiler should say"
        );
        let Err(said) = compiler.compile(&file) else {
            panic!("{name} compiles, with its mistake");
        };
        if let Some(missing) = first_missing(&said, &wanted) {
            panic!("{name}: the compiler does not say\n  {missing}\nbut\n{said}");
        }
    }
}
