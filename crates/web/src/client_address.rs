//! The client's address, through proxies that the operator trusts.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use http::request::Parts;

/// The other end of the connection; [`crate::listen`] puts it into every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

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

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= most).ok_or_else(wrong)?,
            None => most,
        };
        Ok(Self { address, prefix })
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

/// Who sent the request: the peer, or, when the peer is a trusted proxy, the last address in `X-Forwarded-For` that is
/// no trusted proxy itself. What stands before that could have been written by anybody.
pub(crate) fn of(parts: &Parts, trusted: &[Network]) -> IpAddr {
    // Without a listener (in-process tests) there is no peer.
    let peer =
        parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip().to_canonical());
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer;
    if !is_trusted(peer) {
        return nearest;
    }
    for value in parts.headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(value) = value.to_str() else { return nearest };
        for entry in value.rsplit(',') {
            let Some(address) = parse(entry.trim()) else { return nearest };
            nearest = address;
            if !is_trusted(address) {
                return nearest;
            }
        }
    }
    nearest
}

/// An entry is an address, some proxies add the port.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().ok();
    address.or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip())).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Network, Peer, of};

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> IpAddr {
        let mut request = http::Request::builder();
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(Peer(peer.parse().unwrap()));
        of(&parts, &networks(trusted))
    }

    #[test]
    fn ranges_contain_what_they_should() {
        let ten: Network = "10.0.0.0/8".parse().unwrap();
        assert!(ten.contains("10.255.1.2".parse().unwrap()));
        assert!(ten.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!ten.contains("11.0.0.1".parse().unwrap()));
        assert!(!ten.contains("::1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("200.1.1.1".parse().unwrap()));
        assert!("fd00::/8".parse::<Network>().unwrap().contains("fdff::1".parse().unwrap()));
        assert!(!"::1".parse::<Network>().unwrap().contains("::2".parse().unwrap()));
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "somewhere", "10.0.0/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        let forged = ["1.2.3.4"];
        assert_eq!(client("9.9.9.9:1", &forged, &[]), "9.9.9.9".parse::<IpAddr>().unwrap());
        assert_eq!(client("9.9.9.9:1", &forged, &["10.0.0.0/8"]), "9.9.9.9".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn the_nearest_stranger_is_the_client() {
        let expected: IpAddr = "5.6.7.8".parse().unwrap();
        assert_eq!(client("10.0.0.1:1", &["1.1.1.1, 5.6.7.8"], &["10.0.0.0/8"]), expected);
        assert_eq!(client("10.0.0.1:1", &["1.1.1.1", "5.6.7.8, 10.0.0.2"], &["10.0.0.0/8"]), expected);
        assert_eq!(client("10.0.0.1:1", &["5.6.7.8:4711"], &["10.0.0.0/8"]), expected);
        assert_eq!(client("[::1]:1", &["[2001:db8::1]:443"], &["::1"]), "2001:db8::1".parse::<IpAddr>().unwrap());
        // What cannot be read ends the walk.
        assert_eq!(
            client("10.0.0.1:1", &["5.6.7.8, nonsense"], &["10.0.0.0/8"]),
            "10.0.0.1".parse::<IpAddr>().unwrap()
        );
        assert_eq!(client("10.0.0.1:1", &[], &["10.0.0.0/8"]), "10.0.0.1".parse::<IpAddr>().unwrap());
    }
}
