//! A mail server of a few lines that does as the receiver's name says.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::Secret;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::messages::{Encryption, SmtpSender, SmtpSettings};

/// For localhost, and its own authority.
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/tests/data/test-only-certificate.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/tests/data/test-only-key.pem");
/// How long it takes to answer who is slow.
const SLOW: Duration = Duration::from_millis(1_000);

/// What a server does.
#[derive(Clone, Copy)]
pub struct Rules {
    /// Whether it takes several commands at once.
    pub pipelining: bool,
    /// It ends connections after so many mails.
    pub most_mails: usize,
    /// Whether it says 354 to DATA when it has refused the receiver.
    pub wants_mail_for_nobody: bool,
    /// With encryption, it wants a password as well.
    pub encryption: Encryption,
}

impl Default for Rules {
    fn default() -> Self {
        let encryption = Encryption::None;
        Self { pipelining: false, most_mails: usize::MAX, wants_mail_for_nobody: false, encryption }
    }
}

/// A mail server, and what it has heard.
pub struct Server {
    port: u16,
    rules: Rules,
    mails: Mutex<Vec<String>>,
    commands: Mutex<Vec<Vec<String>>>,
    ended: AtomicUsize,
}

impl Server {
    pub async fn start(rules: Rules) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server =
            Self { port, rules, mails: Mutex::default(), commands: Mutex::default(), ended: AtomicUsize::new(0) };
        let server = Arc::new(server);
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                // A client that goes away in the middle is no concern of the test.
                tokio::spawn(async move {
                    shared.serve(stream).await.ok();
                    shared.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    /// A sender to this server.
    pub fn sender(&self) -> SmtpSender {
        self.sender_with(Duration::from_secs(20))
    }

    /// One that does not wait for an answer that is slow.
    pub fn impatient_sender(&self) -> SmtpSender {
        self.sender_with(SLOW / 2)
    }

    fn sender_with(&self, timeout: Duration) -> SmtpSender {
        let encryption = self.rules.encryption;
        let is_encrypted = encryption != Encryption::None;
        let settings = SmtpSettings {
            host: "localhost".to_owned(),
            port: self.port,
            encryption,
            username: is_encrypted.then(|| "keeper".to_owned()),
            password: is_encrypted.then(|| Secret::new("secret".to_owned())),
            from: "no-reply@mail.example".to_owned(),
            ca_file: is_encrypted.then(|| CERTIFICATE.into()),
            timeout,
        };
        SmtpSender::new(&settings).unwrap()
    }

    /// The mails that it has taken.
    pub fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }

    /// The commands of each connection so far.
    pub fn commands(&self) -> Vec<Vec<String>> {
        self.commands.lock().unwrap().clone()
    }

    /// The same, when they are as they should be.
    pub async fn until_commands(&self, are_there: impl Fn(&[Vec<String>]) -> bool) -> Vec<Vec<String>> {
        for _ in 0..500 {
            let commands = self.commands();
            if are_there(&commands) {
                return commands;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never: {:?}", self.commands());
    }

    /// Waits until so many connections have ended.
    pub async fn until_ended(&self, count: usize) {
        self.until_commands(|_| self.ended.load(Ordering::SeqCst) >= count).await;
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        // Each answer at once, also where several commands came together.
        stream.set_nodelay(true)?;
        let number = {
            let mut commands = self.commands.lock().unwrap();
            commands.push(Vec::new());
            commands.len() - 1
        };
        if self.rules.encryption == Encryption::Tls {
            let stream = acceptor().accept(stream).await?;
            return self.talk(number, &mut BufStream::new(stream), true).await.map(drop);
        }
        let mut stream = BufStream::new(stream);
        if self.talk(number, &mut stream, true).await? == After::StartTls {
            let stream = acceptor().accept(stream.into_inner()).await?;
            self.talk(number, &mut BufStream::new(stream), false).await?;
        }
        Ok(())
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        number: usize,
        stream: &mut BufStream<S>,
        greets: bool,
    ) -> std::io::Result<After> {
        if greets {
            say(stream, "220 test").await?;
        }
        let mut receiver = String::new();
        let mut mails = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(After::End);
            }
            let command = line.split_ascii_whitespace().next().unwrap_or_default().to_owned();
            self.commands.lock().unwrap()[number].push(command.clone());
            match command.as_str() {
                "EHLO" => say(stream, &self.features(greets)).await?,
                "STARTTLS" => {
                    say(stream, "220 go").await?;
                    return Ok(After::StartTls);
                }
                "AUTH" => say(stream, "235 welcome").await?,
                "RCPT" => {
                    receiver = line.split(['<', '@']).nth(1).unwrap_or_default().to_owned();
                    say(stream, if receiver == "refused" { "550 no such user" } else { "250 ok" }).await?;
                }
                "DATA" if receiver == "refused" && !self.rules.wants_mail_for_nobody => {
                    say(stream, "554 no receivers").await?;
                }
                "DATA" => {
                    say(stream, "354 go on").await?;
                    let mail = read_mail(stream).await?;
                    if !self.take(stream, &receiver, mail).await? {
                        return Ok(After::End);
                    }
                    mails += 1;
                    if mails == self.rules.most_mails {
                        return Ok(After::End);
                    }
                }
                "QUIT" => {
                    say(stream, "221 bye").await?;
                    return Ok(After::End);
                }
                _ => say(stream, "250 ok").await?,
            }
        }
    }

    fn features(&self, is_in_clear: bool) -> String {
        let pipelining = if self.rules.pipelining { "250-PIPELINING\r\n" } else { "" };
        let encryption = match self.rules.encryption {
            Encryption::StartTls if is_in_clear => "250-STARTTLS\r\n",
            Encryption::None => "",
            _ => "250-AUTH PLAIN\r\n",
        };
        format!("250-test\r\n{pipelining}{encryption}250 8BITMIME")
    }

    /// Takes a mail or not; says whether the connection goes on.
    async fn take<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufStream<S>,
        receiver: &str,
        mail: String,
    ) -> std::io::Result<bool> {
        let answer = match receiver {
            "refused" => {
                assert_eq!(mail, "", "a mail for nobody");
                "554 no receivers"
            }
            "unread" => "554 this one not",
            _ => "250 taken",
        };
        if answer.starts_with("250") {
            self.mails.lock().unwrap().push(mail);
        }
        match receiver {
            "unanswered" => return Ok(false),
            "slow" => tokio::time::sleep(SLOW).await,
            _ => {}
        }
        say(stream, answer).await?;
        Ok(true)
    }
}

#[derive(PartialEq, Eq)]
enum After {
    End,
    StartTls,
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>, answer: &str) -> std::io::Result<()> {
    stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// A mail as it was before it was made ready for the wire.
async fn read_mail<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>) -> std::io::Result<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(mail);
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_file(KEY).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let configuration = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(configuration))
}
