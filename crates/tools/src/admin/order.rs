//! updateOrderConf.

use rocketmq_protocol::topic::ORDER_TOPIC_CONFIG;

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::{optional, required};
use crate::out::out;

pub(crate) const UPDATE_ORDER_CONF: Command = Command {
    name: "updateOrderConf",
    class: "UpdateOrderConfCommand",
    description: "Create or update or delete order conf",
    options: &[
        required("t", "topic", "topic name"),
        optional("v", "orderConf", "set order conf [eg. brokerName1:num;brokerName2:num]"),
        required("m", "method", "option type [eg. put|get|delete"),
    ],
    run: |session| Box::pin(update_order_conf(session)),
};

async fn update_order_conf(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let topic = given.text("t");
    match given.text("m") {
        "get" => {
            let conf = admin.get_kv_config(ORDER_TOPIC_CONFIG, topic).await?;
            out!("get orderConf success. topic=[{topic}], orderConf=[{conf}] ");
        }
        "put" => {
            let conf = given.text("v");
            if conf.is_empty() {
                let text = "java.lang.Exception: please set orderConf with option -v.";
                return Err(Failure::Other(text.to_string()));
            }
            admin.put_kv_config(ORDER_TOPIC_CONFIG, topic, conf).await?;
            out!("update orderConf success. topic=[{topic}], orderConf=[{conf}]");
        }
        "delete" => {
            admin.delete_kv_config(ORDER_TOPIC_CONFIG, topic).await?;
            out!("delete orderConf success. topic=[{topic}]");
        }
        _ => return Err(Failure::Usage),
    }
    Ok(())
}
