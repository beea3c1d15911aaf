//! The server itself: health, actors, nodes, backups.

use actix_web::http::StatusCode;

use crate::gateway::{
    admin::{self, ActorBody, ListBody, PassivatedBody, SlowBody, ValueBody},
    backups::{self, BegunBody, JobBody},
    checks::{self, Health},
    cursor::Page,
    endpoint::{Endpoint, delete, get, post},
    health::{self, Alive, PROMETHEUS_TEXT, Ready},
    key_rotation::{self, SigningKeyList},
    limits::{self, LimiterBody},
    nodes::{self, LocalBody, OverviewBody, SentBody},
    permission::Permission::{SystemConfigure, SystemMonitor},
    signing_keys::SigningKey,
    tenant::TenantBody,
    tenants,
    vectors::{self, IndexBody},
};

/// Codes of requests that name an actor.
const OF_ACTOR: &[&str] = &["class.unregistered", "tenant.invalid", "actor.name"];

/// Codes of requests that change a node.
const OF_NODE: &[&str] = &[
    "cluster.alone",
    "cluster.failed",
    "cluster.leader",
    "cluster.node",
    "cluster.refused",
];

/// Codes of requests for a backup or a restore.
const OF_BACKUP: &[&str] = &[
    "actor.name",
    "backup.busy",
    "backup.contents",
    "class.unregistered",
    "tenant.invalid",
];

/// Codes of requests that name a tenant.
const OF_TENANT: &[&str] = &["tenant.invalid", "tenant.reserved", "tenant.unknown"];

/// Codes of requests that name a limiter.
const OF_LIMITER: &[&str] = &["limit.not-found", "tenant.unknown"];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/health", health::health)
            .public()
            .uncounted()
            .says("Whether the process is alive")
            .named("getHealth")
            .gives::<Alive>("It is"),
        get("/ready", health::ready)
            .public()
            .uncounted()
            .says("Whether requests are taken here")
            .named("getReadiness")
            .gives::<Ready<'_>>("They are")
            .fails(&["draining", "not-ready"]),
        get("/metrics", health::metrics)
            .public()
            .uncounted()
            .says("Metrics as Prometheus reads them")
            .named("getMetrics")
            .gives_text(PROMETHEUS_TEXT, "The metrics"),
        get("/api/admin/health", checks::health)
            .needs(SystemMonitor)
            .says("Checks each part of what the server needs")
            .named("checkHealth")
            .gives::<Health>("How each part stands"),
        get("/api/admin/actors", admin::list)
            .needs(SystemMonitor)
            .says("Lists the actors that have written")
            .named("listActors")
            .query(admin::actors_query)
            .gives::<ListBody<'_>>("A page of actors")
            .fails(&["read-token.foreign", "read-token.malformed"])
            .fails(OF_ACTOR),
        get("/api/admin/actors/slow", admin::slow)
            .needs(SystemMonitor)
            .says("Lists turns that took long")
            .named("listSlowTurns")
            .gives::<SlowBody>("The turns"),
        get("/api/admin/actors/{class}/{tenant}/{name}", admin::show)
            .needs(SystemMonitor)
            .says("Shows an actor")
            .named("getActor")
            .gives::<ActorBody>("The actor")
            .fails(&["actor.not-found"])
            .fails(OF_ACTOR),
        get("/api/admin/actors/{class}/{tenant}/{name}/values", admin::values)
            .needs(SystemMonitor)
            .says("Lists what an actor has stored")
            .named("listStoredValues")
            .query(admin::values_query)
            .gives::<Page<ValueBody>>("A page of values")
            .fails(OF_ACTOR),
        post("/api/admin/actors/{class}/{tenant}/{name}/passivate", admin::passivate)
            .needs(SystemConfigure)
            .says("Puts an actor out of memory")
            .named("passivateActor")
            .gives::<PassivatedBody>("What it did is durable")
            .fails(OF_ACTOR),
        get("/api/admin/tenants", tenants::list)
            .needs(SystemMonitor)
            .says("Lists all tenants")
            .named("listAllTenants")
            .query(tenants::tenants_query)
            .gives::<Page<TenantBody>>("A page of tenants")
            .fails(OF_TENANT),
        get("/api/admin/tenants/{tenant}", tenants::show)
            .needs(SystemMonitor)
            .says("Shows a tenant")
            .named("getAnyTenant")
            .gives::<TenantBody>("The tenant")
            .fails(OF_TENANT),
        post("/api/admin/tenants/{tenant}/plan", tenants::set_plan)
            .needs(SystemConfigure)
            .says("Gives a tenant another plan")
            .named("setPlan")
            .body(tenants::new_plan)
            .gives::<TenantBody>("The tenant")
            .fails(OF_TENANT),
        post("/api/admin/tenants/{tenant}/suspend", tenants::suspend)
            .needs(SystemConfigure)
            .says("Lets nobody into a tenant any more")
            .named("suspendTenant")
            .body(tenants::suspension)
            .gives::<TenantBody>("The tenant")
            .fails(&["tenant.home", "tenant.why"])
            .fails(OF_TENANT),
        post("/api/admin/tenants/{tenant}/resume", tenants::resume)
            .needs(SystemConfigure)
            .says("Lets members and keys into a tenant again")
            .named("resumeTenant")
            .gives::<TenantBody>("The tenant")
            .fails(OF_TENANT),
        post("/api/admin/tenants/{tenant}/erase", tenants::erase)
            .needs(SystemConfigure)
            .says("Begins to give up everything that a tenant has")
            .named("eraseTenant")
            .body(tenants::confirmation)
            .answers::<BegunBody>(StatusCode::ACCEPTED, "It was begun")
            .located()
            .fails(&["backup.busy", "tenant.confirm", "tenant.home"])
            .fails(OF_TENANT),
        get("/api/admin/vectors", vectors::list)
            .needs(SystemMonitor)
            .says("Lists how the index of each tenant stands")
            .named("listIndexes")
            .query(vectors::tenants_query)
            .gives::<Page<IndexBody>>("A page of tenants")
            .fails(&["tenant.invalid"]),
        get("/api/admin/vectors/{tenant}", vectors::show)
            .needs(SystemMonitor)
            .says("Shows how the index of a tenant stands")
            .named("getIndex")
            .gives::<IndexBody>("How it stands")
            .fails(&["tenant.invalid"]),
        post("/api/admin/vectors/{tenant}/rebuild", vectors::rebuild)
            .needs(SystemConfigure)
            .says("Makes the index of a tenant again from its artifacts")
            .named("rebuildIndex")
            .gives::<IndexBody>("How it stands")
            .fails(&["tenant.invalid"]),
        post("/api/admin/backups", backups::create)
            .needs(SystemConfigure)
            .says("Begins a backup")
            .named("createBackup")
            .body(backups::wanted)
            .answers::<BegunBody>(StatusCode::ACCEPTED, "It was begun")
            .located()
            .fails(OF_BACKUP),
        post("/api/admin/restores", backups::restore)
            .needs(SystemConfigure)
            .says("Begins to restore a tenant or an actor from a backup")
            .named("createRestore")
            .body(backups::new_restore)
            .answers::<BegunBody>(StatusCode::ACCEPTED, "It was begun")
            .located()
            .fails(&["backup.name"])
            .fails(OF_BACKUP),
        get("/api/admin/jobs/{job}", backups::job)
            .needs(SystemMonitor)
            .says("Shows how far a backup or restore is")
            .named("getJob")
            .gives::<JobBody>("The job")
            .fails(&["backup.job"]),
        get("/api/admin/signing-keys", key_rotation::list)
            .needs(SystemMonitor)
            .says("Lists the keys that sign tokens")
            .named("listSigningKeys")
            .gives::<SigningKeyList>("The keys, without their secrets"),
        post("/api/admin/signing-keys", key_rotation::rotate)
            .needs(SystemConfigure)
            .says("Makes a new key to sign tokens")
            .named("rotateSigningKeys")
            .body(key_rotation::rotation)
            .answers::<SigningKey>(StatusCode::CREATED, "The key, without its secret")
            .fails(&["signing-key.pending", "signing-key.too-many"]),
        get("/api/admin/limits/{kind}/{limiter}", limits::show)
            .needs(SystemMonitor)
            .says("Shows how a rate limiter stands")
            .named("getLimiter")
            .gives::<LimiterBody>("How it stands")
            .fails(OF_LIMITER),
        post("/api/admin/limits/{kind}/{limiter}", limits::configure)
            .needs(SystemConfigure)
            .says("Gives a rate limiter a limit of its own")
            .named("configureLimiter")
            .body(limits::new_limit)
            .gives::<LimiterBody>("How it stands")
            .fails(&["limiter.max-requests", "limiter.window"])
            .fails(OF_LIMITER),
        delete("/api/admin/limits/{kind}/{limiter}", limits::reset)
            .needs(SystemConfigure)
            .says("Makes a rate limiter forget what it counted")
            .named("resetLimiter")
            .gives_nothing("It is forgotten")
            .fails(OF_LIMITER),
        get("/api/cluster", nodes::overview)
            .needs(SystemMonitor)
            .says("Shows nodes, shards, and what moves and why")
            .named("getCluster")
            .gives::<OverviewBody>("The cluster, as its leader sees it, or without one the node that was asked")
            .fails(&["cluster.alone", "cluster.failed", "cluster.leader"]),
        get("/api/cluster/node", nodes::local)
            .needs(SystemMonitor)
            .says("Shows what this node sees by itself")
            .named("getNode")
            .gives::<LocalBody>("What it sees")
            .fails(&["cluster.alone"]),
        post("/api/cluster/nodes/{node}/drain", nodes::drain)
            .needs(SystemConfigure)
            .says("Moves everything away from a node")
            .named("drainNode")
            .answers::<SentBody>(StatusCode::ACCEPTED, "It was written down")
            .fails(OF_NODE),
        post("/api/cluster/nodes/{node}/up", nodes::up)
            .needs(SystemConfigure)
            .says("Lets a node take its share again")
            .named("upNode")
            .answers::<SentBody>(StatusCode::ACCEPTED, "It was written down")
            .fails(OF_NODE),
        post("/api/cluster/nodes/{node}/remove", nodes::remove)
            .needs(SystemConfigure)
            .says("Drains a node and takes it out for good")
            .named("removeNode")
            .answers::<SentBody>(StatusCode::ACCEPTED, "It was written down")
            .fails(OF_NODE),
    ]
}
