//! What a call costs, beside a bare call of ractor_cluster in the same run. Ignored; it prints:
//! `cargo nextest run -p cluster --features testing --release --run-ignored only --no-capture request_plane`.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call_t};
use ractor_cluster::{NodeServer, NodeServerMessage, RactorClusterMessage, client_connect, node::NodeConnectionMode};

use super::{
    certificates::two,
    fixture::{A, B, call, connected, echo, introduce, pair, start_secure, until},
};
use crate::request_plane::RequestPlane;

const CALLS: usize = 20_000;
const AT_ONCE: usize = 64;
const BODY: usize = 200;

#[derive(RactorClusterMessage)]
enum Bare {
    #[rpc]
    Call(Vec<u8>, RpcReplyPort<Vec<u8>>),
}

struct Echo;

impl Actor for Echo {
    type Msg = Bare;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Bare>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Bare>,
        Bare::Call(body, reply): Bare,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let _ = reply.send(body);
        Ok(())
    }
}

/// An actor on another node server, over its own listener, and the two servers.
async fn bare() -> (ActorRef<Bare>, [ActorRef<NodeServerMessage>; 2]) {
    let (echo, _) = Actor::spawn(None, Echo, ()).await.unwrap();
    let free = std::net::TcpListener::bind("[::]:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let server = |port, name: &str| {
        let isolated = Some(NodeConnectionMode::Isolated);
        let server = NodeServer::new(
            port,
            "cookie".to_owned(),
            name.to_owned(),
            name.to_owned(),
            None,
            isolated,
        );
        Actor::spawn(None, server, ())
    };
    let (near, _) = server(0, "near").await.unwrap();
    let (far, _) = server(port, "far").await.unwrap();
    client_connect(&near, ("localhost", port)).await.unwrap();
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let sessions = call_t!(near, NodeServerMessage::GetSessions, 1000).unwrap();
        let remote = sessions.values().find_map(|session| {
            let mut children = session.actor.get_children().into_iter();
            children.find(|child| !child.get_id().is_local() && child.get_id().pid() == echo.get_id().pid())
        });
        if let Some(remote) = remote {
            return (remote.into(), [near, far]);
        }
    }
    panic!("the node servers do not connect");
}

fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize]
}

/// Times of calls, one after the other; then how many are made in a second by so many callers.
async fn measure<F: Future<Output = ()>>(name: &str, call: impl Fn() -> F) -> Duration {
    for _ in 0..CALLS / 10 {
        call().await;
    }
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let start = Instant::now();
        call().await;
        times.push(start.elapsed());
    }
    let start = Instant::now();
    join_all((0..AT_ONCE).map(|_| async {
        for _ in 0..CALLS / AT_ONCE {
            call().await;
        }
    }))
    .await;
    let rate = CALLS as f64 / start.elapsed().as_secs_f64();
    let median = percentile(&mut times, 0.5);
    let p99 = percentile(&mut times, 0.99);
    println!("{name:24} p50 {median:?}, p99 {p99:?}; {AT_ONCE} at once: {rate:.0} calls/s");
    median
}

async fn measure_plane(name: &str, a: &RequestPlane) -> Duration {
    let body = bytes::Bytes::from(vec![1; BODY]);
    measure(name, || async {
        call(a, B, body.clone()).await.unwrap();
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
async fn a_call_costs_at_most_twice_a_bare_call() {
    let (echo_there, servers) = bare().await;
    let bare = measure("bare ractor_cluster", || async {
        let answer = call_t!(echo_there, Bare::Call, 10_000, vec![1; BODY]).unwrap();
        assert_eq!(answer.len(), BODY);
    })
    .await;
    for server in servers {
        server.stop_and_wait(None, None).await.unwrap();
    }
    let (a, b) = pair(echo()).await;
    let plain = measure_plane("request plane", &a).await;
    a.shutdown().await;
    b.shutdown().await;
    let [first, second] = two();
    let (a, b) = (start_secure(A, first).await, start_secure(B, second).await);
    introduce(&a, B, b.address());
    introduce(&b, A, a.address());
    connected(&a, B).await;
    until("the other side too", || b.reach()[&A].is_ok()).await;
    let encrypted = measure_plane("request plane with TLS", &a).await;
    let ratio = |time: Duration| time.as_secs_f64() / bare.as_secs_f64();
    println!(
        "times a bare call: {:.2}, with TLS {:.2}",
        ratio(plain),
        ratio(encrypted)
    );
    assert!(ratio(plain) <= 2.0 && ratio(encrypted) <= 2.0);
}
