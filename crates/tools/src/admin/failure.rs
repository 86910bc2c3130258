//! How commands fail: Java's texts on standard error, exit codes, and what to do about it.

use rocketmq_client::ClientError;
use rocketmq_protocol::ResponseCode;
use rocketmq_remoting::RemotingError;

use crate::options::NotANumber;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A call failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The options given do not go together: the usage text follows.
    #[error("usage")]
    Usage,
    /// An option is not the number it should be.
    #[error(transparent)]
    Number(#[from] NotANumber),
    /// What was looked at is not as it should be; the command has said so.
    #[error("something is wrong")]
    Ill,
    /// Something on this machine.
    #[error("{0}")]
    Other(String),
}

/// Exit codes of `--strict`; without it a failed command leaves with 0, as Java's does.
pub(crate) mod exit {
    /// The command line is wrong.
    pub(crate) const USAGE: i32 = 1;
    /// The command was refused, or failed on this machine.
    pub(crate) const FAILED: i32 = 2;
    /// Name server or broker cannot be reached, or do not answer.
    pub(crate) const UNREACHABLE: i32 = 3;
    /// What was asked for is not there.
    pub(crate) const NOT_FOUND: i32 = 4;
}

/// Answers that say that something is not there.
const NOT_FOUND: [ResponseCode; 5] = [
    ResponseCode::TOPIC_NOT_EXIST,
    ResponseCode::QUERY_NOT_FOUND,
    ResponseCode::NO_MESSAGE,
    ResponseCode::CONSUMER_NOT_ONLINE,
    ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
];

impl Failure {
    /// The exit code with `--strict`.
    pub(crate) fn exit_code(&self) -> i32 {
        match self {
            Failure::Usage | Failure::Number(_) => exit::USAGE,
            Failure::Client(ClientError::Remoting(_)) => exit::UNREACHABLE,
            Failure::Client(error) if NOT_FOUND.contains(&error.code()) => exit::NOT_FOUND,
            Failure::Client(_) | Failure::Ill | Failure::Other(_) => exit::FAILED,
        }
    }

    /// The cause as Java's stack trace names it.
    pub(crate) fn cause(&self) -> String {
        match self {
            Failure::Client(error) => format!("{}: {}", error.java_class(), java_text(error)),
            other => other.to_string(),
        }
    }

    /// What to do about it, if that can be told.
    pub(crate) fn advice(&self) -> Option<String> {
        let Failure::Client(error) = self else { return None };
        match error {
            ClientError::Remoting(RemotingError::Connect { address, .. }) if address == "null" => {
                Some("no name server is given: say -n HOST:9876 or set NAMESRV_ADDR".to_string())
            }
            ClientError::Remoting(RemotingError::Connect { address, source }) => {
                if let Some(tls) =
                    source.as_ref().map(ToString::to_string).filter(|text| text.starts_with("TLS:"))
                {
                    return Some(format!("{address}: {tls}"));
                }
                let why = source.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
                Some(format!(
                    "nothing answers at {address}{why}: is it running, is the address right, \
                     does a firewall stand between?"
                ))
            }
            ClientError::Remoting(RemotingError::Send { reason, .. }) => Some(reason.clone()),
            ClientError::Remoting(RemotingError::Timeout { .. }) => Some(
                "the connection stands, but no answer came: the peer may be stopped, overloaded, \
                 or not know this request (access control off, older version)"
                    .to_string(),
            ),
            error => advice_on(error.code()).map(str::to_string),
        }
    }
}

/// The error's text as Java's exception has it; why a connection failed is told as advice.
fn java_text(error: &ClientError) -> String {
    match error {
        ClientError::Remoting(RemotingError::Connect { address, .. }) => {
            format!("connect to {address} failed")
        }
        ClientError::Remoting(RemotingError::Send { address, .. }) => {
            format!("send request to <{address}> failed")
        }
        other => other.to_string(),
    }
}

fn advice_on(code: ResponseCode) -> Option<&'static str> {
    match code {
        ResponseCode::TOPIC_NOT_EXIST => Some(
            "mqadmin topicList shows the topics there are; a group's retry topic %RETRY%<group> \
             appears when its first consumer connects",
        ),
        ResponseCode::CONSUMER_NOT_ONLINE => {
            Some("no consumer of the group is connected; mqadmin consumerProgress lists groups")
        }
        ResponseCode::NO_PERMISSION => {
            Some("mqadmin topicRoute shows the topic's permission, updateTopicPerm changes it")
        }
        ResponseCode::NO_MESSAGE => {
            Some("the message may be past fileReservedTime, or of another topic or cluster")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_failures_apart() {
        let refused = |code| Failure::from(ClientError::client(code, "text"));
        let nowhere = RemotingError::Connect { address: "null".to_string(), source: None };
        for (failure, code) in [
            (Failure::Usage, 1),
            (refused(ResponseCode::SYSTEM_ERROR), 2),
            (Failure::from(ClientError::from(nowhere)), 3),
            (refused(ResponseCode::TOPIC_NOT_EXIST), 4),
        ] {
            assert_eq!(failure.exit_code(), code, "{failure}");
        }
    }
}
