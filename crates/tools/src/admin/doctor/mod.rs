//! doctor: looks at name servers, brokers, a topic, a group and this machine, and says what is
//! wrong, why it matters and what to do. Ours, not Java's.

mod brokers;
mod finding;
mod group;
mod machine;
mod name_servers;
mod topic;

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
    ],
    run: |session| Box::pin(doctor(session)),
};

async fn doctor(session: &Session) -> Result<(), Failure> {
    let given = &session.given;
    let mut findings = Findings::default();
    machine::look(&mut findings);
    let clusters = name_servers::look(session, &mut findings).await;
    if let Some(clusters) = &clusters {
        brokers::look(session, clusters, &mut findings).await;
        if let Some(topic) = given.get("t") {
            topic::look(session, clusters, topic, &mut findings).await;
        }
        if let Some(group) = given.get("g") {
            group::look(session, clusters, group, &mut findings).await;
        }
    }
    if given.json() {
        json(&findings.0);
    } else {
        findings.print();
    }
    if findings.has_errors() { Err(Failure::Ill) } else { Ok(()) }
}
