//! A lean HTTP/1.1 client on one kept connection: the load generator shares the cores with what it measures.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    net::SocketAddr,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Room for an ordinary answer.
const ANSWER_ROOM: usize = 8 * 1_024;
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A connection that is kept.
pub struct Wire {
    stream: TcpStream,
    output: Vec<u8>,
    input: Vec<u8>,
}

/// An answer, good until the next request.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: &'a str,
}

/// A request with a JSON body. Without a key it is no command.
#[derive(Clone, Copy)]
pub struct Post<'a> {
    /// The path.
    pub path: fmt::Arguments<'a>,
    /// The bearer's token.
    pub token: &'a str,
    /// The Idempotency-Key.
    pub key: Option<fmt::Arguments<'a>>,
    /// The body.
    pub body: &'a str,
}

impl Wire {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, output: Vec::with_capacity(ANSWER_ROOM), input: Vec::with_capacity(ANSWER_ROOM) })
    }

    /// Sends a request and reads its answer.
    pub async fn post(&mut self, post: Post<'_>) -> io::Result<Answer<'_>> {
        self.output.clear();
        write!(
            self.output,
            "POST {} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n",
            post.path, post.token
        )?;
        if let Some(key) = post.key {
            write!(self.output, "idempotency-key: {key}\r\n")?;
        }
        write!(self.output, "content-length: {}\r\n\r\n{}", post.body.len(), post.body)?;
        self.stream.write_all(&self.output).await?;
        self.answer().await
    }

    /// Asks for what must contain everything up to the position in `consistency_token`.
    pub async fn get(
        &mut self,
        path: fmt::Arguments<'_>,
        token: &str,
        consistency_token: &str,
    ) -> io::Result<Answer<'_>> {
        self.output.clear();
        write!(
            self.output,
            "GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\nconsistency-token: \
             {consistency_token}\r\nprefer: wait=10\r\n\r\n"
        )?;
        self.stream.write_all(&self.output).await?;
        self.answer().await
    }

    /// Asks for what there is.
    pub async fn ask(&mut self, path: &str, token: &str) -> io::Result<Answer<'_>> {
        self.output.clear();
        write!(self.output, "GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\r\n")?;
        self.stream.write_all(&self.output).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> io::Result<Answer<'_>> {
        self.input.clear();
        let head = loop {
            self.input.reserve(ANSWER_ROOM);
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            match Head::of(&self.input)? {
                Some(head) if self.input.len() >= head.length + head.body_length => break head,
                _ if self.input.len() > ANSWER_BYTES_MAX => return Err(malformed("an answer without an end")),
                _ => {}
            }
        };
        let body = &self.input[head.length..head.length + head.body_length];
        let body = std::str::from_utf8(body).map_err(|_| malformed("the answer is no UTF-8"))?;
        Ok(Answer { status: head.status, body })
    }
}

impl<'a> Answer<'a> {
    /// The text of the first member of that name.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let (_, rest) = self.body.split_once(&format!("\"{name}\":\""))?;
        rest.split_once('"').map(|(text, _)| text)
    }
}

impl Answer<'_> {
    /// The number of the first member of that name.
    pub fn number(&self, name: &str) -> Option<i64> {
        let (_, rest) = self.body.split_once(&format!("\"{name}\":"))?;
        rest.split([',', '}']).next()?.parse().ok()
    }
}

/// Where an answer's head ends, and what it says of the body.
#[derive(Debug, PartialEq)]
struct Head {
    status: u16,
    length: usize,
    body_length: usize,
}

impl Head {
    /// `None` while the head is not complete. Services of ours always say how long the body is.
    fn of(input: &[u8]) -> io::Result<Option<Self>> {
        let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&input[..end]).map_err(|_| malformed("the answer's head is no ASCII"))?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        match (status, length) {
            (Some(status), Some(body_length)) => Ok(Some(Self { status, length: end + 4, body_length })),
            _ => Err(malformed("the answer has no status or no length")),
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let whole = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\netag: \"1\"\r\n\r\n{}";
        let head = Head { status: 201, length: whole.len() - 2, body_length: 2 };
        assert_eq!(Head::of(whole).expect("well-formed"), Some(head));
        assert_eq!(Head::of(&whole[..30]).expect("well-formed so far"), None);
        assert!(Head::of(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn members_are_found_by_name() {
        let answer = Answer { status: 200, body: r#"{"data":{"id":"a","payment_id":"b"}}"# };
        assert_eq!(answer.text("id"), Some("a"));
        assert_eq!(answer.text("payment_id"), Some("b"));
        assert_eq!(answer.text("none"), None);
    }
}
