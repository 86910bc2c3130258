package interop;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** What a scenario works with: addresses, parameters, clients that are shut down at its end, bounded waits. */
final class Peer implements AutoCloseable {
    /** A condition that may fail with anything; failing counts as not yet. */
    interface Condition {
        boolean holds() throws Exception;
    }

    final String namesrv;
    final Checks checks;
    private final Map<String, String> parameters;
    private final Deque<Runnable> shutdowns = new ArrayDeque<>();
    private static int names;

    Peer(String namesrv, Map<String, String> parameters, Checks checks) {
        this.namesrv = namesrv;
        this.parameters = parameters;
        this.checks = checks;
    }

    String text(String key, String otherwise) {
        return parameters.getOrDefault(key, otherwise);
    }

    int number(String key, int otherwise) {
        return Integer.parseInt(parameters.getOrDefault(key, Integer.toString(otherwise)));
    }

    boolean flag(String key, boolean otherwise) {
        return Boolean.parseBoolean(parameters.getOrDefault(key, Boolean.toString(otherwise)));
    }

    String required(String key) {
        String value = parameters.get(key);
        if (value == null) {
            throw new IllegalArgumentException("parameter " + key + "=... is missing");
        }
        return value;
    }

    /** A name nobody used before, also not an earlier run on the same cluster. */
    synchronized String fresh(String stem) {
        return stem + "_" + Long.toString(System.currentTimeMillis(), 36) + "_" + names++;
    }

    /** True when the broker is Java's own, whose known failures are then tolerated. */
    boolean javaBroker() {
        return text("broker", "ours").equals("java");
    }

    /** How long any wait may take, in milliseconds. */
    long limitMillis() {
        return number("timeout", 60) * 1000L;
    }

    DefaultMQProducer producer() throws MQClientException {
        DefaultMQProducer producer = new DefaultMQProducer(fresh("producer"));
        producer.setNamesrvAddr(namesrv);
        producer.setSendMsgTimeout(10_000);
        producer.start();
        shutdowns.push(producer::shutdown);
        return producer;
    }

    /** Creates a topic through the client and waits until its route is there. */
    String topic(DefaultMQProducer producer, String stem, int queues) throws Exception {
        String topic = fresh(stem);
        producer.createTopic("TBW102", topic, queues);
        await("route of " + topic, () -> producer.fetchPublishMessageQueues(topic).size() == queues);
        return topic;
    }

    DefaultMQPushConsumer pushConsumer(String group) {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(namesrv);
        consumer.setInstanceName(fresh("instance"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        shutdowns.push(consumer::shutdown);
        return consumer;
    }

    void atEnd(Runnable shutdown) {
        shutdowns.push(shutdown);
    }

    /** Everything of a topic as a new group's concurrent push consumer receives it. */
    List<MessageExt> drain(String topic, String expression, int expected) throws Exception {
        ConcurrentLinkedQueue<MessageExt> received = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = pushConsumer(fresh("drain"));
        consumer.subscribe(topic, expression);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            received.addAll(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        waitFor(() -> received.size() >= expected);
        consumer.shutdown();
        return new ArrayList<>(received);
    }

    /** Drains and compares; the broker's own count (max − min offset over all queues) must agree as well. */
    void drainAndCompare(DefaultMQProducer producer, String topic, Ledger ledger) throws Exception {
        ledger.compare(checks, "received", drain(topic, "*", ledger.size()), false);
        checks.equal("stored-count", (long) ledger.size(), stored(producer, topic));
    }

    /** Messages that the broker says it holds for a topic. */
    long stored(DefaultMQProducer producer, String topic) throws MQClientException {
        long count = 0;
        for (MessageQueue queue : producer.fetchPublishMessageQueues(topic)) {
            count += producer.maxOffset(queue) - producer.minOffset(queue);
        }
        return count;
    }

    /** Waits until the condition holds; false at the limit. */
    boolean waitFor(Condition condition) {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(limitMillis());
        while (true) {
            try {
                if (condition.holds()) {
                    return true;
                }
            } catch (Exception notYet) {
                // Counts as not yet; the deadline decides.
            }
            if (System.nanoTime() - deadline > 0) {
                return false;
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
        }
    }

    void await(String what, Condition condition) throws TimeoutException {
        if (!waitFor(condition)) {
            throw new TimeoutException(what + " not seen within " + limitMillis() + " ms");
        }
    }

    @Override
    public void close() {
        while (!shutdowns.isEmpty()) {
            try {
                shutdowns.pop().run();
            } catch (RuntimeException failure) {
                System.err.println("shutting a client down: " + failure);
            }
        }
    }
}
