//! A network that fails on demand: a proxy for TCP between a client and a server on this machine.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::port;

/// How long a change may take until the listener has followed it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A pause between tries to listen again on a port.
const BREATH: Duration = Duration::from_millis(10);

/// The largest piece that is passed on, in bytes.
const CHUNK: usize = 64 * 1_024;

/// Passes on what comes to its port of 127.0.0.1, until it is told to fail. A server that does not listen looks to the
/// client like one that accepts and closes at once.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    port: u16,
    upstream: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    delay: Duration,
    listening: bool,
    /// Both streams of each connection, the server's once there is one.
    connections: HashMap<u64, Vec<TcpStream>>,
    accepted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Forward,
    Cut,
    Refuse,
    Stopped,
}

impl Proxy {
    /// Starts one in front of a port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(upstream: u16) -> Result<Self> {
        let port = port::free()?;
        let listener = listen(port).context("listening for the proxy")?;
        let state = State {
            mode: Mode::Forward,
            delay: Duration::ZERO,
            listening: true,
            connections: HashMap::new(),
            accepted: 0,
        };
        let shared = Arc::new(Shared { port, upstream, state: Mutex::new(state), changed: Condvar::new() });
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || shared.accept(listener)
        });
        Ok(Self { shared, accepting: Some(accepting) })
    }

    /// The port that clients use.
    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// Stops passing anything on, silently: connections hang, new ones are accepted and hang, as in a network that drops
    /// packets. (What the client sends is still acknowledged until the buffers of this machine are full.)
    pub fn cut(&self) {
        self.shared.change(Mode::Cut);
    }

    /// Closes all connections and refuses new ones at once, as when the server's process has ended.
    pub fn refuse(&self) {
        self.shared.change(Mode::Refuse);
    }

    /// From now on each piece of data is late by this, in both directions.
    pub fn delay(&self, each_way: Duration) {
        self.shared.state().delay = each_way;
    }

    /// Passes everything on again, at once. Connections that were cut are closed, so that nobody waits for the rest of
    /// half an answer.
    pub fn mend(&self) {
        self.shared.state().delay = Duration::ZERO;
        self.shared.change(Mode::Forward);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.change(Mode::Stopped);
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
    }
}

/// Rust listens with SO_REUSEADDR: connections of the past do not hold the port.
fn listen(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up a mode; returns when the listener has followed.
    fn change(&self, mode: Mode) {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.mode, mode);
        if mode == Mode::Refuse || mode == Mode::Stopped || (mode == Mode::Forward && before != Mode::Forward) {
            for stream in state.connections.drain().flat_map(|(_, streams)| streams) {
                drop(stream.shutdown(Shutdown::Both));
            }
        }
        self.changed.notify_all();
        let listens = matches!(mode, Mode::Forward | Mode::Cut);
        if !listens && state.listening {
            drop(state);
            // Wakes the thread that waits for a connection.
            drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
            state = self.state();
        }
        let follows = |state: &mut State| state.listening != listens;
        drop(self.changed.wait_timeout_while(state, PATIENCE, follows).unwrap_or_else(PoisonError::into_inner));
    }

    fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            let accepted = listener.as_ref().map(TcpListener::accept);
            let mut state = self.state();
            match state.mode {
                Mode::Stopped => {
                    drop(listener.take());
                    state.listening = false;
                    self.changed.notify_all();
                    return;
                }
                Mode::Refuse => {
                    drop(listener.take());
                    state.listening = false;
                    self.changed.notify_all();
                    let refuses = |state: &mut State| state.mode == Mode::Refuse;
                    drop(self.changed.wait_while(state, refuses).unwrap_or_else(PoisonError::into_inner));
                }
                Mode::Forward | Mode::Cut => match accepted {
                    Some(Ok((client, _))) => {
                        state.accepted += 1;
                        let id = state.accepted;
                        state.connections.insert(id, Vec::new());
                        drop(state);
                        if self.add(id, &client) {
                            let shared = self.clone();
                            std::thread::spawn(move || shared.serve(id, client));
                        }
                    }
                    Some(Err(_)) => {}
                    None => {
                        listener = listen(self.port).ok();
                        state.listening = listener.is_some();
                        self.changed.notify_all();
                        if listener.is_none() {
                            drop(state);
                            std::thread::sleep(BREATH);
                        }
                    }
                },
            }
        }
    }

    /// One connection, to its end. Whatever stops it from getting anywhere closes both sides.
    fn serve(self: Arc<Self>, id: u64, client: TcpStream) {
        if self.may_pass(id)
            && let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.upstream))
            && self.add(id, &server)
            && let (Ok(from_server), Ok(to_client)) = (server.try_clone(), client.try_clone())
        {
            let back = std::thread::spawn({
                let shared = self.clone();
                move || shared.pump(id, from_server, to_client)
            });
            self.pump(id, client, server);
            drop(back.join());
        }
        self.close(id);
    }

    /// Passes one direction on until its end, which is passed on, too.
    fn pump(&self, id: u64, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = match from.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let delay = self.state().delay;
            std::thread::sleep(delay);
            if !self.may_pass(id) {
                return;
            }
            if length == 0 {
                drop(to.shutdown(Shutdown::Write));
                return;
            }
            let Some(chunk) = buffer.get(..length) else { break };
            if to.write_all(chunk).is_err() {
                break;
            }
        }
        self.close(id);
    }

    /// Waits while the network is cut; whether the connection is still one.
    fn may_pass(&self, id: u64) -> bool {
        let hangs = |state: &mut State| state.mode == Mode::Cut && state.connections.contains_key(&id);
        let state = self.changed.wait_while(self.state(), hangs).unwrap_or_else(PoisonError::into_inner);
        state.connections.contains_key(&id)
    }

    /// Adds a stream to what is closed with a connection; whether the connection is still one.
    fn add(&self, id: u64, stream: &TcpStream) -> bool {
        let mut state = self.state();
        match (state.connections.get_mut(&id), stream.set_nodelay(true).and_then(|()| stream.try_clone())) {
            (Some(streams), Ok(stream)) => {
                streams.push(stream);
                true
            }
            _ => false,
        }
    }

    fn close(&self, id: u64) {
        let streams = self.state().connections.remove(&id);
        for stream in streams.into_iter().flatten() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

/// The same database URL with another port, which is a proxy's.
///
/// # Errors
/// When the URL names no host or several.
pub fn through(url: &str, port: u16) -> Result<String> {
    // What is wrong is said without the URL, which holds a password.
    let (scheme, rest) = url.split_once("://").context("a database URL starts with postgres://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    anyhow::ensure!(!host.contains(','), "the database URL names several hosts; only one port can be replaced");
    // An address of IPv6 is in brackets and full of colons.
    let name_end = host.rfind(']').map_or(0, |bracket| bracket + 1);
    let name = host.split_at(name_end).1.find(':').map_or(host, |colon| host.split_at(name_end + colon).0);
    anyhow::ensure!(!name.is_empty(), "the database URL names no host");
    Ok(format!("{scheme}://{user}{name}:{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::through;

    #[test]
    fn a_port_is_replaced_or_added() {
        for (url, expected) in [
            ("postgres://u:p@127.0.0.1:5432/db?sslmode=disable", "postgres://u:p@127.0.0.1:99/db?sslmode=disable"),
            ("postgres://localhost/db", "postgres://localhost:99/db"),
            ("postgres://u:p%3A@[::1]:5432/db", "postgres://u:p%3A@[::1]:99/db"),
            ("postgresql://u@host?x=a:b@c", "postgresql://u@host:99?x=a:b@c"),
        ] {
            assert_eq!(through(url, 99).unwrap(), expected);
        }
        for url in ["host:5432/db", "postgres://u:secret@a:1,b:2/db", "postgres://u:secret@/db"] {
            let error = through(url, 99).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
