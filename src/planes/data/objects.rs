//! The object store: one file per object, complete or absent, verified when it is read.
//!
//! # Layout
//! An object is a single value in the underlying store: an [`envelope`] (format, checksum of the description, description)
//! followed by the body. One value means one atomic replacement, so there is no moment at which a body and its description
//! disagree, no second record to lose, and nothing to repair after a crash: a put that did not finish leaves the old object.
//! The same bytes lie in a local directory and in a bucket, so moving from one to the other is a copy.

mod config;
mod envelope;
mod location;
mod storage;

pub use config::ObjectsConfig;
pub use storage::ObjectStorage;
