//! A real S3 server process on a free port: `s3s-fs`, which `script/setup --tests` installs.
//!
//! Used by path: `#[path = "support/s3.rs"] mod s3;`.
#![allow(dead_code, reason = "each test binary uses another part of it")]
#![allow(clippy::unwrap_used, reason = "it is part of a test")]
#![allow(unreachable_pub, reason = "a test binary has no other module to reach it from")]

use std::{
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Longest time that the server may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bucket that there is.
pub const BUCKET: &str = "plans";
/// Id of the access key.
pub const KEY_ID: &str = "test-key-id";
/// Secret of the access key.
pub const SECRET: &str = "test-secret-of-the-key";

/// A server with one bucket, which ends with the value.
#[derive(Debug)]
pub struct S3Server {
    child: Child,
    port: u16,
    root: TempDir,
}

impl S3Server {
    /// Starts a server whose bucket is empty.
    pub fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        // Below those that the system gives to connections, so that nobody takes it before the server does.
        let mut ports = std::iter::repeat_with(|| rand::random_range(20_000..32_000_u16));
        let port = ports
            .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
            .unwrap();
        let child = Command::new("s3s-fs")
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--access-key", KEY_ID, "--secret-key", SECRET])
            .arg(root.path())
            .env("RUST_LOG", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the S3 server of the tests is missing: run script/setup --tests");
        let mut server = Self { child, port, root };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "the S3 server does not listen");
            assert!(server.child.try_wait().unwrap().is_none(), "the S3 server has ended");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Address for clients.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Directory whose files are the objects of the bucket.
    pub fn bucket(&self) -> PathBuf {
        self.root.path().join(BUCKET)
    }

    /// Ends the server at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // One that has ended already is none to end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
