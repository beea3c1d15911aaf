//! Turns the calls that change files into signals, and answers them.
#![expect(
    unsafe_code,
    reason = "a filter of the kernel and the handler of its signal have no safe form"
)]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use crate::disk::Disk;
use crate::kernel;

/// Calls that are answered by [`Disk::answer`].
const TRAPPED: [i64; 32] = [
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_creat,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rmdir,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_msync,
    libc::SYS_vmsplice,
];

/// `AUDIT_ARCH_X86_64`.
const ARCH: u32 = 0xC000_003E;
/// Where `seccomp_data` has its fields.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ORIGIN: u32 = 8;
const ARGUMENTS: u32 = 16;

static DISK: OnceLock<Disk> = OnceLock::new();

fn load(offset: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16,
        jt: 0,
        jf: 0,
        k: offset,
    }
}

/// Goes on `then` instructions further if the value compares, else `otherwise`.
fn branch(comparison: u32, value: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: (libc::BPF_JMP | comparison | libc::BPF_K) as u16,
        jt: then,
        jf: otherwise,
        k: value,
    }
}

fn end(action: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: action,
    }
}

fn filter() -> Vec<libc::sock_filter> {
    let (equal, any) = (libc::BPF_JEQ, libc::BPF_JSET);
    let origin = kernel::origin();
    let argument = |index: u32| ARGUMENTS + 8 * index;
    let mut program = vec![
        load(ARCHITECTURE),
        branch(equal, ARCH, 1, 0),
        end(libc::SECCOMP_RET_ALLOW),
        load(ORIGIN),
        branch(equal, origin as u32, 0, 3),
        load(ORIGIN + 4),
        branch(equal, (origin >> 32) as u32, 0, 1),
        end(libc::SECCOMP_RET_ALLOW),
        load(NUMBER),
        // Work that is queued for the kernel cannot be seen: whoever tries hears that there is no such call.
        branch(equal, libc::SYS_io_uring_setup as u32, 0, 1),
        end(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        // A mapping matters if it can be written, is shared and is of a file.
        branch(equal, libc::SYS_mmap as u32, 0, 7),
        load(argument(2)),
        branch(any, libc::PROT_WRITE as u32, 0, 4),
        load(argument(3)),
        branch(any, libc::MAP_ANONYMOUS as u32, 2, 0),
        branch(any, libc::MAP_SHARED as u32, 0, 1),
        end(libc::SECCOMP_RET_TRAP),
        end(libc::SECCOMP_RET_ALLOW),
    ];
    for number in TRAPPED {
        program.push(branch(equal, number as u32, 0, 1));
        program.push(end(libc::SECCOMP_RET_TRAP));
    }
    program.push(end(libc::SECCOMP_RET_ALLOW));
    program
}

extern "C" fn on_trap(_: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    /// `si_syscall`, which the declaration of the C library hides.
    const CALL: usize = 24;
    // SAFETY: the kernel gives both pointers to a handler with SA_SIGINFO, and for SIGSYS the call's number lies there.
    let (number, registers) = unsafe {
        let number = info.cast::<u8>().add(CALL).cast::<c_int>().read_unaligned();
        (number, &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs)
    };
    let argument = |register: c_int| registers[register as usize] as usize;
    let arguments = [
        argument(libc::REG_RDI),
        argument(libc::REG_RSI),
        argument(libc::REG_RDX),
        argument(libc::REG_R10),
        argument(libc::REG_R8),
        argument(libc::REG_R9),
    ];
    let result = match DISK.get() {
        Some(disk) => disk.answer(number.into(), arguments),
        None => kernel::call(number.into(), arguments),
    };
    registers[libc::REG_RAX as usize] = result as i64;
}

/// Puts the disk between the kernel and every thread of the process, for good. False if there is one already.
pub(crate) fn set(disk: Disk) -> io::Result<bool> {
    if DISK.set(disk).is_err() {
        return Ok(false);
    }
    let check = |result: c_int| {
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    let program = filter();
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).expect("the program has some eighty instructions"),
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the structures are initialised as the calls want them and outlive them; the handler touches nothing but its
    // arguments and the disk, and the calls it stands in for are never made while a lock it needs is held.
    unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = on_trap as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_RESTART;
        check(libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()))?;
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        let set = libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        );
        check(c_int::from(set != 0))?;
    }
    Ok(true)
}
