//! A mail server that counts.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use service::messages::Sender;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Takes every mail, or is silent.
pub struct MailServer {
    port: u16,
    is_silent: bool,
    /// `Message-ID` of each mail.
    taken: Mutex<Vec<String>>,
}

impl MailServer {
    /// One that takes every mail.
    pub async fn start() -> Arc<Self> {
        Self::start_so(false).await
    }

    /// One that accepts connections and says nothing.
    pub async fn start_silent() -> Arc<Self> {
        Self::start_so(true).await
    }

    async fn start_so(is_silent: bool) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::new(Self { port, is_silent, taken: Mutex::default() });
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                // A client that goes away in the middle is no concern of the test.
                tokio::spawn(async move { shared.talk(stream).await.ok() });
            }
        });
        server
    }

    async fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        if !self.is_silent {
            write.write_all(b"220 here\r\n").await?;
        }
        let mut is_mail = false;
        while let Some(line) = lines.next_line().await? {
            if let Some(id) = line.strip_prefix("Message-ID: ") {
                self.taken.lock().unwrap().push(id.to_owned());
            }
            // Within a mail, only its end is answered.
            if self.is_silent || (is_mail && line != ".") {
                continue;
            }
            is_mail = line == "DATA";
            write.write_all(if is_mail { b"354 go on\r\n" } else { b"250 ok\r\n" }).await?;
        }
        Ok(())
    }

    /// Hands mails to this server.
    pub fn sender(&self) -> Sender {
        testkit::smtp(self.port, Duration::from_secs(45))
    }

    /// `Message-ID` of each mail that was taken so far, in order.
    pub fn taken(&self) -> Vec<String> {
        let mut taken = self.taken.lock().unwrap().clone();
        taken.sort();
        taken
    }
}
