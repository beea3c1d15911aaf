//! The pages: the same operations as the API, with the caller's identity, rendered by the UI plane.
//!
//! Nothing is decided here. A handler reads the request, asks [`Planning`](super::planning::Planning), fills a view and sends
//! what the UI plane makes of it. Forms post to addresses of their own and lead back to a page (303), so that nothing is sent
//! twice by reloading.

mod acts;
mod cluster;
mod run;
mod shell;
mod simple;
mod view;

pub(crate) use acts::{act, create_run, promote, theme};
pub(crate) use cluster::{cluster, send_node};
pub(crate) use run::{artifact, fragment, plan, run};
pub(crate) use shell::fault;
pub(crate) use simple::{asset, home, link_refused, new_run, parked, runs, settings, sign_in, signed_in};
