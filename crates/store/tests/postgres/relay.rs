//! Stands between a store and its server, understands just enough of the protocol to see what is said, and plays one
//! trick at exactly one message. `cluster::Proxy` is for failures that come at any moment.

use std::{
    collections::BTreeSet,
    future::pending,
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::watch,
    task::JoinHandle,
};

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// BEGIN and what follows arrive; the connection is lost before the first answer.
    LoseFirstAnswer,
    /// BEGIN and what follows arrive; no answer ever comes, and the connection stays open.
    WithholdFirstAnswer,
    /// BEGIN arrives as something that no database understands.
    SpoilBegin,
    /// The connection is lost before COMMIT arrives.
    LoseCommit,
    /// COMMIT never arrives, and the connection stays open.
    WithholdCommit,
    /// COMMIT is done; the connection is lost before the answer.
    LoseAnswer,
    /// The same, and the database stays away for good.
    Vanish,
}

impl Trick {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::LoseFirstAnswer,
        Self::WithholdFirstAnswer,
        Self::SpoilBegin,
        Self::LoseCommit,
        Self::WithholdCommit,
        Self::LoseAnswer,
        Self::Vanish,
    ];

    /// Whether this is the message at which the trick is played.
    fn is_at(self, message: &Message) -> bool {
        let wanted = match self {
            Self::LoseFirstAnswer | Self::WithholdFirstAnswer | Self::SpoilBegin => "BEGIN",
            Self::LoseCommit | Self::WithholdCommit | Self::LoseAnswer | Self::Vanish => "COMMIT",
        };
        message.is_simple_query() && message.sql().is_some_and(|sql| sql.starts_with(wanted))
    }
}

/// A port that leads to a server.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: u16,
    /// The trick, and how many of the messages that it is about come before the one at which it is played.
    next: Mutex<Option<(Trick, usize)>>,
    heard: Mutex<BTreeSet<String>>,
    is_away: watch::Sender<bool>,
}

/// One message of the client's, as it was sent.
struct Message {
    bytes: Vec<u8>,
    is_first: bool,
}

impl Message {
    async fn read(from: &mut OwnedReadHalf, is_first: bool) -> io::Result<Self> {
        // The first message has no letter that says what it is.
        let mut bytes = vec![0; if is_first { 4 } else { 5 }];
        from.read_exact(&mut bytes).await?;
        let length = bytes.last_chunk::<4>().copied().map(u32::from_be_bytes).unwrap();
        let start = bytes.len();
        bytes.resize(start + length as usize - 4, 0);
        from.read_exact(&mut bytes[start..]).await?;
        Ok(Self { bytes, is_first })
    }

    fn is_simple_query(&self) -> bool {
        !self.is_first && self.bytes[0] == b'Q'
    }

    /// The SQL of a simple query, or of a statement that is prepared.
    fn sql(&self) -> Option<&str> {
        let mut texts = self.bytes.get(5..)?.split(|byte| *byte == 0);
        let sql = match (self.is_first, self.bytes[0]) {
            (false, b'Q') => texts.next(),
            (false, b'P') => texts.nth(1),
            _ => None,
        };
        sql.and_then(|sql| std::str::from_utf8(sql).ok())
    }

    /// The same with other SQL of the same length.
    fn spoiled(mut self) -> Self {
        let end = self.bytes.len() - 1;
        self.bytes[5..end].fill(b'x');
        self
    }
}

impl Relay {
    /// One in front of a port of this machine.
    pub async fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let shared = Arc::new(Shared {
            upstream,
            next: Mutex::default(),
            heard: Mutex::default(),
            is_away: watch::Sender::new(false),
        });
        let port = listener.local_addr().unwrap().port();
        let accepting = tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(shared.clone().serve(client));
                }
            }
        });
        Self { port, shared, accepting }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Plays a trick at the next message that it is about, after some have passed.
    pub fn play(&self, trick: Trick, passing: usize) {
        *self.shared.next.lock().unwrap() = Some((trick, passing));
    }

    /// Whether the trick was played, or none was wanted.
    pub fn has_played(&self) -> bool {
        self.shared.next.lock().unwrap().is_none()
    }

    /// Closes all connections, and from now on every new one at once; or no more.
    pub fn stay_away(&self, is_away: bool) {
        self.shared.is_away.send_replace(is_away);
    }

    /// All SQL that was said.
    pub fn heard(&self) -> BTreeSet<String> {
        self.shared.heard.lock().unwrap().clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.stay_away(true);
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, client: TcpStream) {
        let mut is_away = self.is_away.subscribe();
        tokio::select! {
            // Whatever ends a connection closes both sides of it.
            _ = self.pass_on(client) => {}
            _ = is_away.wait_for(|is_away| *is_away) => {}
        }
    }

    async fn pass_on(&self, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.upstream)).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let played = watch::Sender::new(None);
        let answers = async {
            let played = played.subscribe();
            let mut buffer = vec![0; 65_536];
            loop {
                let length = from_server.read(&mut buffer).await?;
                let trick = *played.borrow();
                match trick {
                    _ if length == 0 => return Ok(()),
                    None | Some(Trick::SpoilBegin) => to_client.write_all(&buffer[..length]).await?,
                    Some(Trick::WithholdFirstAnswer | Trick::WithholdCommit) => {}
                    Some(Trick::LoseFirstAnswer | Trick::LoseCommit | Trick::LoseAnswer) => return Ok(()),
                    Some(Trick::Vanish) => {
                        self.is_away.send_replace(true);
                        return Ok(());
                    }
                }
            }
        };
        let questions = async {
            let mut message = Message::read(&mut from_client, true).await?;
            loop {
                if let Some(sql) = message.sql() {
                    self.heard.lock().unwrap().insert(sql.to_owned());
                }
                if let Some(trick) = self.trick_at(&message) {
                    played.send_replace(Some(trick));
                    match trick {
                        Trick::LoseCommit => return Ok(()),
                        Trick::WithholdCommit => pending().await,
                        Trick::SpoilBegin => message = message.spoiled(),
                        _ => {}
                    }
                }
                to_server.write_all(&message.bytes).await?;
                message = match Message::read(&mut from_client, false).await {
                    // A network that loses everything also loses the news that one side has hung up.
                    Err(_) if *played.borrow() == Some(Trick::WithholdFirstAnswer) => pending().await,
                    read => read?,
                };
            }
        };
        tokio::select! {
            ended = answers => ended,
            ended = questions => ended,
        }
    }

    fn trick_at(&self, message: &Message) -> Option<Trick> {
        let mut next = self.next.lock().unwrap();
        let (trick, passing) = next.as_mut()?;
        if !trick.is_at(message) {
            return None;
        }
        if *passing > 0 {
            *passing -= 1;
            return None;
        }
        next.take().map(|(trick, _)| trick)
    }
}
