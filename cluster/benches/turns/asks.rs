//! Calls that are answered from memory, beside calls of bare ractor actors.

use std::sync::Arc;

use cluster::{Bounds, Gatekeeper, TenantId};
use ractor::Actor;

use crate::{
    actors::{self, Next, Node},
    figures::Figures,
    load::{latency, place, rate},
    options::Options,
    peers::{Bare, ping},
    seal::Seal,
};

pub(crate) const RAW_MANY: &str = "raw ractor, 10,000 actors, 256 callers";
pub(crate) const ASK_MANY: &str = "ask, 10,000 actors, 256 callers";
pub(crate) const RAW_HOT: &str = "raw ractor, 1 actor, 64 callers";
pub(crate) const ASK_HOT: &str = "ask, 1 actor, 64 callers";
pub(crate) const RAW_ONE: &str = "raw ractor, 1 caller";
pub(crate) const ASK_ONE: &str = "ask with a deadline, 1 caller";
pub(crate) const ADMITTED_ONE: &str = "ask with a deadline and a gatekeeper with one HMAC-SHA256, 1 caller";

const CASES: [&str; 7] = [RAW_MANY, ASK_MANY, RAW_HOT, ASK_HOT, RAW_ONE, ASK_ONE, ADMITTED_ONE];
const ACTORS: usize = 10_000;

pub(crate) fn run(options: &Options, figures: &mut Figures) {
    let directory = actors::directory();
    let bounds = Bounds {
        // Room for an uneven spread over the shards.
        activations: 2 * ACTORS,
        ..Bounds::default()
    };
    let node = Node::open(directory.path(), 16, bounds);
    let references = Arc::new(node.references(ACTORS));
    let guarded_directory = actors::directory();
    let guarded = Node::guarded(
        guarded_directory.path(),
        1,
        Bounds::default(),
        Some(Arc::new(Seal::new())),
    );
    let admitted = guarded.references(1).remove(0);
    let bare = node.actors.block_on(async {
        let mut bare = Vec::new();
        for _ in 0..ACTORS {
            bare.push(Actor::spawn(None, Bare, ()).await.expect("an actor starts").0);
        }
        for actor in references.iter() {
            actor.ask(Next).await.expect("the actor answers");
        }
        Arc::new(bare)
    });
    for _ in 0..=options.rounds() {
        node.actors.block_on(round(options, figures, &bare, &references));
        guarded.actors.block_on(round_admitted(options, figures, &admitted));
    }
    bare.iter().for_each(|actor| actor.stop(None));
    figures.warmed_up(&CASES);
    node.close();
    guarded.close();
}

async fn round_admitted(options: &Options, figures: &mut Figures, actor: &cluster::ActorRef<actors::Counter>) {
    let credential = Seal::new().vouch(&TenantId::new("bench").expect("a lawful name"));
    let actor = actor.clone();
    let ask = move |_, _| {
        let (actor, credential) = (actor.clone(), credential.clone());
        async move {
            let asked = credential.scope(actor.ask(Next));
            asked.await.expect("the actor answers");
        }
    };
    figures.add(ADMITTED_ONE, latency(options.span(), ask).await);
}

async fn round(
    options: &Options,
    figures: &mut Figures,
    bare: &Arc<Vec<ractor::ActorRef<crate::peers::Ping>>>,
    references: &Arc<Vec<cluster::ActorRef<actors::Counter>>>,
) {
    let span = options.span();
    let raw = |count: usize| {
        let bare = Arc::clone(bare);
        move |caller: usize, n: u64| ping(bare[place(caller, n, count)].clone())
    };
    let ask = |count: usize| {
        let references = Arc::clone(references);
        move |caller: usize, n: u64| {
            let actor = references[place(caller, n, count)].clone();
            async move {
                actor.ask(Next).await.expect("the actor answers");
            }
        }
    };
    figures.add_rate(RAW_MANY, rate(256, span, raw(ACTORS)).await);
    figures.add_rate(ASK_MANY, rate(256, span, ask(ACTORS)).await);
    figures.add_rate(RAW_HOT, rate(64, span, raw(1)).await);
    figures.add_rate(ASK_HOT, rate(64, span, ask(1)).await);
    figures.add(RAW_ONE, latency(span, raw(1)).await);
    figures.add(ASK_ONE, latency(span, ask(1)).await);
}
