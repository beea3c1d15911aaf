//! The policies, and the limiter that counts for each.

use std::net::{IpAddr, Ipv6Addr};

use actors::{limiter::LimitKey, role::system_tenant};
use cluster::prelude::TenantId;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Attempts,
    Address,
    Key,
    Tenant,
    Denials,
}

impl Policy {
    /// The name in headers, metrics and addresses.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Address => "address",
            Self::Key => "key",
            Self::Tenant => "tenant",
            Self::Denials => "denials",
        }
    }

    /// Of what the limit is, as problems say it.
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::Attempts | Self::Address => "your address",
            Self::Key => "the API key",
            Self::Tenant => "your tenant",
            Self::Denials => "your asking for what you have no permission for",
        }
    }
}

/// Counts requests of an address that show no accepted credential.
pub(super) fn address(address: IpAddr) -> LimitKey {
    LimitKey::new(&system_tenant(), format!("ip:{}", network(address)))
}

/// Counts attempts of an address.
pub(super) fn attempts(address: IpAddr) -> LimitKey {
    LimitKey::new(&system_tenant(), format!("attempts:{}", network(address)))
}

/// Counts requests of a tenant.
pub(super) fn tenant(tenant: &TenantId) -> LimitKey {
    LimitKey::new(tenant, "tenant")
}

/// Counts denials of a caller.
pub(super) fn denials(tenant: &TenantId, user: &str) -> LimitKey {
    LimitKey::new(tenant, format!("denials:{user}"))
}

/// What counts as one address: whoever has an IPv6 network has 2^64 addresses in it.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_counts_with_its_network() {
        let name = |text: &str| address(text.parse().unwrap()).name;
        assert_eq!(name("2001:db8:1:2:3:4:5:6"), "ip:2001:db8:1:2::/64");
        assert_eq!(name("2001:db8:1:2::"), name("2001:db8:1:2:ffff::1"));
        assert_ne!(name("2001:db8:1:2::"), name("2001:db8:1:3::"));
        assert_eq!(name("192.0.2.7"), "ip:192.0.2.7");
    }
}
