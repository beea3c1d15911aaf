//! A network for tests: every message is delayed, lost, doubled or overtaken as a seed decides, and links can be cut, or hold
//! back what is on them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
};

use crate::peers::{CallError, Lane, NodeId, Peers, Service};

/// How a simulated network misbehaves.
#[derive(Debug, Clone)]
pub struct Weather {
    /// How long a message takes, one way; messages overtake each other.
    pub delay: RangeInclusive<Duration>,
    /// Probability that a message is lost.
    pub loss: f64,
    /// Probability that a message arrives twice.
    pub repeat: f64,
}

impl Default for Weather {
    /// A local network on a good day.
    fn default() -> Self {
        Self {
            delay: Duration::from_micros(50)..=Duration::from_micros(500),
            loss: 0.0,
            repeat: 0.0,
        }
    }
}

/// The network between the nodes of a test. Clones are the same network.
#[derive(Clone)]
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
    /// Directions in which everything stays on its way.
    held: watch::Sender<BTreeSet<(NodeId, NodeId)>>,
}

struct State {
    random: StdRng,
    weather: Weather,
    services: BTreeMap<NodeId, Arc<dyn Service>>,
    /// Directions in which nothing gets through.
    cut: BTreeSet<(NodeId, NodeId)>,
}

impl Network {
    /// A network without nodes.
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            random: StdRng::seed_from_u64(seed ^ 0x2e70),
            weather: Weather::default(),
            services: BTreeMap::new(),
            cut: BTreeSet::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            held: watch::Sender::default(),
        }
    }

    /// Changes how it misbehaves.
    pub(crate) fn set_weather(&self, weather: Weather) {
        self.state.lock().weather = weather;
    }

    /// Lets a node be called; what was called so before is gone.
    pub(crate) fn attach(&self, node: NodeId, service: Arc<dyn Service>) {
        self.state.lock().services.insert(node, service);
    }

    /// Takes a node away, as its process ends: what it would still answer is lost.
    pub(crate) fn detach(&self, node: NodeId) {
        self.state.lock().services.remove(&node);
    }

    /// The way of one node to the others.
    pub(crate) fn peers(&self, from: NodeId) -> Arc<dyn Peers> {
        Arc::new(Port {
            network: self.clone(),
            from,
        })
    }

    /// Lets nothing through from one node to another; what travels back still arrives.
    pub(crate) fn cut(&self, from: NodeId, to: NodeId) {
        self.state.lock().cut.insert((from, to));
    }

    /// Keeps what one node sends to another on its way, answers too, as if the other one stood still.
    #[cfg(test)]
    pub(crate) fn hold(&self, from: NodeId, to: NodeId) {
        self.held.send_modify(|held| {
            held.insert((from, to));
        });
    }

    /// Lets what was held back arrive.
    #[cfg(test)]
    pub(crate) fn release(&self, from: NodeId, to: NodeId) {
        self.held.send_modify(|held| {
            held.remove(&(from, to));
        });
    }

    /// Waits until nothing is held back.
    async fn passage(&self, from: NodeId, to: NodeId) {
        // The sender is this network.
        let _ = self.held.subscribe().wait_for(|held| !held.contains(&(from, to))).await;
    }

    /// Lets everything through again.
    pub(crate) fn heal(&self) {
        self.state.lock().cut.clear();
    }

    /// How often, and after which times, a message from one node to another arrives.
    fn arrivals(&self, from: NodeId, to: NodeId) -> Vec<Duration> {
        let state = &mut *self.state.lock();
        if state.cut.contains(&(from, to)) || state.random.random_bool(state.weather.loss) {
            return Vec::new();
        }
        let copies = 1 + usize::from(state.random.random_bool(state.weather.repeat));
        (0..copies)
            .map(|_| state.random.random_range(state.weather.delay.clone()))
            .collect()
    }

    /// The node, if it can be reached at this moment.
    fn service(&self, from: NodeId, to: NodeId) -> Option<Arc<dyn Service>> {
        let state = self.state.lock();
        (!state.cut.contains(&(from, to))).then(|| state.services.get(&to).cloned())?
    }

    fn is_attached(&self, node: NodeId, service: &Arc<dyn Service>) -> bool {
        let state = self.state.lock();
        state.services.get(&node).is_some_and(|now| Arc::ptr_eq(now, service))
    }

    /// One copy of a request, and the way of its answer back. It is on a connection to the process that was there when
    /// it was sent: none that begins later gets it.
    async fn deliver(self, from: NodeId, to: NodeId, lane: Lane, request: Bytes, after: Duration) -> Option<Bytes> {
        let receiver = self.service(from, to);
        tokio::time::sleep(after).await;
        self.passage(from, to).await;
        let service = receiver?;
        self.service(from, to).filter(|now| Arc::ptr_eq(now, &service))?;
        let answer = service.serve(from, lane, request).await;
        let back = *self.arrivals(to, from).first()?;
        tokio::time::sleep(back).await;
        self.passage(to, from).await;
        // A process that ended meanwhile has sent nothing.
        self.is_attached(to, &service).then_some(answer)
    }
}

struct Port {
    network: Network,
    from: NodeId,
}

impl Peers for Port {
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let (answer, answered) = oneshot::channel();
        let answer = Arc::new(Mutex::new(Some(answer)));
        for after in self.network.arrivals(self.from, to) {
            let delivery = self
                .network
                .clone()
                .deliver(self.from, to, lane, request.clone(), after);
            let answer = Arc::clone(&answer);
            Handle::current().spawn(delivery.map(move |arrived| {
                if let Some(arrived) = arrived
                    && let Some(answer) = answer.lock().take()
                {
                    // The caller may have given up.
                    let _ = answer.send(arrived);
                }
            }));
        }
        let lost = move |reason: &str| CallError::NoAnswer {
            node: to,
            reason: reason.to_owned(),
        };
        async move {
            match tokio::time::timeout(within, answered).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(_)) => Err(lost("the connection was lost")),
                Err(_) => Err(lost("the deadline passed")),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId::new(1);
    const B: NodeId = NodeId::new(2);

    struct Echo;

    impl Service for Echo {
        fn serve(&self, _: NodeId, _: Lane, request: Bytes) -> BoxFuture<'static, Bytes> {
            async move { request }.boxed()
        }
    }

    fn call(network: &Network) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let request = Bytes::from_static(b"hello");
        network.peers(A).call(B, Lane::Request, request, Duration::from_secs(1))
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_answered_unless_a_direction_is_cut() {
        let network = Network::new(1);
        network.attach(B, Arc::new(Echo));
        assert_eq!(call(&network).await.unwrap(), "hello");
        for (from, to) in [(A, B), (B, A)] {
            network.cut(from, to);
            assert!(matches!(call(&network).await, Err(CallError::NoAnswer { node: B, .. })));
            network.heal();
        }
        assert!(call(&network).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_back_arrives_when_it_is_released() {
        let network = Network::new(1);
        network.attach(B, Arc::new(Echo));
        for (from, to) in [(A, B), (B, A)] {
            network.hold(from, to);
            let mut called = call(&network);
            let early = tokio::time::timeout(Duration::from_millis(500), &mut called).await;
            assert!(early.is_err(), "{early:?}");
            network.release(from, to);
            assert_eq!(called.await.unwrap(), "hello");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_ends_answers_nothing() {
        let network = Network::new(1);
        network.attach(B, Arc::new(Echo));
        let late = call(&network);
        network.detach(B);
        assert!(late.await.is_err());
    }
}
