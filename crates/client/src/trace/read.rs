//! Reading the records that clients write to a trace topic; [`super::record`] writes them.

use rocketmq_protocol::message::MessageExt;
use serde::Serialize;

use super::record::{FIELD_SEPARATOR, RECORD_END};

/// One record of a trace (contract `client.md` 13); serialises as RocketMQ's dashboard shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceRecord {
    /// What joins the begin and the end of one consumption.
    pub request_id: Option<String>,
    /// Unique id of the traced message.
    pub msg_id: String,
    /// Its tags.
    pub tags: Option<String>,
    /// Its keys.
    pub keys: Option<String>,
    /// The broker that stored it.
    pub store_host: Option<String>,
    /// The client that wrote the record.
    pub client_host: String,
    /// How long the sending or consuming took, ms.
    pub cost_time: i64,
    /// Java's name of the kind of message; of sends and ends of transactions.
    pub msg_type: Option<&'static str>,
    /// Its offset id, from clients that tell it.
    #[serde(rename = "offSetMsgId")]
    pub offset_msg_id: Option<String>,
    /// When it happened, epoch ms.
    pub time_stamp: i64,
    /// Its topic.
    pub topic: Option<String>,
    /// Who sent or consumed it; empty in ends of consumptions by old clients.
    pub group_name: String,
    /// Deliveries before this one.
    pub retry_times: i64,
    /// `success` or `failed`.
    pub status: &'static str,
    /// What the producer said of its transaction.
    pub transaction_state: Option<String>,
    /// The transaction.
    pub transaction_id: Option<String>,
    /// Whether it was ended by a check.
    pub from_transaction_check: bool,
    /// `Pub`, `SubBefore`, `SubAfter` or `EndTransaction`.
    pub trace_type: &'static str,
}

/// The status of what went well, and of what did not.
const SUCCESS: &str = "success";
const FAILED: &str = "failed";

impl TraceRecord {
    /// Whether what it tells of went well.
    pub fn is_success(&self) -> bool {
        self.status == SUCCESS
    }

    /// The records about one message in a message of a trace topic.
    pub fn of_message(message: &MessageExt, id: &str) -> Vec<TraceRecord> {
        let body = String::from_utf8_lossy(&message.message.body);
        let host = message.born_host.ip().to_string();
        let all = body.split(RECORD_END).filter_map(|text| TraceRecord::parse(text, &host));
        all.filter(|record| record.msg_id == id).collect()
    }

    fn parse(text: &str, host: &str) -> Option<TraceRecord> {
        let fields: Vec<&str> = text.split(FIELD_SEPARATOR).collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or("null");
        let text = |at: usize| Some(field(at).to_string()).filter(|text| text != "null");
        let number = |at: usize| field(at).parse().unwrap_or(0);
        let ended = |at: usize| if field(at) == "true" { SUCCESS } else { FAILED };
        let kind = |at: usize| match field(at) {
            "1" => Some("Trans_Msg_Half"),
            "2" => Some("Trans_msg_Commit"),
            "3" => Some("Delay_Msg"),
            _ => Some("Normal_Msg"),
        };
        let blank = TraceRecord {
            request_id: None,
            msg_id: String::new(),
            tags: None,
            keys: None,
            store_host: None,
            client_host: host.to_string(),
            cost_time: 0,
            msg_type: None,
            offset_msg_id: None,
            time_stamp: number(1),
            topic: None,
            group_name: field(3).to_string(),
            retry_times: 0,
            status: SUCCESS,
            transaction_state: None,
            transaction_id: None,
            from_transaction_check: false,
            trace_type: "Pub",
        };
        // What producers tell of their message.
        let sent = |trace_type| TraceRecord {
            topic: text(4),
            msg_id: field(5).to_string(),
            tags: text(6),
            keys: text(7),
            store_host: text(8),
            trace_type,
            ..blank.clone()
        };
        // Older clients leave out the offset id that stands before the success.
        let has_offset_id = fields.len() > 13;
        match field(0) {
            "Pub" => Some(TraceRecord {
                cost_time: number(10),
                msg_type: kind(11),
                offset_msg_id: text(12).filter(|_| has_offset_id),
                status: ended(if has_offset_id { 13 } else { 12 }),
                ..sent("Pub")
            }),
            "EndTransaction" => Some(TraceRecord {
                msg_type: kind(9),
                transaction_id: text(10),
                transaction_state: text(11),
                from_transaction_check: field(12) == "true",
                ..sent("EndTransaction")
            }),
            "SubBefore" => Some(TraceRecord {
                request_id: text(4),
                msg_id: field(5).to_string(),
                retry_times: number(6),
                keys: text(7),
                trace_type: "SubBefore",
                ..blank
            }),
            "SubAfter" => Some(TraceRecord {
                request_id: text(1),
                msg_id: field(2).to_string(),
                cost_time: number(3),
                status: ended(4),
                keys: text(5),
                time_stamp: number(7),
                group_name: fields.get(8).copied().unwrap_or_default().to_string(),
                trace_type: "SubAfter",
                ..blank
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_all_kinds_are_read() {
        let sent = TraceRecord::parse("Pub\u{1}5\u{1}R\u{1}PG\u{1}T\u{1}ID\u{1}null\u{1}k\u{1}h:1\u{1}7\u{1}3\u{1}0\u{1}OFF\u{1}true", "c").unwrap();
        assert_eq!(
            (sent.msg_id.as_str(), sent.tags.as_deref(), sent.status, sent.cost_time),
            ("ID", None, "success", 3)
        );
        let ended = TraceRecord::parse("EndTransaction\u{1}5\u{1}R\u{1}PG\u{1}T\u{1}ID\u{1}t\u{1}k\u{1}h:1\u{1}2\u{1}X\u{1}COMMIT_MESSAGE\u{1}true", "c").unwrap();
        assert_eq!(
            (ended.msg_type, ended.transaction_state.as_deref(), ended.from_transaction_check),
            (Some("Trans_msg_Commit"), Some("COMMIT_MESSAGE"), true)
        );
        let old = TraceRecord::parse("SubAfter\u{1}q\u{1}ID\u{1}4\u{1}false\u{1}k", "c").unwrap();
        assert_eq!((old.status, old.time_stamp, old.group_name.as_str()), ("failed", 0, ""));
        assert!(TraceRecord::parse("", "c").is_none());
        assert!(TraceRecord::parse("Pub", "c").is_some());
    }
}
