//! Where sessions are, by a file in MaxMind's format that the test writes itself
//! (<https://maxmind.github.io/MaxMind-DB/>).

use std::io::Write;

use service::tracking::Locations;

use super::*;

/// A value of the format.
enum Data<'a> {
    Text(&'a str),
    /// The number of its type, and its value.
    Number(u8, u32),
    List(Vec<Data<'a>>),
    Map(Vec<(&'a str, Data<'a>)>),
}

const UINT16: u8 = 5;
const UINT32: u8 = 6;
const UINT64: u8 = 9;
const ARRAY: u8 = 11;

/// The byte, or two, with type and size. Sizes from 29 on are written otherwise, and not needed here.
fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    assert!(size < 29);
    let size = u8::try_from(size).unwrap();
    if kind < 8 {
        out.push(kind << 5 | size);
    } else {
        out.extend([size, kind - 7]);
    }
}

fn write(out: &mut Vec<u8>, data: &Data<'_>) {
    match data {
        Data::Text(text) => {
            control(out, 2, text.len());
            out.extend(text.bytes());
        }
        Data::Number(kind, number) => {
            let bytes = number.to_be_bytes();
            let bytes = if *kind == UINT16 { &bytes[2..] } else { &bytes[..] };
            control(out, *kind, bytes.len());
            out.extend(bytes);
        }
        Data::List(items) => {
            control(out, ARRAY, items.len());
            items.iter().for_each(|item| write(out, item));
        }
        Data::Map(members) => {
            control(out, 7, members.len());
            for (name, value) in members {
                write(out, &Data::Text(name));
                write(out, value);
            }
        }
    }
}

/// A database of IPv4 addresses that knows these networks, each by its first octet.
fn database(networks: &[(u8, Data<'_>)]) -> Vec<u8> {
    // A chain of eight nodes for each network, and what comes of them.
    let (mut nodes, mut data): (Vec<[Option<Record>; 2]>, Vec<u8>) = (vec![[None, None]], Vec::new());
    for (octet, found) in networks {
        let mut node = 0;
        for depth in 0..8 {
            let side = usize::from(octet >> (7 - depth) & 1);
            node = match nodes[node][side] {
                Some(Record::Node(next)) => next,
                _ if depth == 7 => {
                    nodes[node][side] = Some(Record::Data(data.len()));
                    0
                }
                _ => {
                    nodes.push([None, None]);
                    let next = nodes.len() - 1;
                    nodes[node][side] = Some(Record::Node(next));
                    next
                }
            };
        }
        write(&mut data, found);
    }
    let count = nodes.len();
    let mut file = Vec::new();
    for record in nodes.iter().flatten() {
        let number = match record {
            None => count,
            Some(Record::Node(node)) => *node,
            Some(Record::Data(offset)) => count + 16 + offset,
        };
        file.extend(&u32::try_from(number).unwrap().to_be_bytes()[1..]);
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    write(
        &mut file,
        &Data::Map(vec![
            ("binary_format_major_version", Data::Number(UINT16, 2)),
            ("binary_format_minor_version", Data::Number(UINT16, 0)),
            ("build_epoch", Data::Number(UINT64, 1)),
            ("database_type", Data::Text("Test-City")),
            ("description", Data::Map(vec![("en", Data::Text("test"))])),
            ("ip_version", Data::Number(UINT16, 4)),
            ("languages", Data::List(vec![Data::Text("en")])),
            ("node_count", Data::Number(UINT32, u32::try_from(count).unwrap())),
            ("record_size", Data::Number(UINT16, 24)),
        ]),
    );
    file
}

#[derive(Clone, Copy)]
enum Record {
    Node(usize),
    Data(usize),
}

fn names<'a>(english: &'a str) -> Data<'a> {
    Data::Map(vec![("names", Data::Map(vec![("de", Data::Text("x")), ("en", Data::Text(english))]))])
}

fn locations(bytes: &[u8]) -> Locations {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Locations::open(file.path()).unwrap()
}

/// Places that know these countries, each by the first octet of its addresses.
pub fn countries(countries: &[(u8, &str)]) -> Locations {
    let of = |name| Data::Map(vec![("country", names(name))]);
    let networks: Vec<_> = countries.iter().map(|(octet, name)| (*octet, of(name))).collect();
    locations(&database(&networks))
}

#[tokio::test]
async fn sessions_show_where_they_are() {
    let both = Data::Map(vec![("city", names("Zürich")), ("country", names("Switzerland"))]);
    let country = Data::Map(vec![("country", names("Norway"))]);
    let odd = Data::Map(vec![("city", Data::Text("not a map")), ("country", names(""))]);
    let locations = locations(&database(&[(81, both), (82, country), (83, odd)]));
    let server = Server::builder().settings(|settings| settings.locations = locations).start().await;
    let (_, client) = scene(&server, 20).await;
    let (zurich, norway) = (json!({"City": "Zürich", "Country": "Switzerland"}), json!({"Country": "Norway"}));
    let unknown = json!({"Country": "unknown"});
    let mut access = String::new();
    let mut shown = Vec::new();
    for address in ["81.1.2.3", "::ffff:81.9.9.9", "82.1.2.3", "83.1.2.3", "84.1.2.3", "127.0.0.1", "2001:db8::1"] {
        let tokens = sign_in_from(&server, &client, "alice", address, FIREFOX).await;
        let sessions = listed(&server, &tokens.access).await;
        let current = sessions.into_iter().find(|session| session["IsCurrentSession"] == true).unwrap();
        shown.push(current["LastLocation"].clone());
        access = tokens.access;
    }
    assert_eq!(shown, [&zurich, &zurich, &norway, &unknown, &unknown, &unknown, &unknown].map(Clone::clone));
    assert_eq!(listed(&server, &access).await.len(), 7);
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(Locations::open(file.path()).is_err());
    std::fs::write(file.path(), "city,country\n").unwrap();
    assert!(Locations::open(file.path()).is_err());
    assert!(Locations::open(&file.path().join("nowhere")).is_err());
}
