//! Mistakes that show between machines: addresses, and masters and slaves.

use crate::access::RULES;
use crate::place::{Place, Printed, row, until};

#[test]
fn a_broker_that_is_not_where_it_says_is_found_by_doctor() {
    let place = Place::new("mistakes-address");
    let _namesrv = place.start_namesrv("");
    // Reserved for documentation: nobody has it.
    let _broker = place.start_broker("brokerIP1=192.0.2.1");
    row("`brokerIP1` is not reachable")
        .prints(&place.mqadmin(&["updateTopic", "-c", "DefaultCluster", "-t", "T"], ""), 0)
        .doctor(&place.doctor(&[]), 2);
}

#[test]
fn a_port_for_slaves_that_nobody_reaches_is_found_by_doctor() {
    let place = Place::new("mistakes-ha");
    let _namesrv = place.start_namesrv("");
    let _broker = place.start_broker("brokerRole=SYNC_MASTER\nbrokerIP2=192.0.2.1");
    let sent = place.mqadmin(&["sendMessage", "-t", "T", "-p", "x"], "");
    row("port for slaves is closed").prints(&sent, 0).doctor(&place.doctor(&[]), 2);
}

/// A slave that was a master of its own, with messages that its new master never had.
#[test]
fn a_slave_that_is_no_copy_of_its_master_is_found_by_doctor() {
    let place = Place::new("mistakes-divergent");
    let _namesrv = place.start_namesrv("");
    let other = Place::new("mistakes-divergent-slave");
    let servers = format!("namesrvAddr=127.0.0.1:{}\nbrokerRole=", place.namesrv);
    let send = |broker: &str, text: &str| {
        let words = ["sendMessage", "-t", "T", "-b", broker, "-i", "0", "-p", text];
        until("a message is stored", || place.mqadmin(&words, "").text.contains("SEND_OK"));
    };
    let alone = other.start_broker(&format!("{servers}ASYNC_MASTER\nbrokerName=broker-b"));
    for _ in 0..3 {
        send("broker-b", "of a master that is gone");
    }
    alone.stop();
    let _master = place.start_broker("");
    for _ in 0..4 {
        send("broker-a", "of the master that is there, and longer");
    }
    let slave = format!("{servers}SLAVE\nbrokerId=1");
    let _slave = other.daemon("broker", &other.settings("b.conf", &slave), "");
    let row = row("slave that is no copy of its master");
    let mut doctor = Printed { code: None, text: String::new() };
    until("doctor finds the slave out", || {
        doctor = place.doctor(&[]);
        doctor.text.contains("does not follow its master")
    });
    row.logs(&other.log("store.log"));
    row.doctor(&doctor, 2);
}

/// A slave signs nothing, as Java's: its master's white list lets it in.
#[test]
fn a_slave_copies_tables_under_access_control_once_its_address_is_listed() {
    let (place, other) = (Place::new("mistakes-acl-pair"), Place::new("mistakes-acl-pair-slave"));
    let _namesrv = place.start_namesrv("");
    place.write("conf/plain_acl.yml", RULES);
    place.sign_as("administrator", "secret-of-admin");
    let _master = place.start_broker("aclEnable=true");
    let address = place.broker_address();
    let created = place.mqadmin(&["updateTopic", "-b", &address, "-t", "orders"], "").text;
    assert!(created.contains("success"), "{created}");

    let settings = format!("namesrvAddr=127.0.0.1:{}\nbrokerRole=SLAVE\nbrokerId=1", place.namesrv);
    let _slave = other.daemon("broker", &other.settings("b.conf", &settings), "");
    until("the slave says why it has no topics", || {
        let log = other.log("broker.log").text;
        log.lines().any(|line| line.contains("No accessKey is configured"))
    });
    let topics = || std::fs::read_to_string(other.path("store/config/topics.json"));
    assert!(!topics().is_ok_and(|topics| topics.contains("orders")));
    // It counts while the broker runs.
    let white = format!("globalWhiteRemoteAddresses: [127.0.0.1]\n{RULES}");
    place.write("conf/plain_acl.yml", &white);
    until("the slave has the topics", || topics().is_ok_and(|topics| topics.contains("orders")));
}
