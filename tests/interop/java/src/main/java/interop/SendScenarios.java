package interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The ways to send; each time the set that a push consumer receives must be the set that was sent. */
final class SendScenarios {
    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Sync sends to a topic that the first send creates. */
    static void sync(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.fresh("ItSync");
        Ledger ledger = new Ledger();
        for (int i = 0; i < peer.number("n", 1000); i++) {
            byte[] body = utf8("Hello RocketMQ " + i);
            Message message = new Message(topic, "TagA", "key" + i, body);
            ledger.acknowledged(message, body, producer.send(message));
        }
        ledger.compareOffsets(peer.checks, "answers-offsets");
        peer.drainAndCompare(producer, topic, ledger);
    }

    static void async(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItAsync", 4);
        Ledger ledger = new Ledger();
        int count = peer.number("n", 1000);
        for (int i = 0; i < count; i++) {
            byte[] body = utf8("async " + i);
            Message message = new Message(topic, "TagB", "key" + i, body);
            producer.send(message, new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    ledger.acknowledged(message, body, result);
                }

                @Override
                public void onException(Throwable failure) {
                    ledger.failed(failure.toString());
                }
            });
        }
        peer.await("answers to async sends", () -> ledger.answered() == count);
        ledger.compareOffsets(peer.checks, "answers-offsets");
        peer.drainAndCompare(producer, topic, ledger);
    }

    static void oneway(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItOneway", 4);
        Ledger ledger = new Ledger();
        int count = peer.number("n", 1000);
        for (int i = 0; i < count; i++) {
            byte[] body = utf8("oneway " + i);
            Message message = new Message(topic, "TagC", "key" + i, body);
            producer.sendOneway(message);
            ledger.put(message, body, null, null, null);
            if (i % 100 == 99) {
                // Oneway requests beyond the client's and broker's limits are dropped by design: stay below.
                int sent = i + 1;
                peer.await("oneway messages stored", () -> peer.stored(producer, topic) == sent);
            }
        }
        peer.drainAndCompare(producer, topic, ledger);
    }

    static void batch(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItBatch", 4);
        Ledger ledger = new Ledger();
        if (peer.javaBroker()) {
            ledger.tolerateBatchDefect();
        }
        boolean idsAgree = true;
        int count = peer.number("n", 1000);
        for (int from = 0; from < count; from += 32) {
            List<Message> messages = new ArrayList<>();
            for (int i = from; i < Math.min(from + 32, count); i++) {
                Message message = new Message(topic, "Tag" + i % 3, "key" + i, utf8("batch " + i));
                message.putUserProperty("index", Integer.toString(i));
                message.setFlag(i);
                messages.add(message);
            }
            SendResult result = producer.send(messages);
            String[] offsetIds = result.getOffsetMsgId().split(",");
            List<String> uniqueIds = new ArrayList<>();
            for (int i = 0; i < messages.size(); i++) {
                Message message = messages.get(i);
                uniqueIds.add(MessageClientIDSetter.getUniqID(message));
                ledger.put(message, message.getBody(), result.getMessageQueue().getQueueId(),
                    result.getQueueOffset() + i, i < offsetIds.length ? offsetIds[i] : "none");
            }
            idsAgree &= offsetIds.length == messages.size()
                && result.getMsgId().equals(String.join(",", uniqueIds));
        }
        peer.checks.that("batch-ids", idsAgree);
        ledger.compareOffsets(peer.checks, "answers-offsets");
        peer.drainAndCompare(producer, topic, ledger);
    }

    /** Keys, tags, properties, flags and bodies at the edges of what the format carries. */
    static void properties(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItProperties", 4);
        List<Message> messages = new ArrayList<>();
        byte[] everyByte = new byte[256];
        for (int i = 0; i < everyByte.length; i++) {
            everyByte[i] = (byte) i;
        }
        messages.add(new Message(topic, everyByte));
        messages.add(new Message(topic, new byte[] {0}));
        messages.add(new Message(topic, "标签", "键 ключ clé", utf8("正文 \uD83D\uDE80 text ñ \u0000 \u0001 \u0002")));
        messages.add(new Message(topic, "TagA", "one two  three", 0x7fffffff, utf8("flags"), true));
        messages.add(new Message(topic, "TagA", "k", -1, utf8("negative flag"), false));
        Message several = new Message(topic, utf8("several keys"));
        several.setKeys(Arrays.asList("alpha", "beta", "gamma"));
        several.putUserProperty("a=b", "c=d;e|f{\"json\": [1, 2]}");
        several.putUserProperty("unicode ☃", "значение \uD83D\uDE80\n\t\"quoted\" \\ back");
        messages.add(several);
        Message many = new Message(topic, "TagMany", utf8("many properties"));
        for (int i = 0; i < 200; i++) {
            many.putUserProperty("property" + i, "value " + "x".repeat(i % 50) + i);
        }
        messages.add(many);
        Message buyer = new Message(topic, "TagB", utf8("buyer id and unusual delivery fields"));
        buyer.setBuyerId("buyer-1");
        messages.add(buyer);
        Message longest = new Message(topic, "T".repeat(100), "K".repeat(2000), utf8("long tag and key"));
        longest.putUserProperty("long", "v".repeat(20_000));
        messages.add(longest);
        Ledger ledger = new Ledger();
        for (Message message : messages) {
            byte[] body = message.getBody().clone();
            ledger.acknowledged(message, body, producer.send(message));
        }
        peer.drainAndCompare(producer, topic, ledger);
    }

    /** Bodies around and above the 4 KiB threshold, packing well and not at all. */
    static void compressed(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItCompressed", 4);
        Random random = new Random(492);
        Ledger ledger = new Ledger();
        for (int size : new int[] {4095, 4096, 4097, 10_000, 65_536, 1_000_000, 3_900_000}) {
            byte[] text = new byte[size];
            for (int i = 0; i < size; i++) {
                text[i] = (byte) ("compress me ".charAt(i % 12));
            }
            byte[] noise = new byte[size];
            random.nextBytes(noise);
            for (byte[] body : new byte[][] {text, noise}) {
                Message message = new Message(topic, "Size", "size" + size, body.clone());
                ledger.acknowledged(message, body, producer.send(message));
            }
        }
        List<MessageExt> received = peer.drain(topic, "*", ledger.size());
        ledger.compare(peer.checks, "received", received, false);
        boolean small = true;
        boolean flagged = true;
        for (MessageExt message : received) {
            boolean large = message.getBody().length >= 4096;
            boolean text = message.getBody()[0] == 'c' && message.getBody()[1] == 'o';
            flagged &= ((message.getSysFlag() & 1) == 1) == large;
            small &= !large || !text || message.getStoreSize() < message.getBody().length / 4 + 600;
        }
        peer.checks.that("stored-compressed", small && flagged, "sysFlag", flagged, "smaller", small);
    }

    /** A queue named by the caller, and one chosen by a selector. */
    static void queueChoice(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItQueue", 8);
        Ledger ledger = new Ledger();
        boolean right = true;
        for (MessageQueue queue : producer.fetchPublishMessageQueues(topic)) {
            byte[] body = utf8("to " + queue.getQueueId());
            Message message = new Message(topic, body);
            SendResult result = producer.send(message, queue);
            right &= result.getMessageQueue().equals(queue);
            ledger.acknowledged(message, body, result);
        }
        for (int i = 0; i < 100; i++) {
            byte[] body = utf8("selected " + i);
            Message message = new Message(topic, body);
            SendResult result = producer.send(message,
                (queues, sent, index) -> queues.get((Integer) index % queues.size()), i);
            right &= result.getMessageQueue().getQueueId() == i % 8;
            ledger.acknowledged(message, body, result);
        }
        peer.checks.that("queue-as-asked", right);
        ledger.compareOffsets(peer.checks, "answers-offsets");
        peer.drainAndCompare(producer, topic, ledger);
    }

    /** What a broker must refuse, with Java's codes. */
    static void refusals(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItRefusals", 4);
        producer.setRetryTimesWhenSendFailed(0);
        MessageQueue real = producer.fetchPublishMessageQueues(topic).get(0);
        MessageQueue beyond = new MessageQueue(topic, real.getBrokerName(), 99);
        int code = 0;
        try {
            producer.send(new Message(topic, utf8("queue 99")), beyond);
        } catch (MQBrokerException refusal) {
            code = refusal.getResponseCode();
        }
        peer.checks.equal("queue-out-of-range", 1, code);
        code = 0;
        try {
            Message crowded = new Message(topic, utf8("properties beyond 32 KiB"));
            crowded.putUserProperty("big", "x".repeat(40_000));
            producer.send(crowded, real);
        } catch (MQBrokerException refusal) {
            code = refusal.getResponseCode();
        }
        peer.checks.equal("properties-too-long", 13, code);
        boolean refused = false;
        try {
            producer.send(new Message("SCHEDULE_TOPIC_XXXX", utf8("system topic")));
        } catch (MQClientException refusal) {
            refused = true;
        }
        peer.checks.that("system-topic", refused);
        peer.checks.equal("nothing-stored", 0L, peer.stored(producer, topic));
    }

    private SendScenarios() {
    }
}
