//! The child: one node of the cluster, and the lines on which clients call its actors.

use std::{
    fmt::Display,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cluster::{
    CertificateFiles, Certificates, ClusterConfig, DirectoryQuery, Endpoint, MemberState, NetworkConfig, NodeAddress,
    NodeId, NodeName, OnFatal, Role, Security, Stores, prelude::*,
};
use faults::{Plan, install};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    runtime::Handle,
};

use crate::{
    lists::{All, Append, Growing, Read, Witness},
    slots::{self, Slots, Store},
};

/// The variable of the environment that makes a process a node.
pub(crate) const SETTINGS: &str = "NODES_SETTINGS";

/// The exit code of a node that cannot go on.
pub(crate) const STOPPED: i32 = 70;

/// The port on which clients call.
pub(crate) const CLIENTS: u16 = 7000;

/// The ports on which nodes call each other.
const RAFT: u16 = 7001;
const REQUESTS: u16 = 7002;

/// How large a node is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) shards: u16,
    /// Threads of its actors; its groups have one.
    pub(crate) threads: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { shards: 8, threads: 1 }
    }
}

/// What a node is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) shape: Shape,
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    pub(crate) directory: PathBuf,
    pub(crate) seeds: Vec<IpAddr>,
    pub(crate) certificates: PathBuf,
    pub(crate) is_gateway: bool,
}

/// Runs a node, if the environment says so.
pub(crate) fn run() {
    let Some(settings) = std::env::var_os(SETTINGS) else {
        return;
    };
    let settings: Settings = serde_json::from_slice(settings.as_encoded_bytes()).unwrap();
    if let Some(plan) = Plan::from_environment().unwrap() {
        install(&plan).unwrap();
    }
    let runtime = |threads| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap()
    };
    let (actors, raft) = (runtime(settings.shape.threads), runtime(1));
    actors.block_on(node(settings, actors.handle().clone(), raft.handle().clone()));
}

/// Makes a CA and the certificates of so many nodes in a folder.
pub(crate) fn certificates(folder: &Path, nodes: u8) -> PathBuf {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let certificate = ca.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(ca, key);
    for number in 1..=nodes {
        let name = NodeName::new(format!("n{number}")).unwrap();
        let mut params = CertificateParams::new(vec![name.dns_name(), NodeName::DOMAIN.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let files = files(folder, &name);
        std::fs::write(files.ca, &certificate).unwrap();
        std::fs::write(files.certificate, params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        std::fs::write(files.key, key.serialize_pem()).unwrap();
    }
    folder.to_owned()
}

fn files(folder: &Path, name: &NodeName) -> CertificateFiles {
    CertificateFiles {
        ca: folder.join("ca.pem"),
        certificate: folder.join(format!("{}.pem", name.as_str())),
        key: folder.join(format!("{}.key", name.as_str())),
    }
}

async fn node(settings: Settings, actors: Handle, raft: Handle) {
    let name = NodeName::new(settings.name).unwrap();
    let certificates = Certificates::read(files(&settings.certificates, &name), &name).unwrap();
    let endpoint = |port| Endpoint {
        listen: SocketAddr::new(settings.address, port),
        advertise: NodeAddress::new(&format!("{}:{port}", settings.address)).unwrap(),
    };
    let seeds = settings.seeds.iter();
    let seeds = seeds.map(|seed| NodeAddress::new(&format!("{seed}:{REQUESTS}")).unwrap());
    let config = ClusterConfig {
        shards: settings.shape.shards,
        network: Some(NetworkConfig {
            role: if settings.is_gateway {
                Role::Gateway
            } else {
                Role::Replica
            },
            zone: None,
            raft: endpoint(RAFT),
            requests: endpoint(REQUESTS),
            http: None,
            seeds: seeds.collect(),
            security: Security::Certificates(Arc::new(certificates)),
            name,
        }),
        on_fatal: OnFatal::new(|reason| {
            // Into the log of the host; the process is about to end, whether that can be written or not.
            let _ = writeln!(std::io::stderr(), "the node cannot go on: {reason}");
            std::process::exit(STOPPED);
        }),
        ..ClusterConfig::new(actors, raft)
    };
    let cluster = Cluster::builder(config)
        .actor::<Growing>(())
        .actor::<Witness>(())
        .actor::<Slots>(())
        .open(Stores::disk_with_cache(settings.directory, 8 << 20))
        .await
        .unwrap();
    let serving = tokio::spawn(serve(cluster.clone(), settings.address));
    // The parent lets go of the pipe when the node is to stop.
    let told = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = told.await;
    cluster.shutdown().await;
    serving.abort();
}

async fn serve(cluster: Cluster, address: IpAddr) {
    let listener = TcpListener::bind((address, CLIENTS)).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(connection(cluster.clone(), stream));
    }
}

/// Answers the lines of one client, one after another, until it goes away.
async fn connection(cluster: Cluster, stream: TcpStream) {
    let (read, mut out) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = answer(&cluster, &line).await;
        if out.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn answer(cluster: &Cluster, line: &str) -> String {
    let words: Vec<_> = line.split(' ').collect();
    let tenant = TenantId::new("acme").unwrap();
    let growing = |name: &str| cluster.get::<Growing>(ActorId::from_name::<Growing>(&tenant, name));
    match words[..] {
        ["put", name, value] => match cluster.settings().put_if_absent(name, value.into()).await {
            Ok(value) => format!("put {}", String::from_utf8_lossy(&value)),
            Err(error) => failed(&error),
        },
        ["names"] => match cluster.list::<Growing>(&tenant, DirectoryQuery::default()).await {
            Ok(names) => format!("names {}", names.len()),
            Err(error) => failed(&error),
        },
        ["inspect", actor] => match cluster.inspect(&ActorId::from_name::<Growing>(&tenant, actor)).await {
            Ok(status) => format!("values {}", status.state.rows),
            Err(error) => failed(&error),
        },
        ["hello"] => "hello".to_owned(),
        ["overview"] => match cluster.overview().await {
            Ok(overview) => serde_json::to_string(&overview).unwrap(),
            Err(error) => failed(&error),
        },
        ["append", actor, element] => match growing(actor).ask(Append(element.parse().unwrap())).await {
            Ok(place) => format!("appended {place}"),
            Err(error) => failed(&error),
        },
        ["read", actor] => match growing(actor).ask(Read).await {
            Ok((length, digest)) => format!("read {length} {digest}"),
            Err(error) => failed(&error),
        },
        ["store", actor] => match slots::get(cluster, actor).ask(Store).await {
            Ok(count) => format!("stored {count}"),
            Err(error) => failed(&error),
        },
        ["load", callers, millis] => {
            let span = Duration::from_millis(millis.parse().unwrap());
            let load = slots::load(cluster, callers.parse().unwrap(), span).await;
            format!("loaded {} {}", load.stored, load.failed)
        }
        ["ages", age, lists] => {
            let (age, lists) = (Duration::from_micros(age.parse().unwrap()), lists.parse().unwrap());
            match slots::list(cluster, age, lists).await {
                Ok((took, oldest)) => format!("aged {} {}", took.as_micros(), oldest.as_micros()),
                Err(error) => failed(&error),
            }
        }
        [verb @ ("remove" | "drain" | "up"), node] => {
            let (state, done) = match verb {
                "remove" => (MemberState::Removing, "removing"),
                "drain" => (MemberState::Draining, "draining"),
                _ => (MemberState::Up, "up"),
            };
            let node = NodeId::new(node.parse().unwrap());
            match cluster.set_member_state(node, state).await {
                Ok(()) => done.to_owned(),
                Err(error) => failed(&error),
            }
        }
        ["list", actor] => elements(growing(actor).ask(All).await),
        ["heard", actor] => {
            let witness = cluster.get::<Witness>(ActorId::from_name::<Witness>(&tenant, actor));
            elements(witness.ask(All).await)
        }
        _ => format!("what is {line:?}?"),
    }
}

/// Says whether a call certainly had no effect.
fn failed(error: &ActorError) -> String {
    let verdict = match error.kind() {
        ErrorKind::Retryable | ErrorKind::Overloaded => "refused",
        ErrorKind::Invalid
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::Forbidden
        | ErrorKind::TooLarge
        | ErrorKind::Deadline
        | ErrorKind::Unknown
        | ErrorKind::Unsupported
        | ErrorKind::Internal => "doubtful",
    };
    format!("{verdict} {}", error.code())
}

fn elements(elements: Result<Vec<u64>, impl Display>) -> String {
    match elements {
        Ok(elements) => elements
            .iter()
            .fold("all".to_owned(), |line, element| format!("{line} {element}")),
        Err(error) => format!("failed: {error}"),
    }
}
