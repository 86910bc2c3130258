//! The state of everything, what is wrong, the history, and the stream that says when to look again.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream;
use serde_json::{Value, json};

use super::Answer;
use crate::answer::Failure;
use crate::app::{Ctx, Params};
use crate::history::Kind;
use crate::live::{BrokerState, Snapshot, kind_of};
use crate::problems;

/// Time between two ticks of the stream.
const TICK: Duration = Duration::from_secs(5);
/// Points of a chart when not said otherwise, and at most.
const POINTS: i64 = 300;
const POINTS_MAX: i64 = 5000;
/// The longest history that one request reads, ms: what is kept by default and more.
const SPAN_MAX: i64 = 400 * 86_400_000;

pub(super) async fn overview(ctx: Ctx) -> Answer {
    let snapshot = ctx.cluster.live.look().await;
    let mut clusters: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for broker in &snapshot.brokers {
        clusters.entry(&broker.cluster).or_default().push(broker_value(broker));
    }
    let clusters: Vec<Value> = clusters
        .into_iter()
        .map(|(name, brokers)| json!({"name": name, "brokers": brokers}))
        .collect();
    let servers = ctx.admin().name_servers();
    let ctx = &ctx;
    let asked = servers.iter().map(|server| async move {
        let asked = ctx.admin().name_server_config(server).await;
        json!({"addr": server, "reachable": asked.is_ok(), "error": asked.err().map(|error| error.to_string())})
    });
    let name_servers = futures_util::future::join_all(asked).await;
    Ok(Json(json!({
        "updated": snapshot.updated,
        "error": snapshot.error,
        "nameServers": name_servers,
        "clusters": clusters,
        "totals": totals(&snapshot),
    })))
}

fn broker_value(broker: &BrokerState) -> Value {
    let today = |name: &str| {
        broker.today(&format!("{name}TotalTodayNow"), &format!("{name}TotalTodayMorning"))
    };
    let yesterday = |name: &str| {
        broker.today(&format!("{name}TotalTodayMorning"), &format!("{name}TotalYesterdayMorning"))
    };
    json!({
        "name": broker.name,
        "id": broker.id,
        "role": if broker.is_master() { "master" } else { "slave" },
        "addr": broker.address,
        "version": broker.runtime.get("brokerVersionDesc"),
        "reachable": broker.error.is_none(),
        "error": broker.error,
        "inTps": broker.number("putTps"),
        "outTps": broker.number("getTransferedTps"),
        "inToday": today("msgPut"),
        "outToday": today("msgGet"),
        "inYesterday": yesterday("msgPut"),
        "outYesterday": yesterday("msgGet"),
        "diskRatio": broker.number("commitLogDiskRatio"),
        "startTime": broker.number("bootTimestamp"),
        "runtime": broker.runtime,
    })
}

fn totals(snapshot: &Snapshot) -> Value {
    let sum = |key: &str| {
        snapshot.masters().filter_map(|broker| broker.number(key)).fold(0.0, |sum, tps| sum + tps)
    };
    let topics = snapshot.topics.keys().filter(|name| kind_of(name, snapshot) == "normal").count();
    let lag: i64 = snapshot.groups.values().filter_map(|group| group.lag()).sum();
    let dlq: i64 = snapshot.groups.keys().map(|group| snapshot.dlq_of(group)).sum();
    let retry: i64 = snapshot.groups.keys().map(|group| snapshot.retry_of(group)).sum();
    json!({
        "topics": topics,
        "groups": snapshot.groups.keys().filter(|name| !super::groups::is_system(name)).count(),
        "inTps": sum("putTps"),
        "outTps": sum("getTransferedTps"),
        "lag": lag,
        "dlq": dlq,
        "retry": retry,
    })
}

pub(super) async fn problems(ctx: Ctx) -> Answer {
    let snapshot = ctx.cluster.live.look().await;
    let found = problems::of(&snapshot, &ctx.app.monitor.all());
    Ok(Json(json!({"updated": snapshot.updated, "problems": found})))
}

/// `tick` every few seconds, with the totals: a page loads what it shows again.
pub(super) async fn live(ctx: Ctx) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let ticks = stream::unfold((ctx, true), |(ctx, first)| async move {
        if !first {
            tokio::time::sleep(TICK).await;
        }
        let snapshot = ctx.cluster.live.look().await;
        let data = json!({"updated": snapshot.updated, "totals": totals(&snapshot)}).to_string();
        Some((Ok(Event::default().event("tick").data(data)), (ctx, false)))
    });
    Sse::new(ticks).keep_alive(KeepAlive::default())
}

/// A moment with in, out and lag.
type Point = (i64, [Option<f64>; 3]);

/// A series, thinned out to so many points: the mean of each part of the time, and its largest lag.
pub(super) async fn history(ctx: Ctx, params: Params) -> Answer {
    let series = params.get("series")?;
    let (from, to) = (params.number("from")?, params.number("to")?);
    let points = params.number_or("points", POINTS)?.clamp(2, POINTS_MAX);
    if to <= from || to - from > SPAN_MAX {
        return Err(Failure::invalid(
            "the time to show must end after it begins, and last at most 400 days",
        ));
    }
    let (kind, name) = match series.split_once(':') {
        Some(("broker", name)) => (Kind::Broker, name),
        Some(("topic", name)) => (Kind::Topic, name),
        Some(("group", name)) => (Kind::Group, name),
        _ => {
            let fix = "write broker:NAME:ID, topic:NAME or group:NAME";
            return Err(Failure::Invalid(
                format!("there is no series {series}"),
                Some(fix.to_string()),
            ));
        }
    };
    let (history, name) = (ctx.history(), name.to_string());
    let read = tokio::task::spawn_blocking(move || history.series(kind, &name, from, to));
    let samples = read.await.map_err(|error| Failure::Local(error.to_string()))?;
    let width = ((to - from) / points).max(1);
    let mut parts: BTreeMap<i64, Vec<Point>> = BTreeMap::new();
    for (time, numbers) in samples {
        let at = |index: usize| numbers.get(index).copied();
        let point = match kind {
            Kind::Broker => [at(0), None, None],
            Kind::Topic => [at(0), at(2), None],
            Kind::Group => [None, at(0), at(1)],
        };
        parts.entry((time - from) / width).or_default().push((time, point));
    }
    let thinned: Vec<Value> = parts
        .values()
        .map(|part| {
            let of = |index: usize| part.iter().filter_map(move |(_, point)| point[index]);
            let mean = |index: usize| {
                (of(index).count() > 0).then(|| of(index).sum::<f64>() / of(index).count() as f64)
            };
            let largest = of(2).reduce(f64::max);
            json!([part[part.len() / 2].0, mean(0), mean(1), largest])
        })
        .collect();
    Ok(Json(json!({"series": series, "unit": "messages per second", "points": thinned})))
}
