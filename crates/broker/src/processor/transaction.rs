//! END_TRANSACTION 37 and RESUME_CHECK_HALF_MESSAGE 323 (contract `requests.md` 6).

use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::header::{EndTransactionRequestHeader, ResumeCheckHalfMessageRequestHeader};
use rocketmq_protocol::message::{RecordView, message_id, properties, property, sys_flag};
use rocketmq_protocol::topic;
use rocketmq_remoting::{Call, Response};
use rocketmq_store::{PutError, PutMessage};

use super::kept::{Kept, Wait, when_kept};
use super::{Answer, Refusal, failed, refuse, respond};
use crate::context::BrokerContext;
use crate::schedule::{copy_of, divert, level_of, real_place, set};
use crate::transaction::{Begin, LOG, QUEUE};

/// Handles END_TRANSACTION.
pub fn end(context: &BrokerContext, call: Call<'_>) {
    let ended = match accept(context, &call) {
        Ok(Some(ended)) => ended,
        // The producer does not know yet: there is nothing to say.
        Ok(None) => return,
        Err(refusal) => {
            tracing::warn!(target: LOG, "end transaction refused: {}", refusal.text);
            return respond(call, Err(refusal));
        }
    };
    let ended = ended.filter(|_| !call.frame.is_oneway());
    let wait = ended.map_or_else(Wait::default, |end| Wait::by(&context.settings(), end));
    if wait.is_none() {
        return respond(call, Ok(None));
    }
    let deferred = call.defer();
    when_kept(context, wait, None, move |kept| match kept {
        // Java, too, calls a message committed that waits for the disk or a slave.
        Kept::Yes | Kept::FlushTimedOut | Kept::NoReplica | Kept::ReplicaTimedOut => {
            deferred.respond(Response::success())
        }
        Kept::No(code, text) => deferred.respond(Response::error(code, &text)),
    });
}

/// Ends the transaction; `Some` with the commit log offset behind what was put, if anything was.
fn accept(context: &BrokerContext, call: &Call<'_>) -> Result<Option<Option<i64>>, Refusal> {
    let header = EndTransactionRequestHeader::decode(call.frame.fields())?;
    let is_commit = match header.commit_or_rollback {
        sys_flag::TRANSACTION_COMMIT => true,
        sys_flag::TRANSACTION_ROLLBACK => false,
        0 => {
            let remark = call.frame.remark().unwrap_or_default();
            tracing::warn!(target: LOG, "The producer[{}] end transaction in sending message,  and it's pending status. msgId={} Remark: {remark}", call.connection.peer(), header.msg_id);
            return Ok(None);
        }
        // Java's switch knows no other value, and says nothing.
        _ => return Ok(None),
    };
    let bytes = context.store.look_up(header.commit_log_offset);
    let half = bytes.as_deref().and_then(|bytes| RecordView::parse(bytes).ok());
    // Nothing but half messages, so that no message is delivered a second time as its own commit.
    let Some(half) = half.filter(|half| half.topic == topic::TRANS_HALF.as_bytes()) else {
        return Err(failed("Find prepared transaction message failed"));
    };
    let group = properties::get_text(half.properties, property::PRODUCER_GROUP);
    if group != Some(&*header.producer_group) {
        return Err(failed("The producer group wrong"));
    }
    if half.queue_offset != header.tran_state_table_offset {
        return Err(failed("The transaction state table offset wrong"));
    }
    let transactions = &context.transactions;
    let (open, reserved) = match transactions.begin(&half) {
        Begin::Open(offset) => (offset, Some(offset)),
        Begin::Unknown => (half.queue_offset, None),
        Begin::Done => {
            tracing::info!(target: LOG, "Half offset {} has been committed/rolled back", half.queue_offset);
            return Ok(Some(None));
        }
    };
    let cancelled = |error| {
        if let Some(offset) = reserved {
            transactions.cancel(offset);
        }
        refusal(error)
    };
    if is_commit {
        put_committed(context, &half).map_err(cancelled)?;
    }
    // If only this fails, the producer is asked again: better twice than never.
    let put = transactions.put_op(context, &half, open).map_err(cancelled)?;
    Ok(Some(Some(put.end_offset)))
}

/// Puts the message of a half message where its producer meant it to go.
fn put_committed(context: &BrokerContext, half: &RecordView<'_>) -> Result<(), PutError> {
    let Some((topic, queue_id)) = real_place(half) else {
        let why = "the half message does not say where it belongs".to_string();
        return Err(PutError::MessageIllegal(why));
    };
    let mut stored = half.properties.to_vec();
    let level = level_of(&stored);
    let waits_in = divert(context.schedule.levels(), level, topic, queue_id, &mut stored);
    let (topic_now, queue_now) = match waits_in {
        Some(queue) => {
            properties::remove(&mut stored, property::TRANSACTION_PREPARED);
            (topic::SCHEDULE, queue)
        }
        None => (topic, queue_id),
    };
    let bits = half.sys_flag & !sys_flag::TRANSACTION_MASK;
    context.store.put(&PutMessage {
        sys_flag: bits | sys_flag::TRANSACTION_COMMIT,
        prepared_transaction_offset: half.physical_offset,
        ..copy_of(half, topic_now, queue_now, &stored)
    })?;
    Ok(())
}

/// Code and text of an end that could not be stored; Java's texts differ from those of a send.
fn refusal(error: PutError) -> Refusal {
    match error {
        PutError::CreateSegmentFailed(why) => failed(format!("Create mapped file failed. {why}")),
        PutError::ServiceNotAvailable(why) => {
            refuse(ResponseCode::SERVICE_NOT_AVAILABLE, format!("Service not available now. {why}"))
        }
        PutError::PageCacheBusy => failed("OS page cache busy, please try another machine"),
        error => refuse(
            ResponseCode::MESSAGE_ILLEGAL,
            format!(
                "The message is illegal, maybe msg body or properties length not matched. msg body length limit 128k, msg properties length limit 32k. {error}"
            ),
        ),
    }
}

/// RESUME_CHECK_HALF_MESSAGE 323: a half message that was given up is to be checked again.
pub fn resume_check(context: &BrokerContext, frame: &rocketmq_protocol::Frame) -> Answer {
    let header = ResumeCheckHalfMessageRequestHeader::decode(frame.fields())?;
    let place = header.msg_id.as_deref().and_then(message_id::decode);
    let bytes = place.and_then(|(_, offset)| context.store.look_up(offset));
    let record = bytes.as_deref().and_then(|bytes| RecordView::parse(bytes).ok());
    let is_given_up = |r: &RecordView<'_>| r.topic == topic::TRANS_CHECK_MAX_TIME.as_bytes();
    let Some(record) = record.filter(is_given_up) else {
        return Err(failed(format!(
            "Exception was thrown when putting message back to {}. No message with this offset id is in {}",
            topic::TRANS_HALF,
            topic::TRANS_CHECK_MAX_TIME
        )));
    };
    let mut stored = record.properties.to_vec();
    set(&mut stored, property::TRANSACTION_CHECK_TIMES, b"0");
    match context.store.put(&copy_of(&record, topic::TRANS_HALF, QUEUE, &stored)) {
        Ok(_) => {
            let real = real_place(&record).map_or("null", |(topic, _)| topic);
            tracing::info!(target: crate::LOGGER, "Put message back to {}. real topic={real}", topic::TRANS_HALF);
            Ok(None)
        }
        Err(error) => {
            Err(failed(format!("Put message back to {} failed. {error}", topic::TRANS_HALF)))
        }
    }
}
