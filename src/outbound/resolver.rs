//! From a name to the addresses that may be connected to.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Policy, Refusal};

/// Answers the addresses of a name.
pub trait Lookup: Send + Sync + 'static {
    /// Looks a name up.
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}

/// The resolver of a guarded client: it answers checked addresses only, and the client connects to what it answered.
///
/// That is what makes a name safe that answers differently each time: there is no second look-up between the decision and the
/// connection.
#[derive(Clone)]
pub struct GuardedResolver {
    lookup: Arc<dyn Lookup>,
    policy: Arc<Policy>,
}

impl fmt::Debug for GuardedResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedResolver")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl GuardedResolver {
    /// Guards a look-up.
    pub fn new(lookup: Arc<dyn Lookup>, policy: Arc<Policy>) -> Self {
        Self { lookup, policy }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy.clone();
        let looking = self.lookup.lookup(name.as_str().to_owned());
        async move {
            let permitted = permitted(&policy, looking.await?)?;
            // Port 0 stands for the port of the URL, which was checked with it.
            let addresses: Addrs = Box::new(permitted.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        }
        .boxed()
    }
}

/// Keeps the addresses that may be connected to. A name that has none is refused with the reason for its first one.
fn permitted(policy: &Policy, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Refusal> {
    let mut refused = None;
    let mut kept = Vec::with_capacity(found.len());
    for address in found {
        match policy.check_address(address) {
            Ok(()) => kept.push(address),
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    match refused {
        Some(refusal) if kept.is_empty() => Err(refusal),
        Some(_) | None => Ok(kept),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::OutboundConfig;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_checked_addresses_remain() {
        let policy = Policy::public(&OutboundConfig::default());
        let mixed = addresses(&["127.0.0.1", "1.1.1.1", "::1", "10.0.0.1"]);
        assert_eq!(permitted(&policy, mixed), Ok(addresses(&["1.1.1.1"])));
        let private = addresses(&["10.0.0.1", "::1"]);
        assert!(matches!(permitted(&policy, private), Err(Refusal::Address { .. })));
        assert_eq!(
            permitted(&policy, Vec::new()),
            Ok(Vec::new()),
            "no address is no refusal"
        );
    }
}
