//! The pages: the same operations as the API, with the caller's identity, rendered by the UI plane.
//!
//! Nothing is decided here. A handler reads the request, asks [`Planning`](super::planning::Planning), fills a view and sends
//! what the UI plane makes of it. Forms post to addresses of their own and lead back to a page (303), so that nothing is sent
//! twice by reloading.

mod acts;
mod cluster;
mod door;
mod form;
mod run;
mod settings;
mod shell;
mod simple;
mod view;

pub(crate) use acts::{act, create_run, promote, theme};
pub(crate) use cluster::{cluster, send_node};
pub(crate) use door::{
    confirm, confirmed, enter, forgot, forgotten, invitation, join, link_refused, mailed, register, renew, reset,
    sign_in, sign_up, signed_in,
};
pub(crate) use run::{artifact, fragment, plan, run};
pub(crate) use settings::{
    account, audit, change_password, close_others, close_session, create_key, erase, invite, keys, members, remove,
    revoke, revoke_key, set_role, settings, switch,
};
pub(crate) use shell::fault;
pub(crate) use simple::{asset, home, new_run, parked, problems, runs};
