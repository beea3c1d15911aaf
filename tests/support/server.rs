//! A real server process on a free port, which tests start, kill and start again.
//!
//! Used by path: `#[path = "support/server.rs"] mod server;`.
#![allow(dead_code, reason = "each test binary uses another part of it")]
#![expect(clippy::unwrap_used, reason = "it is part of a test")]
#![allow(unreachable_pub, reason = "a test binary has no other module to reach it from")]

use std::{
    ffi::OsString,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Certificate, Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// Longest time that anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// The program under test.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_foundation"))
}

/// Where `script/test` puts the files of the small models.
pub fn models() -> PathBuf {
    let directory = std::env::var_os("FOUNDATION__AI__MODELS_PATH")
        .map(PathBuf::from)
        .unwrap_or_default();
    assert!(
        directory.is_dir(),
        "the model files are missing: run script/test, which fetches them"
    );
    directory
}

/// A port that stays free until it is used: below those that the system gives to connections.
pub fn free_port() -> u16 {
    let mut candidates = std::iter::repeat_with(|| rand::random_range(20_000..32_000));
    candidates
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Setup {
    program: PathBuf,
    data: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
    /// Variables of the environment of a server, not of other commands.
    environment: Vec<(String, OsString)>,
    /// The certificate that it shows, if it speaks TLS.
    certificate: Option<PathBuf>,
}

impl Setup {
    /// A server that keeps its data in `data`.
    pub fn new(data: &Path) -> Self {
        let setup = Self {
            program: PathBuf::from(env!("CARGO_BIN_EXE_foundation")),
            data: data.to_path_buf(),
            port: free_port(),
            settings: Vec::new(),
            environment: Vec::new(),
            certificate: None,
        };
        setup.set("ai.models-path", models().to_str().unwrap())
    }

    /// A server that was started otherwise, on a port that is known.
    pub fn of(data: &Path, port: u16) -> Self {
        Self {
            port,
            ..Self::new(data)
        }
    }

    /// Another program, which has all commands of this one.
    #[must_use]
    pub fn program(self, program: &Path) -> Self {
        Self {
            program: program.to_path_buf(),
            ..self
        }
    }

    /// Overrides one key of the configuration.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Lets the server speak TLS with a certificate for 127.0.0.1.
    #[must_use]
    pub fn tls(mut self, certificate: &Path, key: &Path) -> Self {
        self.certificate = Some(certificate.to_owned());
        let url = format!("https://127.0.0.1:{}", self.port);
        self.set("server.public-url", &url)
            .set("server.tls-certificate", certificate.to_str().unwrap())
            .set("server.tls-key", key.to_str().unwrap())
    }

    /// A client that trusts the certificate.
    fn client(&self) -> Client {
        let trusted = self.certificate.iter().map(|path| std::fs::read(path).unwrap());
        let trusted: Vec<_> = trusted.map(|pem| Certificate::from_pem(&pem).unwrap()).collect();
        Client::builder().no_proxy().tls_certs_only(trusted).build().unwrap()
    }

    /// Adds a variable to the environment of the server.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Asks a scripted endpoint instead of the embedded model, and does not wait long where it errs.
    #[must_use]
    pub fn asks(self, base_url: &str) -> Self {
        self.set("ai.provider", "openai-compatible")
            .set("ai.base-url", base_url)
            .set("ai.models.generator", "scripted")
            .set("planning.step-retry-delay-ms", "50")
    }

    /// The same directory behind another port.
    #[must_use]
    pub fn elsewhere(&self) -> Self {
        Self {
            port: free_port(),
            ..self.clone()
        }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The command `foundation ARGUMENTS` with this configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
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
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Server {
            setup: self.clone(),
            child,
            client: self.client(),
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
        let scheme = if self.setup.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://127.0.0.1:{}{path}", self.setup.port)
    }

    /// What listens on the port of `setup`: a server, or one that passes requests on to servers which trust this token.
    pub fn of(setup: &Setup, child: Child, token: &str) -> Self {
        Self {
            setup: setup.clone(),
            child,
            client: setup.client(),
            token: token.to_owned(),
        }
    }

    /// Host and port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.setup.port)
    }

    /// What the local operator shows.
    pub fn token(&self) -> &str {
        &self.token
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

    /// Posts without a body and expects a refusal: its status and its problem document.
    pub async fn refused(&self, path: &str) -> (u16, Value) {
        let answer = self.post(path, &json!({})).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// All durable events of a run that is over, as its stream tells them: `id` of the frame and the event.
    pub async fn events(&self, run: &str) -> Vec<(u64, Value)> {
        self.follow(run, 0, |_| false).await
    }

    /// The kinds of these events.
    pub async fn kinds(&self, run: &str) -> Vec<String> {
        let events = self.events(run).await;
        let kinds = events
            .iter()
            .map(|(_, event)| event["kind"].as_str().unwrap().to_owned());
        kinds.collect()
    }

    /// Reads the stream of a run after event `after`, until it ends, breaks, or `enough` says so of an event.
    pub async fn follow(&self, run: &str, after: u64, mut enough: impl FnMut(&Value) -> bool) -> Vec<(u64, Value)> {
        let mut stream = self
            .request(Method::GET, &format!("/api/planning/runs/{run}/events"))
            .header("last-event-id", after)
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        assert!(stream.status().is_success(), "{}", stream.status());
        let (mut bytes, mut events) = (Vec::new(), Vec::new());
        // A stream that breaks off is what a server that is killed leaves.
        while let Ok(Some(chunk)) = stream.chunk().await {
            bytes.extend_from_slice(&chunk);
            while let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = bytes.drain(..end + 2).collect();
                let Some((id, event)) = durable(std::str::from_utf8(&frame).unwrap()) else {
                    continue;
                };
                let is_enough = enough(&event);
                events.push((id, event));
                if is_enough {
                    return events;
                }
            }
        }
        events
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the process ends by itself and returns its exit code.
    pub async fn ended(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the server does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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

/// The durable event of a frame; live updates have no id.
fn durable(frame: &str) -> Option<(u64, Value)> {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
    let id = field("id: ")?.parse().unwrap();
    Some((id, serde_json::from_str(field("data: ")?).unwrap()))
}
