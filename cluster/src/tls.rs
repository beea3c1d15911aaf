//! Who is at the other end of a connection between nodes.
//!
//! A node shows a certificate that the CA of the cluster has signed, and takes only such ones, whether it dials or is
//! dialled. The certificate names the node: it carries two DNS names, `<name>.node.internal` and `node.internal`, and no
//! other below that domain. So a member cannot pose as another one: who dials a node says which, and who is dialled
//! learns which node it is and compares that with what the node says of itself.
//!
//! Nothing else protects what nodes say to each other, so a node without certificates talks only to itself: both ends
//! must be loopback addresses, or have been named as ends of a network that protects what it carries ([`Plaintext`]).
//!
//! Certificates are read again when their files change, a little before the next connection is made; those that exist
//! go on. A file that is missing or wrong at such a moment changes nothing but the log.

#[cfg(test)]
pub(crate) mod authority;
mod certificates;
mod error;
mod files;
mod plaintext;
mod security;
mod stream;
#[cfg(test)]
mod tests;

pub use certificates::Certificates;
pub use error::CertificateError;
pub(crate) use error::ChannelError;
pub use files::CertificateFiles;
pub use plaintext::Plaintext;
pub use security::Security;
pub(crate) use stream::Stream;
