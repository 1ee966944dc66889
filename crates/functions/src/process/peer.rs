//! Whose process is at the other end of a connection.
//!
//! The Runtime API hands out events, with passwords in some of them, and takes answers that let people in. Its clients
//! find it by a port alone, which any user of the machine could connect to. So it serves only processes of the user that
//! this process runs as, who could read its memory anyway. Linux lists the owners of connections; elsewhere everybody on
//! the machine is served.

use std::net::{Ipv4Addr, SocketAddr};

/// Whether the client's end of a connection belongs to our own user. `client` and `server` are the ends' addresses.
pub(super) async fn is_own(client: SocketAddr, server: SocketAddr) -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let table = tokio::task::spawn_blocking(|| std::fs::read_to_string("/proc/net/tcp")).await;
    // A list that cannot be read names nobody.
    let Ok(Ok(table)) = table else { return false };
    owner(&table, client, server) == Some(rustix::process::geteuid().as_raw())
}

/// The user that owns the client's end: `sl local_address rem_address st queues tr:when retransmits uid …`.
fn owner(table: &str, client: SocketAddr, server: SocketAddr) -> Option<u32> {
    let ends = (written(client)?, written(server)?);
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let found = (fields.next()?, fields.next()?);
        let owner = fields.nth(4)?.parse().ok()?;
        (found == (&*ends.0, &*ends.1)).then_some(owner)
    })
}

/// An address as the list has it: the bytes in the machine's order, and the port.
fn written(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    let bytes: [u8; 4] = Ipv4Addr::octets(address.ip());
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(bytes), address.port()))
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::{is_own, owner};

    #[test]
    #[cfg(target_endian = "little")]
    fn the_owner_is_the_one_of_the_clients_end() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 20 4 30 10 -1
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 3 1 0 20 4 30 10 -1
";
        let address = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(owner(table, address(50_000), address(8_080)), Some(1_001));
        assert_eq!(owner(table, address(8_080), address(50_000)), Some(1_000));
        assert_eq!(owner(table, address(50_001), address(8_080)), None);
        assert_eq!(owner("", address(50_000), address(8_080)), None);
    }

    #[tokio::test]
    async fn our_own_connections_are_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let _client = TcpStream::connect(server).await.unwrap();
        let (_stream, client) = listener.accept().await.unwrap();
        assert!(is_own(client, server).await);
        let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        assert!(!is_own(nobody, server).await);
    }
}
