//! What the disk does to a process, and what settling leaves of its files.
//!
//! Each test starts this binary again as the process under the disk.
#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use faults::{Loss, Plan, SettleError, SyncMode, install, settle};
use tempfile::TempDir;

/// Names the work of the process under the disk.
const WORK: &str = "FAULTS_TEST_WORK";

/// Runs as a test so that the binary can start itself; without work there is nothing to do.
#[test]
fn process() {
    let Some(work) = std::env::var_os(WORK) else { return };
    let plan = Plan::from_environment().unwrap().unwrap();
    install(&plan).unwrap();
    let at = plan.directory;
    match work.to_str().unwrap() {
        "half-synced" => half_synced(&at),
        "renames" => renames(&at),
        "sync-fails" => sync_fails(&at),
        "fills" => fills(&at),
        "overwrites" => overwrites(&at),
        "boot" => fs::write(at.join("boot"), fs::read("/proc/sys/kernel/random/boot_id").unwrap()).unwrap(),
        "shrinks" => shrinks(&at),
        "wipes" => wipes(&at),
        "moves-directory" => fs::rename(at.join("a"), at.join("b")).unwrap(),
        other => panic!("no work is called {other}"),
    }
    std::process::abort();
}

fn create(path: &Path) -> File {
    File::create_new(path).unwrap()
}

fn sync(directory: &Path) {
    File::open(directory).unwrap().sync_all().unwrap();
}

fn half_synced(at: &Path) {
    let mut file = create(&at.join("file"));
    file.write_all(b"one").unwrap();
    file.sync_data().unwrap();
    sync(at);
    file.write_all(b"two").unwrap();
    create(&at.join("nameless")).sync_all().unwrap();
}

fn renames(at: &Path) {
    // Some crates call the kernel past the C library; this is one of them.
    let replace = |text: &[u8]| {
        let mut draft = tempfile::NamedTempFile::new_in(at).unwrap();
        draft.write_all(text).unwrap();
        draft.as_file().sync_all().unwrap();
        draft.persist(at.join("current")).unwrap();
    };
    replace(b"old");
    sync(at);
    replace(b"new");
    fs::remove_file(at.join("kept")).unwrap();
}

fn sync_fails(at: &Path) {
    let file = create(&at.join("file"));
    sync(at);
    file.write_all_at(b"one", 0).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(b"two", 1000).unwrap();
    let error = file.sync_data().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5));
    file.write_all_at(b"three", 2000).unwrap();
    file.sync_data().unwrap();
}

fn fills(at: &Path) {
    let mut file = create(&at.join("file"));
    let error = file.write_all(&[7; 1000]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(file.metadata().unwrap().len(), 600);
    let error = File::create_new(at.join("another")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

fn overwrites(at: &Path) {
    let file = OpenOptions::new().write(true).open(at.join("file")).unwrap();
    for round in 2..20_u8 {
        file.write_all_at(&[round; 4096], 0).unwrap();
    }
}

fn shrinks(at: &Path) {
    let file = OpenOptions::new().write(true).open(at.join("file")).unwrap();
    file.set_len(10).unwrap();
    file.set_len(5000).unwrap();
    File::create(at.join("kept")).unwrap();
}

fn wipes(at: &Path) {
    fs::remove_dir_all(at.join("a")).unwrap();
    sync(at);
    fs::create_dir_all(at.join("a/b")).unwrap();
    fs::write(at.join("a/b/file"), "new").unwrap();
    sync(at);
}

struct Bench {
    directory: TempDir,
    plan: Plan,
}

impl Bench {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let plan = Plan::new(directory.path().join("data"), directory.path().join("records"));
        plan.prepare().unwrap();
        Self { directory, plan }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.plan.directory.join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn run(&self, work: &str) -> Output {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process", "--nocapture"])
            .env(WORK, work)
            .envs(self.plan.environment())
            .output()
            .unwrap();
        let signal = output.status.signal();
        let wanted = if self.plan.kill_at.is_some() { 9 } else { 6 };
        assert_eq!(signal, Some(wanted), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }
}

#[test]
fn what_was_not_synced_is_lost() {
    let bench = Bench::new();
    bench.run("half-synced");
    assert_eq!(bench.read("file"), b"onetwo");
    let settled = settle(&bench.plan, Loss::Unsynced, 0).unwrap();
    assert_eq!(bench.read("file"), b"one");
    assert!(!bench.path("nameless").exists(), "its directory was not synced");
    assert_eq!((settled.unsynced_writes, settled.lost_names), (1, 1));
}

#[test]
fn a_killed_process_leaves_what_it_wrote() {
    let bench = Bench::new();
    bench.run("half-synced");
    settle(&bench.plan, Loss::Nothing, 0).unwrap();
    assert_eq!(bench.read("file"), b"onetwo");
    assert!(bench.path("nameless").exists());
}

#[test]
fn what_one_process_did_not_sync_is_lost_with_the_next() {
    let bench = Bench::new();
    bench.run("half-synced");
    settle(&bench.plan, Loss::Nothing, 0).unwrap();
    bench.run("boot");
    settle(&bench.plan, Loss::Unsynced, 0).unwrap();
    assert_eq!(bench.read("file"), b"one");
    assert!(!bench.path("nameless").exists() && !bench.path("boot").exists());
}

#[test]
fn names_go_back_to_what_they_were() {
    let bench = Bench::new();
    fs::write(bench.path("kept"), "kept").unwrap();
    bench.run("renames");
    assert_eq!(
        (bench.read("current"), bench.path("kept").exists()),
        (b"new".to_vec(), false)
    );
    settle(&bench.plan, Loss::Unsynced, 0).unwrap();
    assert_eq!(
        (bench.read("current"), bench.read("kept")),
        (b"old".to_vec(), b"kept".to_vec())
    );
    let left = fs::read_dir(&bench.plan.directory).unwrap().count();
    assert_eq!(left, 2, "the draft is gone too");
}

/// As on Linux: after a failed sync the pages count as clean, and a later sync that succeeds says nothing of them.
#[test]
fn a_sync_that_fails_loses_what_it_should_have_saved() {
    let mut bench = Bench::new();
    bench.plan.sync_error_at = Some(3);
    bench.run("sync-fails");
    settle(&bench.plan, Loss::Unsynced, 0).unwrap();
    let bytes = bench.read("file");
    assert_eq!(
        (&bytes[..3], &bytes[1000..1003], &bytes[2000..]),
        (&b"one"[..], &[0; 3][..], &b"three"[..])
    );
}

#[test]
fn a_full_disk_takes_what_fits_and_then_nothing() {
    let mut bench = Bench::new();
    bench.plan.space_bytes = Some(600);
    bench.run("fills");
    settle(&bench.plan, Loss::Nothing, 0).unwrap();
    assert_eq!(bench.read("file").len(), 600);
}

#[test]
fn a_torn_write_keeps_its_first_sectors() {
    let mut torn = 0;
    for seed in 0..20 {
        let bench = Bench::new();
        fs::write(bench.path("file"), [1; 4096]).unwrap();
        bench.run("overwrites");
        settle(&bench.plan, Loss::Torn, seed).unwrap();
        let bytes = bench.read("file");
        assert_eq!(bytes.len(), 4096);
        let whole = |sector: &[u8]| sector.iter().all(|byte| *byte == sector[0]);
        assert!(bytes.chunks(512).all(whole), "seed {seed}");
        let newest = bytes[0];
        let cut = bytes.iter().position(|byte| *byte != newest).unwrap_or(bytes.len());
        assert!(bytes[cut..].iter().all(|byte| byte + 1 == newest), "seed {seed}");
        torn += usize::from(cut < bytes.len());
    }
    assert!(torn > 0, "no write was torn");
}

#[test]
fn scattered_sectors_are_each_old_or_new() {
    let bench = Bench::new();
    fs::write(bench.path("file"), [1; 4096]).unwrap();
    bench.run("overwrites");
    settle(&bench.plan, Loss::Scattered, 3).unwrap();
    let bytes = bench.read("file");
    let kinds = bytes
        .chunks(512)
        .map(|sector| sector[0])
        .collect::<std::collections::BTreeSet<_>>();
    assert!(
        kinds.len() > 1 && kinds.iter().all(|kind| (1..20).contains(kind)),
        "{kinds:?}"
    );
}

#[test]
fn what_was_cut_off_comes_back() {
    let bench = Bench::new();
    fs::write(bench.path("file"), [5; 3000]).unwrap();
    fs::write(bench.path("kept"), "kept").unwrap();
    bench.run("shrinks");
    assert_eq!(bench.read("file").len(), 5000);
    settle(&bench.plan, Loss::Unsynced, 0).unwrap();
    assert_eq!(
        (bench.read("file"), bench.read("kept")),
        (vec![5; 3000], b"kept".to_vec())
    );
}

/// Only the topmost name was removed durably, which is as good as all.
#[test]
fn what_was_in_a_removed_directory_stays_gone() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("a/b")).unwrap();
    fs::write(bench.path("a/b/file"), "old").unwrap();
    bench.run("wipes");
    assert_eq!(bench.read("a/b/file"), b"new");
    settle(&bench.plan, Loss::Unsynced, 0).unwrap();
    assert!(bench.path("a").exists());
    assert!(!bench.path("a/b").exists());
}

#[test]
fn a_process_is_killed_before_the_change_that_was_named() {
    let mut bench = Bench::new();
    bench.plan.kill_at = Some(4);
    bench.run("half-synced");
    assert_eq!(
        bench.read("file"),
        b"one",
        "create, write, sync, and then the sync of the directory"
    );
    settle(&bench.plan, Loss::Unsynced, 0).unwrap();
    assert!(!bench.path("file").exists());
}

#[test]
fn an_ignored_sync_makes_nothing_durable() {
    let mut bench = Bench::new();
    bench.plan.sync = SyncMode::Ignored;
    bench.run("half-synced");
    settle(&bench.plan, Loss::Unsynced, 0).unwrap();
    assert_eq!(fs::read_dir(&bench.plan.directory).unwrap().count(), 0);
}

#[test]
fn a_power_loss_is_another_boot_and_a_kill_is_not() {
    let bench = Bench::new();
    let mut boots = Vec::new();
    for loss in [Loss::Nothing, Loss::Unsynced, Loss::Unsynced] {
        bench.run("boot");
        boots.push(bench.read("boot"));
        settle(&bench.plan, loss, 1).unwrap();
    }
    assert_eq!(boots[0], boots[1]);
    assert_ne!(boots[1], boots[2]);
}

#[test]
fn a_change_past_the_disk_is_noticed() {
    let bench = Bench::new();
    bench.run("half-synced");
    fs::write(bench.path("stranger"), "").unwrap();
    let error = settle(&bench.plan, Loss::Unsynced, 0).unwrap_err();
    assert!(matches!(error, SettleError::Missed(_)), "{error}");
    fs::remove_file(bench.path("stranger")).unwrap();
    fs::write(bench.path("file"), "longer than it was").unwrap();
    let error = settle(&bench.plan, Loss::Unsynced, 0).unwrap_err();
    assert!(matches!(error, SettleError::Missed(_)), "{error}");
}

#[test]
fn a_process_that_ends_before_it_has_the_disk_changes_nothing() {
    let bench = Bench::new();
    fs::write(bench.path("f"), "old").unwrap();
    for loss in [Loss::Unsynced, Loss::Torn, Loss::Scattered, Loss::Nothing] {
        assert_eq!(settle(&bench.plan, loss, 1).unwrap().changes, 0);
    }
    assert_eq!(fs::read(bench.path("f")).unwrap(), b"old");
}

#[test]
fn what_cannot_be_undone_is_refused() {
    let bench = Bench::new();
    fs::create_dir(bench.path("a")).unwrap();
    bench.run("moves-directory");
    let error = settle(&bench.plan, Loss::Unsynced, 0).unwrap_err();
    assert!(matches!(error, SettleError::Unsupported(_)), "{error}");
}

/// A program that knows nothing of the library: a shell.
#[test]
fn a_foreign_program_is_given_the_disk_by_preloading() {
    let bench = Bench::new();
    let status = Command::new("/bin/sh")
        .args(["-c", "printf one > first; printf two > second"])
        .current_dir(&bench.plan.directory)
        .env(
            "LD_PRELOAD",
            Plan::library().expect("the library is built with its tests"),
        )
        .envs(bench.plan.environment())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    let mut text = String::new();
    File::open(bench.path("second"))
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "two");
    let settled = settle(&bench.plan, Loss::Unsynced, 0).unwrap();
    assert_eq!((settled.unsynced_writes, settled.lost_names), (2, 2));
    assert_eq!(fs::read_dir(&bench.plan.directory).unwrap().count(), 0);
    drop(bench.directory);
}
