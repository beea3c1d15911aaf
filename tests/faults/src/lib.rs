//! A disk that loses, tears, refuses and delays, for tests.
//!
//! Put into a process, by [`install`] or by preloading, it stands between the process and the kernel for every call
//! that changes files below one directory, and keeps a journal of what each call changed and of what was synced. After
//! the process was killed, [`settle`] makes of the directory what a power loss would have left: writes that were not
//! synced are gone, torn or kept, as are names whose directory was not synced. While the process runs, a sync can fail
//! or take long, the disk can become full, and the process can be killed at a certain call.
//!
//! A program that is not ours is given the library by `LD_PRELOAD`, and its [`Plan`] in the environment.
//!
//! It works below the C library, by a seccomp filter that turns calls into signals: some crates call the kernel
//! directly, so that replacing functions of the C library would miss them. Changes that are made in a way it does not
//! know (a shared writable mapping, the rename of a directory) are noted, and [`settle`] refuses to go on; so it does if
//! the directory does not look as the journal says. A process that it is put into must not start another.
//!
//! Linux on x86-64 only; [`install`] says so elsewhere.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod disk;
mod history;
mod install;
mod journal;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod kernel;
mod plan;
mod settle;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod trap;
mod tree;

pub use history::history;
pub use install::{InstallError, install, is_supported};
pub use plan::{Plan, PlanError, SyncMode};
pub use settle::{Loss, SettleError, Settled, settle};
