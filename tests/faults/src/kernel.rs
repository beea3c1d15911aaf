//! Calls of the kernel that the trap lets pass.
#![expect(
    unsafe_code,
    reason = "the kernel is called directly, past the C library and past the trap"
)]

use std::arch::naked_asm;
use std::ffi::{CString, c_int};
use std::mem::MaybeUninit;

/// Arguments of a call, as the kernel takes them.
pub(crate) type Arguments = [usize; 6];

/// Bytes from the start of [`enter`] to the instruction behind its `syscall`.
const ENTERED: usize = 25;

/// Does what `syscall` of the C library does, but returns the kernel's own result. It is a function of its own so that
/// the filter can tell its calls from all others by their address.
#[unsafe(naked)]
extern "C" fn enter(number: usize, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> isize {
    naked_asm!(
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "mov r10, r8",
        "mov r8, r9",
        "mov r9, [rsp + 8]",
        "syscall",
        "ret",
    )
}

/// The address that the kernel sees as the origin of our calls.
pub(crate) fn origin() -> u64 {
    (enter as *const () as usize + ENTERED) as u64
}

/// Calls the kernel. The result is negative, an error number, if it refuses.
pub(crate) fn call(number: i64, arguments: Arguments) -> isize {
    let [a, b, c, d, e, f] = arguments;
    // The numbers are those of the caller whose call was trapped, or of the functions below.
    enter(usize::try_from(number).unwrap_or(usize::MAX), a, b, c, d, e, f)
}

/// What the trap needs to know of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stat {
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) mode: u32,
}

impl Stat {
    pub(crate) fn is_file(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }

    pub(crate) fn is_directory(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

fn stat(number: i64, first: usize, second: usize, third: usize) -> Option<Stat> {
    let mut found = MaybeUninit::<libc::stat>::zeroed();
    let arguments = match number {
        libc::SYS_fstat => [first, found.as_mut_ptr() as usize, 0, 0, 0, 0],
        _ => [first, second, found.as_mut_ptr() as usize, third, 0, 0],
    };
    if call(number, arguments) < 0 {
        return None;
    }
    // SAFETY: zeroed memory is a valid `stat`, whether or not the kernel filled it.
    let found = unsafe { found.assume_init() };
    Some(Stat {
        inode: found.st_ino,
        size: u64::try_from(found.st_size).unwrap_or(0),
        mode: found.st_mode,
    })
}

/// An open file; `None` if it is not open.
pub(crate) fn stat_of(fd: usize) -> Option<Stat> {
    stat(libc::SYS_fstat, fd, 0, 0)
}

/// A file by its path, without following a link; `None` if it does not exist.
pub(crate) fn stat_at(path: &[u8]) -> Option<Stat> {
    let path = CString::new(path).ok()?;
    stat(
        libc::SYS_newfstatat,
        at_cwd(),
        path.as_ptr() as usize,
        libc::AT_SYMLINK_NOFOLLOW as usize,
    )
}

/// The argument that stands for the working directory.
pub(crate) fn at_cwd() -> usize {
    libc::AT_FDCWD as usize
}

/// Opens a file.
pub(crate) fn open(path: &[u8], flags: c_int, mode: u32) -> Option<usize> {
    let path = CString::new(path).ok()?;
    let flags = (flags | libc::O_CLOEXEC) as usize;
    let opened = call(
        libc::SYS_openat,
        [at_cwd(), path.as_ptr() as usize, flags, mode as usize, 0, 0],
    );
    usize::try_from(opened).ok()
}

/// Closes a file.
pub(crate) fn close(fd: usize) {
    call(libc::SYS_close, [fd, 0, 0, 0, 0, 0]);
}

/// Reads a range of a file, as far as it is there.
pub(crate) fn read_at(fd: usize, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; length];
    let mut done = 0;
    while done < length {
        let rest = &mut bytes[done..];
        let arguments = [fd, rest.as_mut_ptr() as usize, rest.len(), offset as usize + done, 0, 0];
        match usize::try_from(call(libc::SYS_pread64, arguments)) {
            Ok(0) | Err(_) => break,
            Ok(read) => done += read,
        }
    }
    bytes.truncate(done);
    bytes
}

/// Appends all of `bytes`; false if the kernel refuses.
pub(crate) fn append(fd: usize, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match usize::try_from(call(
            libc::SYS_write,
            [fd, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0],
        )) {
            Ok(0) | Err(_) => return false,
            Ok(written) => bytes = &bytes[written..],
        }
    }
    true
}

/// Moves, or asks for, the position of an open file.
pub(crate) fn seek(fd: usize, offset: u64, whence: c_int) -> Option<u64> {
    u64::try_from(call(libc::SYS_lseek, [fd, offset as usize, whence as usize, 0, 0, 0])).ok()
}

/// The flags a file was opened with.
pub(crate) fn flags(fd: usize) -> c_int {
    call(libc::SYS_fcntl, [fd, libc::F_GETFL as usize, 0, 0, 0, 0]) as c_int
}

/// Gives a file another name.
pub(crate) fn link(from: &[u8], to: &[u8]) -> bool {
    let (Ok(from), Ok(to)) = (CString::new(from), CString::new(to)) else {
        return false;
    };
    let arguments = [at_cwd(), from.as_ptr() as usize, at_cwd(), to.as_ptr() as usize, 0, 0];
    call(libc::SYS_linkat, arguments) == 0
}

/// Where a link of the process's own directory points.
pub(crate) fn read_link(path: &[u8]) -> Option<Vec<u8>> {
    let path = CString::new(path).ok()?;
    let mut target = vec![0_u8; libc::PATH_MAX as usize];
    let arguments = [
        at_cwd(),
        path.as_ptr() as usize,
        target.as_mut_ptr() as usize,
        target.len(),
        0,
        0,
    ];
    let length = usize::try_from(call(libc::SYS_readlinkat, arguments)).ok()?;
    target.truncate(length);
    Some(target)
}

/// Waits.
pub(crate) fn sleep(time: std::time::Duration) {
    let wanted = libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    call(libc::SYS_nanosleep, [&raw const wanted as usize, 0, 0, 0, 0, 0]);
}

/// Ends the process as `kill -9` does.
pub(crate) fn die() -> ! {
    let process = call(libc::SYS_getpid, [0; 6]) as usize;
    loop {
        call(libc::SYS_kill, [process, libc::SIGKILL as usize, 0, 0, 0, 0]);
    }
}

/// Says on standard error why the process cannot go on, and ends it.
pub(crate) fn give_up(reason: &str) -> ! {
    append(2, b"faults: ");
    append(2, reason.as_bytes());
    append(2, b"\n");
    loop {
        call(libc::SYS_exit_group, [121, 0, 0, 0, 0, 0]);
    }
}
