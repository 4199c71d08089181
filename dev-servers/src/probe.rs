//! Asks a starting server whether it answers yet, in its own protocol and without any runtime.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const PATIENCE: Duration = Duration::from_millis(500);

/// Below the ports a kernel hands out by itself: there, a client that keeps dialling a stopped
/// server can end up connected to itself and hold the port when the server wants it back.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Polls until the condition holds; says whether it did before the deadline.
pub(crate) fn wait_for(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if started.elapsed() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port nobody listens on right now.
pub(crate) fn free_port() -> Result<u16> {
    let start = uuid::Uuid::new_v4().as_u128();
    let span = u128::from(PORTS.end - PORTS.start);
    (0..500)
        .map(|attempt| PORTS.start + ((start + attempt * 37) % span) as u16)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no free port")
}

/// Whether Postgres lets a user in through its socket; the socket is private, so it is the right Postgres.
pub(crate) fn postgres_answers(socket: &Path, user: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = format!("user\0{user}\0database\0postgres\0\0");
        let mut message = (body.len() as u32 + 8).to_be_bytes().to_vec();
        message.extend(196_608_u32.to_be_bytes());
        message.extend(body.as_bytes());
        stream.write_all(&message)?;
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        // Goodbye, so that the log stays clean.
        stream.write_all(&[b'X', 0, 0, 0, 4])?;
        Ok(kind == *b"R")
    };
    ask().unwrap_or(false)
}

/// Whether the nats-server of this name listens on the port and its JetStream answers.
pub(crate) fn jetstream_answers(port: u16, server_name: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let info = lines.next().transpose()?.unwrap_or_default();
        if !info.contains(&format!("\"server_name\":\"{server_name}\"")) {
            return Ok(false);
        }
        let ask = "CONNECT {\"verbose\":false}\r\nSUB _INBOX.probe 1\r\nPUB $JS.API.INFO _INBOX.probe 0\r\n\r\n";
        (&stream).write_all(ask.as_bytes())?;
        while let Some(line) = lines.next().transpose()? {
            if line.starts_with("MSG ") {
                let answer = lines.next().transpose()?.unwrap_or_default();
                return Ok(!answer.contains("\"error\""));
            }
        }
        Ok(false)
    };
    ask().unwrap_or(false)
}
