//! A real server process on a free port, which tests start, kill and start again.
//!
//! Used by path: `#[path = "support/server.rs"] mod server;`.
#![allow(dead_code, reason = "each test binary uses another part of it")]
#![expect(clippy::unwrap_used, reason = "it is part of a test")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test of real processes reads the environment and the real time"
)]
#![expect(unreachable_pub, reason = "a test binary has no other module to reach it from")]

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

/// Longest time that anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// The program under test.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_foundation"))
}

/// Where `script/test` puts the files of the small models.
pub fn models() -> PathBuf {
    let directory = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .expect("a home directory")
        .join("foundation/models");
    assert!(
        directory.is_dir(),
        "the model files are missing: run script/test, which fetches them"
    );
    directory
}

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Setup {
    data: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
}

impl Setup {
    /// A server that keeps its data in `data`.
    pub fn new(data: &Path) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let setup = Self {
            data: data.to_path_buf(),
            port,
            settings: Vec::new(),
        };
        setup.set("ai.models-path", models().to_str().unwrap())
    }

    /// Overrides one key of the configuration.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Asks a scripted endpoint instead of the embedded model.
    #[must_use]
    pub fn asks(self, base_url: &str) -> Self {
        self.set("ai.provider", "openai-compatible")
            .set("ai.base-url", base_url)
            .set("ai.models.generator", "scripted")
    }

    /// The command `foundation ARGUMENTS` with this configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(arguments).arg("--data-dir").arg(&self.data);
        command.arg("--set").arg(format!("server.bind=127.0.0.1:{}", self.port));
        for (key, value) in &self.settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command
            .env_remove("FOUNDATION_TOKEN")
            .env_remove("FOUNDATION_URL")
            .env_remove("FOUNDATION_CONFIG");
        // A directory without a configuration file of its own.
        command.current_dir(self.data.parent().unwrap());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the server and waits until it is ready.
    pub async fn start(&self) -> Server {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.data.with_extension("log"))
            .unwrap();
        let child = self
            .command(&["serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        let mut server = Server {
            setup: self.clone(),
            child,
            client,
            token: String::new(),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = server.client.get(server.url("/ready")).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
            assert!(
                server.child.try_wait().unwrap().is_none(),
                "the server ended: {}",
                server.log()
            );
            assert!(Instant::now() < deadline, "the server is not ready: {}", server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let token = std::fs::read_to_string(self.data.join("operator-token")).unwrap();
        token.trim().clone_into(&mut server.token);
        server
    }
}

/// A running server. It is killed when dropped.
pub struct Server {
    setup: Setup,
    child: Child,
    client: Client,
    token: String,
}

impl Server {
    /// An address of this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.setup.port)
    }

    /// What the server has logged, over all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.setup.data.with_extension("log")).unwrap_or_default()
    }

    /// A request of the local operator.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).bearer_auth(&self.token)
    }

    /// Reads a JSON document.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.request(Method::GET, path).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "GET {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Posts a JSON document.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    /// Creates a run and returns its id.
    pub async fn create(&self, body: &Value) -> String {
        let answer = self.post("/api/planning/runs", body).await;
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        let run: Value = answer.json().await.unwrap();
        run["id"].as_str().unwrap().to_owned()
    }

    /// Waits until the run has one of these statuses and returns it.
    pub async fn until(&self, run: &str, statuses: &[&str]) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.get(&format!("/api/planning/runs/{run}")).await;
            if statuses.contains(&found["status"].as_str().unwrap()) {
                return found;
            }
            assert!(Instant::now() < deadline, "{found} is not {statuses:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All durable events of a run that is over, as its stream tells them: `id` of the frame and the event.
    pub async fn events(&self, run: &str) -> Vec<(u64, Value)> {
        let path = format!("/api/planning/runs/{run}/events");
        let stream = self.request(Method::GET, &path).timeout(PATIENCE).send().await.unwrap();
        let text = stream.text().await.unwrap();
        text.split("\n\n")
            .filter_map(|frame| {
                let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
                let id = field("id: ")?.parse().unwrap();
                Some((id, serde_json::from_str(field("data: ")?).unwrap()))
            })
            .collect()
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the process to stop and returns its exit code.
    pub async fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the server does not stop: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that has ended already is what we want.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
