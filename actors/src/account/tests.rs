//! The rules of accounts.

mod codes;
mod passwords;
mod registration;
mod sessions;
mod tenants;
