//! How the disk gets into a process.
#![cfg_attr(
    all(target_os = "linux", target_arch = "x86_64"),
    expect(
        unsafe_code,
        reason = "a preloaded library is started by an entry in a section of its file"
    )
)]

use std::io;

use crate::{Plan, PlanError};

/// Why the disk cannot be put into this process.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Only Linux on x86-64 is known.
    #[error("faults are known for Linux on x86-64 only")]
    Unsupported,
    /// The environment asks for something that cannot be read.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The journal cannot be written, or the kernel refuses the filter.
    #[error("failed to put the faulty disk in place: {0}")]
    Io(#[from] io::Error),
}

/// Whether [`install`] can succeed here.
#[must_use]
pub fn is_supported() -> bool {
    cfg!(all(target_os = "linux", target_arch = "x86_64"))
}

/// Follows a plan from now on, in all threads and for good. A second plan is not followed.
///
/// # Errors
/// If the journal cannot be written, or the kernel refuses.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub fn install(plan: &Plan) -> Result<(), InstallError> {
    plan.prepare()?;
    let disk = crate::disk::Disk::open(plan)?;
    crate::trap::set(disk)?;
    Ok(())
}

/// Follows a plan from now on.
///
/// # Errors
/// Always.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn install(_: &Plan) -> Result<(), InstallError> {
    Err(InstallError::Unsupported)
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
extern "C" fn preloaded() {
    let followed = Plan::from_environment()
        .map_err(InstallError::from)
        .and_then(|plan| plan.map_or(Ok(()), |plan| install(&plan)));
    if let Err(error) = followed {
        // A test that believes in a disk which is not there would prove nothing.
        crate::kernel::give_up(&error.to_string());
    }
}

// SAFETY: the loader calls what it finds in this section, once, before `main`.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[used]
#[unsafe(link_section = ".init_array")]
static PRELOADED: extern "C" fn() = preloaded;
