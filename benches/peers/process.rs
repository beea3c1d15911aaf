//! The servers under measurement, as processes.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(20);

/// A running server; dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// This program's own server, started again as a process.
    pub(crate) fn ours(directory: &Path) -> Self {
        let this = std::env::current_exe().expect("a program knows where it is");
        let mut process = Command::new(this)
            .arg("serve")
            .arg(directory)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let output = process.stdout.take().expect("its output was piped");
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .expect("the server prints its address");
        Self {
            name: "foundation".to_owned(),
            process,
            address: line.trim().parse().expect("the server prints its address"),
        }
    }

    pub(crate) fn workerd(program: &Path, directory: &Path) -> Self {
        fs::create_dir_all(directory).expect("the directory can be made");
        let version = Command::new(program)
            .arg("--version")
            .output()
            .expect("workerd tells its version");
        // Its own choice of a free port could not be read back.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("there is a free port");
        let process = Command::new(program)
            .args(["serve", "workerd.capnp", "config"])
            .arg(format!("--socket-addr=http={address}"))
            .arg(format!("--directory-path=storage={}", directory.display()))
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
            .spawn()
            .expect("workerd starts");
        let server = Self {
            name: String::from_utf8_lossy(&version.stdout).trim().to_owned(),
            process,
            address,
        };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begin.elapsed() < START, "workerd does not listen");
            std::thread::yield_now();
        }
        server
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Processor time that the process has spent, from `/proc` (in ticks of 10 ms).
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("the process lives");
        // The name, in parentheses, may hold spaces; user and system time are the 14th and 15th field.
        let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().expect("ticks are a number"))
            .sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is only an end of a measurement: whatever has ended already needs no ending.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
