//! Ranges of network addresses in CIDR notation.

use std::{net::IpAddr, str::FromStr};

/// Bits of an IPv6 address that come before the IPv4 address written in it.
const BITS_BEFORE_IPV4: u8 = 96;

/// A range of addresses, such as `10.0.0.0/8` or `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is not a range of addresses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an address or a range such as 10.0.0.0/8 or fd00::/8")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    /// An address alone is a range of one. A range of IPv4 addresses that are written as IPv6 is one of IPv4 addresses.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = match prefix {
            // Numbers may begin with a sign elsewhere.
            Some(prefix) if prefix.starts_with('+') => return Err(wrong()),
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= most).ok_or_else(wrong)?,
            None => most,
        };
        Ok(match (address.to_canonical(), prefix.checked_sub(BITS_BEFORE_IPV4)) {
            (canonical @ IpAddr::V4(_), Some(prefix)) if address.is_ipv6() => Self { address: canonical, prefix },
            _ => Self { address, prefix },
        })
    }
}

impl Network {
    /// Whether the address lies in the range. An IPv4 address written as IPv6 counts as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32_u32.saturating_sub(u32::from(self.prefix));
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128_u32.saturating_sub(u32::from(self.prefix));
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::Network;

    /// The bits of an address, one by one.
    fn bits(address: IpAddr) -> String {
        match address {
            IpAddr::V4(address) => format!("{:032b}", address.to_bits()),
            IpAddr::V6(address) => format!("{:0128b}", address.to_bits()),
        }
    }

    #[test]
    fn ranges_contain_what_they_should() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::1"),
            // What stands behind the prefix does not count.
            ("10.1.2.3/8", "10.255.1.2", "11.1.2.3"),
            ("192.0.2.4", "192.0.2.4", "192.0.2.5"),
            ("192.0.2.4/31", "192.0.2.5", "192.0.2.6"),
            ("0.0.0.0/0", "200.1.1.1", "2001:db8::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("::1", "::1", "::2"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
            ("::ffff:192.0.2.4", "192.0.2.4", "192.0.2.5"),
        ] {
            let network: Network = range.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{range} {outside}");
        }
        for wrong in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "somewhere",
            "10.0.0/8",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_inside_when_it_begins_with_the_same_bits(
            own in any::<u32>(), flipped in 0..32_u32, prefix in 0..=32_u8
        ) {
            let other = IpAddr::from(Ipv4Addr::from_bits(own ^ (1 << flipped)));
            let own = IpAddr::from(Ipv4Addr::from_bits(own));
            let network: Network = format!("{own}/{prefix}").parse().unwrap();
            let begins = bits(own)[..prefix.into()] == bits(other)[..prefix.into()];
            prop_assert!(network.contains(own));
            prop_assert_eq!(network.contains(other), begins);
        }

        #[test]
        fn and_so_it_is_for_long_addresses(own in any::<u128>(), flipped in 0..128_u32, prefix in 0..=128_u8) {
            let other = IpAddr::from(Ipv6Addr::from_bits(own ^ (1 << flipped)));
            let own = IpAddr::from(Ipv6Addr::from_bits(own));
            prop_assume!(own.to_canonical().is_ipv6() && other.to_canonical().is_ipv6());
            let network: Network = format!("{own}/{prefix}").parse().unwrap();
            let begins = bits(own)[..prefix.into()] == bits(other)[..prefix.into()];
            prop_assert!(network.contains(own));
            prop_assert_eq!(network.contains(other), begins);
        }
    }
}
