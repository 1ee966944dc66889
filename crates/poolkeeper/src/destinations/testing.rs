//! Records, and a server that takes them.

use std::{ops::Range, sync::Arc};

use http::Uri;
use serde_json::json;
use service::records::Record;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};
use wire::{LogLevel, Timestamp};

/// Records with these numbers.
pub fn records(numbers: Range<u32>) -> Arc<[Record]> {
    let record = |number| Record {
        name: "test",
        pool_id: "us-east-1_AbCdEfGh1".to_owned(),
        arn: None,
        moment: Timestamp(0),
        level: LogLevel::Info,
        body: json!({"number": number}),
    };
    numbers.map(record).collect()
}

/// A request that came.
pub struct Request {
    /// All of it.
    pub text: String,
    /// What it carries.
    pub body: String,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> String {
        let lines = self.text.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned());
        values.next().unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }
}

/// A server that answers these statuses in turn, one for each connection, and tells of what came.
pub async fn serve(statuses: &'static [u16]) -> (Uri, UnboundedReceiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/logs", listener.local_addr().unwrap()).parse().unwrap();
    let (told, requests) = unbounded_channel();
    tokio::spawn(async move {
        for status in statuses {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            let body = loop {
                let mut piece = [0; 4_096];
                let read = connection.read(&mut piece).await.unwrap();
                assert_ne!(read, 0, "the request breaks off");
                text.extend_from_slice(&piece[..read]);
                let so_far = String::from_utf8_lossy(&text).to_ascii_lowercase();
                let Some((head, body)) = so_far.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() >= length.parse().unwrap() {
                    break text[head.len() + 4..].to_vec();
                }
            };
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            connection.write_all(answer.as_bytes()).await.unwrap();
            let text = String::from_utf8(text).unwrap();
            _ = told.send(Request { text, body: String::from_utf8(body).unwrap() });
        }
    });
    (url, requests)
}
