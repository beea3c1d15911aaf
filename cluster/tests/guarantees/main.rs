//! One module per theme; each test cites the guarantee of the crate's documentation that it checks.

#![expect(
    clippy::unwrap_used,
    reason = "actors and fixtures of tests fail their test by panicking"
)]

mod ages;
mod alarms;
mod anywhere;
mod backups;
mod bounds;
mod chains;
mod copies;
mod credentials;
mod dead_letters;
mod deadlines;
mod directory;
mod errors;
mod fixture;
mod gauges;
mod idempotency;
mod identity;
mod inspection;
mod leaving;
mod migrations;
mod nodes;
mod owners;
mod passivation;
mod purse;
mod readiness;
mod references;
mod repetitions;
mod requests;
mod restores;
mod retries;
mod scroll;
mod scrolls;
mod sends;
mod sockets;
mod splits;
mod storage;
mod stores;
mod turns;
mod versions;
mod ways;
