//! Name servers by address server (`fetchNamesrvAddrByAddressServer`, contract `broker.md` 1, 5):
//! an HTTP server that answers with the list `host:port;host:port`.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::LOGGER;
use crate::context::{BrokerContext, Settings};

/// Keys of the configuration file alone; no table of settings has them.
pub(crate) const KEYS: [&str; 2] = ["rmqAddressServerDomain", "rmqAddressServerSubGroup"];
const DEFAULT_DOMAIN: &str = "jmenv.tbsite.net";
const DEFAULT_SUBGROUP: &str = "nsaddr";
const DEFAULT_PORT: u16 = 8080;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Most bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Where the list is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AddressServer {
    authority: String,
    path: String,
}

impl AddressServer {
    /// By `rmqAddressServerDomain` and `rmqAddressServerSubGroup` of the configuration file.
    pub(crate) fn of(settings: &Settings) -> AddressServer {
        let extra = |key: &str| settings.extra.get(key).filter(|value| !value.trim().is_empty());
        let domain = extra(KEYS[0]).unwrap_or(DEFAULT_DOMAIN).trim();
        let subgroup = extra(KEYS[1]).unwrap_or(DEFAULT_SUBGROUP).trim();
        let authority = match domain.contains(':') {
            true => domain.to_string(),
            false => format!("{domain}:{DEFAULT_PORT}"),
        };
        AddressServer { authority, path: format!("/rocketmq/{subgroup}") }
    }

    /// Asks for the list.
    pub(crate) async fn fetch(&self) -> io::Result<String> {
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

/// Takes over the list that the address server names, if it can be had.
pub(crate) async fn update(context: &BrokerContext) {
    let server = AddressServer::of(&context.settings());
    match server.fetch().await {
        Ok(list) => {
            if context.outward.set_servers(Some(&list)) {
                tracing::info!(target: LOGGER, "name server address changed, new: {list}");
            }
        }
        Err(error) => {
            let AddressServer { authority, path } = server;
            tracing::error!(target: LOGGER, "fetch name server address from http://{authority}{path} failed: {error}; set namesrvAddr, or rmqAddressServerDomain and rmqAddressServerSubGroup");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_address_is_javas() {
        let mut settings = Settings::default();
        let at = |settings: &Settings| {
            let server = AddressServer::of(settings);
            format!("http://{}{}", server.authority, server.path)
        };
        assert_eq!(at(&settings), "http://jmenv.tbsite.net:8080/rocketmq/nsaddr");
        settings.extra.set("rmqAddressServerDomain", "10.0.0.1:99");
        settings.extra.set("rmqAddressServerSubGroup", "mine");
        assert_eq!(at(&settings), "http://10.0.0.1:99/rocketmq/mine");
    }

    #[tokio::test]
    async fn the_list_is_fetched() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = AddressServer {
            authority: listener.local_addr().unwrap().to_string(),
            path: "/rocketmq/nsaddr".to_string(),
        };
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
