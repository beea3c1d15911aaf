//! The HTTP application over a cluster in memory and fake ports, asked as clients ask it.

mod api;
mod auth;
mod backups;
mod bench;
mod hostile;
mod input;
mod pages;
mod runs;
mod stream;
