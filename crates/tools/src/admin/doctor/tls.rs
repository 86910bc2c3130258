//! TLS: the files that the settings of this machine name, and what ports show and take.

use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::clock;
use rocketmq_protocol::RequestCode;
use rocketmq_remoting::tls::{Certificate, TlsMode, TlsSettings, shown_by};
use rocketmq_remoting::{Call, ClientOptions, RemotingClient, Request, RequestHandler};

use super::finding::{Findings, Severity};

const MACHINE: &str = "this machine";
/// Certificates that end sooner are told of, in days.
const SOON_DAYS: i64 = 30;
const DAY_S: i64 = 86_400;
/// How long a port may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Nothing is asked of a tool.
struct Silent;

impl RequestHandler for Silent {
    fn handle(&self, _: Call<'_>) {}
}

/// What the settings of this machine (`JAVA_OPT`, `tls.config.file`) name.
pub(super) fn look_here(settings: &TlsSettings, findings: &mut Findings) {
    let is_on = settings.enable == Some(true);
    if is_on && settings.is_test() {
        findings.warn(
            MACHINE,
            "tls.test.mode.enable=true: connections are encrypted, but every server is trusted",
            "whoever sits between can read and change everything",
            "set tls.test.mode.enable=false, tls.client.authServer=true and \
             tls.client.trustCertPath in the file that tls.config.file names",
        );
    }
    if settings.is_test() {
        return;
    }
    let has_server = settings.get("tls.server.certPath").is_some_and(|path| !path.is_empty());
    if has_server && settings.mode != TlsMode::Disabled {
        match settings.server() {
            Ok(_) => findings.fine(MACHINE, "tls.server.certPath and tls.server.keyPath fit"),
            Err(error) => findings.error(
                MACHINE,
                format!("the TLS files of a server here cannot be used: {error}"),
                "a broker or name server with these settings refuses every TLS connection",
                "see to the file; sh bin/mqbroker --check tries it again",
            ),
        }
    }
    if is_on && let Some(error) = settings.client().error() {
        findings.error(
            MACHINE,
            format!("the TLS files of a client here cannot be used: {error}"),
            "clients and tools with these settings connect to nobody",
            "see to the file; mqadmin doctor tries it again",
        );
    }
    for file in settings.certificate_files() {
        if let Ok(certificate) = &file.certificate {
            let place = format!("{MACHINE}, {}", file.key);
            judge_validity(&place, &file.path, certificate, clock::now_ms() / 1000, findings);
        }
    }
}

/// What a port that answers shows of itself.
pub(super) async fn look_at(place: &str, address: &str, findings: &mut Findings) {
    let settings = TlsSettings::load();
    // A port without TLS is nothing to tell where nobody wants TLS.
    let Ok(certificate) = shown_by(address, PATIENCE).await else { return };
    judge_validity(place, "its certificate", &certificate, clock::now_ms() / 1000, findings);
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    judge_name(place, host, &certificate, settings.checks_servers(), findings);
}

/// Why a port that is there does not answer as it was asked, if TLS is the reason.
pub(super) async fn explains(
    place: &str,
    address: &str,
    uses_tls: bool,
    code: RequestCode,
    findings: &mut Findings,
) -> bool {
    let shows = shown_by(address, PATIENCE).await;
    if uses_tls {
        if let Err(error) = &shows
            && takes_plain(address, code).await
        {
            findings.error(
                place,
                format!("takes no TLS: {error}"),
                "this tool was told to use TLS (tls.enable=true), and every client like it fails",
                "set tls.server.mode=permissive and a certificate on that side, or JAVA_OPT without \
                 -Dtls.enable=true here",
            );
            return true;
        }
        if let Ok(certificate) = &shows {
            let mut judged = Findings::default();
            let now_s = clock::now_ms() / 1000;
            judge_validity(place, "its certificate", certificate, now_s, &mut judged);
            findings.0.extend(judged.0.into_iter().filter(|one| one.severity == Severity::Error));
        }
        return false;
    }
    if shows.is_ok() && !takes_plain(address, code).await {
        findings.error(
            place,
            "takes TLS connections only (tls.server.mode=enforcing), and this tool connects in clear",
            "every client without TLS fails",
            "JAVA_OPT=\"-Dtls.enable=true\" sh bin/mqadmin doctor ...; clients: setUseTLS(true) or \
             -Dtls.enable=true",
        );
        return true;
    }
    false
}

async fn takes_plain(address: &str, code: RequestCode) -> bool {
    let client = RemotingClient::new(ClientOptions::default(), Arc::new(Silent));
    let answered = client.invoke(address, Request::new(code), PATIENCE).await.is_ok();
    client.shutdown().await;
    answered
}

fn day(at_s: u64) -> String {
    let ms = i64::try_from(at_s).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
    clock::format_seconds(ms)
}

fn judge_validity(
    place: &str,
    name: &str,
    certificate: &Certificate,
    now_s: i64,
    findings: &mut Findings,
) {
    let seconds = |at_s: u64| i64::try_from(at_s).unwrap_or(i64::MAX);
    let left_s = seconds(certificate.not_after_s).saturating_sub(now_s);
    let renew = "renew it: put the new certificate and key in place of the old files; a running \
                 server takes them over within a second";
    if left_s < 0 {
        findings.error(
            place,
            format!("{name} expired on {}", day(certificate.not_after_s)),
            "whoever checks it refuses the connection: invalid peer certificate: certificate expired",
            renew,
        );
    } else if seconds(certificate.not_before_s) > now_s {
        findings.error(
            place,
            format!("{name} is valid only from {} on", day(certificate.not_before_s)),
            "whoever checks it refuses the connection",
            "set this machine's clock, or make the certificate anew",
        );
    } else if left_s < SOON_DAYS * DAY_S {
        findings.warn(
            place,
            format!("{name} expires on {}", day(certificate.not_after_s)),
            "from then on whoever checks it refuses the connection",
            renew,
        );
    } else {
        findings.fine(place, format!("{name} is valid until {}", day(certificate.not_after_s)));
    }
}

fn judge_name(
    place: &str,
    host: &str,
    certificate: &Certificate,
    checks: bool,
    findings: &mut Findings,
) {
    // A certificate made up in test mode names nobody, and nobody asks.
    if checks && !certificate.is_for(host) {
        findings.warn(
            place,
            format!("its certificate does not name {host}"),
            "the clients of RocketMQ 4 and ours do not compare names; other clients refuse it",
            &format!("make the certificate with subjectAltName=IP:{host} (or DNS: for a name)"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The certificate that a server in test mode makes for itself.
    async fn shown() -> Certificate {
        let options = rocketmq_remoting::ServerOptions {
            tls: TlsSettings::default().server().unwrap(),
            ..Default::default()
        };
        let address = "127.0.0.1:0".parse().unwrap();
        let server = rocketmq_remoting::Server::bind(address, options, Arc::new(Silent)).unwrap();
        shown_by(&server.local().to_string(), PATIENCE).await.unwrap()
    }

    #[tokio::test]
    async fn certificates_that_end_and_wrong_names_are_told() {
        let certificate = shown().await;
        let end_s = i64::try_from(certificate.not_after_s).unwrap();
        let mut findings = Findings::default();
        let judged = |now_s: i64| {
            let mut findings = Findings::default();
            judge_validity("b", "its certificate", &certificate, now_s, &mut findings);
            let finding = findings.0.remove(0);
            (finding.severity, finding.what)
        };
        assert_eq!(judged(end_s - SOON_DAYS * DAY_S).0, Severity::Fine);
        let (severity, what) = judged(end_s - DAY_S);
        assert!(severity == Severity::Warning && what.contains("expires on"), "{what}");
        let (severity, what) = judged(end_s + 1);
        assert!(severity == Severity::Error && what.contains("expired on"), "{what}");
        let early = i64::try_from(certificate.not_before_s).unwrap() - 1;
        assert!(judged(early).1.contains("valid only from"));

        judge_name("b", "localhost", &certificate, true, &mut findings);
        judge_name("b", "10.0.0.1", &certificate, false, &mut findings);
        assert!(findings.0.is_empty());
        judge_name("b", "10.0.0.1", &certificate, true, &mut findings);
        assert_eq!(findings.0[0].what, "its certificate does not name 10.0.0.1");
    }
}
