//! How a found message is shown.

use std::path::Path;

use rocketmq_common::clock;
use rocketmq_protocol::message::{MessageExt, properties};

use super::command::Session;
use super::failure::Failure;
use crate::out::{out, outln};

/// Where the bodies of shown messages go.
const BODIES: &str = "/tmp/rocketmq/msgbodys";

/// The layout that all queries share; the body goes to a file.
pub(crate) async fn print_message(
    session: &Session,
    message: &MessageExt,
    with_offset_id: bool,
) -> Result<(), Failure> {
    let path = Path::new(BODIES).join(message.msg_id());
    let saved = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    saved.and_then(|()| std::fs::write(&path, &message.message.body)).map_err(|error| {
        Failure::Other(format!("java.io.IOException: {}: {error}", path.display()))
    })?;
    let row = |name: &str, value: &str| outln!("{name:<20} {value}");
    if with_offset_id {
        row("OffsetID:", &message.offset_msg_id);
    }
    row("Topic:", &message.message.topic);
    row("Tags:", &format!("[{}]", message.message.tags().unwrap_or("null")));
    row("Keys:", &format!("[{}]", message.message.keys().unwrap_or("null")));
    row("Queue ID:", &message.queue_id.to_string());
    row("Queue Offset:", &message.queue_offset.to_string());
    row("CommitLog Offset:", &message.commit_log_offset.to_string());
    row("Reconsume Times:", &message.reconsume_times.to_string());
    row("Born Timestamp:", &clock::format_millis(message.born_timestamp));
    row("Store Timestamp:", &clock::format_millis(message.store_timestamp));
    row("Born Host:", &message.born_host.to_string());
    row("Store Host:", &message.store_host.to_string());
    row("System Flag:", &message.sys_flag.to_string());
    row("Properties:", &properties::display(&message.message.properties));
    row("Message Body Path:", &path.display().to_string());
    print_tracks(session, message).await;
    Ok(())
}

async fn print_tracks(session: &Session, message: &MessageExt) {
    match session.admin.message_track(message).await {
        Ok(tracks) if tracks.is_empty() => out!("\n\nWARN: No Consumer"),
        Ok(tracks) => {
            out!("\n\n");
            tracks.iter().for_each(|track| out!("{track}"));
        }
        Err(error) => session.complain(error),
    }
}

/// The one-line form: `MSGID: <id> <MessageExt> BODY: <text>`.
pub(crate) fn print_line(message: &MessageExt, charset: &str, with_body: bool) {
    let body = match with_body {
        true => decode(&message.message.body, charset),
        false => "NOT PRINT BODY".to_string(),
    };
    outln!("MSGID: {} {message} BODY: {body}", message.msg_id());
}

/// A body as text: UTF-8, or one byte a character for the charsets that are so.
fn decode(body: &[u8], charset: &str) -> String {
    match charset.to_ascii_uppercase().as_str() {
        "ISO-8859-1" | "LATIN1" | "US-ASCII" | "ASCII" => {
            body.iter().map(|byte| char::from(*byte)).collect()
        }
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}
