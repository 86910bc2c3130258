//! queryMsgById, queryMsgByKey, queryMsgByUniqueKey, queryMsgByOffset.

use rocketmq_client::{ClientError, MessageQueue, PullConsumer};
use rocketmq_protocol::ResponseCode;

use super::command::{Command, Session};
use super::failure::Failure;
use super::message_print::TOOLS_GROUP;
use super::message_view::print_message;
use crate::options::{flag, optional, required};
use crate::out::{Table, out, outln};

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
    run: |session| Box::pin(query_by_id(session)),
};

pub(crate) const QUERY_BY_KEY: Command = Command {
    name: "queryMsgByKey",
    class: "QueryMsgByKeySubCommand",
    description: "Query Message by Key",
    options: &[required("t", "topic", "topic name"), required("k", "msgKey", "Message Key")],
    run: |session| Box::pin(query_by_key(session)),
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
    run: |session| Box::pin(query_by_unique_key(session)),
};

pub(crate) const QUERY_BY_OFFSET: Command = Command {
    name: "queryMsgByOffset",
    class: "QueryMsgByOffsetSubCommand",
    description: "Query Message by offset",
    options: &[
        required("t", "topic", "topic name"),
        required("b", "brokerName", "Broker Name"),
        required("i", "queueId", "Queue Id"),
        required("o", "offset", "Queue Offset"),
    ],
    run: |session| Box::pin(query_by_offset(session)),
};

async fn query_by_id(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    for id in given.text("i").split(',').map(str::trim) {
        if let (Some(group), Some(client)) = (given.get("g"), given.get("d")) {
            match admin.consume_message_directly(group, client, id).await {
                Ok(result) => out!("{result}"),
                Err(error) => session.complain(error),
            }
        } else if given.is_true("s") {
            outln!("prepare resend msg. originalMsgId={id}");
            let result = admin.resend(&admin.view_message(id).await?).await?;
            outln!("{result}");
        } else {
            print_message(session, &admin.view_message(id).await?, true).await?;
        }
    }
    Ok(())
}

async fn query_by_key(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let messages = admin.query_message(given.text("t"), given.text("k"), 64, 0, i64::MAX).await?;
    let mut table = Table::new(
        given.json(),
        "%-50s %4s %40s",
        "%-50s %4d %40d",
        &["#Message ID", "#QID", "#Offset"],
    );
    for message in messages {
        table.row([message.msg_id().into(), message.queue_id.into(), message.queue_offset.into()]);
    }
    table.finish();
    Ok(())
}

async fn query_by_unique_key(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let messages = admin.query_message_by_unique_key(given.text("t"), given.text("i")).await?;
    if let (Some(group), Some(client)) = (given.get("g"), given.get("d")) {
        let Some(first) = messages.first() else { return Ok(()) };
        let result = admin.consume_message_directly(group, client, &first.offset_msg_id).await?;
        out!("{result}");
        return Ok(());
    }
    let count = if given.has("a") { 32 } else { 1 };
    for message in messages.iter().take(count) {
        print_message(session, message, false).await?;
    }
    Ok(())
}

async fn query_by_offset(session: &Session) -> Result<(), Failure> {
    let given = &session.given;
    let queue = MessageQueue {
        topic: given.text("t").to_string(),
        broker_name: given.text("b").to_string(),
        queue_id: given.number("i", 0)?,
    };
    let offset = given.number("o", 0)?;
    let consumer = PullConsumer::start(TOOLS_GROUP, session.admin.client_config()).await?;
    let pulled = consumer.pull(&queue, "*", offset, 1).await;
    consumer.shutdown().await;
    // Java prints nothing when there is no such message.
    match pulled?.messages.first() {
        Some(message) => print_message(session, message, true).await,
        None => {
            session.note(&ClientError::client(ResponseCode::NO_MESSAGE, "no such message").into());
            Ok(())
        }
    }
}
