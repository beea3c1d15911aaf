//! What a request costs: a bare actix route, a route that asks an actor, and a route that makes a durable turn, in one run.
//!
//! `cargo bench -p benches --bench http`. Rounds are interleaved, because machines are noisy; medians and ratios are printed.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![allow(missing_docs, reason = "a benchmark has no reader of its items")]

use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use cluster::{ClusterConfig, Stores, prelude::*};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CONNECTIONS: usize = 32;
const REQUESTS: usize = 400;
const ROUNDS: usize = 7;
const ACTORS: usize = 64;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "bench.read", reply = u64)]
struct Read;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "bench.increment", reply = u64)]
struct Increment;

const COUNT: Key<u64> = Key::new("count");

struct Counter {
    count: u64,
}

impl VirtualActor for Counter {
    const CLASS: &'static str = "bench-counter";
    type Env = ();

    fn interface(interface: Interface<Self>) -> Interface<Self> {
        interface.on::<Read>().on::<Increment>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            count: ctx.storage().get(&COUNT).await?.unwrap_or_default(),
        })
    }
}

impl Handler<Read> for Counter {
    async fn handle(&mut self, _: Read, _: &mut Ctx<Self>) -> Result<u64> {
        Ok(self.count)
    }
}

impl Handler<Increment> for Counter {
    async fn handle(&mut self, _: Increment, ctx: &mut Ctx<Self>) -> Result<u64> {
        self.count += 1;
        ctx.storage().put(&COUNT, &self.count)?;
        Ok(self.count)
    }
}

fn counter(cluster: &Cluster, name: &str) -> ActorRef<Counter> {
    let tenant = TenantId::new("bench").unwrap();
    cluster.get::<Counter>(ActorId::from_name::<Counter>(&tenant, name))
}

async fn bare() -> HttpResponse {
    HttpResponse::Ok().body("1")
}

async fn ask(cluster: web::Data<Cluster>, name: web::Path<String>) -> HttpResponse {
    let count = counter(&cluster, &name).ask(Read).await.unwrap();
    HttpResponse::Ok().body(count.to_string())
}

async fn durable(cluster: web::Data<Cluster>, name: web::Path<String>) -> HttpResponse {
    let count = counter(&cluster, &name).ask(Increment).await.unwrap();
    HttpResponse::Ok().body(count.to_string())
}

/// Sends requests over kept-alive connections and returns requests per second and the median latency.
async fn load(address: std::net::SocketAddr, path: &'static str) -> (f64, Duration) {
    let begin = Instant::now();
    let clients = (0..CONNECTIONS).map(|client| {
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut times = Vec::with_capacity(REQUESTS);
            let mut answer = vec![0; 4096];
            for request in 0..REQUESTS {
                let actor = (client * 7 + request) % ACTORS;
                let start = Instant::now();
                let text = format!("GET {path}/{actor} HTTP/1.1\r\nhost: localhost\r\n\r\n");
                stream.write_all(text.as_bytes()).await.unwrap();
                let mut filled = 0;
                loop {
                    filled += stream.read(&mut answer[filled..]).await.unwrap();
                    let seen = &answer[..filled];
                    if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n")
                        && filled > end + 4
                    {
                        assert!(seen.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(seen));
                        break;
                    }
                }
                times.push(start.elapsed());
            }
            times
        })
    });
    let mut times = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        times.extend(client.await.unwrap());
    }
    let rate = times.len() as f64 / begin.elapsed().as_secs_f64();
    times.sort_unstable();
    (rate, times[times.len() / 2])
}

fn median<T: PartialOrd + Copy>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}

fn main() {
    let actors = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let raft = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let client = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = ClusterConfig::new(actors.handle().clone(), raft.handle().clone());
    let open = Cluster::builder(config)
        .actor::<Counter>(())
        .open(Stores::disk(directory.path()));
    let cluster = actors.block_on(open).unwrap();

    let (send, receive) = std::sync::mpsc::channel();
    let data = web::Data::new(cluster.clone());
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(data.clone())
                    .route("/bare/{name}", web::get().to(bare))
                    .route("/ask/{name}", web::get().to(ask))
                    .route("/durable/{name}", web::get().to(durable))
            })
            .workers(1)
            .bind(("127.0.0.1", 0))
            .unwrap();
            send.send(server.addrs()[0]).unwrap();
            server.run().await.unwrap();
        });
    });
    let address = receive.recv().unwrap();

    let paths = ["/bare", "/ask", "/durable"];
    let mut results = vec![Vec::new(); paths.len()];
    client.block_on(async {
        for round in 0..=ROUNDS {
            for (path, results) in paths.iter().zip(&mut results) {
                let result = load(address, path).await;
                // The first round warms connections, caches and activations.
                if round > 0 {
                    results.push(result);
                }
            }
        }
    });
    println!(
        "{CONNECTIONS} connections, {ACTORS} actors, median of {ROUNDS} interleaved rounds of {} requests",
        CONNECTIONS * REQUESTS
    );
    println!(
        "{:<28} {:>12} {:>12} {:>10}",
        "route", "requests/s", "p50 us", "of bare"
    );
    let base = median(results[0].iter().map(|result| result.0));
    for (path, results) in paths.iter().zip(&results) {
        let rate = median(results.iter().map(|result| result.0));
        let latency = median(results.iter().map(|result| result.1));
        println!(
            "{path:<28} {rate:>12.0} {:>12} {:>9.0}%",
            latency.as_micros(),
            100.0 * rate / base
        );
    }
    actors.block_on(cluster.shutdown());
}
