//! consumerConnection, producerConnection.

use rocketmq_common::java;
use rocketmq_protocol::body::{Connection, ConsumerConnection};
use rocketmq_protocol::version;

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::required;
use crate::out::{Table, json, out, outln};

pub(crate) const PRODUCER_CONNECTION: Command = Command {
    name: "producerConnection",
    class: "ProducerConnectionSubCommand",
    description: "Query producer's socket connection and client version",
    options: &[
        required("g", "producerGroup", "producer group name"),
        required("t", "topic", "topic name"),
    ],
    run: |session| Box::pin(producer_connection(session)),
};

pub(crate) const CONSUMER_CONNECTION: Command = Command {
    name: "consumerConnection",
    class: "ConsumerConnectionSubCommand",
    description: "Query consumer's socket connection, client version and subscription",
    options: &[required("g", "consumerGroup", "consumer group name")],
    run: |session| Box::pin(consumer_connection(session)),
};

const COLUMNS: [&str; 5] = ["#No", "#Client Id", "#Client Addr", "#Language", "#Version"];

fn add_client(table: &mut Table, no: usize, client: &Connection) {
    table.row([
        no.into(),
        (&client.client_id).into(),
        (&client.client_addr).into(),
        (&client.language).into(),
        version::describe(client.version).into(),
    ]);
}

async fn producer_connection(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let connection = admin.producer_connection(given.text("g"), given.text("t")).await?;
    let mut table = Table::headless(given.json(), "%04d  %-32s %-22s %-8s %s", &COLUMNS);
    for (index, client) in connection.connection_set.iter().enumerate() {
        add_client(&mut table, index + 1, client);
    }
    table.finish();
    Ok(())
}

async fn consumer_connection(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let connection = admin.consumer_connection(given.text("g")).await?;
    if given.json() {
        json(&connection);
        return Ok(());
    }
    let mut table = Table::headless(false, "%03d  %-32s %-22s %-8s %s", &COLUMNS);
    for (index, client) in connection.connection_set.iter().enumerate() {
        add_client(&mut table, index + 1, client);
    }
    table.finish();
    print_subscriptions(&connection);
    Ok(())
}

fn print_subscriptions(connection: &ConsumerConnection) {
    // Java prints no line end here.
    out!("\nBelow is subscription:");
    let mut subscriptions: Vec<_> = connection.subscription_table.values().collect();
    java::sort_as_hash_map(&mut subscriptions, |one| &one.topic);
    for (index, one) in subscriptions.iter().enumerate() {
        outln!("{:03}  Topic: {:<40} SubExpression: {}", index + 1, one.topic, one.sub_string);
    }
    outln!("ConsumeType: {}", connection.consume_type.name());
    outln!("MessageModel: {}", connection.message_model.name());
    outln!("ConsumeFromWhere: {}", connection.consume_from_where.name());
}
