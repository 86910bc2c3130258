//! What can go wrong in a client; the texts are those of Java's exceptions (contract `client.md` 4).

use rocketmq_protocol::topic::FAQ;
use rocketmq_protocol::{Frame, ResponseCode};
use rocketmq_remoting::RemotingError;

/// What follows texts that do not already name the FAQ.
const MORE: &str =
    "\nFor more information, please visit the url, http://rocketmq.apache.org/docs/faq/";

/// Why a call of a client failed.
#[derive(Debug)]
pub enum ClientError {
    /// The client itself, or the answer of a name server, says no.
    Client {
        /// Response code; codes from 10001 on are the client's own.
        code: ResponseCode,
        /// Text.
        text: String,
    },
    /// A broker says no.
    Broker {
        /// Response code.
        code: ResponseCode,
        /// Its remark.
        text: String,
        /// Its address.
        address: String,
    },
    /// No answer came.
    Remoting(RemotingError),
}

impl ClientError {
    /// An error of the client's own.
    pub fn client(code: ResponseCode, text: impl Into<String>) -> ClientError {
        ClientError::Client { code, text: text.into() }
    }

    /// A refusal without a particular code.
    pub fn illegal(text: impl Into<String>) -> ClientError {
        ClientError::client(ResponseCode::SYSTEM_ERROR, text)
    }

    /// What a broker answered instead of SUCCESS.
    pub fn of_broker(frame: &Frame, address: &str) -> ClientError {
        let text = frame.remark().unwrap_or_default().into_owned();
        ClientError::Broker { code: ResponseCode(frame.code), text, address: address.to_string() }
    }

    /// The response code, as far as there is one.
    pub fn code(&self) -> ResponseCode {
        match self {
            ClientError::Client { code, .. } | ClientError::Broker { code, .. } => *code,
            ClientError::Remoting(RemotingError::Timeout { .. }) => {
                ResponseCode::ACCESS_BROKER_TIMEOUT
            }
            ClientError::Remoting(_) => ResponseCode::CONNECT_BROKER_EXCEPTION,
        }
    }

    /// Class of the exception that Java throws here; scripts look for it in stack traces.
    pub fn java_class(&self) -> &'static str {
        match self {
            ClientError::Client { .. } => "org.apache.rocketmq.client.exception.MQClientException",
            ClientError::Broker { .. } => "org.apache.rocketmq.client.exception.MQBrokerException",
            ClientError::Remoting(RemotingError::Connect { .. }) => {
                "org.apache.rocketmq.remoting.exception.RemotingConnectException"
            }
            ClientError::Remoting(RemotingError::Timeout { .. }) => {
                "org.apache.rocketmq.remoting.exception.RemotingTimeoutException"
            }
            ClientError::Remoting(_) => {
                "org.apache.rocketmq.remoting.exception.RemotingSendRequestException"
            }
        }
    }
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let more = |text: &str| if text.contains(FAQ.trim()) { "" } else { MORE };
        match self {
            ClientError::Client { code, text } => {
                write!(f, "CODE: {code}  DESC: {text}{}", more(text))
            }
            ClientError::Broker { code, text, address } => {
                write!(f, "CODE: {code}  DESC: {text} BROKER: {address}{}", more(text))
            }
            ClientError::Remoting(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClientError::Remoting(error) => error.source(),
            _ => None,
        }
    }
}

impl From<RemotingError> for ClientError {
    fn from(error: RemotingError) -> ClientError {
        ClientError::Remoting(error)
    }
}
