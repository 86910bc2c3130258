//! The table of GET_BROKER_RUNTIME_INFO as numbers.

use rocketmq_remoting::probe::{Exposition, Kind};

use super::Here;
use crate::context::BrokerContext;
use crate::runtime_info;

/// Metrics, after `rocketmq_brokeruntime_`, and the keys of the table they show.
const VALUES: [(&str, &str); 33] = [
    ("msg_put_total_today_now", "msgPutTotalTodayNow"),
    ("msg_gettotal_today_now", "msgGetTotalTodayNow"),
    ("msg_puttotal_yesterdaymorning", "msgPutTotalYesterdayMorning"),
    ("msg_gettotal_yesterdaymorning", "msgGetTotalYesterdayMorning"),
    ("msg_puttotal_todaymorning", "msgPutTotalTodayMorning"),
    ("msg_gettotal_todaymorning", "msgGetTotalTodayMorning"),
    ("dispatch_behind_bytes", "dispatchBehindBytes"),
    ("put_message_size_total", "putMessageSizeTotal"),
    ("put_message_average_size", "putMessageAverageSize"),
    ("putmessage_times_total", "putMessageTimesTotal"),
    ("putmessage_entire_time_max", "putMessageEntireTimeMax"),
    ("getmessage_entire_time_max", "getMessageEntireTimeMax"),
    ("pagecache_lock_time_mills", "pageCacheLockTimeMills"),
    ("commitlog_disk_ratio", "commitLogDiskRatio"),
    ("consumequeue_disk_ratio", "consumeQueueDiskRatio"),
    ("commitlog_maxoffset", "commitLogMaxOffset"),
    ("commitlog_minoffset", "commitLogMinOffset"),
    ("earliest_message_timestamp", "earliestMessageTimeStamp"),
    ("remain_transientstore_buffer_numbs", "remainTransientStoreBufferNumbs"),
    ("remain_howmanydata_toflush", "remainHowManyDataToFlush"),
    ("start_accept_sendrequest_time", "startAcceptSendRequestTimeStamp"),
    ("dispatch_maxbuffer", "dispatchMaxBuffer"),
    ("send_threadpool_queue_size", "sendThreadPoolQueueSize"),
    ("send_threadpoolqueue_capacity", "sendThreadPoolQueueCapacity"),
    ("send_threadpoolqueue_headwait_timemills", "sendThreadPoolQueueHeadWaitTimeMills"),
    ("pull_threadpoolqueue_size", "pullThreadPoolQueueSize"),
    ("pull_threadpoolqueue_capacity", "pullThreadPoolQueueCapacity"),
    ("pull_threadpoolqueue_headwait_timemills", "pullThreadPoolQueueHeadWaitTimeMills"),
    ("query_threadpoolqueue_size", "queryThreadPoolQueueSize"),
    ("query_threadpool_queue_capacity", "queryThreadPoolQueueCapacity"),
    ("query_threadpoolqueue_headwait_timemills", "queryThreadPoolQueueHeadWaitTimeMills"),
    ("commitlogdir_capacity_total", "commitLogDirCapacity"),
    ("commitlogdir_capacity_free", "commitLogDirCapacity"),
];

/// Those that are told over 10, 60 and 600 s.
const WINDOWS: [(&str, &str); 5] = [
    ("put_tps", "putTps"),
    ("getfound_tps", "getFoundTps"),
    ("getmiss_tps", "getMissTps"),
    ("gettotal_tps", "getTotalTps"),
    ("gettransfered_tps", "getTransferedTps"),
];

/// The classes of putMessageDistributeTime, in their order there: name, and the ms that all are
/// below.
const CLASSES: [(&str, f64); 13] = [
    ("0ms", 1.0),
    ("0to10ms", 10.0),
    ("10to50ms", 50.0),
    ("50to100ms", 100.0),
    ("100to200ms", 200.0),
    ("200to500ms", 500.0),
    ("500to1s", 1000.0),
    ("1to2s", 2000.0),
    ("2to3s", 3000.0),
    ("3to4s", 4000.0),
    ("4to5s", 5000.0),
    ("5to10s", 10_000.0),
    ("10stomore", f64::INFINITY),
];

pub(super) fn write(context: &BrokerContext, here: &Here<'_>, out: &mut Exposition) {
    let table = runtime_info::table(context);
    let text = |key: &str| table.get(key).map_or("", String::as_str);
    let address = context.address();
    let labels = [
        ("cluster", here.cluster),
        ("brokerIP", address.as_str()),
        ("brokerHost", here.broker),
        ("des", text("brokerVersionDesc")),
        ("boottime", text("bootTimestamp")),
        ("broker_version", text("brokerVersion")),
    ];
    let mut write = |name: &str, key: &str, value: f64| {
        let name = format!("rocketmq_brokeruntime_{name}");
        out.single(&name, Kind::Gauge, key, &labels, value);
    };
    for (name, key) in VALUES {
        let value = match name {
            "commitlogdir_capacity_total" => capacity(text(key), "Total : "),
            "commitlogdir_capacity_free" => capacity(text(key), "Free : "),
            "remain_howmanydata_toflush" => bytes(text(key)),
            _ => text(key).parse().ok(),
        };
        if let Some(value) = value {
            write(name, key, value);
        }
    }
    for (name, key) in WINDOWS {
        // A rate without enough samples is empty.
        for (window, rate) in [10, 60, 600].into_iter().zip(text(key).split(' ')) {
            write(&format!("{name}{window}"), key, rate.parse().unwrap_or(0.0));
        }
    }
    let counts: Vec<f64> = text("putMessageDistributeTime")
        .split_whitespace()
        .filter_map(|count| count.rsplit(':').next()?.parse().ok())
        .collect();
    for ((class, _), count) in CLASSES.into_iter().zip(&counts) {
        write(&format!("pmdt_{class}"), "putMessageDistributeTime of the last minute", *count);
    }
    for (name, share) in [("put_latency_99", 0.99), ("put_latency_999", 0.999)] {
        write(
            name,
            "ms that this share of the last minute's puts took at most",
            quantile(&counts, share),
        );
    }
}

/// The ms below which that share of what the classes count lies, taken as even within a class;
/// 0 where they count nothing.
fn quantile(counts: &[f64], share: f64) -> f64 {
    let wanted = counts.iter().sum::<f64>() * share;
    let (mut below, mut start) = (0.0, 0.0);
    for ((_, end), count) in CLASSES.into_iter().zip(counts) {
        if *count > 0.0 && below + count >= wanted {
            // The last class has no end.
            let width = if end.is_finite() { end - start } else { 0.0 };
            return start + width * (wanted - below) / count;
        }
        below += count;
        start = end;
    }
    0.0
}

/// A part of `Total : 1.5 GiB, Free : 512 B.`, in bytes.
fn capacity(text: &str, part: &str) -> Option<f64> {
    let rest = &text[text.find(part)? + part.len()..];
    bytes(rest.split(',').next()?.trim_end_matches('.'))
}

/// `1.5 GiB` in bytes.
fn bytes(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once(' ')?;
    let power = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].iter().position(|u| *u == unit)?;
    Some(number.parse::<f64>().ok()? * 1024f64.powi(i32::try_from(power).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_classes_becomes_milliseconds() {
        assert_eq!(quantile(&[], 0.99), 0.0);
        assert_eq!(quantile(&[0.0; 13], 0.99), 0.0);
        let mut counts = [0.0; 13];
        (counts[0], counts[2]) = (90.0, 10.0);
        assert_eq!(quantile(&counts, 0.5), 50.0 / 90.0);
        assert_eq!(quantile(&counts, 0.95), 30.0);
        assert_eq!(quantile(&counts, 1.0), 50.0);
        counts[12] = 900.0;
        assert_eq!(quantile(&counts, 0.99), 10_000.0);
    }

    #[test]
    fn sizes_for_people_become_bytes() {
        let text = "Total : 1.5 KiB, Free : 512 B.";
        assert_eq!(capacity(text, "Total : "), Some(1536.0));
        assert_eq!(capacity(text, "Free : "), Some(512.0));
        assert_eq!(bytes("2.0 GiB"), Some(2_147_483_648.0));
    }
}
