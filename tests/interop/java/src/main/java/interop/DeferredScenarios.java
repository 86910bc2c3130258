package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages that come later: delayed ones, and those that a consumer did not want yet. */
final class DeferredScenarios {
    private static final long[] DELAYS = {0, 1000, 5000};
    /** A delayed message is in its topic at most so long after it is due. */
    private static final long LATE_MILLIS = 1000;

    /** Levels 0 to 2 mixed: everything arrives once, none before its time, none late. */
    static void delay(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItDelay", 4);
        Ledger ledger = new Ledger();
        for (int i = 0; i < peer.number("n", 150); i++) {
            byte[] body = SendScenarios.utf8("delayed " + i);
            Message message = new Message(topic, "Tag", "key" + i, body);
            message.setDelayTimeLevel(i % DELAYS.length);
            producer.send(message);
            ledger.put(message, body, null, null, null);
        }
        Queue<MessageExt> received = new ConcurrentLinkedQueue<>(peer.drain(topic, "Tag", ledger.size()));
        ledger.compareContents(peer.checks, "received", received);
        long early = 0;
        long latest = 0;
        for (MessageExt message : received) {
            int level = Integer.parseInt(message.getProperties().getOrDefault("DELAY", "0"));
            long after = message.getStoreTimestamp() - message.getBornTimestamp() - DELAYS[level];
            early += after < 0 ? 1 : 0;
            latest = Math.max(latest, after);
        }
        peer.checks.that("in time", early == 0 && latest <= LATE_MILLIS, "early", early, "latestMillis", latest);
    }

    /** Every message fails twice and comes again; what fails a third time is a dead letter. */
    static void retry(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItRetry", 4);
        String group = peer.fresh("retry");
        Map<String, List<Integer>> tries = new ConcurrentHashMap<>();
        Queue<String> wrong = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = peer.pushConsumer(group);
        consumer.setMaxReconsumeTimes(2);
        consumer.setConsumeMessageBatchMaxSize(1);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            MessageExt message = messages.get(0);
            if (!message.getTopic().equals(topic)) {
                wrong.add(message.toString());
            }
            tries.computeIfAbsent(message.getKeys(), key -> new ArrayList<>()).add(message.getReconsumeTimes());
            context.setDelayLevelWhenNextConsume(1);
            boolean good = message.getTags().equals("good") && message.getReconsumeTimes() == 1;
            return good ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();
        Ledger dead = new Ledger();
        Map<String, List<Integer>> expected = new TreeMap<>();
        for (int i = 0; i < peer.number("n", 40); i++) {
            byte[] body = SendScenarios.utf8("tried " + i);
            Message message = new Message(topic, i % 2 == 0 ? "good" : "bad", "key" + i, body);
            producer.send(message);
            expected.put("key" + i, i % 2 == 0 ? List.of(0, 1) : List.of(0, 1, 2));
            if (i % 2 != 0) {
                dead.put(message, body, null, null, null);
            }
        }
        peer.waitFor(() -> expected.equals(tries));
        peer.checks.equal("tries", expected, new TreeMap<>(tries));
        peer.checks.equal("own topic each time", 0, wrong.size());
        List<MessageExt> letters = peer.drain("%DLQ%" + group, "*", dead.size());
        dead.compareContents(peer.checks, "dead letters", letters);
        boolean named = letters.stream().allMatch(letter -> topic.equals(letter.getProperty("RETRY_TOPIC"))
            && letter.getReconsumeTimes() == 3 && letter.getProperty(MessageConst.PROPERTY_ORIGIN_MESSAGE_ID) != null);
        peer.checks.that("origin of dead letters", named);
        consumer.shutdown();
    }

    /** An orderly consumer suspends at a bad message, gives it up at last, and goes on. */
    static void orderlySuspension(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItSuspend", 1);
        String group = peer.fresh("suspend");
        Queue<String> seen = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = peer.pushConsumer(group);
        consumer.setMaxReconsumeTimes(2);
        consumer.setSuspendCurrentQueueTimeMillis(50);
        consumer.setConsumeMessageBatchMaxSize(1);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            MessageExt message = messages.get(0);
            seen.add(message.getKeys() + "/" + message.getReconsumeTimes());
            return message.getTags().equals("bad") ? ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT
                : ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        Ledger dead = new Ledger();
        for (String tag : new String[] {"first", "bad", "last"}) {
            byte[] body = SendScenarios.utf8("ordered " + tag);
            Message message = new Message(topic, tag, tag, body);
            producer.send(message);
            if (tag.equals("bad")) {
                dead.put(message, body, null, null, null);
            }
        }
        List<String> expected = List.of("first/0", "bad/0", "bad/1", "bad/2", "last/0");
        peer.waitFor(() -> seen.size() >= expected.size());
        peer.checks.equal("order", expected, new ArrayList<>(seen));
        dead.compareContents(peer.checks, "dead letter", peer.drain("%DLQ%" + group, "*", 1));
        consumer.shutdown();
    }

    private DeferredScenarios() {
    }
}
