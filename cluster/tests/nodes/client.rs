//! Clients: each calls random lists through random nodes, one call after another, and writes down what it heard.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
    time::timeout,
};

use crate::history::{Call, Element, What};

/// Longest wait for an answer; a node answers its own deadline before.
const PATIENCE: Duration = Duration::from_secs(8);

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_millis(300);

/// Pause after a refusal or without a connection, so that a cluster without leader is not stormed.
const PAUSE: Duration = Duration::from_millis(20);

/// Lists that are called.
pub(crate) const LISTS: u32 = 24;

/// A connection to one node, whose answers are lines.
pub(crate) struct Connection {
    lines: Lines<BufReader<OwnedReadHalf>>,
    out: OwnedWriteHalf,
}

impl Connection {
    /// Connects to a node.
    pub(crate) async fn open(node: SocketAddr) -> io::Result<Self> {
        let stream = timeout(CONNECT, TcpStream::connect(node)).await??;
        stream.set_nodelay(true)?;
        let (read, out) = stream.into_split();
        Ok(Self {
            lines: BufReader::new(read).lines(),
            out,
        })
    }

    /// Sends a line, and waits for its answer. An error says nothing about what became of the line.
    pub(crate) async fn call(&mut self, line: &str) -> io::Result<String> {
        let exchange = async {
            self.out.write_all(format!("{line}\n").as_bytes()).await?;
            let answer = self.lines.next_line().await?;
            answer.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
        };
        timeout(PATIENCE, exchange).await?
    }
}

/// What all clients share.
#[derive(Debug)]
pub(crate) struct Traffic {
    nodes: Vec<SocketAddr>,
    began: Instant,
    is_over: AtomicBool,
    elements: AtomicU64,
    acknowledged: AtomicU64,
}

/// Clients that call until they are told to stop.
pub(crate) struct Clients {
    traffic: Arc<Traffic>,
    clients: Vec<JoinHandle<Vec<Call>>>,
}

impl Clients {
    /// Lets so many clients loose on some nodes.
    pub(crate) fn start(nodes: Vec<SocketAddr>, clients: u64, seed: u64) -> Self {
        let traffic = Arc::new(Traffic {
            nodes,
            began: Instant::now(),
            is_over: AtomicBool::new(false),
            elements: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
        });
        let clients = (0..clients)
            .map(|number| {
                let random = StdRng::seed_from_u64(seed.wrapping_mul(1000).wrapping_add(number));
                tokio::spawn(client(Arc::clone(&traffic), random))
            })
            .collect();
        Self { traffic, clients }
    }

    /// Appends that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.traffic.acknowledged.load(Ordering::Relaxed)
    }

    /// Ends the calls; returns what was heard.
    pub(crate) async fn stop(self) -> Vec<Call> {
        self.traffic.is_over.store(true, Ordering::Relaxed);
        let mut calls = Vec::new();
        for client in self.clients {
            calls.extend(client.await.unwrap());
        }
        calls
    }
}

async fn client(traffic: Arc<Traffic>, mut random: StdRng) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut connection = None;
    while !traffic.is_over.load(Ordering::Relaxed) {
        let (node, mut open) = match connection.take() {
            // Now and then another node: any takes any call.
            Some(open) if random.random_bool(0.98) => open,
            _ => {
                let node = random.random_range(0..traffic.nodes.len());
                let Ok(open) = Connection::open(traffic.nodes[node]).await else {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                (node, open)
            }
        };
        let actor = random.random_range(0..LISTS);
        let element = random
            .random_bool(0.7)
            .then(|| traffic.elements.fetch_add(1, Ordering::Relaxed));
        let line = match element {
            Some(element) => format!("append {actor} {element}"),
            None => format!("read {actor}"),
        };
        let called = traffic.began.elapsed();
        let answer = open.call(&line).await;
        let answered = traffic.began.elapsed();
        let what = understood(element, answer.as_deref().ok());
        if matches!(what, Some(What::Appended { .. })) {
            traffic.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(what, None | Some(What::Refused { .. })) {
            tokio::time::sleep(PAUSE).await;
        }
        calls.extend(what.map(|what| Call {
            actor,
            node,
            what,
            called,
            answered,
        }));
        if answer.is_ok() {
            connection = Some((node, open));
        }
    }
    calls
}

/// What an answer means; nothing, if a read failed.
fn understood(element: Option<Element>, answer: Option<&str>) -> Option<What> {
    let mut words = answer.unwrap_or_default().split(' ');
    let (first, number) = (words.next()?, words.next().and_then(|word| word.parse::<u64>().ok()));
    match (element, first) {
        (Some(element), "appended") => Some(What::Appended {
            element,
            place: usize::try_from(number?).ok()?,
        }),
        (Some(element), "refused") => Some(What::Refused { element }),
        (Some(element), _) => Some(What::Doubtful { element }),
        (None, "read") => Some(What::Read {
            length: usize::try_from(number?).ok()?,
            digest: words.next()?.parse().ok()?,
        }),
        (None, _) => None,
    }
}

/// All elements of all lists of a kind (`list` or `heard`), asked of one node. Nothing, if it cannot answer for all.
pub(crate) async fn all(node: SocketAddr, kind: &str) -> Option<BTreeMap<u32, Vec<Element>>> {
    let mut connection = Connection::open(node).await.ok()?;
    let mut lists = BTreeMap::new();
    for actor in 0..LISTS {
        let answer = connection.call(&format!("{kind} {actor}")).await.ok()?;
        let elements = answer.strip_prefix("all")?.split_whitespace();
        let elements = elements
            .map(|element| element.parse().ok())
            .collect::<Option<Vec<_>>>()?;
        lists.insert(actor, elements);
    }
    Some(lists)
}
