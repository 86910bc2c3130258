//! Servers and clients over real sockets on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use rocketmq_protocol::frame::{FRAME_BYTES_MAX, FrameHead, SerializeType, encode_head};
use rocketmq_protocol::{Frame, Language, RequestCode, ResponseCode};
use rocketmq_remoting::{
    BatchFailed, Body, Call, ClientOptions, CloseReason, Connection, Deferred, RemotingClient,
    RemotingError, Request, RequestHandler, Response, Server, ServerOptions,
};

const ECHO: RequestCode = RequestCode(1);
const LATER: RequestCode = RequestCode(2);
const NEVER: RequestCode = RequestCode(3);
const REFUSE_BATCH: RequestCode = RequestCode(4);
const BIG: RequestCode = RequestCode(5);
const CALL_BACK: RequestCode = RequestCode(6);

#[derive(Default)]
struct Echo {
    held: Mutex<Vec<Deferred>>,
    batches: AtomicUsize,
    refuse: AtomicUsize,
    closed: Mutex<Vec<CloseReason>>,
    connected: Mutex<Vec<Arc<Connection>>>,
}

impl RequestHandler for Echo {
    fn handle(&self, call: Call<'_>) {
        let body = call.frame.body_bytes();
        match call.code() {
            LATER => self.held.lock().push(call.defer()),
            NEVER => {}
            BIG => {
                let part = Bytes::from(vec![7u8; 100_000]);
                call.respond(Response::success().body(Body::Many(vec![part; 10])));
            }
            code => {
                if code == REFUSE_BATCH {
                    self.refuse.store(1, Ordering::SeqCst);
                }
                let fields = [("code", "text\u{1}")];
                call.respond(Response::success().fields(&&fields[..]).remark("ok").body(body));
            }
        }
    }

    fn batch_end(&self, _: &Arc<Connection>) -> Result<(), BatchFailed> {
        self.batches.fetch_add(1, Ordering::SeqCst);
        if self.refuse.load(Ordering::SeqCst) > 0 {
            let code = ResponseCode::SERVICE_NOT_AVAILABLE;
            return Err(BatchFailed { code, remark: "the disk is gone".to_string() });
        }
        Ok(())
    }

    fn connected(&self, connection: &Arc<Connection>) {
        self.connected.lock().push(Arc::clone(connection));
    }

    fn closed(&self, _: &Arc<Connection>, reason: &CloseReason) {
        self.closed.lock().push(reason.clone());
    }
}

fn start(options: ServerOptions) -> (Server, Arc<Echo>) {
    let handler = Arc::new(Echo::default());
    let address = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(address, options, Arc::clone(&handler) as _).unwrap();
    (server, handler)
}

fn client() -> RemotingClient {
    RemotingClient::new(ClientOptions::default(), Arc::new(Echo::default()))
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

const TIMEOUT: Duration = Duration::from_secs(20);

fn request_bytes(code: RequestCode, opaque: i32, body: &[u8]) -> BytesMut {
    let head = FrameHead { code: code.0, flag: 0, language: Language::JAVA, opaque, remark: None };
    let mut out = BytesMut::new();
    encode_head(&mut out, SerializeType::Json, &head, None, body.len()).unwrap();
    out.extend_from_slice(body);
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_back_to_their_requests_out_of_order() {
    let (server, handler) = start(ServerOptions::default());
    let client = Arc::new(client());
    let address = server.local().to_string();
    let connection = client.connection(&address).await.unwrap();
    let later = connection.begin_invoke(Request::new(LATER)).unwrap();
    let now = connection.invoke(Request::new(ECHO).body(b"x".to_vec()), TIMEOUT).await.unwrap();
    assert_eq!(now.body(), b"x");
    assert_eq!(now.remark().as_deref(), Some("ok"));
    assert_eq!(now.fields().get("code").unwrap().text(), "text\u{1}");
    until("the request is held", || handler.held.lock().len() == 1).await;
    let held = handler.held.lock().pop().unwrap();
    std::thread::spawn(move || held.respond(Response::error(ResponseCode::SYSTEM_BUSY, "later")));
    let answer = later.response(TIMEOUT).await.unwrap();
    assert_eq!(answer.code, 2);
    assert_eq!(handler.connected.lock().len(), 1, "one connection an address");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_arrive_whole() {
    let (server, _) = start(ServerOptions::default());
    let client = client();
    let address = server.local().to_string();
    let body: Vec<u8> = (0..3_000_000u32).map(|i| i as u8).collect();
    let echo = client.invoke(&address, Request::new(ECHO).body(body.clone()), TIMEOUT).await;
    assert_eq!(echo.unwrap().body(), &body[..]);
    let big = client.invoke(&address, Request::new(BIG), TIMEOUT).await.unwrap();
    assert_eq!(big.body().len(), 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_one_read_are_one_batch_and_single_bytes_make_frames() {
    let (server, handler) = start(ServerOptions::default());
    let mut socket = TcpStream::connect(server.local()).unwrap();
    let mut bytes = BytesMut::new();
    (0..50).for_each(|i| bytes.extend_from_slice(&request_bytes(ECHO, i, b"body")));
    let answers = tokio::task::spawn_blocking(move || {
        socket.write_all(&bytes).unwrap();
        let first = read_frames(&mut socket, 50);
        for byte in request_bytes(ECHO, 99, b"slow") {
            socket.write_all(&[byte]).unwrap();
        }
        (first, read_frames(&mut socket, 1))
    });
    let (first, slow) = answers.await.unwrap();
    assert_eq!(first.iter().map(|f| f.opaque).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    assert_eq!(slow[0].body(), b"slow");
    assert!(handler.batches.load(Ordering::SeqCst) < 50);
}

fn read_frames(socket: &mut TcpStream, count: usize) -> Vec<Frame> {
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut input = BytesMut::new();
    let mut frames = Vec::new();
    while frames.len() < count {
        let mut part = [0; 4096];
        let read = socket.read(&mut part).unwrap();
        assert!(read > 0, "closed after {} frames", frames.len());
        input.extend_from_slice(&part[..read]);
        while let Some(frame) = Frame::take(&mut input, FRAME_BYTES_MAX).unwrap() {
            frames.push(frame);
        }
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_frame_closes_its_connection_only() {
    let (server, handler) = start(ServerOptions::default());
    let client = client();
    let address = server.local().to_string();
    client.invoke(&address, Request::new(ECHO), TIMEOUT).await.unwrap();
    let malformed =
        [&b"\x7f\xff\xff\xff"[..], b"\0\0\0\x09\0\0\0\x05{bad}", b"\0\0\0\x08\x02\0\0\x04zzzz"];
    for bad in malformed {
        let before = handler.closed.lock().len();
        let mut socket = TcpStream::connect(server.local()).unwrap();
        socket.write_all(bad).unwrap();
        until("the bad connection is closed", || handler.closed.lock().len() > before).await;
        let reason = handler.closed.lock().last().cloned().unwrap();
        assert!(matches!(reason, CloseReason::Exception(_)), "{reason:?}");
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        assert!(matches!(socket.read(&mut [0; 8]), Ok(0) | Err(_)));
    }
    client.invoke(&address, Request::new(ECHO), TIMEOUT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_batch_is_never_acknowledged() {
    let (server, _) = start(ServerOptions::default());
    let client = client();
    let address = server.local().to_string();
    let refused = client.invoke(&address, Request::new(REFUSE_BATCH), TIMEOUT).await.unwrap();
    assert_eq!(refused.code, ResponseCode::SERVICE_NOT_AVAILABLE.0);
    assert_eq!(refused.remark().as_deref(), Some("the disk is gone"));
    assert!(refused.body().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn timeouts_and_refused_connections_say_so_in_rocketmqs_words() {
    let (server, _) = start(ServerOptions::default());
    let client = client();
    let address = server.local().to_string();
    let short = Duration::from_millis(30);
    let late = client.invoke(&address, Request::new(NEVER), short).await.unwrap_err();
    let words = format!("wait response on the channel <{address}> timeout, ");
    assert!(late.to_string().starts_with(&words));
    // The connection was closed, the next use makes a new one.
    client.invoke(&address, Request::new(ECHO), TIMEOUT).await.unwrap();
    server.shutdown();
    drop(server);
    let gone = loop {
        match client.invoke(&address, Request::new(ECHO), TIMEOUT).await {
            Err(error @ RemotingError::Connect { .. }) => break error,
            _ => tokio::task::yield_now().await,
        }
    };
    assert!(gone.to_string().starts_with(&format!("connect to {address} failed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_closed() {
    let mut options = ServerOptions::default();
    options.driver.idle_timeout = Duration::from_millis(50);
    let (server, handler) = start(options);
    let _socket = TcpStream::connect(server.local()).unwrap();
    until("the idle connection is closed", || *handler.closed.lock() == [CloseReason::Idle]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_read_stops_being_read() {
    let mut options = ServerOptions::default();
    options.driver.outbound_bytes_max = Some(1_000_000);
    let (server, handler) = start(options);
    let mut socket = TcpStream::connect(server.local()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let request = request_bytes(BIG, 1, &[0; 60_000]);
    let mut written = 0;
    let deadline = Instant::now() + TIMEOUT;
    let mut blocked_since: Option<Instant> = None;
    // The socket's buffers hold some megabytes; past them writing must block.
    while blocked_since.is_none_or(|at| at.elapsed() < Duration::from_millis(200)) {
        assert!(Instant::now() < deadline, "never blocked, {written} bytes were taken");
        match socket.write(&request) {
            Ok(n) => (written, blocked_since) = (written + n, None),
            Err(_) => {
                blocked_since.get_or_insert_with(Instant::now);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    assert!(handler.batches.load(Ordering::SeqCst) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_can_ask_their_clients() {
    let (server, handler) = start(ServerOptions::default());
    let client = client();
    client.invoke(&server.local().to_string(), Request::new(ECHO), TIMEOUT).await.unwrap();
    let connection = Arc::clone(&handler.connected.lock()[0]);
    let request = Request::new(CALL_BACK).body(b"who?".to_vec());
    assert_eq!(connection.invoke(request, TIMEOUT).await.unwrap().body(), b"who?");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_takes_tls_and_plain_connections() {
    use rocketmq_remoting::tls::TlsSettings;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let tls = TlsSettings::default().server().unwrap();
    let (server, _) = start(ServerOptions { tls, ..ServerOptions::default() });
    let plain = client();
    plain.invoke(&server.local().to_string(), Request::new(ECHO), TIMEOUT).await.unwrap();
    let mut stream = tls_client(server.local()).await;
    stream.write_all(&request_bytes(ECHO, 5, b"secret")).await.unwrap();
    let mut input = BytesMut::new();
    let frame = loop {
        assert!(stream.read_buf(&mut input).await.unwrap() > 0);
        if let Some(frame) = Frame::take(&mut input, FRAME_BYTES_MAX).unwrap() {
            break frame;
        }
    };
    assert_eq!(frame.body(), b"secret");
}

async fn tls_client(
    address: std::net::SocketAddr,
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    use tokio_rustls::rustls::client::danger::{
        HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
    };
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use tokio_rustls::rustls::{
        ClientConfig, DigitallySignedStruct, Error, SignatureScheme, crypto,
    };

    #[derive(Debug)]
    struct TrustAll;
    impl ServerCertVerifier for TrustAll {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAll))
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn oneway_requests_wait_for_a_peer_that_does_not_read() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let options = ClientOptions { oneway_bytes_max: 100_000, ..ClientOptions::default() };
    let client = Arc::new(RemotingClient::new(options, Arc::new(Echo::default())));
    let sent = Arc::new(AtomicUsize::new(0));
    let sending = tokio::spawn({
        let (client, address, sent) = (Arc::clone(&client), address.clone(), Arc::clone(&sent));
        async move {
            // 64 MB are more than socket buffers hold.
            for _ in 0..1000 {
                let request = Request::new(ECHO).body(Bytes::from(vec![0; 64_000]));
                client.send_oneway(&address, request).await.unwrap();
                sent.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let (mut socket, _) = listener.accept().await.unwrap();
    until("something was sent", || sent.load(Ordering::SeqCst) > 0).await;
    let reading = tokio::spawn(async move {
        tokio::io::copy(&mut socket, &mut tokio::io::sink()).await.unwrap_or_default()
    });
    sending.await.unwrap();
    // Each request waits until no more than the limit is unwritten, so at most that and one more
    // request can be lost by closing now.
    client.shutdown().await;
    let read = reading.await.unwrap();
    assert!(read >= 1000 * 64_000 - 100_000 - 2 * 65_000, "{read}");
}
