//! The rules of memberships.

mod invitations;
mod keys;
mod members;
mod profile;
