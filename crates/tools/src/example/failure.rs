//! Why a program ends early, or a message was not sent.

use std::io;

use rocketmq_client::ClientError;

/// Every failure of the example programs.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The client, or the broker by way of it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nobody said where the name servers are.
    #[error(
        "No name server address, please set it.\nSee http://rocketmq.apache.org/docs/faq/ for \
         further details.\nSet the environment variable NAMESRV_ADDR, for example: \
         export NAMESRV_ADDR=localhost:9876"
    )]
    NoNameServer,
    /// An option's value is not a number, or too small.
    #[error("For input string: \"{text}\": option -{short} takes a number of at least {least}")]
    BadNumber {
        /// What was given.
        text: String,
        /// The option.
        short: String,
        /// The least number it takes.
        least: String,
    },
    /// A filter of an unknown kind.
    #[error("Not support filter type! {0}: option -f takes TAG or SQL92")]
    FilterType(String),
    /// The expression's file.
    #[error("the filter expression {path} of option -e cannot be read: {source}")]
    Expression {
        /// Where it should be.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The system does not tell us of signals.
    #[error("signals cannot be received: {0}")]
    Signal(io::Error),
}
