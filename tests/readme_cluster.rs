//! The three-node start of the README, run as it is written there, and a plan that survives the death of its node.
#![expect(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/overview.rs"]
mod overview;
#[path = "support/planner.rs"]
mod planner;
#[path = "support/scripted_model.rs"]
mod scripted_model;
#[path = "support/server.rs"]
mod server;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use self::{
    overview::{FAILOVER, SPREAD, eventually, is_spread, items, until},
    planner::{GO, PIVOT, answer},
    scripted_model::{Answer, ScriptedModel},
    server::{Server, Setup, free_port, models},
};

/// What the configuration says where nobody says otherwise.
const SHARDS: usize = 16;
/// Ports that the first node takes where nobody says otherwise: for raft and for requests.
const DEFAULT_PORTS: [&str; 2] = ["7801", "7802"];
/// Where HAProxy listens.
const FRONT: &str = "8780";
/// Longest time that a plan may take.
const PLAN: Duration = Duration::from_secs(120);
/// Artifacts of a plan that is complete.
const PHASES: usize = 15;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The commands of the first console block of a chapter of the README, without comments.
fn commands(chapter: &str) -> Vec<String> {
    let readme = read("README.md");
    let text = readme.split_once(&format!("\n## {chapter}\n")).unwrap().1;
    let block = text.split_once("```console\n").unwrap().1.split_once("```").unwrap().0;
    let block = block.replace("\\\n", "");
    let commands = block.lines().map(|line| line.strip_prefix("$ ").unwrap());
    commands
        .map(|line| line.split("  #").next().unwrap().trim().to_owned())
        .collect()
}

/// The ports of the text, each with one that is free here: nothing else of it is changed.
struct Ports(HashMap<String, u16>);

impl Ports {
    fn of(texts: &[&str]) -> Self {
        let mut ports = HashMap::new();
        let named = texts.iter().flat_map(|text| text.split([' ', '\n', '=', ',']));
        let named = named.filter_map(|word| word.rsplit_once(':')).map(|(_, port)| port);
        for port in named.chain(DEFAULT_PORTS) {
            if port.parse::<u16>().is_ok() {
                ports.entry(port.to_owned()).or_insert_with(free_port);
            }
        }
        Self(ports)
    }

    fn free(&self, port: &str) -> u16 {
        self.0[port]
    }

    fn replace(&self, text: &str) -> String {
        let replace = |text: String, (from, to): (&String, &u16)| text.replace(&format!(":{from}"), &format!(":{to}"));
        self.0.iter().fold(text.to_owned(), replace)
    }
}

/// What the commands have started, and where.
struct Started {
    directory: PathBuf,
    nodes: HashMap<String, (Setup, Child)>,
    balancer: Option<Child>,
    ports: Ports,
}

impl Started {
    /// Runs the commands one after the other in a directory.
    fn run(directory: &Path, commands: &[String], more: &[(&str, String)]) -> Self {
        let haproxy = read("deploy/haproxy.cfg");
        let texts: Vec<&str> = commands.iter().map(String::as_str).chain([haproxy.as_str()]).collect();
        let mut started = Self {
            directory: directory.to_owned(),
            nodes: HashMap::new(),
            balancer: None,
            ports: Ports::of(&texts),
        };
        std::fs::create_dir(directory.join("deploy")).unwrap();
        std::fs::write(directory.join("deploy/haproxy.cfg"), started.ports.replace(&haproxy)).unwrap();
        let mut environment: Vec<(String, String)> = Vec::new();
        environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        for command in commands {
            let words: Vec<String> = command
                .split_whitespace()
                .map(|word| started.ports.replace(word))
                .collect();
            match words[0].as_str() {
                "export" => environment.extend(words[1..].iter().map(|word| {
                    let (name, value) = word.split_once('=').unwrap();
                    (name.to_owned(), value.replace("$PWD", directory.to_str().unwrap()))
                })),
                "script/foundation" => started.serve(&words[1..], &environment),
                program => started.balancer = Some(started.spawn(Command::new(program), &words[1..], &[], program)),
            }
        }
        started
    }

    fn serve(&mut self, arguments: &[String], environment: &[(String, String)]) {
        let after = |flag: &str| {
            let at = arguments.iter().position(|word| word == flag).unwrap();
            arguments[at + 1].as_str()
        };
        let (name, listen) = (after("--data-dir"), after("--listen"));
        let port = listen.rsplit_once(':').unwrap().1.parse().unwrap();
        let mut environment = environment.to_vec();
        // The ports that are not written are others here too.
        for (key, default) in ["RAFT_BIND", "REQUESTS_BIND"].into_iter().zip(DEFAULT_PORTS) {
            let address = format!("127.0.0.1:{}", self.ports.free(default));
            environment.push((format!("FOUNDATION__CLUSTER__{key}"), address));
        }
        let child = self.spawn(server::program(), arguments, &environment, name);
        let setup = Setup::of(&self.directory.join(name), port);
        self.nodes.insert(name.to_owned(), (setup, child));
    }

    fn spawn(&self, mut command: Command, arguments: &[String], environment: &[(String, String)], name: &str) -> Child {
        let log = std::fs::File::create(self.directory.join(name).with_extension("log")).unwrap();
        let mut variables: Vec<(&String, &String)> = Vec::new();
        variables.extend(environment.iter().map(|(name, value)| (name, value)));
        command
            .args(arguments)
            .envs(variables)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start, script/setup --tests installs it: {error}"))
    }

    fn setup(&self, name: &str) -> &Setup {
        &self.nodes[name].0
    }

    fn kill(&mut self, name: &str) {
        let (_, mut child) = self.nodes.remove(name).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let nodes = self.nodes.values_mut().map(|(_, child)| child);
        for child in nodes.chain(&mut self.balancer) {
            // One that has ended already is what we want.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The name of the node that owns a run.
async fn owner(asked: &Setup, run: &str) -> String {
    let shown = asked.run(&["actors", "show", &format!("run/default/{run}"), "--json"]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let told = until(asked, "the shard of the run is led", FAILOVER, |told| {
        items(told, "groups")
            .iter()
            .any(|group| group["shard"] == shown["shard"] && group["leader"].is_u64())
    })
    .await;
    let group = items(&told, "groups")
        .iter()
        .find(|group| group["shard"] == shown["shard"])
        .unwrap();
    let leads = |node: &&Value| node["id"] == group["leader"];
    let node = items(&told, "nodes").iter().find(leads).unwrap();
    node["name"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_plan_behind_the_balancer_survives_the_death_of_the_node_that_owns_it() {
    let endpoint = ScriptedModel::start(|call| {
        // The node is killed while a call is under way.
        std::thread::sleep(Duration::from_millis(400));
        Answer::Text(answer(call.idempotency_key.as_deref().unwrap(), &[PIVOT, GO]))
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let model = [
        ("FOUNDATION__AI__MODELS_PATH", models().to_str().unwrap().to_owned()),
        ("FOUNDATION__AI__PROVIDER", "openai-compatible".to_owned()),
        ("FOUNDATION__AI__BASE_URL", endpoint.base_url()),
        ("FOUNDATION__AI__MODELS__GENERATOR", "scripted".to_owned()),
    ];
    let mut started = Started::run(directory.path(), &commands("Three nodes"), &model);
    assert_eq!(started.nodes.len(), 3, "the README starts three nodes");
    let spread = |told: &Value| is_spread(told, SHARDS);
    until(
        started.setup("one"),
        "three nodes with three copies of everything",
        SPREAD,
        spread,
    )
    .await;

    let token = std::fs::read_to_string(directory.path().join("one/operator-token")).unwrap();
    let at_front = Setup::of(&directory.path().join("haproxy"), started.ports.free(FRONT));
    let balancer = started.balancer.take().expect("the README starts HAProxy");
    let front = Server::of(&at_front, balancer, token.trim());
    eventually(&front, "/api/planning/runs", FAILOVER, |_| true).await;
    let run = front
        .create(&json!({ "idea": "A shared calendar that books repair cafes by itself", "config": {} }))
        .await;
    let begun = front.follow(&run, 0, |event| event["kind"] == "phase_completed").await;
    assert!(
        begun.iter().any(|(_, event)| event["kind"] == "phase_completed"),
        "{}",
        front.log()
    );

    let owner = owner(started.setup("one"), &run).await;
    started.kill(&owner);
    let is_over = |told: &Value| {
        ["completed", "failed", "killed"]
            .iter()
            .any(|status| told["status"] == *status)
    };
    let path = format!("/api/planning/runs/{run}");
    eventually(&front, &path, FAILOVER, |_| true).await;
    let finished = eventually(&front, &path, PLAN, is_over).await;
    assert_eq!(finished["status"], "completed", "{finished}");
    assert_eq!(finished["pivot_count"], 1);

    let events = front.events(&run).await;
    let ids: Vec<u64> = events.iter().map(|(id, _)| *id).collect();
    assert_eq!(
        ids,
        (1..=ids.len() as u64).collect::<Vec<_>>(),
        "none is lost, none is doubled"
    );
    let kinds = front.kinds(&run).await;
    let completed = kinds.iter().filter(|kind| *kind == "phase_completed").count();
    assert_eq!(completed, 5 + PHASES, "five before the pivot");
    let mut counts: HashMap<String, usize> = HashMap::new();
    for call in endpoint.calls() {
        *counts.entry(call.idempotency_key.unwrap()).or_default() += 1;
    }
    assert_eq!(counts.len(), 5 + PHASES);
    let repeated = counts.values().filter(|count| **count > 1).count();
    assert!(repeated <= 1, "only what was under way is asked again: {counts:?}");
}
