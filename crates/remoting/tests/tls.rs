//! Every mode of a server against every kind of client, over real sockets on loopback. The key files
//! in `tests/tls` were made by openssl for these tests; their password is `opensesame`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pkcs8::LineEnding;
use pkcs8::der::pem::encode_string;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rocketmq_protocol::RequestCode;
use rocketmq_remoting::tls::{TlsMode, TlsSettings};
use rocketmq_remoting::{
    Body, Call, ClientOptions, RemotingClient, RemotingError, Request, RequestHandler, Response,
    Server, ServerOptions,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TIMEOUT: Duration = Duration::from_secs(20);
const WORDS: &[u8] = b"for your eyes only";

struct Echo;

impl RequestHandler for Echo {
    fn handle(&self, call: Call<'_>) {
        let body = call.frame.body_bytes();
        call.respond(Response::success().body(Body::One(body)));
    }
}

/// An authority, and what it signed, as files.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let authority =
            Authority { folder: tempfile::tempdir().unwrap(), issuer: Issuer::new(params, key) };
        write_pem(&authority.path("ca.pem"), "CERTIFICATE", certificate.der());
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes `<name>.pem` and `<name>.key`.
    fn sign(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        self.sign_key(name, &key, |_| {});
        write_pem(&self.path(&format!("{name}.key")), "PRIVATE KEY", &key.serialize_der());
    }

    fn sign_key(&self, name: &str, key: &KeyPair, change: impl Fn(&mut CertificateParams)) {
        // No host name in it is true: they are never compared.
        let mut params = CertificateParams::new(vec!["elsewhere.example".to_string()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        write_pem(&self.path(&format!("{name}.pem")), "CERTIFICATE", certificate.der());
    }

    /// Settings with this certificate on the side, trusting this authority.
    fn settings(&self, side: &str, certificate: Option<&str>) -> TlsSettings {
        let mut settings = TlsSettings::default();
        settings.set("tls.test.mode.enable", "false");
        settings.set(&format!("tls.{side}.trustCertPath"), &self.text("ca.pem"));
        settings.set("tls.server.authClient", "true");
        settings.set("tls.client.authServer", "true");
        if let Some(name) = certificate {
            settings.set(&format!("tls.{side}.certPath"), &self.text(&format!("{name}.pem")));
            settings.set(&format!("tls.{side}.keyPath"), &self.text(&format!("{name}.key")));
        }
        settings
    }
}

fn write_pem(path: &Path, label: &str, der: &[u8]) {
    std::fs::write(path, encode_string(label, LineEnding::LF, der).unwrap()).unwrap();
}

fn start(settings: &TlsSettings) -> Server {
    let tls = settings.server().unwrap();
    let options = ServerOptions { tls, ..ServerOptions::default() };
    Server::bind("127.0.0.1:0".parse().unwrap(), options, Arc::new(Echo)).unwrap()
}

fn client(settings: Option<&TlsSettings>) -> RemotingClient {
    let tls = settings.map(TlsSettings::client);
    RemotingClient::new(ClientOptions { tls, ..ClientOptions::default() }, Arc::new(Echo))
}

async fn ask(client: &RemotingClient, address: &str) -> Result<(), RemotingError> {
    let request = Request::new(RequestCode(1)).body(WORDS.to_vec());
    let answer = client.invoke(address, request, TIMEOUT).await?;
    assert_eq!(answer.body(), WORDS);
    Ok(())
}

/// Passes bytes on to the address and keeps a copy of both directions.
async fn tapped(to: String) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let copy = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&copy);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&to).await.unwrap();
            let (near, far) = (near.into_split(), far.into_split());
            for (mut from, mut to) in [(near.0, far.1), (far.0, near.1)] {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while let Ok(count @ 1..) = from.read(&mut bytes).await {
                        seen.lock().extend_from_slice(&bytes[..count]);
                        if to.write_all(&bytes[..count]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        }
    });
    (address, copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_serves_the_clients_it_should_and_nothing_secret_goes_in_clear() {
    let authority = Authority::new("ours");
    authority.sign("server");
    authority.sign("client");
    let tls = authority.settings("client", None);
    let mutual = authority.settings("client", Some("client"));
    for mode in [TlsMode::Disabled, TlsMode::Permissive, TlsMode::Enforcing] {
        for need in ["none", "optional", "require"] {
            let mut settings = authority.settings("server", Some("server"));
            settings.mode = mode;
            settings.set("tls.server.need.client.auth", need);
            let server = start(&settings);
            for (name, side) in [("plain", None), ("TLS", Some(&tls)), ("mTLS", Some(&mutual))] {
                let (address, seen) = tapped(server.local().to_string()).await;
                let result = ask(&client(side), &address).await;
                let expected = match (mode, name) {
                    (TlsMode::Enforcing, "plain") => false,
                    (_, "plain") => true,
                    (TlsMode::Disabled, _) => false,
                    (_, "TLS") => need != "require",
                    _ => true,
                };
                let case = format!("{} need={need} {name}", mode.name());
                assert_eq!(result.is_ok(), expected, "{case}: {result:?}");
                let seen = seen.lock();
                let is_clear = seen.windows(WORDS.len()).any(|part| part == WORDS);
                assert_eq!(is_clear, name == "plain", "{case}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_as_they_are_encrypt_without_any_file() {
    let mut settings = TlsSettings::default();
    settings.mode = TlsMode::Enforcing;
    let server = start(&settings);
    ask(&client(Some(&TlsSettings::default())), &server.local().to_string()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_without_tls_says_so_on_both_sides() {
    let logged = log();
    let mut settings = TlsSettings::default();
    settings.mode = TlsMode::Disabled;
    let server = start(&settings);
    let client = client(Some(&TlsSettings::default()));
    let text = ask(&client, &server.local().to_string()).await.unwrap_err().to_string();
    assert!(text.contains("it takes no TLS (tls.server.mode=disabled)"), "{text}");
    logged.wait_for(&["it looks like TLS, which this port does not take"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_arrive_whole_in_both_directions() {
    let server = start(&TlsSettings::default());
    let client = client(Some(&TlsSettings::default()));
    let body: Vec<u8> = (0..4_000_000u32).map(|n| (n % 251) as u8).collect();
    let request = Request::new(RequestCode(1)).body(body.clone());
    let answer = client.invoke(&server.local().to_string(), request, TIMEOUT).await.unwrap();
    assert!(answer.body() == body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_certificate_is_refused_with_a_line_on_both_sides() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    ours.sign("server");
    theirs.sign("client");
    let logged = log();

    // The client does not trust the server.
    let server = start(&ours.settings("server", Some("server")));
    let address = server.local().to_string();
    let error = ask(&client(Some(&theirs.settings("client", None))), &address).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&format!("connect to {address} failed: TLS: invalid peer")), "{text}");
    assert!(text.contains("tls.client.trustCertPath"), "{text}");
    logged.wait_for(&["was closed: TLS: received fatal alert", "its log says why"]).await;

    // The server does not trust the client, whatever the client says of the server.
    let mut settings = ours.settings("server", Some("server"));
    settings.set("tls.server.need.client.auth", "require");
    let server = start(&settings);
    let mut wrong = theirs.settings("client", Some("client"));
    wrong.set("tls.client.authServer", "false");
    let address = server.local().to_string();
    let text = ask(&client(Some(&wrong)), &address).await.unwrap_err().to_string();
    assert!(text.contains("the peer refused this side's certificate"), "{text}");
    logged
        .wait_for(&["was closed: TLS: invalid peer certificate", "tls.server.trustCertPath"])
        .await;

    // No certificate at all.
    let text = ask(&client(Some(&ours.settings("client", None))), &address).await.unwrap_err();
    assert!(text.to_string().contains("refused this side's certificate"), "{text}");
    logged.wait_for(&["peer sent no certificates", "tls.client.certPath"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_named_as_such() {
    let authority = Authority::new("ours");
    let key = KeyPair::generate().unwrap();
    authority
        .sign_key("server", &key, |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    write_pem(&authority.path("server.key"), "PRIVATE KEY", &key.serialize_der());
    let server = start(&authority.settings("server", Some("server")));
    let client = client(Some(&authority.settings("client", None)));
    let text = ask(&client, &server.local().to_string()).await.unwrap_err().to_string();
    assert!(text.contains("expired"), "{text}");
    assert!(text.contains("renew the peer's certificate"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_certificates_are_taken_over_and_connections_live_on() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    old.sign("server");
    new.sign("server");
    let settings = old.settings("server", Some("server"));
    let tls = settings.server_with_log(|_| {});
    let options = ServerOptions { tls, ..ServerOptions::default() };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), options, Arc::new(Echo)).unwrap();
    let address = server.local().to_string();
    let veteran = client(Some(&old.settings("client", None)));
    let connection = veteran.connection(&address).await.unwrap();
    ask(&veteran, &address).await.unwrap();

    // The certificate first: until its key follows, the old pair is used.
    let logged = log();
    std::fs::copy(new.path("server.pem"), old.path("server.pem")).unwrap();
    logged.wait_for(&["make no context, the old ones stay in use", "server.key"]).await;
    ask(&client(Some(&old.settings("client", None))), &address).await.unwrap();
    std::fs::copy(new.path("server.key"), old.path("server.key")).unwrap();

    let deadline = Instant::now() + TIMEOUT;
    while ask(&client(Some(&new.settings("client", None))), &address).await.is_err() {
        assert!(Instant::now() < deadline, "the new certificate never came into use");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ask(&client(Some(&old.settings("client", None))), &address).await.unwrap_err();
    ask(&veteran, &address).await.unwrap();
    assert_eq!(veteran.connection(&address).await.unwrap().id(), connection.id());
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_keys_open_with_their_password_and_say_how_to_convert_other_forms() {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    let authority = Authority::new("ours");
    let pem = std::fs::read_to_string(keys.join("key.pem")).unwrap();
    let (_, key) = pkcs8::SecretDocument::from_pem(&pem).unwrap();
    let key = KeyPair::try_from(key.as_bytes()).unwrap();
    authority.sign_key("server", &key, |_| {});
    let with = |name: &str, password: Option<&str>| {
        let mut settings = authority.settings("server", Some("server"));
        settings.set("tls.server.keyPath", &keys.join(name).display().to_string());
        if let Some(password) = password {
            settings.set("tls.server.keyPassword", password);
        }
        settings
    };
    let server = start(&with("encrypted.pem", Some("opensesame")));
    let client = client(Some(&authority.settings("client", None)));
    ask(&client, &server.local().to_string()).await.unwrap();

    let error = |settings: TlsSettings| settings.server().unwrap_err().to_string();
    let missing = error(with("encrypted.pem", None));
    assert!(missing.ends_with("set tls.server.keyPassword to its password"), "{missing}");
    let wrong = error(with("encrypted.pem", Some("opensesame2")));
    assert!(wrong.ends_with("is tls.server.keyPassword right?"), "{wrong}");
    for name in ["encrypted-pbes1.pem", "encrypted-traditional.pem"] {
        let text = error(with(name, Some("opensesame")));
        assert!(text.contains("openssl pkcs8 -topk8 -v2 aes-256-cbc"), "{text}");
        assert!(!text.contains("opensesame"), "{text}");
    }
    assert!(!wrong.contains("opensesame"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_files_are_missing_never_connects_in_clear() {
    let server = start(&TlsSettings::default());
    let mut settings = TlsSettings::default();
    settings.set("tls.test.mode.enable", "false");
    settings.set("tls.client.authServer", "true");
    settings.set("tls.client.trustCertPath", "/nowhere/ca.pem");
    let (address, seen) = tapped(server.local().to_string()).await;
    let text = ask(&client(Some(&settings)), &address).await.unwrap_err().to_string();
    assert!(text.contains("/nowhere/ca.pem: No such file"), "{text}");
    assert!(seen.lock().is_empty());
}

/// The lines that this process logged.
#[derive(Default)]
struct Logged(Mutex<Vec<String>>);

impl Logged {
    /// Waits for a line with all of the parts.
    async fn wait_for(&self, parts: &[&str]) {
        let deadline = Instant::now() + TIMEOUT;
        while !self.0.lock().iter().any(|line| parts.iter().all(|part| line.contains(part))) {
            assert!(Instant::now() < deadline, "no line with {parts:?} in {:#?}", self.0.lock());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn log() -> &'static Logged {
    static LOGGED: OnceLock<Logged> = OnceLock::new();
    LOGGED.get_or_init(|| {
        tracing::subscriber::set_global_default(Collector).unwrap();
        Logged::default()
    })
}

struct Collector;

impl tracing::Subscriber for Collector {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = String::new();
        event.record(&mut |_: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            line.push_str(&format!("{value:?} "));
        });
        log().0.lock().push(line);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
