//! The client's address, through proxies that the operator trusts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use domain::Network;
use http::request::Parts;

/// The other end of the connection; [`crate::listen`] puts it into every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

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

    use domain::Network;

    use super::{Peer, of};

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
