package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumption by SQL92 expression; the broker runs with enablePropertyFilter=true. */
@SuppressWarnings("deprecation")
final class FilterScenarios {
    private static final String EXPRESSION = "(n BETWEEN 100 AND 199 AND color IN ('red', 'blue')) OR special IS NOT NULL";

    static void sql(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItSql", 4);
        Queue<MessageExt> live = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = push(peer, topic, EXPRESSION, live);
        consumer.start();

        String[] colors = {"red", "green", "blue"};
        Ledger ledger = new Ledger();
        for (int i = 0; i < peer.number("n", 1000); i++) {
            byte[] body = SendScenarios.utf8("filtered " + i);
            Message message = new Message(topic, "Tag", "key" + i, body);
            message.putUserProperty("n", Integer.toString(i));
            message.putUserProperty("color", colors[i % colors.length]);
            if (i % 97 == 0) {
                message.putUserProperty("special", "yes");
            }
            ledger.acknowledged(message, body, producer.send(message));
        }
        Ledger wanted = ledger.where(sent -> {
            int n = Integer.parseInt(sent.properties().get("n"));
            return n >= 100 && n <= 199 && !sent.properties().get("color").equals("green")
                || sent.properties().containsKey("special");
        });
        peer.waitFor(() -> live.size() >= wanted.size());
        wanted.compare(peer.checks, "received as sent", live, false);
        consumer.shutdown();

        Queue<MessageExt> later = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer second = push(peer, topic, EXPRESSION, later);
        second.start();
        peer.waitFor(() -> later.size() >= wanted.size());
        wanted.compare(peer.checks, "received from the store", later, false);
        second.shutdown();

        pulled(peer, topic, wanted);
        refused(peer, topic);
    }

    private static DefaultMQPushConsumer push(Peer peer, String topic, String expression, Queue<MessageExt> received)
        throws MQClientException {
        DefaultMQPushConsumer consumer = peer.pushConsumer(peer.fresh("sql"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, MessageSelector.bySql(expression));
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            received.addAll(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        return consumer;
    }

    /** The expression in the pull request itself. */
    private static void pulled(Peer peer, String topic, Ledger wanted) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(peer.fresh("sqlpull"));
        consumer.setNamesrvAddr(peer.namesrv);
        consumer.start();
        peer.atEnd(consumer::shutdown);
        List<MessageExt> received = new ArrayList<>();
        Set<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(topic);
        // The client learns from the heartbeat's answer that the broker knows expressions.
        MQClientInstance client = consumer.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory();
        client.updateTopicRouteInfoFromNameServer(topic);
        client.sendHeartbeatToAllBrokerWithLock();
        for (MessageQueue queue : queues) {
            long offset = 0;
            PullResult result;
            do {
                result = consumer.pull(queue, MessageSelector.bySql(EXPRESSION), offset, 32);
                if (result.getPullStatus() == PullStatus.FOUND) {
                    received.addAll(result.getMsgFoundList());
                }
                offset = result.getNextBeginOffset();
            } while (offset < consumer.maxOffset(queue));
        }
        wanted.compare(peer.checks, "pulled", received, false);
    }

    /** An expression that cannot be read stops the consumer's start, with the reason. */
    private static void refused(Peer peer, String topic) throws Exception {
        String text = "";
        int code = 0;
        try {
            push(peer, topic, "n >", new ConcurrentLinkedQueue<>()).start();
        } catch (MQClientException refusal) {
            text = refusal.getErrorMessage();
            code = refusal.getResponseCode();
        }
        peer.checks.that("a wrong expression is refused", code == 23 && text.contains("line 1, column 3"),
            "code", code, "text", text);
    }

    private FilterScenarios() {
    }
}
