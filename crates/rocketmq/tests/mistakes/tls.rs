//! Certificates and modes that do not fit. `tls/expired.pem` ended in 2001, `tls/valid.pem` ends in
//! 2100; `tls/ca.pem` signed both.

use crate::place::{Place, pem, row};

impl Place {
    /// The option that names a file of TLS settings, which is written.
    fn tls(&self, name: &str, settings: &[(&str, &str)]) -> String {
        let mut text = "tls.test.mode.enable=false\n".to_string();
        for (key, value) in settings {
            text += &format!("tls.{key}={value}\n");
        }
        format!("-Dtls.config.file={}", self.write(name, &text))
    }
}

#[test]
fn certificates_that_do_not_fit_are_named() {
    let place = Place::new("mistakes-tls");
    let trusting = [("client.authServer", "true"), ("client.trustCertPath", &pem("ca.pem"))];
    let client = format!("-Dtls.enable=true {}", place.tls("client", &trusting));
    let settings = place.settings("b.conf", "");
    let check = |java_opt: &str| {
        place.run(&["broker", "--check", "-c", &settings], &[("JAVA_OPT", java_opt)])
    };

    let nothing = place.tls("nothing", &[]);
    row("certificate not set")
        .prints(&check(&nothing), 1)
        .doctor(&place.doctor_of_file(&[("JAVA_OPT", &nothing)]), 2);
    let (certificate, key) = (pem("valid.pem"), pem("expired.key"));
    let wrong = [("server.certPath", certificate.as_str()), ("server.keyPath", key.as_str())];
    let wrong = place.tls("wrong", &wrong);
    row("key of another certificate")
        .prints(&check(&wrong), 1)
        .doctor(&place.mqadmin(&["doctor"], &wrong), 2);

    let (certificate, key) = (pem("expired.pem"), pem("expired.key"));
    let expired = [("server.certPath", certificate.as_str()), ("server.keyPath", key.as_str())];
    let namesrv = place.start_namesrv(&place.tls("server", &expired));
    row("certificate expired")
        .prints(&place.mqadmin(&["clusterList"], &client), 0)
        .doctor(&place.mqadmin(&["doctor"], &client), 2);
    let missing = [("client.authServer", "true"), ("client.trustCertPath", "/nowhere/ca.pem")];
    let missing = format!("-Dtls.enable=true {}", place.tls("missing", &missing));
    row("certificate file missing")
        .prints(&place.mqadmin(&["clusterList"], &missing), 0)
        .doctor(&place.mqadmin(&["doctor"], &missing), 2);
    drop(namesrv);

    let (certificate, key) = (pem("valid.pem"), pem("valid.key"));
    let valid = [("server.certPath", certificate.as_str()), ("server.keyPath", key.as_str())];
    let _namesrv = place.start_namesrv(&place.tls("server", &valid));
    let doctor = place.mqadmin(&["doctor"], &client).text;
    assert!(doctor.contains("its certificate is valid until 2100-01-01"), "{doctor}");
    let distrusting =
        [("client.authServer", "true"), ("client.trustCertPath", certificate.as_str())];
    let distrusting = format!("-Dtls.enable=true {}", place.tls("distrusting", &distrusting));
    row("certificate of another authority")
        .prints(&place.mqadmin(&["clusterList"], &distrusting), 0)
        .doctor(&place.mqadmin(&["doctor"], &distrusting), 2);
}

#[test]
fn modes_that_do_not_fit_are_named_on_the_side_that_asks() {
    let place = Place::new("mistakes-tls-modes");
    let tls = "-Dtls.enable=true";
    let namesrv = place.start_namesrv("-Dtls.server.mode=disabled");
    row("TLS to a port that takes none")
        .prints(&place.mqadmin(&["clusterList"], tls), 0)
        .doctor(&place.mqadmin(&["doctor"], tls), 2);
    drop(namesrv);
    let _namesrv = place.start_namesrv("-Dtls.server.mode=enforcing");
    row("no TLS to a port that takes nothing else")
        .prints(&place.mqadmin(&["clusterList"], ""), 0)
        .doctor(&place.mqadmin(&["doctor"], ""), 2);
}
