//! Topics and groups of one name in several namespaces do not meet.

use rocketmq_client::{Message, Producer};

use super::failure::Failure;
use super::terminal::line;

const NAMESPACE: &str = "InstanceTest";
const TOPIC: &str = "topicTest";

/// Sends to the namespace's topic.
pub(super) async fn producer() -> Result<(), Failure> {
    let producer = Producer::builder("pidTest").namespace(NAMESPACE).start().await?;
    for _ in 0..100 {
        let message = Message::new(TOPIC, "Hello world").with_tags("tagTest");
        let result = producer.send(message).await?;
        line(format_args!("Topic:{TOPIC} send success, misId is:{}", result.msg_id));
    }
    producer.shutdown().await;
    Ok(())
}
