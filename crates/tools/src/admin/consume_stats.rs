//! brokerConsumeStats.

use std::time::Duration;

use super::command::{Command, Session};
use super::consumer::last_time;
use super::failure::Failure;
use crate::options::{optional, required};
use crate::out::{Table, outln};

pub(crate) const BROKER_CONSUME_STATS: Command = Command {
    name: "brokerConsumeStats",
    class: "BrokerConsumeStatsSubCommad",
    description: "Fetch broker consume stats data",
    options: &[
        required("b", "brokerAddr", "Broker address"),
        optional("t", "timeoutMillis", "request timeout Millis"),
        optional("l", "level", "threshold of print diff"),
        optional("o", "order", "order topic"),
    ],
    run: |session| Box::pin(broker_consume_stats(session)),
};

async fn broker_consume_stats(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let timeout = Duration::from_millis(given.number("t", 50_000)?);
    let level: i64 = given.number("l", 0)?;
    let list = admin.broker_consume_stats(given.text("b"), given.is_true("o"), timeout).await?;
    let mut table = Table::new(
        given.json(),
        "%-32s  %-32s  %-32s  %-4s  %-20s  %-20s  %-20s  %s",
        "%-32.32s  %-32.32s  %-32.32s  %-4d  %-20d  %-20d  %-20d  %s",
        &[
            "#Topic",
            "#Group",
            "#Broker Name",
            "#QID",
            "#Broker Offset",
            "#Consumer Offset",
            "#Diff",
            "#LastTime",
        ],
    );
    let groups = list.consume_stats_list.iter().flatten();
    for (group, stats) in groups.flat_map(|(group, all)| all.iter().map(move |one| (group, one))) {
        for (queue, offset) in &stats.offset_table {
            if offset.diff() < level || offset.last_timestamp <= 0 {
                continue;
            }
            table.row([
                (&queue.topic).into(),
                group.into(),
                (&queue.broker_name).into(),
                queue.queue_id.into(),
                offset.broker_offset.into(),
                offset.consumer_offset.into(),
                offset.diff().into(),
                last_time(offset.last_timestamp).into(),
            ]);
        }
    }
    table.finish();
    if !given.json() {
        outln!("\nDiff Total: {}", list.total_diff);
    }
    Ok(())
}
