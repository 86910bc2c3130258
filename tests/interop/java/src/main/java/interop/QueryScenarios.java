package interop;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Finding messages by key, by either id, and offsets by time. */
final class QueryScenarios {
    private static Ledger send(DefaultMQProducer producer, String topic, int count) throws Exception {
        Ledger ledger = new Ledger();
        for (int i = 0; i < count; i++) {
            byte[] body = SendScenarios.utf8("findable " + i);
            Message message = new Message(topic, "TagQ", "order" + i + " group" + i % 5, body);
            ledger.acknowledged(message, body, producer.send(message));
        }
        return ledger;
    }

    static void byKey(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItKeys", 4);
        Ledger ledger = send(producer, topic, 100);
        List<MessageExt> found = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            found.addAll(query(peer, producer, topic, "order" + i, 1));
        }
        ledger.compare(peer.checks, "found by own key", found, false);
        for (int group = 0; group < 5; group++) {
            String key = "group" + group;
            ledger.where(sent -> sent.properties().get("KEYS").endsWith(key)).compare(peer.checks,
                "found by " + key, query(peer, producer, topic, key, 20), false);
        }
        int code = 0;
        try {
            producer.queryMessage(topic, "no-such-key", 32, 0, Long.MAX_VALUE);
        } catch (MQClientException absent) {
            code = absent.getResponseCode();
        }
        peer.checks.equal("absent key", 208, code);
    }

    private static List<MessageExt> query(Peer peer, DefaultMQProducer producer, String topic, String key,
        int expected) {
        AtomicReference<List<MessageExt>> found = new AtomicReference<>(List.of());
        peer.waitFor(() -> {
            QueryResult result = producer.queryMessage(topic, key, 64, 0, System.currentTimeMillis() + 1000);
            found.set(result.getMessageList());
            return found.get().size() >= expected;
        });
        return found.get();
    }

    static void byUniqueKey(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItUnique", 4);
        Ledger ledger = send(producer, topic, 100);
        List<MessageExt> found = new ArrayList<>();
        for (Ledger.Sent sent : ledger.all()) {
            peer.waitFor(() -> found.add(producer.viewMessage(topic, sent.msgId())));
        }
        ledger.compare(peer.checks, "found by unique key", found, false);
    }

    static void byOffsetId(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItOffsetId", 4);
        Ledger ledger = send(producer, topic, 100);
        List<MessageExt> found = new ArrayList<>();
        for (Ledger.Sent sent : ledger.all()) {
            found.add(producer.viewMessage(sent.offsetMsgId()));
        }
        ledger.compare(peer.checks, "found by offset id", found, false);
        String real = ledger.all().iterator().next().offsetMsgId();
        boolean refused = false;
        try {
            producer.viewMessage(real.substring(0, 16) + "00000FFFFFFFFFF0");
        } catch (Exception absent) {
            refused = true;
        }
        peer.checks.that("id beyond the log", refused);
    }

    /** Minimum, maximum, earliest time and offset by time, with store times at least 20 ms apart. */
    static void offsets(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItOffsets", 4);
        List<MessageQueue> queues = producer.fetchPublishMessageQueues(topic);
        MessageQueue queue = queues.get(0);
        MessageQueue empty = queues.get(1);
        Ledger ledger = new Ledger();
        for (int i = 0; i < 20; i++) {
            byte[] body = SendScenarios.utf8("at a time " + i);
            Message message = new Message(topic, body);
            ledger.acknowledged(message, body, producer.send(message, queue));
            long next = System.currentTimeMillis() + 20;
            peer.await("the clock moves", () -> System.currentTimeMillis() >= next);
        }
        List<MessageExt> messages = peer.drain(topic, "*", ledger.size());
        messages.sort(Comparator.comparingLong(MessageExt::getQueueOffset));
        peer.checks.equal("min", 0L, producer.minOffset(queue));
        peer.checks.equal("max", 20L, producer.maxOffset(queue));
        peer.checks.equal("max of an empty queue", 0L, producer.maxOffset(empty));
        peer.checks.equal("earliest", messages.get(0).getStoreTimestamp(), producer.earliestMsgStoreTime(queue));
        peer.checks.equal("earliest of an empty queue", -1L, producer.earliestMsgStoreTime(empty));
        List<Long> wrong = new ArrayList<>();
        for (MessageExt message : messages) {
            for (int shift : new int[] {-1, 0, 1}) {
                // Between two messages the nearer one counts.
                long got = producer.searchOffset(queue, message.getStoreTimestamp() + shift);
                if (got != message.getQueueOffset()) {
                    wrong.add(message.getStoreTimestamp() + shift);
                }
            }
        }
        peer.checks.that("by time", wrong.isEmpty() && messages.size() == 20, "wrong", wrong);
        long first = messages.get(0).getStoreTimestamp();
        long last = messages.get(messages.size() - 1).getStoreTimestamp();
        peer.checks.equal("long before the first", 0L, producer.searchOffset(queue, first - 3_600_000));
        peer.checks.equal("long after the last", 19L, producer.searchOffset(queue, last + 3_600_000));
        peer.checks.equal("in an empty queue", 0L, producer.searchOffset(empty, first));
    }

    private QueryScenarios() {
    }
}
