//! What a server that runs tells of itself and of its cluster.

use jiff::Timestamp;

use super::{
    Check, Verdict,
    judgement::{self, Told},
};
use crate::{
    cli::client::{Client, ClientError},
    gateway::LocalBody,
};

/// What is said of a node that is a cluster of its own.
const ALONE: &str = "cluster.alone";

/// Asks the server. One that does not run is none of our business, unless it was named.
pub(super) async fn checks(client: &Client, is_named: bool) -> Vec<Check> {
    let seen = match client.get("/api/cluster/node").await {
        Ok(seen) => seen,
        Err(ClientError::Unreachable { .. } | ClientError::NoToken { .. }) if !is_named => return Vec::new(),
        Err(ClientError::Refused { code, .. }) if code == ALONE => {
            return vec![Check::new("server", Verdict::Good, "it runs, as a cluster of its own")];
        }
        Err(error) => return vec![Check::new("server", Verdict::Warning, error.to_string())],
    };
    let unexpected = |error: serde_json::Error| {
        let detail = format!("it answers what this program does not understand: {error}");
        Check::new("server", Verdict::Warning, detail)
    };
    let seen: LocalBody = match serde_json::from_value(seen) {
        Ok(seen) => seen,
        Err(error) => return vec![unexpected(error)],
    };
    let told = match client.get("/api/cluster").await {
        // What the node sees by itself is known already.
        Ok(told) if told["leader"].is_null() => Err(told["notes"][0].as_str().unwrap_or("it has no leader").to_owned()),
        Ok(told) => serde_json::from_value::<Told>(told).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    judgement::judge(&seen, told.as_ref().map_err(String::as_str), Timestamp::now())
}
