//! The server itself: health, actors, nodes, backups.

use crate::gateway::{
    admin, backups, checks,
    endpoint::{Endpoint, delete, get, post},
    health, key_rotation, limits, nodes,
    permission::Permission::{SystemConfigure, SystemMonitor},
    tenants, vectors,
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
        get("/api/admin/health", checks::health)
            .needs(SystemMonitor)
            .says("Checks each part of what the server needs"),
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
        get("/api/admin/tenants", tenants::list)
            .needs(SystemMonitor)
            .says("Lists all tenants"),
        get("/api/admin/tenants/{tenant}", tenants::show)
            .needs(SystemMonitor)
            .says("Shows a tenant"),
        post("/api/admin/tenants/{tenant}/plan", tenants::set_plan)
            .needs(SystemConfigure)
            .says("Gives a tenant another plan"),
        post("/api/admin/tenants/{tenant}/suspend", tenants::suspend)
            .needs(SystemConfigure)
            .says("Lets nobody into a tenant any more"),
        post("/api/admin/tenants/{tenant}/resume", tenants::resume)
            .needs(SystemConfigure)
            .says("Lets members and keys into a tenant again"),
        post("/api/admin/tenants/{tenant}/erase", tenants::erase)
            .needs(SystemConfigure)
            .says("Begins to give up everything that a tenant has"),
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
        get("/api/admin/signing-keys", key_rotation::list)
            .needs(SystemMonitor)
            .says("Lists the keys that sign tokens"),
        post("/api/admin/signing-keys", key_rotation::rotate)
            .needs(SystemConfigure)
            .says("Makes a new key to sign tokens"),
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
