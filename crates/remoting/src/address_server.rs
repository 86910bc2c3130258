//! Name servers by address server (contract `broker.md` 1, `client.md` 1): an HTTP server that
//! answers with the list `host:port;host:port`.

use std::time::Duration;
use std::{fmt, io};

use rocketmq_common::home;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DEFAULT_DOMAIN: &str = "jmenv.tbsite.net";
const DEFAULT_SUBGROUP: &str = "nsaddr";
const DEFAULT_PORT: u16 = 8080;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Most bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Java's system properties of the domain and of the list's name.
const PROPERTIES: [&str; 2] = ["rocketmq.namesrv.domain", "rocketmq.namesrv.domain.subgroup"];

/// Where the list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressServer {
    authority: String,
    path: String,
}

impl AddressServer {
    /// By its domain (`jmenv.tbsite.net`; port 8080 unless it names one) and the list's name there
    /// (`nsaddr`).
    pub fn new(domain: Option<&str>, subgroup: Option<&str>) -> AddressServer {
        let given = |text: Option<&str>, default: &str| {
            let text = text.map(str::trim).filter(|text| !text.is_empty());
            text.unwrap_or(default).to_string()
        };
        let domain = given(domain, DEFAULT_DOMAIN);
        let authority = match domain.contains(':') {
            true => domain,
            false => format!("{domain}:{DEFAULT_PORT}"),
        };
        let path = format!("/rocketmq/{}", given(subgroup, DEFAULT_SUBGROUP));
        AddressServer { authority, path }
    }

    /// By Java's system properties `rocketmq.namesrv.domain` and `rocketmq.namesrv.domain.subgroup`.
    pub fn of_properties() -> AddressServer {
        let [domain, subgroup] = PROPERTIES.map(home::system_property);
        AddressServer::new(domain.as_deref(), subgroup.as_deref())
    }

    /// As [`AddressServer::of_properties`], if the domain is set.
    pub fn configured() -> Option<AddressServer> {
        home::system_property(PROPERTIES[0]).map(|_| AddressServer::of_properties())
    }

    /// The list of a unit.
    pub fn of_unit(mut self, unit: &str) -> AddressServer {
        self.path += &format!("-{unit}?nofix=1");
        self
    }

    /// Asks for the list.
    ///
    /// # Errors
    /// It cannot be reached, or its answer names no name server.
    pub async fn fetch(&self) -> io::Result<String> {
        match tokio::time::timeout(TIMEOUT, self.ask()).await {
            Ok(answer) => list_of(&answer?),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn ask(&self) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.authority).await?;
        // 1.0: the answer comes in one piece and ends with the connection.
        let request = format!("GET {} HTTP/1.0\r\nHost: {}\r\n\r\n", self.path, self.authority);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

/// Its URL.
impl fmt::Display for AddressServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// The first line of the answer's body.
fn list_of(answer: &[u8]) -> io::Result<String> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        return Err(io::Error::other(format!(
            "fetch nameserver address failed. statusCode={status}"
        )));
    }
    let list = body.trim_start().lines().next().unwrap_or_default().trim();
    if list.is_empty() {
        return Err(io::Error::other("the address server named no name server"));
    }
    Ok(list.to_string())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_address_is_javas() {
        let at = |domain, subgroup| AddressServer::new(domain, subgroup).to_string();
        assert_eq!(at(None, None), "http://jmenv.tbsite.net:8080/rocketmq/nsaddr");
        assert_eq!(at(Some(" "), Some("")), "http://jmenv.tbsite.net:8080/rocketmq/nsaddr");
        assert_eq!(at(Some("10.0.0.1:99"), Some("mine")), "http://10.0.0.1:99/rocketmq/mine");
        let unit = AddressServer::new(Some("a"), None).of_unit("u1").to_string();
        assert_eq!(unit, "http://a:8080/rocketmq/nsaddr-u1?nofix=1");
    }

    #[tokio::test]
    async fn the_list_is_fetched() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = AddressServer::new(Some(&listener.local_addr().unwrap().to_string()), None);
        for (answer, expected) in [
            (
                "HTTP/1.1 200 OK\r\nA: b\r\n\r\n1.2.3.4:9876;5.6.7.8:9876\n",
                Some("1.2.3.4:9876;5.6.7.8:9876"),
            ),
            ("HTTP/1.1 200 OK\r\n\r\n\r\n", None),
            ("HTTP/1.1 404 Not Found\r\n\r\n1.2.3.4:9876", None),
            ("", None),
        ] {
            let serve = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let read = stream.read(&mut request).await.unwrap();
                assert!(request[..read].starts_with(b"GET /rocketmq/nsaddr HTTP/1.0\r\nHost: "));
                stream.write_all(answer.as_bytes()).await.unwrap();
            };
            let (fetched, ()) = tokio::join!(server.fetch(), serve);
            assert_eq!(fetched.ok().as_deref(), expected, "{answer}");
        }
    }
}
