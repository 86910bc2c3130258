package interop;

import com.alibaba.fastjson.JSONObject;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientExt;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageExt;

/** What was sent, to be compared field by field with what came back. */
final class Ledger {
    /** Properties that broker or consumer add; all others must come back exactly as sent. */
    private static final Set<String> ADDED =
        Set.of("MIN_OFFSET", "MAX_OFFSET", "CLUSTER", "CONSUME_START_TIME", "UNIQ_KEY", "WAIT");

    /** One sent message; queue, offset and offset id are null when no answer tells them. */
    record Sent(String msgId, String topic, byte[] body, int flag, Map<String, String> properties, Integer queueId,
        Long queueOffset, String offsetMsgId) {
    }

    private final Map<String, Sent> sent = new HashMap<>();
    private final List<String> refused = new ArrayList<>();
    private boolean batchDefect;

    /** Java 4.9.2 brokers join the properties of batched messages without a separator: tolerate that. */
    void tolerateBatchDefect() {
        batchDefect = true;
    }

    /** Records a send whose answer told queue and offset. */
    synchronized void acknowledged(Message message, byte[] body, SendResult result) {
        if (result.getSendStatus() != SendStatus.SEND_OK) {
            refused.add(result.toString());
            return;
        }
        String id = MessageClientIDSetter.getUniqID(message);
        if (!id.equals(result.getMsgId())) {
            refused.add("answer names " + result.getMsgId() + " for " + id);
        }
        put(message, body, result.getMessageQueue().getQueueId(), result.getQueueOffset(), result.getOffsetMsgId());
    }

    /** Records a send without an answer, or a member of a batch. */
    synchronized void put(Message message, byte[] body, Integer queueId, Long queueOffset, String offsetMsgId) {
        String id = MessageClientIDSetter.getUniqID(message);
        sent.put(id, new Sent(id, message.getTopic(), body, message.getFlag(),
            new HashMap<>(message.getProperties()), queueId, queueOffset, offsetMsgId));
    }

    synchronized void failed(String why) {
        refused.add(why);
    }

    synchronized int size() {
        return sent.size();
    }

    synchronized int answered() {
        return sent.size() + refused.size();
    }

    synchronized Collection<Sent> all() {
        return new ArrayList<>(sent.values());
    }

    /** A ledger of those messages that a filter lets through. */
    synchronized Ledger where(java.util.function.Predicate<Sent> filter) {
        Ledger part = new Ledger();
        part.batchDefect = batchDefect;
        sent.values().stream().filter(filter).forEach(message -> part.sent.put(message.msgId(), message));
        return part;
    }

    /** Compares with what was received and reports under {@code check}. */
    synchronized void compare(Checks checks, String check, Collection<? extends MessageExt> received,
        boolean duplicatesAllowed) {
        List<String> differences = new ArrayList<>(refused);
        Set<String> seen = new HashSet<>();
        int duplicates = 0;
        for (MessageExt message : received) {
            String id = repaired(message.getMsgId());
            if (!seen.add(id)) {
                duplicates++;
                continue;
            }
            Sent original = sent.get(id);
            if (original == null) {
                differences.add("never sent: " + id);
            } else {
                compareOne(original, message, differences);
            }
        }
        Set<String> missing = new TreeSet<>(sent.keySet());
        missing.removeAll(seen);
        missing.stream().limit(5).forEach(id -> differences.add("missing: " + id));
        if (duplicates > 0 && !duplicatesAllowed) {
            differences.add(duplicates + " messages delivered twice");
        }
        JSONObject fields = new JSONObject(true);
        fields.put("sent", sent.size());
        fields.put("received", seen.size());
        if (duplicates > 0) {
            fields.put("duplicates", duplicates);
        }
        if (!missing.isEmpty()) {
            fields.put("missing", missing.size());
        }
        if (!differences.isEmpty()) {
            fields.put("differences", differences.subList(0, Math.min(10, differences.size())));
        }
        checks.add(check, differences.isEmpty() && seen.size() == sent.size(), fields);
    }

    /** Compares ids, bodies, keys and tags alone: where a message lies and what it says of its way differs. */
    synchronized void compareContents(Checks checks, String check, Collection<? extends MessageExt> received) {
        Map<String, String> expected = new TreeMap<>();
        sent.forEach((id, message) -> expected.put(id, contents(message.body(), message.properties())));
        Map<String, String> actual = new TreeMap<>();
        int duplicates = 0;
        for (MessageExt message : received) {
            String contents = contents(message.getBody(), message.getProperties());
            duplicates += actual.put(message.getMsgId(), contents) == null ? 0 : 1;
        }
        Set<String> missing = new TreeSet<>(expected.keySet());
        missing.removeAll(actual.keySet());
        checks.that(check, expected.equals(actual) && duplicates == 0, "sent", expected.size(), "received",
            actual.size(), "duplicates", duplicates, "missing", missing.size());
    }

    private static String contents(byte[] body, Map<String, String> properties) {
        return new String(body) + "/" + properties.get("KEYS") + "/" + properties.get("TAGS");
    }

    private void compareOne(Sent original, MessageExt message, List<String> differences) {
        String at = original.msgId();
        same(differences, at, "topic", original.topic(), message.getTopic());
        same(differences, at, "flag", original.flag(), message.getFlag());
        same(differences, at, "reconsumeTimes", 0, message.getReconsumeTimes());
        if (!Arrays.equals(original.body(), message.getBody())) {
            differences.add(at + " body differs: " + original.body().length + " bytes sent, "
                + (message.getBody() == null ? "null" : message.getBody().length) + " received");
        }
        if (original.queueId() != null) {
            same(differences, at, "queueId", original.queueId(), message.getQueueId());
        }
        if (original.queueOffset() != null) {
            same(differences, at, "queueOffset", original.queueOffset(), message.getQueueOffset());
        }
        if (original.offsetMsgId() != null && message instanceof MessageClientExt client) {
            same(differences, at, "offsetMsgId", original.offsetMsgId(), client.getOffsetMsgId());
        }
        Map<String, String> expected = new TreeMap<>(original.properties());
        Map<String, String> actual = new TreeMap<>();
        message.getProperties().forEach((name, value) -> actual.put(name, repaired(value)));
        expected.keySet().removeAll(ADDED);
        actual.keySet().removeAll(ADDED);
        same(differences, at, "properties", expected, actual);
        if (message.getStoreTimestamp() < message.getBornTimestamp() - 60_000 || message.getStoreHost() == null
            || message.getBornHost() == null) {
            differences.add(at + " has strange times or hosts: " + message);
        }
    }

    private String repaired(String value) {
        int from = batchDefect ? value.indexOf("CLUSTER\u0001") : -1;
        return from < 0 ? value : value.substring(0, from);
    }

    private static void same(List<String> differences, String at, String what, Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) {
            differences.add(at + " " + what + ": sent " + expected + ", received " + actual);
        }
    }

    /** The queue offsets told by the answers are, per queue, exactly 0..n-1. */
    synchronized void compareOffsets(Checks checks, String check) {
        Map<Integer, TreeSet<Long>> queues = new TreeMap<>();
        int told = 0;
        for (Sent message : sent.values()) {
            if (message.queueOffset() != null) {
                queues.computeIfAbsent(message.queueId(), id -> new TreeSet<>()).add(message.queueOffset());
                told++;
            }
        }
        int distinct = 0;
        boolean dense = true;
        for (TreeSet<Long> offsets : queues.values()) {
            distinct += offsets.size();
            dense &= offsets.first() == 0 && offsets.last() == offsets.size() - 1;
        }
        checks.that(check, dense && distinct == told, "queues", queues.size(), "offsets", distinct, "answers", told);
    }
}
