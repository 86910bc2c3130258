//! statsAll.

use rocketmq_protocol::body::{BrokerStatsData, TopicRouteData};
use rocketmq_protocol::topic::{DLQ_PREFIX, RETRY_PREFIX};

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::{flag, optional};
use crate::out::Table;

pub(crate) const STATS_ALL: Command = Command {
    name: "statsAll",
    class: "StatsAllSubCommand",
    description: "Topic and Consumer tps stats",
    options: &[
        flag("a", "activeTopic", "print active topic only"),
        optional("t", "topic", "print select topic only"),
    ],
    run: |session| Box::pin(stats_all(session)),
};

/// A row of a group, and that of a topic that nobody consumes.
const ROW: &str = "%-32s  %-32s %12d %11.2f %11.2f %14d %14d";
const ROW_WITHOUT_GROUP: &str = "%-32s  %-32s %12d %11.2f %11s %14d %14s";

async fn stats_all(session: &Session) -> Result<(), Failure> {
    let topics = session.admin.topic_list().await?.topic_list;
    let mut table = Table::new(
        session.given.json(),
        "%-32s  %-32s %12s %11s %11s %14s %14s",
        ROW,
        &[
            "#Topic",
            "#Consumer Group",
            "#Accumulation",
            "#InTPS",
            "#OutTPS",
            "#InMsg24Hour",
            "#OutMsg24Hour",
        ],
    );
    let wanted = session.given.get("t").filter(|topic| !topic.is_empty());
    for topic in &topics {
        if topic.starts_with(RETRY_PREFIX) || topic.starts_with(DLQ_PREFIX) {
            continue;
        }
        if wanted.is_none_or(|wanted| wanted == topic) {
            // A topic that cannot be looked at has no row, as in Java; --strict tells.
            if let Err(failure) = print_topic(session, &mut table, topic).await {
                session.note(&failure);
            }
        }
    }
    table.finish();
    Ok(())
}

/// Rate and number of messages.
#[derive(Default)]
struct Traffic {
    tps: f64,
    today: i64,
}

/// Sum of a statistic over the masters of a route; a broker without it counts nothing.
async fn traffic(session: &Session, route: &TopicRouteData, name: &str, key: &str) -> Traffic {
    let mut sum = Traffic::default();
    for address in route.broker_datas.iter().filter_map(|data| data.master()) {
        if let Ok(data) = session.admin.broker_stats(address, name, key).await {
            sum.tps += data.stats_minute.tps;
            sum.today += of_24_hours(&data);
        }
    }
    sum
}

/// The longest window that has counted something.
fn of_24_hours(data: &BrokerStatsData) -> i64 {
    let windows = [data.stats_day, data.stats_hour, data.stats_minute];
    windows.iter().map(|window| window.sum).find(|sum| *sum != 0).unwrap_or(0)
}

async fn print_topic(session: &Session, table: &mut Table, topic: &str) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let active_only = given.has("a");
    let route = admin.topic_route(topic).await?;
    let groups = admin.topic_consumer_groups(topic).await?;
    let put = traffic(session, &route, "TOPIC_PUT_NUMS", topic).await;
    if groups.is_empty() && (!active_only || put.today > 0) {
        table.row_as(
            ROW_WITHOUT_GROUP,
            [
                topic.into(),
                "".into(),
                0.into(),
                put.tps.into(),
                "".into(),
                put.today.into(),
                "NO_CONSUMER".into(),
            ],
        );
    }
    for group in &groups {
        let got = traffic(session, &route, "GROUP_GET_NUMS", &format!("{topic}@{group}")).await;
        let stats = admin.consume_stats(group, Some(topic)).await.unwrap_or_default();
        if !active_only || put.today > 0 || got.today > 0 {
            table.row([
                topic.into(),
                group.into(),
                stats.total_diff().max(0).into(),
                put.tps.into(),
                got.tps.into(),
                put.today.into(),
                got.today.into(),
            ]);
        }
    }
    Ok(())
}
