//! The network that fails, seen by plain sockets.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use poolkeeper_cluster::Proxy;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(10);

/// Long enough to see that nothing comes.
const SILENCE: Duration = Duration::from_millis(200);

/// Answers each connection with what it sends, until the process ends.
fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut back = stream.try_clone().unwrap();
                drop(std::io::copy(&mut stream, &mut back));
            });
        }
    });
    port
}

fn connect(proxy: &Proxy) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn exchange(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"hello")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    assert_eq!(&answer, b"hello");
    Ok(())
}

fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let kind = exchange(stream).unwrap_err().kind();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[test]
fn a_cut_is_silent_and_mending_ends_what_was_cut() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut before = connect(&proxy).unwrap();
    exchange(&mut before).unwrap();
    proxy.cut();
    let mut during = connect(&proxy).unwrap();
    assert!(is_silent(&mut before) && is_silent(&mut during));
    proxy.mend();
    for stream in [&mut before, &mut during] {
        // Nothing that was sent into the cut comes out of it.
        assert_eq!(stream.read(&mut [0; 5]).unwrap_or(0), 0);
    }
    exchange(&mut connect(&proxy).unwrap()).unwrap();
}

#[test]
fn refused_is_refused_at_once() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut before = connect(&proxy).unwrap();
    exchange(&mut before).unwrap();
    for _ in 0..20 {
        proxy.refuse();
        assert_eq!(connect(&proxy).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        proxy.mend();
        exchange(&mut connect(&proxy).unwrap()).unwrap();
    }
    assert!(exchange(&mut before).is_err());
    proxy.refuse();
    proxy.cut();
    assert!(is_silent(&mut connect(&proxy).unwrap()));
    let port = proxy.port();
    drop(proxy);
    assert_eq!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_delay_counts_both_ways() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy).unwrap();
    exchange(&mut stream).unwrap();
    proxy.delay(Duration::from_millis(100));
    let started = Instant::now();
    exchange(&mut stream).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
    proxy.mend();
    // The connection was late and not cut: it goes on.
    exchange(&mut stream).unwrap();
}

#[test]
fn large_answers_and_ends_pass() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy).unwrap();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let mut writing = stream.try_clone().unwrap();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || {
        writing.write_all(&copy).unwrap();
        writing.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writer.join().unwrap();
    assert!(received == sent);
}

#[test]
fn a_server_that_is_gone_closes() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let proxy = Proxy::start(port).unwrap();
    assert!(exchange(&mut connect(&proxy).unwrap()).is_err());
}
