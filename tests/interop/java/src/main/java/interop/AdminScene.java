package interop;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * The same content and the same peers on any cluster, for tools to look at: a topic with twenty messages, a producer
 * and a consumer group that stay connected, both traced, and a group that has consumed and left.
 *
 * <p>Usage: {@code AdminScene NAMESRV BROKER_ADDR FILE}. When all is in place FILE names the first message: unique id,
 * offset id. It ends with its standard input.
 */
public final class AdminScene {
    static final String TOPIC = "CompareTopic";
    private static final int MESSAGES = 20;
    private static final int QUEUES = 4;

    private AdminScene() {
    }

    public static void main(String[] args) throws Exception {
        String namesrv = args[0];
        DefaultMQAdminExt admin = new DefaultMQAdminExt(10_000);
        admin.setNamesrvAddr(namesrv);
        admin.setInstanceName("CompareAdmin");
        admin.start();
        admin.createAndUpdateTopicConfig(args[1], new TopicConfig(TOPIC, QUEUES, QUEUES, 6));
        await(() -> admin.examineTopicRouteInfo(TOPIC) != null);

        DefaultMQProducer producer = new DefaultMQProducer("CompareProducer", true, null);
        producer.setNamesrvAddr(namesrv);
        producer.setClientIP("192.0.2.2");
        producer.setInstanceName("CompareProducer");
        producer.setSendMsgTimeout(10_000);
        producer.start();
        SendResult first = null;
        for (int i = 0; i < MESSAGES; i++) {
            Message message = new Message(TOPIC, i % 3 == 2 ? "TagB" : "TagA", "key" + i, text(i));
            message.putUserProperty("n", Integer.toString(i));
            SendResult sent = producer.send(message, new MessageQueue(TOPIC, "broker-a", i % QUEUES));
            first = first == null ? sent : first;
        }
        consumer(namesrv, "CompareOff", "*").shutdown();
        DefaultMQPushConsumer online = consumer(namesrv, "CompareGroup", "TagA || TagB");
        String unique = first.getMsgId();
        await(() -> admin.examineConsumeStats("CompareOff").computeTotalDiff() == 0
                && admin.examineConsumeStats("CompareGroup").computeTotalDiff() == 0
                && admin.examineConsumerConnectionInfo("CompareGroup") != null
                && admin.examineProducerConnectionInfo("CompareProducer", TOPIC) != null
                && traced(admin, "Pub", unique) == 1 && traced(admin, "SubAfter", unique) == 2);
        Files.writeString(Path.of(args[2] + ".new"), unique + " " + first.getOffsetMsgId() + "\n");
        Files.move(Path.of(args[2] + ".new"), Path.of(args[2]));
        while (System.in.read() >= 0) {
            continue;
        }
        online.shutdown();
        producer.shutdown();
        admin.shutdown();
        System.exit(0);
    }

    /** How many records of that kind the stored traces hold of a message. */
    private static long traced(DefaultMQAdminExt admin, String kind, String unique) throws Exception {
        return admin.queryMessage("RMQ_SYS_TRACE_TOPIC", unique, 64, 0, Long.MAX_VALUE).getMessageList().stream()
                .flatMap(message -> Stream.of(new String(message.getBody(), StandardCharsets.UTF_8).split("\u0002")))
                .filter(record -> record.startsWith(kind + "\u0001") && record.contains(unique))
                .count();
    }

    private static byte[] text(int i) {
        return ("Hello compare " + i).getBytes(StandardCharsets.UTF_8);
    }

    /** A consumer that has consumed all and had its progress stored. */
    private static DefaultMQPushConsumer consumer(String namesrv, String group, String expression) throws Exception {
        AtomicInteger consumed = new AtomicInteger();
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group, true, null);
        consumer.setNamesrvAddr(namesrv);
        consumer.setClientIP("192.0.2.2");
        consumer.setInstanceName(group);
        consumer.setConsumeThreadMin(2);
        consumer.setConsumeThreadMax(2);
        consumer.setPersistConsumerOffsetInterval(500);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(TOPIC, expression);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            consumed.addAndGet(messages.size());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        await(() -> consumed.get() >= MESSAGES);
        return consumer;
    }

    private static void await(Peer.Condition condition) throws Exception {
        long end = System.currentTimeMillis() + 60_000;
        Exception last = null;
        while (System.currentTimeMillis() < end) {
            try {
                if (condition.holds()) {
                    return;
                }
            } catch (Exception e) {
                last = e;
            }
            Thread.sleep(50);
        }
        throw new IllegalStateException("the scene is not ready after a minute", last);
    }
}
