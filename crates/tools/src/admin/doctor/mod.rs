//! doctor: looks at name servers, brokers, a topic, a group, an account and this machine, and says
//! what is wrong, why it matters and what to do. Ours, not Java's.

mod access;
mod brokers;
mod finding;
mod group;
mod local;
mod machine;
mod name_servers;
mod ports;
mod store;
mod tls;
mod topic;

use rocketmq_remoting::tls::TlsSettings;

use self::finding::Findings;
use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::optional;
use crate::out::json;

pub(crate) const DOCTOR: Command = Command {
    name: "doctor",
    class: "Doctor",
    description: "Find out what is wrong, why it matters and what to do",
    options: &[
        optional("t", "topic", "look at this topic, too"),
        optional("g", "groupName", "look at this consumer group, too"),
        optional("a", "accessKey", "tell what this account may do, with the topic and group"),
        optional("f", "configFile", "look at this configuration file of a broker, too"),
    ],
    run: |session| Box::pin(doctor(session)),
};

async fn doctor(session: &Session) -> Result<(), Failure> {
    let given = &session.given;
    let mut findings = Findings::default();
    machine::look(&mut findings);
    tls::look_here(&TlsSettings::load(), &mut findings);
    if let Some(file) = given.get("f") {
        local::look_at_file(file, &mut findings);
    }
    let clusters = name_servers::look(session, &mut findings).await;
    if let Some(clusters) = &clusters {
        brokers::look(session, clusters, &mut findings).await;
        if let Some(topic) = given.get("t") {
            topic::look(session, clusters, topic, &mut findings).await;
        }
        if let Some(group) = given.get("g") {
            group::look(session, clusters, group, &mut findings).await;
        }
        let (topic, group) = (given.get("t"), given.get("g"));
        let question = access::Question { account: given.get("a"), topic, group };
        access::look(session, clusters, question, &mut findings).await;
    }
    if given.json() {
        json(&findings.0);
    } else {
        findings.print();
    }
    if findings.has_errors() { Err(Failure::Ill) } else { Ok(()) }
}
