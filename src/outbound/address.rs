//! What kind of place an address is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The reach of an address, by the special-purpose registries of IPv4 and IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Reachable on the public internet.
    Global,
    /// "This network", among it the unspecified address.
    Unspecified,
    /// The machine itself.
    Loopback,
    /// One link; the metadata services of clouds are here.
    LinkLocal,
    /// Private use, including IPv6 unique-local and the old site-local addresses.
    Private,
    /// Shared space behind a carrier's address translation.
    Shared,
    /// Documentation.
    Documentation,
    /// Benchmarks of network devices.
    Benchmark,
    /// Multicast.
    Multicast,
    /// Broadcast, reserved, deprecated, or assigned to a protocol.
    Reserved,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "global",
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Private => "private",
            Self::Shared => "shared carrier space",
            Self::Documentation => "documentation",
            Self::Benchmark => "benchmark",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        })
    }
}

/// The special-purpose blocks of IPv4. Where two overlap the first one counts.
const IPV4: [([u8; 4], u32, Scope); 17] = [
    ([0, 0, 0, 0], 8, Scope::Unspecified),
    ([10, 0, 0, 0], 8, Scope::Private),
    ([100, 64, 0, 0], 10, Scope::Shared),
    ([127, 0, 0, 0], 8, Scope::Loopback),
    ([169, 254, 0, 0], 16, Scope::LinkLocal),
    ([172, 16, 0, 0], 12, Scope::Private),
    ([192, 0, 0, 0], 24, Scope::Reserved),
    ([192, 0, 2, 0], 24, Scope::Documentation),
    ([192, 31, 196, 0], 24, Scope::Reserved),
    ([192, 52, 193, 0], 24, Scope::Reserved),
    ([192, 88, 99, 0], 24, Scope::Reserved),
    ([192, 168, 0, 0], 16, Scope::Private),
    ([198, 18, 0, 0], 15, Scope::Benchmark),
    ([198, 51, 100, 0], 24, Scope::Documentation),
    ([203, 0, 113, 0], 24, Scope::Documentation),
    ([224, 0, 0, 0], 4, Scope::Multicast),
    ([240, 0, 0, 0], 4, Scope::Reserved),
];

/// Answers the reach of one address.
///
/// An IPv6 address that stands for an IPv4 address without any gateway (`::ffff:0:0/96`) is that address. One that reaches an
/// IPv4 address through a gateway ([`embedded`]) has the reach of what it leads to.
pub fn scope(address: IpAddr) -> Scope {
    match address.to_canonical() {
        IpAddr::V4(v4) => scope_v4(v4),
        IpAddr::V6(v6) => {
            let mut inner = embedded(v6).map(scope_v4).peekable();
            if inner.peek().is_some() {
                inner.find(|scope| *scope != Scope::Global).unwrap_or(Scope::Global)
            } else {
                scope_v6(v6)
            }
        }
    }
}

/// Answers the IPv4 addresses to which an IPv6 address leads through a gateway: NAT64, 6to4, or Teredo's server and client.
pub fn embedded(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let pair = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let found = match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => [Some(pair(high, low)), None],
        [0x2002, high, low, ..] => [Some(pair(high, low)), None],
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            [Some(pair(server_high, server_low)), Some(pair(!high, !low))]
        }
        _ => [None, None],
    };
    found.into_iter().flatten()
}

fn scope_v4(address: Ipv4Addr) -> Scope {
    let bits = u32::from(address);
    let within = |block: [u8; 4], length: u32| (bits ^ u32::from_be_bytes(block)) >> (32 - length) == 0;
    IPV4.iter()
        .find(|(block, length, _)| within(*block, *length))
        .map_or(Scope::Global, |(_, _, scope)| *scope)
}

/// Of IPv6 only global unicast (2000::/3) less its special blocks is global: what is not known is not reachable.
fn scope_v6(address: Ipv6Addr) -> Scope {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Scope::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Scope::Loopback,
        [first, ..] if first & 0xfe00 == 0xfc00 => Scope::Private,
        [first, ..] if first & 0xffc0 == 0xfe80 => Scope::LinkLocal,
        [first, ..] if first & 0xffc0 == 0xfec0 => Scope::Private,
        [first, ..] if first & 0xff00 == 0xff00 => Scope::Multicast,
        [0x64, 0xff9b, 1, ..] => Scope::Private,
        [0x2001, 0xdb8, ..] => Scope::Documentation,
        [0x3fff, second, ..] if second < 0x1000 => Scope::Documentation,
        [0x2001, 2, 0, ..] => Scope::Benchmark,
        [0x2001, second, ..] if second < 0x200 => Scope::Reserved,
        [0x2620, 0x4f, 0x8000, ..] => Scope::Reserved,
        [first, ..] if first & 0xe000 == 0x2000 => Scope::Global,
        _ => Scope::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_its_scope() {
        let table = [
            ("1.1.1.1", Scope::Global),
            ("9.255.255.255", Scope::Global),
            ("11.0.0.0", Scope::Global),
            ("100.63.255.255", Scope::Global),
            ("100.128.0.0", Scope::Global),
            ("172.15.255.255", Scope::Global),
            ("172.32.0.0", Scope::Global),
            ("192.167.255.255", Scope::Global),
            ("198.17.255.255", Scope::Global),
            ("198.20.0.0", Scope::Global),
            ("223.255.255.255", Scope::Global),
            ("0.0.0.0", Scope::Unspecified),
            ("0.1.2.3", Scope::Unspecified),
            ("10.0.0.0", Scope::Private),
            ("10.255.255.255", Scope::Private),
            ("172.16.0.1", Scope::Private),
            ("172.31.255.255", Scope::Private),
            ("192.168.0.1", Scope::Private),
            ("100.64.0.0", Scope::Shared),
            ("100.127.255.255", Scope::Shared),
            ("127.0.0.1", Scope::Loopback),
            ("127.255.255.254", Scope::Loopback),
            ("169.254.169.254", Scope::LinkLocal),
            ("192.0.0.8", Scope::Reserved),
            ("192.88.99.1", Scope::Reserved),
            ("192.0.2.1", Scope::Documentation),
            ("198.51.100.1", Scope::Documentation),
            ("203.0.113.1", Scope::Documentation),
            ("198.18.0.1", Scope::Benchmark),
            ("198.19.255.255", Scope::Benchmark),
            ("224.0.0.1", Scope::Multicast),
            ("239.255.255.255", Scope::Multicast),
            ("240.0.0.1", Scope::Reserved),
            ("255.255.255.255", Scope::Reserved),
            ("2606:4700:4700::1111", Scope::Global),
            ("2a00:1450:4001::200e", Scope::Global),
            ("2001:200::1", Scope::Global),
            ("::", Scope::Unspecified),
            ("::1", Scope::Loopback),
            ("::2", Scope::Reserved),
            ("fe80::1", Scope::LinkLocal),
            ("febf::1", Scope::LinkLocal),
            ("fec0::1", Scope::Private),
            ("fc00::1", Scope::Private),
            ("fdff:ffff::1", Scope::Private),
            ("ff02::1", Scope::Multicast),
            ("2001:db8::1", Scope::Documentation),
            ("3fff:fff::1", Scope::Documentation),
            ("3fff:1000::1", Scope::Global),
            ("2001:2::1", Scope::Benchmark),
            ("2001:10::1", Scope::Reserved),
            ("2001:20::1", Scope::Reserved),
            ("100::1", Scope::Reserved),
            ("5f00::1", Scope::Reserved),
            ("4000::1", Scope::Reserved),
        ];
        for (address, expected) in table {
            assert_eq!(scope(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn another_spelling_of_an_ipv4_address_has_its_scope() {
        let table = [
            ("::ffff:127.0.0.1", Scope::Loopback),
            ("::ffff:10.0.0.1", Scope::Private),
            ("::ffff:1.1.1.1", Scope::Global),
            ("::127.0.0.1", Scope::Reserved),
            ("::ffff:0:127.0.0.1", Scope::Reserved),
            ("64:ff9b::127.0.0.1", Scope::Loopback),
            ("64:ff9b::169.254.169.254", Scope::LinkLocal),
            ("64:ff9b::1.1.1.1", Scope::Global),
            ("64:ff9b:1::1.1.1.1", Scope::Private),
            ("64:ff9b:1:2::", Scope::Private),
            ("2002:7f00:1::", Scope::Loopback),
            ("2002:c0a8:1::1", Scope::Private),
            ("2002:101:101::1", Scope::Global),
            // Teredo: the server in the clear, the client inverted.
            ("2001:0:7f00:1::fefe:fefe", Scope::Loopback),
            ("2001:0:101:101::80ff:fffe", Scope::Loopback),
            ("2001:0:101:101::fefe:fefe", Scope::Global),
        ];
        for (address, expected) in table {
            assert_eq!(scope(address.parse().unwrap()), expected, "{address}");
        }
    }
}
