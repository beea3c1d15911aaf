//! The client: kept-alive connections, each of which sends a request when it has the answer to the last.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One kind of work.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// First part of the path: `add` or `store`.
    pub(crate) path: &'static str,
    /// How many objects the requests go to.
    pub(crate) objects: usize,
    /// How many times the rate of the peer is aimed at.
    pub(crate) target: f64,
}

/// What the clients saw.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Requests per second.
    pub(crate) rate: f64,
    pub(crate) requests: f64,
    pub(crate) median: Duration,
}

impl Load {
    /// Sends requests for so long.
    pub(crate) fn run(&self, address: SocketAddr, connections: usize, span: Duration) -> Seen {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let begin = Instant::now();
        let mut times = runtime.block_on(async {
            let clients: Vec<_> = (0..connections)
                .map(|client| {
                    let requests = self.requests(client);
                    tokio::spawn(ask(address, requests, begin + span))
                })
                .collect();
            let mut times = Vec::new();
            for client in clients {
                times.extend(client.await.expect("a client does not panic"));
            }
            times
        });
        let elapsed = begin.elapsed();
        times.sort_unstable();
        let requests = f64::from(u32::try_from(times.len()).expect("fewer than four thousand million requests"));
        Seen {
            rate: requests / elapsed.as_secs_f64(),
            requests,
            median: times[times.len() / 2],
        }
    }

    /// The requests that a client sends in turn: each client begins at another object.
    fn requests(&self, client: usize) -> Vec<Vec<u8>> {
        (0..self.objects)
            .map(|object| {
                let object = (client + object) % self.objects;
                format!("GET /{}/{object} HTTP/1.1\r\nhost: localhost\r\n\r\n", self.path).into_bytes()
            })
            .collect()
    }
}

async fn ask(address: SocketAddr, requests: Vec<Vec<u8>>, end: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket takes its options");
    let mut times = Vec::new();
    let mut answer = [0; 2048];
    for request in requests.iter().cycle() {
        let start = Instant::now();
        if start >= end {
            break;
        }
        stream.write_all(request).await.expect("the server reads");
        let mut filled = 0;
        while !is_whole(&answer[..filled]) {
            let more = stream.read(&mut answer[filled..]).await.expect("the server answers");
            assert!(more > 0, "the server closed the connection");
            filled += more;
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer[..filled])
        );
        times.push(start.elapsed());
    }
    times
}

/// Whether all of an answer is here, by its `content-length`.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let text = std::str::from_utf8(&answer[..head]).unwrap_or_default();
    let length = text
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .expect("both servers tell the length of so short an answer");
    answer.len() >= head + 4 + length
}
