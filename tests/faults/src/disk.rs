//! What happens instead of the calls that change files: a note, then the call, or a fault.
#![expect(unsafe_code, reason = "arguments of trapped calls are addresses in the process")]

use std::collections::HashSet;
use std::ffi::{CStr, c_char};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::journal::{self, Before, NameChange, Position, Record};
use crate::kernel::{self, Arguments, Stat};
use crate::plan::{Plan, SyncMode};
use crate::tree;

/// Where the kernel tells which boot it is.
const BOOT: &[u8] = b"/proc/sys/kernel/random/boot_id";

/// The disk of a process.
pub(crate) struct Disk {
    plan: Plan,
    /// The ways in which the watched directory is named, each with a slash at its end.
    roots: Vec<Vec<u8>>,
    stash: Vec<u8>,
    boot: Vec<u8>,
    journal: usize,
    state: Mutex<State>,
}

struct State {
    /// Where the next note goes.
    end: Position,
    /// Files that are known to be below the directory. None of their inodes is used again: removed ones are stashed.
    inside: HashSet<u64>,
    changes: u64,
    syncs: u64,
    written: u64,
    random: SmallRng,
}

/// How far a write may go.
enum Room {
    Enough,
    Some(usize),
    None,
}

fn refused(error: i32) -> isize {
    -(error as isize)
}

impl Disk {
    pub(crate) fn open(plan: &Plan) -> io::Result<Self> {
        let path = plan.journal();
        let mut known = Vec::new();
        // A journal that goes on knows what was there.
        if std::fs::metadata(&path).map_or(0, |data| data.len()) == 0 {
            for file in tree::files(&plan.directory)? {
                known.extend(
                    Record::Known {
                        path: file.path,
                        inode: file.inode,
                        size: file.size,
                    }
                    .encode(),
                );
            }
        }
        let roots = plan.roots().into_iter().map(|root| {
            let mut root = std::path::absolute(root)?.into_os_string().into_vec();
            root.push(b'/');
            Ok(root)
        });
        let roots = roots.collect::<io::Result<_>>()?;
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND;
        let journal =
            kernel::open(path.as_os_str().as_bytes(), flags, 0o644).ok_or_else(|| io::Error::other("no journal"))?;
        if !kernel::append(journal, &known) {
            return Err(io::Error::other("the journal cannot be written"));
        }
        let end = kernel::stat_of(journal).map_or(0, |stat| stat.size);
        Ok(Self {
            roots,
            stash: plan.stash().into_os_string().into_vec(),
            boot: plan.boot().into_os_string().into_vec(),
            journal,
            state: Mutex::new(State {
                end,
                inside: HashSet::new(),
                changes: 0,
                syncs: 0,
                written: 0,
                random: SmallRng::seed_from_u64(plan.seed),
            }),
            plan: plan.clone(),
        })
    }

    /// Stands in for a call of the kernel and returns its result.
    pub(crate) fn answer(&self, number: i64, a: Arguments) -> isize {
        let cwd = kernel::at_cwd();
        let forward = || kernel::call(number, a);
        match number {
            libc::SYS_open => self.open_file(cwd, a[0], a[1], forward),
            libc::SYS_openat => self.open_file(a[0], a[1], a[2], forward),
            libc::SYS_creat => {
                let flags = (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as usize;
                self.open_file(cwd, a[0], flags, forward)
            }
            // The standard library and others fall back to `openat`.
            libc::SYS_openat2 => refused(libc::ENOSYS),
            libc::SYS_write | libc::SYS_pwrite64 => {
                let at = (number == libc::SYS_pwrite64).then_some(a[3] as u64);
                self.write(a[0], a[2], at, forward, |length| {
                    let mut shorter = a;
                    shorter[2] = length;
                    kernel::call(number, shorter)
                })
            }
            libc::SYS_writev | libc::SYS_pwritev | libc::SYS_pwritev2 => {
                let at = match number {
                    libc::SYS_writev => None,
                    _ => Some(a[3] as u64).filter(|at| *at != u64::MAX),
                };
                // SAFETY: the caller's own arguments, which the kernel is about to read as well.
                let parts = unsafe { std::slice::from_raw_parts(a[1] as *const libc::iovec, a[2]) };
                let length = parts.iter().map(|part| part.iov_len).sum();
                self.write(a[0], length, at, forward, |_| refused(libc::ENOSPC))
            }
            libc::SYS_fsync | libc::SYS_fdatasync => self.sync(a[0], forward),
            libc::SYS_sync_file_range => self.write_back(a[0]),
            libc::SYS_ftruncate => self.resize(a[0], a[1] as u64, forward),
            libc::SYS_fallocate if a[1] == 0 => {
                let end = (a[2] + a[3]) as u64;
                match kernel::stat_of(a[0]) {
                    Some(stat) if stat.size < end => self.resize(a[0], end, forward),
                    Some(_) | None => forward(),
                }
            }
            libc::SYS_rename => self.rename((cwd, a[0]), (cwd, a[1]), 0, forward),
            libc::SYS_renameat => self.rename((a[0], a[1]), (a[2], a[3]), 0, forward),
            libc::SYS_renameat2 => self.rename((a[0], a[1]), (a[2], a[3]), a[4] as u32, forward),
            libc::SYS_unlink => self.remove(cwd, a[0], false, forward),
            libc::SYS_rmdir => self.remove(cwd, a[0], true, forward),
            libc::SYS_unlinkat => self.remove(a[0], a[1], a[2] & libc::AT_REMOVEDIR as usize != 0, forward),
            libc::SYS_mkdir => self.create_directory(cwd, a[0], forward),
            libc::SYS_mkdirat => self.create_directory(a[0], a[1], forward),
            libc::SYS_link => self.link((cwd, a[0]), (cwd, a[1]), forward),
            libc::SYS_linkat => self.link((a[0], a[1]), (a[2], a[3]), forward),
            libc::SYS_symlink => self.unsupported_path("a symbolic link", cwd, a[1], forward),
            libc::SYS_symlinkat => self.unsupported_path("a symbolic link", a[1], a[2], forward),
            libc::SYS_truncate => self.unsupported_path("a truncation by path", cwd, a[0], forward),
            // Whoever copies falls back to reading and writing.
            libc::SYS_copy_file_range | libc::SYS_splice if self.is_inside(a[2]) => refused(libc::EINVAL),
            libc::SYS_sendfile if self.is_inside(a[0]) => refused(libc::EINVAL),
            libc::SYS_fallocate => self.unsupported_file("a hole", a[0], forward),
            libc::SYS_mmap => self.unsupported_file("a shared writable mapping", a[4], forward),
            _ => forward(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a change or sync, and dies if it is the one.
    fn step(&self, state: &mut State) {
        state.changes += 1;
        if self.plan.kill_at == Some(state.changes) {
            kernel::die();
        }
    }

    fn note(&self, state: &mut State, record: &Record) -> Position {
        let position = state.end;
        let bytes = record.encode();
        if !kernel::append(self.journal, &bytes) {
            kernel::give_up("the journal cannot be written");
        }
        state.end += bytes.len() as u64;
        position
    }

    /// Notes a change and makes it.
    fn change(&self, state: &mut State, record: &Record, make: impl FnOnce() -> isize) -> isize {
        let position = self.note(state, record);
        let result = make();
        if result < 0 {
            self.note(state, &Record::Failed { position });
        }
        result
    }

    fn unsupported(&self, what: String) {
        let what = what.into_bytes();
        self.note(&mut self.state(), &Record::Unsupported { what });
    }

    fn unsupported_path(&self, what: &str, directory: usize, path: usize, forward: impl FnOnce() -> isize) -> isize {
        if let Some(path) = self.below(directory, path) {
            self.unsupported(format!("{what}: {}", String::from_utf8_lossy(&path)));
        }
        forward()
    }

    fn unsupported_file(&self, what: &str, fd: usize, forward: impl FnOnce() -> isize) -> isize {
        if self.is_inside(fd) {
            self.unsupported(what.to_owned());
        }
        forward()
    }

    /// Whether the disk is full, before a file or directory is made.
    fn is_full(&self, state: &State) -> bool {
        self.plan.space_bytes.is_some_and(|space| state.written >= space)
    }

    fn room(&self, state: &mut State, length: usize) -> Room {
        let Some(space) = self.plan.space_bytes else {
            return Room::Enough;
        };
        let left = usize::try_from(space.saturating_sub(state.written)).unwrap_or(usize::MAX);
        state.written += left.min(length) as u64;
        if left >= length {
            Room::Enough
        } else if left > 0 {
            Room::Some(left)
        } else {
            Room::None
        }
    }

    /// The path below the watched directory; `None` if it is elsewhere.
    fn strip(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.roots.iter().find_map(|root| match path.strip_prefix(&root[..]) {
            Some(below) => Some(below.to_vec()),
            None => (path == &root[..root.len() - 1]).then(Vec::new),
        })
    }

    /// The path of an argument below the watched directory.
    fn below(&self, directory: usize, path: usize) -> Option<Vec<u8>> {
        // SAFETY: the caller's own argument, which the kernel is about to read as well.
        let path = unsafe { CStr::from_ptr(path as *const c_char) }.to_bytes();
        let mut whole = Vec::new();
        if path.first() != Some(&b'/') {
            whole = if directory as i32 == libc::AT_FDCWD {
                kernel::read_link(b"/proc/self/cwd")?
            } else {
                kernel::read_link(format!("/proc/self/fd/{directory}").as_bytes())?
            };
        }
        for part in path.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    let parent = journal::parent(&whole).len();
                    whole.truncate(parent);
                }
                part => {
                    whole.push(b'/');
                    whole.extend_from_slice(part);
                }
            }
        }
        self.strip(&whole)
    }

    fn whole(&self, below: &[u8]) -> Vec<u8> {
        [&self.roots[0], below].concat()
    }

    fn exists(&self, below: &[u8]) -> Option<Stat> {
        kernel::stat_at(&self.whole(below))
    }

    /// An open file or directory below the watched one, with its path if it is a directory.
    fn node(&self, fd: usize) -> Option<(Stat, Option<Vec<u8>>)> {
        let stat = kernel::stat_of(fd)?;
        if !stat.is_file() && !stat.is_directory() {
            return None;
        }
        if stat.is_file() && self.state().inside.contains(&stat.inode) {
            return Some((stat, None));
        }
        let path = self.strip(&kernel::read_link(format!("/proc/self/fd/{fd}").as_bytes())?)?;
        if stat.is_file() {
            self.state().inside.insert(stat.inode);
            Some((stat, None))
        } else {
            Some((stat, Some(path)))
        }
    }

    fn is_inside(&self, fd: usize) -> bool {
        matches!(self.node(fd), Some((_, None)))
    }

    fn open_file(&self, directory: usize, path: usize, flags: usize, forward: impl FnOnce() -> isize) -> isize {
        let flags = flags as i32;
        if flags & (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) == libc::O_RDONLY {
            // SAFETY: the caller's own argument, which the kernel is about to read as well.
            let is_boot = unsafe { CStr::from_ptr(path as *const c_char) }.to_bytes() == BOOT;
            if is_boot && let Some(boot) = kernel::open(&self.boot, libc::O_RDONLY, 0) {
                return boot as isize;
            }
            return forward();
        }
        let Some(path) = self.below(directory, path) else {
            return forward();
        };
        if flags & libc::O_TMPFILE == libc::O_TMPFILE {
            return refused(libc::EOPNOTSUPP);
        }
        let mut state = self.state();
        match self.exists(&path) {
            None if flags & libc::O_CREAT != 0 => {
                self.step(&mut state);
                if self.is_full(&state) {
                    return refused(libc::ENOSPC);
                }
                self.change(&mut state, &Record::Name(NameChange::Create { path }), forward)
            }
            Some(stat) if flags & libc::O_TRUNC != 0 && flags & libc::O_EXCL == 0 && stat.size > 0 => {
                self.step(&mut state);
                let before = self.before_by_path(&path, 0, stat.size);
                let record = Record::Resize {
                    inode: stat.inode,
                    old_size: stat.size,
                    new_size: 0,
                    before,
                };
                self.change(&mut state, &record, forward)
            }
            Some(_) | None => forward(),
        }
    }

    fn write(
        &self,
        fd: usize,
        length: usize,
        at: Option<u64>,
        forward: impl FnOnce() -> isize,
        shorter: impl FnOnce(usize) -> isize,
    ) -> isize {
        if length == 0 || !self.is_inside(fd) {
            return forward();
        }
        let mut state = self.state();
        self.step(&mut state);
        let room = self.room(&mut state, length);
        let length = match room {
            Room::Enough => length,
            Room::Some(left) => left,
            Room::None => return refused(libc::ENOSPC),
        };
        let Some(stat) = kernel::stat_of(fd) else {
            return forward();
        };
        let offset = if kernel::flags(fd) & libc::O_APPEND != 0 {
            stat.size
        } else {
            at.or_else(|| kernel::seek(fd, 0, libc::SEEK_CUR)).unwrap_or(0)
        };
        let record = Record::Write {
            inode: stat.inode,
            offset,
            length: length as u64,
            old_size: stat.size,
            before: self.before(fd, offset, (offset + length as u64).min(stat.size)),
        };
        self.change(&mut state, &record, || match room {
            Room::Enough | Room::None => forward(),
            Room::Some(left) => shorter(left),
        })
    }

    fn resize(&self, fd: usize, size: u64, forward: impl FnOnce() -> isize) -> isize {
        if !self.is_inside(fd) {
            return forward();
        }
        let mut state = self.state();
        self.step(&mut state);
        let Some(stat) = kernel::stat_of(fd) else {
            return forward();
        };
        if size > stat.size && self.is_full(&state) {
            return refused(libc::ENOSPC);
        }
        let record = Record::Resize {
            inode: stat.inode,
            old_size: stat.size,
            new_size: size,
            before: self.before(fd, size, stat.size),
        };
        self.change(&mut state, &record, forward)
    }

    /// What an open file holds in a range. It may be open for writing only, so it is opened again.
    fn before(&self, fd: usize, from: u64, to: u64) -> Before {
        if from >= to {
            return Before::Zeros;
        }
        read_range(format!("/proc/self/fd/{fd}").as_bytes(), from, to)
    }

    fn before_by_path(&self, below: &[u8], from: u64, to: u64) -> Before {
        read_range(&self.whole(below), from, to)
    }

    fn sync(&self, fd: usize, forward: impl FnOnce() -> isize) -> isize {
        let Some((stat, names)) = self.node(fd) else {
            return forward();
        };
        let (upto, delay) = {
            let mut state = self.state();
            self.step(&mut state);
            state.syncs += 1;
            let upto = state.end;
            if self.plan.sync_error_at == Some(state.syncs) {
                return self.fail_sync(&mut state, fd, stat);
            }
            let most = u64::try_from(self.plan.sync_delay.as_micros()).unwrap_or(u64::MAX);
            (upto, Duration::from_micros(state.random.random_range(0..=most)))
        };
        if !delay.is_zero() {
            kernel::sleep(delay);
        }
        let result = match self.plan.sync {
            SyncMode::Done => forward(),
            SyncMode::Noted => 0,
            SyncMode::Ignored => return 0,
        };
        if result == 0 {
            let inode = stat.inode;
            let record = match names {
                Some(path) => Record::SyncNames { path, upto },
                None => Record::Sync { inode, upto },
            };
            self.note(&mut self.state(), &record);
        }
        result
    }

    /// A range is written back: that can fail, but makes nothing durable, neither sizes nor what a disk has in its cache.
    fn write_back(&self, fd: usize) -> isize {
        let Some((stat, _)) = self.node(fd) else {
            return 0;
        };
        let mut state = self.state();
        self.step(&mut state);
        state.syncs += 1;
        if self.plan.sync_error_at == Some(state.syncs) {
            return self.fail_sync(&mut state, fd, stat);
        }
        0
    }

    fn fail_sync(&self, state: &mut State, fd: usize, stat: Stat) -> isize {
        let path = kernel::read_link(format!("/proc/self/fd/{fd}").as_bytes());
        let record = Record::SyncFailed {
            path: path.and_then(|path| self.strip(&path)).unwrap_or_default(),
            inode: stat.inode,
            upto: state.end,
        };
        self.note(state, &record);
        refused(libc::EIO)
    }

    /// Keeps a file that is about to lose its name.
    fn keep(&self, state: &State, below: &[u8]) -> u64 {
        let kept = [&self.stash[..], format!("/{}", state.end).as_bytes()].concat();
        if !kernel::link(&self.whole(below), &kept) {
            kernel::give_up("a removed file cannot be kept");
        }
        state.end
    }

    fn rename(
        &self,
        (from_directory, from): (usize, usize),
        (to_directory, to): (usize, usize),
        flags: u32,
        forward: impl FnOnce() -> isize,
    ) -> isize {
        let (from, to) = match (self.below(from_directory, from), self.below(to_directory, to)) {
            (Some(from), Some(to)) if journal::parent(&from) == journal::parent(&to) => (from, to),
            (None, None) => return forward(),
            (from, to) => {
                let path = from.or(to).unwrap_or_default();
                self.unsupported(format!(
                    "a move between directories: {}",
                    String::from_utf8_lossy(&path)
                ));
                return forward();
            }
        };
        let mut state = self.state();
        self.step(&mut state);
        let Some(moved) = self.exists(&from) else {
            return forward();
        };
        let replaced = self.exists(&to);
        if moved.is_directory() || flags & libc::RENAME_EXCHANGE != 0 {
            drop(state);
            self.unsupported(format!("the rename of a directory: {}", String::from_utf8_lossy(&from)));
            return forward();
        }
        if replaced.is_some() && flags & libc::RENAME_NOREPLACE != 0 {
            return forward();
        }
        let stash = replaced.map(|_| self.keep(&state, &to));
        self.change(
            &mut state,
            &Record::Name(NameChange::Rename { from, to, stash }),
            forward,
        )
    }

    fn remove(&self, directory: usize, path: usize, is_directory: bool, forward: impl FnOnce() -> isize) -> isize {
        let Some(path) = self.below(directory, path) else {
            return forward();
        };
        let mut state = self.state();
        self.step(&mut state);
        match self.exists(&path) {
            Some(stat) if stat.is_directory() == is_directory => {
                let change = if is_directory {
                    NameChange::RemoveDirectory { path }
                } else {
                    let stash = self.keep(&state, &path);
                    NameChange::Remove { path, stash }
                };
                self.change(&mut state, &Record::Name(change), forward)
            }
            Some(_) | None => forward(),
        }
    }

    fn create_directory(&self, directory: usize, path: usize, forward: impl FnOnce() -> isize) -> isize {
        let Some(path) = self.below(directory, path) else {
            return forward();
        };
        let mut state = self.state();
        self.step(&mut state);
        if self.exists(&path).is_some() {
            return forward();
        }
        if self.is_full(&state) {
            return refused(libc::ENOSPC);
        }
        self.change(&mut state, &Record::Name(NameChange::CreateDirectory { path }), forward)
    }

    fn link(
        &self,
        (from_directory, from): (usize, usize),
        (to_directory, to): (usize, usize),
        forward: impl FnOnce() -> isize,
    ) -> isize {
        let Some(path) = self.below(to_directory, to) else {
            return forward();
        };
        if self.below(from_directory, from).is_none() {
            self.unsupported(format!("a link from outside: {}", String::from_utf8_lossy(&path)));
        }
        let mut state = self.state();
        self.step(&mut state);
        if self.exists(&path).is_some() {
            return forward();
        }
        self.change(&mut state, &Record::Name(NameChange::Create { path }), forward)
    }
}

/// The bytes of a range that are not in holes, unless they are all zero.
fn read_range(path: &[u8], from: u64, to: u64) -> Before {
    let Some(fd) = kernel::open(path, libc::O_RDONLY, 0) else {
        kernel::give_up("a file that is about to change cannot be read");
    };
    let (mut parts, mut at) = (Vec::new(), from);
    while at < to {
        let Some(start) = kernel::seek(fd, at, libc::SEEK_DATA).filter(|start| *start < to) else {
            break;
        };
        let end = kernel::seek(fd, start, libc::SEEK_HOLE).map_or(to, |end| end.min(to));
        let bytes = kernel::read_at(fd, start, usize::try_from(end - start).unwrap_or(usize::MAX));
        at = end.max(start + 1);
        if bytes.iter().any(|byte| *byte != 0) {
            parts.push((start, bytes));
        }
    }
    kernel::close(fd);
    if parts.is_empty() {
        Before::Zeros
    } else {
        Before::Bytes(parts)
    }
}
