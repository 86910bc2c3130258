//! consumerStatus.

use std::collections::BTreeMap;
use std::path::Path;

use rocketmq_common::clock;
use rocketmq_protocol::version;

use super::command::{Command, Session};
use super::failure::Failure;
use super::running_info;
use crate::options::{flag, optional, required};
use crate::out::{json, out, outln};
use crate::printf::printf;

pub(crate) const CONSUMER_STATUS: Command = Command {
    name: "consumerStatus",
    class: "ConsumerStatusSubCommand",
    description: "Query consumer's internal data structure",
    options: &[
        required("g", "consumerGroup", "consumer group name"),
        optional("i", "clientId", "The consumer's client id"),
        flag("s", "jstack", "Run jstack command in the consumer progress"),
    ],
    run: |session| Box::pin(consumer_status(session)),
};

async fn consumer_status(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let (group, jstack) = (given.text("g"), given.has("s"));
    let connection = admin.consumer_connection(group).await?;
    if let Some(client) = given.get("i") {
        let info = admin.consumer_running_info(group, client, jstack).await?;
        out!("{}", running_info::format(&info));
        return Ok(());
    }
    let folder = clock::now_ms().to_string();
    let mut members = BTreeMap::new();
    for (index, client) in connection.connection_set.iter().enumerate() {
        let id = &client.client_id;
        let info = match admin.consumer_running_info(group, id, jstack).await {
            Ok(info) => info,
            Err(error) => {
                session.complain(error);
                continue;
            }
        };
        if !given.json() {
            let path = Path::new(&folder).join(id);
            let saved = std::fs::create_dir_all(&folder);
            saved.and_then(|()| std::fs::write(&path, running_info::format(&info))).map_err(
                |error| Failure::Other(format!("java.io.IOException: {}: {error}", path.display())),
            )?;
            let (version, path) = (version::describe(client.version), path.display().to_string());
            let cells = [(index + 1).into(), id.into(), version.into(), path.into()];
            outln!("{}", printf("%03d  %-40s %-20s %s", &cells));
        }
        members.insert(id.clone(), info);
    }
    if given.json() {
        json(&members);
    } else if !members.is_empty() {
        if running_info::same_subscriptions(&members) {
            out!("\n\nSame subscription in the same group of consumer");
            // Java has no rule yet that would say Failed.
            outln!("\n\nRebalance OK");
            for (id, info) in &members {
                out!("{}", running_info::queue_troubles(id, info));
            }
        } else {
            out!("\n\nWARN: Different subscription in the same group of consumer!!!");
        }
    }
    Ok(())
}
