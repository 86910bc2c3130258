//! queryMsgById, queryMsgByKey, queryMsgByUniqueKey.

use std::path::Path;

use rocketmq_client::admin::{AdminClient, MessageTrack};
use rocketmq_common::clock;
use rocketmq_protocol::message::{MessageExt, properties};

use super::{Command, Failure};
use crate::options::{Given, flag, optional, required};

pub(crate) const QUERY_BY_ID: Command = Command {
    name: "queryMsgById",
    class: "QueryMsgByIdSubCommand",
    description: "Query Message by Id",
    options: &[
        required("i", "msgId", "Message Id"),
        optional("g", "consumerGroup", "consumer group name"),
        optional("d", "clientId", "The consumer's client id"),
        optional("s", "sendMessage", "resend message"),
        optional("u", "unitName", "unit name"),
    ],
    run: |admin, given| Box::pin(query_by_id(admin, given)),
};

pub(crate) const QUERY_BY_KEY: Command = Command {
    name: "queryMsgByKey",
    class: "QueryMsgByKeySubCommand",
    description: "Query Message by Key",
    options: &[required("t", "topic", "topic name"), required("k", "msgKey", "Message Key")],
    run: |admin, given| Box::pin(query_by_key(admin, given)),
};

pub(crate) const QUERY_BY_UNIQUE_KEY: Command = Command {
    name: "queryMsgByUniqueKey",
    class: "QueryMsgByUniqueKeySubCommand",
    description: "Query Message by Unique key",
    options: &[
        required("i", "msgId", "Message Id"),
        required("t", "topic", "The topic of msg"),
        optional("g", "consumerGroup", "consumer group name"),
        optional("d", "clientId", "The consumer's client id"),
        flag("a", "showAll", "Print all message, the limit is 32"),
    ],
    run: |admin, given| Box::pin(query_by_unique_key(admin, given)),
};

async fn query_by_id(admin: &AdminClient, given: &Given) -> Result<(), Failure> {
    for id in given.get("i").unwrap_or_default().split(',').map(str::trim) {
        if let (Some(group), Some(client)) = (given.get("g"), given.get("d")) {
            let result = admin.consume_message_directly(group, client, id).await?;
            print!("{result}");
        } else if given.get("s").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            println!("prepare resend msg. originalMsgId={id}");
            let result = admin.resend(&admin.view_message(id).await?).await?;
            println!("{result}");
        } else {
            let message = admin.view_message(id).await?;
            println!("{:<20} {}", "OffsetID:", message.offset_msg_id);
            print_message(admin, &message).await?;
        }
    }
    Ok(())
}

async fn query_by_key(admin: &AdminClient, given: &Given) -> Result<(), Failure> {
    let (topic, key) = (given.get("t").unwrap_or_default(), given.get("k").unwrap_or_default());
    let messages = admin.query_message(topic, key, 64, 0, i64::MAX).await?;
    println!("{:<50} {:>4} {:>40}", "#Message ID", "#QID", "#Offset");
    for message in messages {
        println!("{:<50} {:>4} {:>40}", message.msg_id(), message.queue_id, message.queue_offset);
    }
    Ok(())
}

async fn query_by_unique_key(admin: &AdminClient, given: &Given) -> Result<(), Failure> {
    let (topic, id) = (given.get("t").unwrap_or_default(), given.get("i").unwrap_or_default());
    let messages = admin.query_message_by_unique_key(topic, id).await?;
    if let (Some(group), Some(client)) = (given.get("g"), given.get("d")) {
        let Some(first) = messages.first() else { return Ok(()) };
        let result = admin.consume_message_directly(group, client, &first.offset_msg_id).await?;
        print!("{result}");
        return Ok(());
    }
    let count = if given.has("a") { 32 } else { 1 };
    for message in messages.iter().take(count) {
        print_message(admin, message).await?;
    }
    Ok(())
}

/// The layout that all three queries share; the body goes to a file.
async fn print_message(admin: &AdminClient, message: &MessageExt) -> Result<(), Failure> {
    let path = Path::new("/tmp/rocketmq/msgbodys").join(message.msg_id());
    let saved = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    saved.and_then(|()| std::fs::write(&path, &message.message.body)).map_err(|error| {
        Failure::Other(format!("java.io.IOException: {}: {error}", path.display()))
    })?;
    let row = |name: &str, value: String| println!("{name:<20} {value}");
    row("Topic:", message.message.topic.clone());
    row("Tags:", format!("[{}]", message.message.tags().unwrap_or("null")));
    row("Keys:", format!("[{}]", message.message.keys().unwrap_or("null")));
    row("Queue ID:", message.queue_id.to_string());
    row("Queue Offset:", message.queue_offset.to_string());
    row("CommitLog Offset:", message.commit_log_offset.to_string());
    row("Reconsume Times:", message.reconsume_times.to_string());
    row("Born Timestamp:", clock::format_millis(message.born_timestamp));
    row("Store Timestamp:", clock::format_millis(message.store_timestamp));
    row("Born Host:", message.born_host.to_string());
    row("Store Host:", message.store_host.to_string());
    row("System Flag:", message.sys_flag.to_string());
    row("Properties:", properties::display(&message.message.properties));
    row("Message Body Path:", path.display().to_string());
    print_tracks(&admin.message_track(message).await);
    Ok(())
}

fn print_tracks(tracks: &Result<Vec<MessageTrack>, rocketmq_client::ClientError>) {
    match tracks {
        Ok(tracks) if tracks.is_empty() => print!("\n\nWARN: No Consumer"),
        Ok(tracks) => {
            print!("\n\n");
            tracks.iter().for_each(|track| print!("{track}"));
        }
        Err(error) => eprintln!("{}: {error}", error.java_class()),
    }
}
