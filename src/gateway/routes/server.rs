//! The server itself: health, actors, nodes, backups.

use crate::gateway::{
    admin, backups,
    endpoint::{Endpoint, delete, get, post},
    health, limits, nodes,
    permission::Permission::{SystemConfigure, SystemMonitor},
    vectors,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/health", health::health)
            .public()
            .uncounted()
            .says("Whether the process is alive"),
        get("/ready", health::ready)
            .public()
            .uncounted()
            .says("Whether requests are taken here"),
        get("/metrics", health::metrics)
            .public()
            .uncounted()
            .says("Metrics as Prometheus reads them"),
        get("/api/admin/actors", admin::list)
            .needs(SystemMonitor)
            .says("Lists the actors that have written"),
        get("/api/admin/actors/slow", admin::slow)
            .needs(SystemMonitor)
            .says("Lists turns that took long"),
        get("/api/admin/actors/{class}/{tenant}/{name}", admin::show)
            .needs(SystemMonitor)
            .says("Shows an actor"),
        get("/api/admin/actors/{class}/{tenant}/{name}/values", admin::values)
            .needs(SystemMonitor)
            .says("Lists what an actor has stored"),
        post("/api/admin/actors/{class}/{tenant}/{name}/passivate", admin::passivate)
            .needs(SystemConfigure)
            .says("Puts an actor out of memory"),
        get("/api/admin/vectors", vectors::list)
            .needs(SystemMonitor)
            .says("Lists how the index of each tenant stands"),
        get("/api/admin/vectors/{tenant}", vectors::show)
            .needs(SystemMonitor)
            .says("Shows how the index of a tenant stands"),
        post("/api/admin/vectors/{tenant}/rebuild", vectors::rebuild)
            .needs(SystemConfigure)
            .says("Makes the index of a tenant again from its artifacts"),
        post("/api/admin/backups", backups::create)
            .needs(SystemConfigure)
            .says("Begins a backup"),
        post("/api/admin/restores", backups::restore)
            .needs(SystemConfigure)
            .says("Begins to restore a tenant or an actor from a backup"),
        get("/api/admin/jobs/{id}", backups::job)
            .needs(SystemMonitor)
            .says("Shows how far a backup or restore is"),
        get("/api/admin/limits/{kind}/{key}", limits::show)
            .needs(SystemMonitor)
            .says("Shows how a rate limiter stands"),
        post("/api/admin/limits/{kind}/{key}", limits::configure)
            .needs(SystemConfigure)
            .says("Gives a rate limiter a limit of its own"),
        delete("/api/admin/limits/{kind}/{key}", limits::reset)
            .needs(SystemConfigure)
            .says("Makes a rate limiter forget what it counted"),
        get("/api/cluster", nodes::overview)
            .needs(SystemMonitor)
            .says("Shows nodes, shards, and what moves and why"),
        get("/api/cluster/node", nodes::local)
            .needs(SystemMonitor)
            .says("Shows what this node sees by itself"),
        post("/api/cluster/nodes/{id}/drain", nodes::drain)
            .needs(SystemConfigure)
            .says("Moves everything away from a node"),
        post("/api/cluster/nodes/{id}/up", nodes::up)
            .needs(SystemConfigure)
            .says("Lets a node take its share again"),
        post("/api/cluster/nodes/{id}/remove", nodes::remove)
            .needs(SystemConfigure)
            .says("Drains a node and takes it out for good"),
    ]
}
