package interop;

import com.alibaba.fastjson.JSONObject;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.CRC32;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientExt;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** A producer that writes down what was acknowledged, and a consumer that holds the broker to it. */
@SuppressWarnings("deprecation")
final class Journal {
    /**
     * Sends until {@code n} are acknowledged (0: until a send fails) from {@code threads} threads; bodies of up to
     * {@code size} bytes. Lines: {@code ack ID QUEUE OFFSET OFFSET_ID CRC} and {@code unsure ID}; never buffered.
     * With {@code until=FILE} it goes on over failures, with the client's retries and {@code pause} ms between two
     * messages of a thread, until the file exists.
     */
    static void produce(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        boolean goesOn = !peer.text("until", "").isEmpty();
        producer.setRetryTimesWhenSendFailed(goesOn ? 5 : 0);
        producer.setSendMsgTimeout(peer.number("send-timeout", 3000));
        producer.setPollNameServerInterval(peer.number("poll-routes", 30000));
        String topic = peer.required("topic");
        int queues = peer.number("queues", 4);
        // A busy machine may take longer to connect than the client waits: it asks again.
        peer.await("topic " + topic, () -> {
            producer.createTopic("TBW102", topic, queues);
            return true;
        });
        peer.await("route of " + topic, () -> producer.fetchPublishMessageQueues(topic).size() >= queues);
        PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true);
        int wanted = peer.number("n", 0);
        AtomicInteger left = new AtomicInteger(wanted == 0 ? Integer.MAX_VALUE : wanted);
        AtomicInteger acknowledged = new AtomicInteger();
        AtomicInteger unsure = new AtomicInteger();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < peer.number("threads", 4); i++) {
            Random random = new Random(i);
            Thread thread = new Thread(() -> {
                while (left.getAndDecrement() > 0) {
                    if (sendOne(producer, topic, random, peer.number("size", 1024), out)) {
                        acknowledged.incrementAndGet();
                    } else {
                        unsure.incrementAndGet();
                    }
                    if (goesOn ? isOver(peer) : unsure.get() > 0) {
                        left.set(0);
                    }
                }
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        peer.checks.that("produced", wanted == 0 || acknowledged.get() == wanted, "topic", topic,
            "acknowledged", acknowledged.get(), "unsure", unsure.get());
    }

    /** Waits a moment; true when the file of {@code until} is there. */
    private static boolean isOver(Peer peer) {
        java.util.concurrent.locks.LockSupport.parkNanos(peer.number("pause", 10) * 1_000_000L);
        return Files.exists(Path.of(peer.required("until")));
    }

    /** A consumer of {@code group} that prints {@code got ID} for each message until {@code until=FILE} exists. */
    static void follow(Peer peer) throws Exception {
        DefaultMQPushConsumer consumer = peer.pushConsumer(peer.required("group"));
        consumer.setConsumeFromWhere(org.apache.rocketmq.common.consumer.ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(peer.required("topic"), "*");
        PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> out.println("got " + message.getMsgId()));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        while (!isOver(peer)) {
            // The listener does the work.
        }
        consumer.shutdown();
    }

    private static boolean sendOne(DefaultMQProducer producer, String topic, Random random, int size,
        PrintStream out) {
        byte[] body = new byte[1 + random.nextInt(size)];
        random.nextBytes(body);
        Message message = new Message(topic, "Journal", body);
        try {
            SendResult result = producer.send(message);
            if (result.getSendStatus() == SendStatus.SEND_OK) {
                out.println("ack " + result.getMsgId() + " " + result.getMessageQueue().getQueueId() + " "
                    + result.getQueueOffset() + " " + result.getOffsetMsgId() + " " + crc(body));
                return true;
            }
        } catch (Exception failure) {
            // The broker may have stored it or not.
        }
        out.println("unsure " + MessageClientIDSetter.getUniqID(message));
        return false;
    }

    private static long crc(byte[] body) {
        CRC32 crc = new CRC32();
        crc.update(body);
        return crc.getValue();
    }

    /**
     * Reads every queue of a topic from its minimum to its maximum offset: no gap, no duplicate; with
     * {@code acked=FILE} (what produce printed, several files separated by commas) every acknowledged message is
     * there, in its place, unchanged. {@code repeated=true}: a message that the client sent again may be there more than
     * once. {@code print=true} prints {@code msg ID QUEUE OFFSET OFFSET_ID CRC}.
     */
    static void consumeAll(Peer peer) throws Exception {
        String topic = peer.required("topic");
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(peer.fresh("journal"));
        consumer.setNamesrvAddr(peer.namesrv);
        consumer.start();
        peer.atEnd(consumer::shutdown);
        peer.await("route of " + topic, () -> !consumer.fetchSubscribeMessageQueues(topic).isEmpty());
        Map<String, Set<String>> stored = new HashMap<>();
        Set<String> gaps = new HashSet<>();
        int duplicates = 0;
        for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(topic)) {
            for (MessageExt message : readQueue(peer, consumer, queue, gaps)) {
                String id = message.getMsgId();
                String place = message.getQueueId() + " " + message.getQueueOffset() + " "
                    + ((MessageClientExt) message).getOffsetMsgId() + " " + crc(message.getBody());
                Set<String> places = stored.computeIfAbsent(id, unused -> new HashSet<>());
                if ((!places.isEmpty() && !peer.flag("repeated", false)) || !places.add(place)) {
                    duplicates++;
                }
                if (peer.flag("print", false)) {
                    System.out.println("msg " + id + " " + place);
                }
            }
        }
        peer.checks.that("queues-whole", gaps.isEmpty() && duplicates == 0, "topic", topic, "messages",
            stored.size(), "gaps", gaps.stream().limit(5).toList(), "duplicates", duplicates);
        String acked = peer.text("acked", "");
        if (!acked.isEmpty()) {
            compareAcknowledged(peer, acked, stored);
        }
    }

    private static List<MessageExt> readQueue(Peer peer, DefaultMQPullConsumer consumer, MessageQueue queue,
        Set<String> gaps) throws Exception {
        List<MessageExt> messages = new ArrayList<>();
        long offset = consumer.minOffset(queue);
        long max = consumer.maxOffset(queue);
        while (offset < max) {
            PullResult result = consumer.pull(queue, "*", offset, 32);
            if (result.getPullStatus() != PullStatus.FOUND) {
                gaps.add(queue.getQueueId() + "@" + offset + " " + result.getPullStatus());
                if (result.getNextBeginOffset() <= offset) {
                    break;
                }
                offset = result.getNextBeginOffset();
                continue;
            }
            for (MessageExt message : result.getMsgFoundList()) {
                if (message.getQueueOffset() != offset) {
                    gaps.add(queue.getQueueId() + "@" + offset + " is followed by " + message.getQueueOffset());
                }
                offset = message.getQueueOffset() + 1;
                messages.add(message);
            }
        }
        return messages;
    }

    private static void compareAcknowledged(Peer peer, String files, Map<String, Set<String>> stored) throws Exception {
        int acknowledged = 0;
        List<String> wrong = new ArrayList<>();
        for (String file : files.split(",")) {
            for (String line : Files.readAllLines(Path.of(file), StandardCharsets.UTF_8)) {
                String[] words = line.split(" ", 3);
                if (!words[0].equals("ack") || words.length < 3 || words[2].split(" ").length < 4) {
                    // Cut short by the end of the producer, or not an acknowledgement.
                    continue;
                }
                acknowledged++;
                if (!stored.getOrDefault(words[1], Set.of()).contains(words[2])) {
                    wrong.add(words[1] + " acknowledged at " + words[2] + ", found " + stored.get(words[1]));
                }
            }
        }
        JSONObject fields = new JSONObject(true);
        fields.put("acknowledged", acknowledged);
        fields.put("stored", stored.size());
        fields.put("wrong", wrong.subList(0, Math.min(5, wrong.size())));
        peer.checks.add("acknowledged-are-there", wrong.isEmpty(), fields);
    }

    /**
     * Something for query commands to find: ten messages with key {@code compare-key}, consumed and committed by
     * {@code group}. Lines: {@code keyed ID OFFSET_ID}.
     */
    static void keyed(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.required("topic");
        Ledger ledger = new Ledger();
        for (int i = 0; i < 10; i++) {
            byte[] body = ("found by key " + i).getBytes(StandardCharsets.UTF_8);
            Message message = new Message(topic, "TagKeyed", "compare-key", body);
            SendResult result = producer.send(message);
            ledger.acknowledged(message, body, result);
            System.out.println("keyed " + result.getMsgId() + " " + result.getOffsetMsgId());
        }
        long stored = peer.stored(producer, topic);
        AtomicInteger received = new AtomicInteger();
        DefaultMQPushConsumer consumer = peer.pushConsumer(peer.required("group"));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            received.addAndGet(messages.size());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        peer.waitFor(() -> received.get() >= stored);
        // Shutting down commits the offsets.
        consumer.shutdown();
        peer.waitFor(() -> producer.queryMessage(topic, "compare-key", 64, 0, Long.MAX_VALUE).getMessageList().size()
            == ledger.size());
        peer.checks.that("keyed", received.get() == stored, "stored", stored, "received", received.get());
    }

    private Journal() {
    }
}
