//! The HTTP application over a cluster in memory and fake ports, asked as clients ask it.

mod accounts;
mod admin;
mod api;
mod attacks;
mod auth;
mod backups;
mod bench;
mod contract;
mod cost;
mod defects;
mod hostile;
mod input;
mod invitations;
mod joined;
mod limits;
mod nodes;
mod openapi;
mod pages;
mod people;
mod permissions;
mod runs;
mod stream;
mod tenant;
mod tenants;
mod turnstile;
mod witness;
