//! `dashboard/*` and `monitor/*`: what the dashboard itself keeps.

use serde_json::json;

use crate::answer::{Classic, Failure};
use crate::app::{ClassicResult, Ctx, Params};
use crate::history::Kind;
use crate::monitor::Limits;

pub(super) async fn broker_history(ctx: Ctx, params: Params) -> ClassicResult {
    Ok(Classic::of(ctx.history().day(Kind::Broker, params.get("date")?))?)
}

pub(super) async fn topic_history(ctx: Ctx, params: Params) -> ClassicResult {
    let day = ctx.history().day(Kind::Topic, params.get("date")?);
    match params.find("topicName") {
        None => Ok(Classic::of(day)?),
        Some(topic) => match day.get(topic) {
            Some(samples) => Ok(Classic::of(samples)?),
            None => Ok(Classic::Empty),
        },
    }
}

/// `topic,outCount` for each topic.
pub(super) async fn topic_current(ctx: Ctx) -> ClassicResult {
    let latest = ctx.history().latest(Kind::Topic);
    let rows = latest
        .iter()
        .filter_map(|(topic, numbers)| Some(format!("{topic},{:.0}", numbers.get(3)?)));
    Ok(Classic::of(rows.collect::<Vec<_>>())?)
}

pub(super) async fn set_limits(ctx: Ctx, params: Params) -> ClassicResult {
    let group = params.get("consumeGroupName")?;
    let limits = Limits {
        min_count: params.number("minCount")?,
        max_diff_total: params.number("maxDiffTotal")?,
    };
    let done = ctx.app.monitor.set(group, Some(limits));
    ctx.note("set limits", &json!({"group": group, "limits": limits}).to_string(), &done);
    done?;
    Ok(Classic::done()?)
}

pub(super) async fn all_limits(ctx: Ctx) -> ClassicResult {
    Ok(Classic::of(ctx.app.monitor.all())?)
}

pub(super) async fn limits(ctx: Ctx, params: Params) -> ClassicResult {
    match ctx.app.monitor.get(params.get("consumeGroupName")?) {
        Some(limits) => Ok(Classic::of(limits)?),
        None => Ok(Classic::Empty),
    }
}

pub(super) async fn delete_limits(ctx: Ctx, params: Params) -> ClassicResult {
    let group = params.get("consumeGroupName")?;
    let done: Result<(), Failure> = ctx.app.monitor.set(group, None);
    ctx.note("delete limits", group, &done);
    done?;
    Ok(Classic::done()?)
}
