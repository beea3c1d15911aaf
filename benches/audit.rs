//! What the audit chain costs: appends that are durable, over many tenants, and how quickly chains are checked.
//!
//! `cargo bench -p benches --bench audit`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![allow(missing_docs, reason = "a benchmark has no reader of its items")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actors::{
    audit::{Append, AuditEnv, AuditLog, AuditRecord, GENESIS, NAME, Verifier, payload, verify},
    ports::Signer,
};
use cluster::{ClusterConfig, Stores, prelude::*};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

const TENANTS: usize = 100;
const CALLERS: usize = 16;
const TIME: Duration = Duration::from_secs(5);
const HASHED: u64 = 300_000;
const ROUNDS: usize = 5;

/// Signing is a matter of one record in a thousand.
struct Unsigned;

impl Signer for Unsigned {
    fn public_key(&self) -> Option<[u8; 32]> {
        Some([0; 32])
    }

    fn sign(&self, _bytes: &[u8]) -> Option<[u8; 64]> {
        Some([0; 64])
    }

    fn verify(&self, _public_key: &[u8; 32], _bytes: &[u8], _signature: &[u8; 64]) -> bool {
        true
    }
}

/// An event as the gateway and the actors record it.
fn event(number: u64) -> Append {
    let members = json!({ "workflowName": "planning", "instanceId": format!("019ab0c1-7d2f-7a00-8000-{number:012x}") });
    Append {
        event_type: "workflow_dispatched".to_owned(),
        payload: payload(
            "019ab0c1-7d2f-7a00-8000-0242ac120002",
            Some("019ab0c1-8a3e-7b10-9000-0242ac120003"),
            members,
        ),
    }
}

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .unwrap()
}

/// Records that are checked each second, on one thread.
fn hashing() {
    let (mut records, mut last): (Vec<AuditRecord>, _) = (Vec::new(), GENESIS);
    for seq in 0..HASHED {
        let Append { event_type, payload } = event(seq);
        let record = AuditRecord::following(seq, last, event_type, payload, 1_767_225_600);
        last = record.hash;
        records.push(record);
    }
    let bytes = records[0].payload.len() + records[0].event_type.len() + 77;
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            let mut verifier = Verifier::default();
            for record in &records {
                verifier.check(record).unwrap();
            }
            HASHED as f64 / begin.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    println!(
        "records of {bytes} hashed bytes checked in memory: {:.0}/s (aim 500,000)",
        rates[ROUNDS / 2]
    );
}

async fn appends(cluster: &Cluster) -> f64 {
    let begin = Instant::now();
    let callers = (0..TENANTS * CALLERS).map(|caller| {
        let tenant = TenantId::new(&format!("t{}", caller % TENANTS)).unwrap();
        let audit = cluster.get::<AuditLog>(ActorId::from_name::<AuditLog>(&tenant, NAME));
        tokio::spawn(async move {
            let mut count = 0;
            while begin.elapsed() < TIME {
                audit.ask(event(count)).await.unwrap();
                count += 1;
            }
            count
        })
    });
    let mut total = 0;
    for caller in callers.collect::<Vec<_>>() {
        total += caller.await.unwrap();
    }
    total as f64 / begin.elapsed().as_secs_f64()
}

fn main() {
    hashing();
    let (actors, raft, client) = (runtime(1), runtime(1), runtime(1));
    let directory = tempfile::tempdir().unwrap();
    let env = AuditEnv {
        signer: Arc::new(Unsigned),
        retention_days: None,
    };
    let config = ClusterConfig::new(actors.handle().clone(), raft.handle().clone());
    let open = Cluster::builder(config)
        .actor::<AuditLog>(env)
        .open(Stores::disk(directory.path()));
    let cluster = actors.block_on(open).unwrap();
    let mut rates: Vec<f64> = (0..=ROUNDS).map(|_| client.block_on(appends(&cluster))).collect();
    // The first round warms up.
    rates.remove(0);
    rates.sort_by(f64::total_cmp);
    println!(
        "durable appends over {TENANTS} tenants, {} callers: {:.0}/s (aim 20,000)",
        TENANTS * CALLERS,
        rates[ROUNDS / 2]
    );
    let tenant = TenantId::new("t0").unwrap();
    let audit = cluster.get::<AuditLog>(ActorId::from_name::<AuditLog>(&tenant, NAME));
    let begin = Instant::now();
    let verdict = client.block_on(verify(&audit)).unwrap();
    assert!(verdict.is_valid(), "{verdict:?}");
    println!(
        "records checked from storage, one chain of {}: {:.0}/s",
        verdict.length,
        verdict.length as f64 / begin.elapsed().as_secs_f64()
    );
    actors.block_on(cluster.shutdown());
}
