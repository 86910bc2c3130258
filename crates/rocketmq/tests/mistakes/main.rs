//! The typical mistakes of `docs/operations.md`, made with the shipped program: what is printed and
//! what doctor says are the texts of the table there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod access;
mod cluster;
mod place;
mod secrets;
mod tls;

use place::{Place, finish_as_nobody, row, table, until};
use rocketmq_testbed::daemon::free_port;

/// No row without a test: each is asked for by its name.
#[test]
fn every_row_of_the_table_is_tried() {
    let tests = [
        include_str!("main.rs"),
        include_str!("access.rs"),
        include_str!("cluster.rs"),
        include_str!("tls.rs"),
    ]
    .concat();
    let rows = table();
    assert!(rows.len() > 20, "{}", rows.len());
    for row in rows {
        let tried = format!("row(\"{}\")", row.mistake);
        assert!(tests.contains(&tried), "nobody tries {:?}", row.mistake);
    }
}

#[test]
fn wrong_settings_are_refused() {
    let place = Place::new("mistakes-settings");
    row("a value of the wrong type")
        .prints(&place.broker("listenPort=abc", &[]), 255)
        .doctor(&place.doctor_of_file(&[]), 2);
    row("port out of range")
        .prints(&place.broker("listenPort=70000", &[]), 255)
        .doctor(&place.doctor_of_file(&[]), 2);
    row("`brokerIP1` is a name that is not known")
        .prints(&place.broker("brokerIP1=myhost.invalid", &[]), 255)
        .doctor(&place.doctor_of_file(&[]), 2);
    row("slave with id 0")
        .prints(&place.broker("brokerRole=SLAVE\nbrokerId=0", &[]), 253)
        .doctor(&place.doctor_of_file(&[]), 2);
    row("name server without a port")
        .prints(&place.run(&["broker", "-n", "127.0.0.1"], &[]), 253)
        .doctor(&place.doctor(&["-n", "127.0.0.1"]), 2);
    row("configuration file missing")
        .prints(&place.run(&["broker", "-c", "/nowhere/broker.conf"], &[]), 255)
        .doctor(&place.doctor(&["-f", "/nowhere/broker.conf"]), 2);
    let xml = [("ROCKETMQ_SERIALIZE_TYPE", "XML")];
    row("unknown serialize type")
        .prints(&place.broker("", &xml), 255)
        .doctor(&place.doctor_of_file(&xml), 2);
    row("`aclEnable=true` without rules")
        .prints(&place.broker("aclEnable=true", &[]), 255)
        .doctor(&place.doctor_of_file(&[]), 2);
    place.write("conf/plain_acl.yml", "accounts:\n- accessKey: longenough\n   secretKey: [\n");
    row("broken `plain_acl.yml`")
        .prints(&place.broker("aclEnable=true", &[]), 255)
        .doctor(&place.doctor_of_file(&[]), 2);
}

#[test]
fn check_names_what_is_wrong_and_starts_nothing() {
    let place = Place::new("mistakes-check");
    let check = |more: &str, program: &str| {
        let file = place.settings("b.conf", more);
        place.run(&[program, "-c", &file, "--check"], &[])
    };
    assert!(check("", "broker").text.contains("The configuration can be used."));
    let many = check(
        "brokerIP1=here.invalid\nmetricsPromExporterHost=there\nmaxErrorRateOfBloomFilter=0",
        "broker",
    );
    assert!(many.text.contains("has 3 error(s); nothing was started."), "{}", many.text);
    let namesrv = check("listenPort=70000\n", "namesrv");
    assert!(namesrv.text.contains("listenPort=70000 is not a port"), "{}", namesrv.text);
    let left: Vec<_> = std::fs::read_dir(place.scratch.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the settings: {left:?}");
    // doctor, too, has nothing to complain of.
    place.settings("b.conf", "");
    let doctor = place.doctor_of_file(&[]).text;
    assert!(doctor.contains("b.conf: the configuration can be used"), "{doctor}");
}

#[test]
fn a_misspelt_key_is_told_at_the_start_and_by_doctor_later() {
    let place = Place::new("mistakes-key");
    let settings = place.settings("b.conf", "brokerNmae=x");
    let check = place.run(&["broker", "--check", "-c", &settings], &[]);
    let row = row("misspelt key").prints(&check, 1);
    let _namesrv = place.start_namesrv("");
    let _broker = place.daemon("broker", &settings, "");
    // It finds the file by the process that holds the store.
    row.doctor(&place.doctor(&[]), 2);
}

#[test]
fn what_is_taken_or_missing_says_so() {
    let place = Place::new("mistakes-taken");
    // Nothing runs yet.
    row("wrong name server, or none running")
        .prints(&place.mqadmin(&["clusterList", "--strict"], ""), 3)
        .doctor(&place.doctor(&[]), 2);
    let _namesrv = place.start_namesrv("");
    let file = place.path("namesrv.conf").display().to_string();
    row("port of the name server is taken")
        .prints(&place.run(&["namesrv", "-c", &file], &[]), 255)
        .doctor(&place.doctor(&[]), 2);
    row("broker not started, or not registered")
        .prints(&place.mqadmin(&["sendMessage", "-t", "T", "-p", "x"], ""), 0)
        .doctor(&place.doctor(&[]), 2);
    let taken = std::net::TcpListener::bind(place.broker_address()).unwrap();
    row("port of the broker is taken")
        .prints(&place.broker("", &[]), 255)
        .doctor(&place.doctor(&[]), 2);
    drop(taken);

    let _broker = place.start_broker("");
    row("second broker on one store")
        .prints(&place.broker("", &[]), 253)
        .doctor(&place.doctor(&[]), 0);
    row("topic missing")
        .prints(&place.mqadmin(&["topicRoute", "-t", "Nowhere"], ""), 0)
        .doctor(&place.doctor(&["-t", "Nowhere"]), 0);
    row("group missing")
        .prints(&place.mqadmin(&["consumerProgress", "-g", "Nobody"], ""), 0)
        .doctor(&place.doctor(&["-g", "Nobody"]), 2);
}

/// The store of a broker that once ran and was moved, or copied by root.
#[test]
fn a_store_of_somebody_else_is_refused() {
    let place = Place::new("mistakes-owner");
    let _namesrv = place.start_namesrv("");
    place.start_broker("").stop();
    let store = place.path("store");
    let open = |path: &std::path::Path, mode| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // Everything but the store is for everybody.
    open(place.scratch.path(), 0o777);
    std::fs::remove_dir_all(place.path("logs")).unwrap();
    open(&store, 0o555);
    let settings = place.settings("b.conf", "");
    let refused = finish_as_nobody(place.command(&["broker", "-c", &settings], &[]));
    open(&store, 0o755);
    row("wrong owner of the store").prints(&refused, 253).doctor(&place.doctor(&[]), 2);

    place.write("taken", "");
    let taken = format!("storePathRootDir={}/store", place.path("taken").display());
    row("place of the store is a file")
        .prints(&place.broker(&taken, &[]), 253)
        .doctor(&place.doctor(&[]), 2);
}

#[test]
fn a_store_that_does_not_fit_is_refused() {
    let place = Place::new("mistakes-size");
    let _namesrv = place.start_namesrv("");
    let broker = place.start_broker("mappedFileSizeCommitLog=2097152");
    let sent = place.mqadmin(&["sendMessage", "-t", "T", "-p", "hello"], "");
    assert!(sent.text.contains("SEND_OK"), "{}", sent.text);
    broker.stop();
    row("store of another segment size")
        .prints(&place.broker("", &[]), 253)
        .doctor(&place.doctor(&[]), 2);
    place.write("store/config/topics.json", "{\"dataVersion\":{");
    let _ = std::fs::remove_file(place.path("store/config/topics.json.bak"));
    row("damaged `topics.json` without its `.bak`")
        .prints(&place.broker("mappedFileSizeCommitLog=2097152", &[]), 253)
        .doctor(&place.doctor(&[]), 2);
}

#[test]
fn a_full_disk_refuses_messages_and_doctor_says_so() {
    let place = Place::new("mistakes-disk");
    let _namesrv = place.start_namesrv("");
    // Any disk is as full as that.
    let full = "-Drocketmq.broker.diskSpaceWarningLevelRatio=0.0 -Drocketmq.broker.diskSpaceCleanForciblyRatio=0.0";
    let settings = place.settings("b.conf", "cleanResourceInterval=100");
    let _broker = place.daemon("broker", &settings, full);
    let send = || place.mqadmin(&["sendMessage", "-t", "T", "-p", "hello"], "");
    until("messages are refused", || !send().text.contains("SEND_OK"));
    row("disk full").prints(&send(), 0).doctor(&place.mqadmin(&["doctor"], full), 2);
}

/// Two brokers of one name and id, and two name servers that know one each.
#[test]
fn twins_are_told_of() {
    let (place, other) = (Place::new("mistakes-twins"), Place::new("mistakes-twins-other"));
    let _namesrv = place.start_namesrv("");
    let _other = other.start_namesrv("");
    let _broker = place.start_broker("");
    let both = format!("127.0.0.1:{};127.0.0.1:{}", place.namesrv, other.namesrv);
    let home = other.scratch.path().display().to_string();
    let twin = format!(
        "listenPort={}\nstorePathRootDir={home}/store\nstorePathCommitLog={home}/store/commitlog\n",
        free_port()
    );
    // First only the other name server knows the twin.
    let alone = format!("{twin}namesrvAddr=127.0.0.1:{}\n", other.namesrv);
    let broker = place.daemon("broker", &place.settings("twin.conf", &alone), "");
    let doctor = place.doctor(&["-n", &both]);
    broker.stop();
    let _twin = place.daemon("broker", &place.settings("twin.conf", &twin), "");
    let row = row("two brokers with one name and id");
    until("the name server warns of the twin", || {
        place.log("namesrv.log").text.contains("takes the place of")
    });
    row.logs(&place.log("namesrv.log"));
    row.doctor(&doctor, 2);
}
