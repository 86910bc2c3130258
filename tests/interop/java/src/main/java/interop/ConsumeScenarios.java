package interop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;

/** The ways to consume by push. */
final class ConsumeScenarios {
    /** A running consumer and what it received. */
    private record Running(DefaultMQPushConsumer consumer, ConcurrentLinkedQueue<MessageExt> received) {
        long queuesOf(String topic) {
            return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
                .filter(queue -> queue.getTopic().equals(topic)).count();
        }
    }

    private static Running start(Peer peer, String group, String topic, MessageModel model) throws Exception {
        ConcurrentLinkedQueue<MessageExt> received = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = peer.pushConsumer(group);
        consumer.setMessageModel(model);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            received.addAll(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        return new Running(consumer, received);
    }

    private static void send(DefaultMQProducer producer, String topic, int from, int to, Ledger ledger)
        throws Exception {
        for (int i = from; i < to; i++) {
            byte[] body = SendScenarios.utf8("message " + i);
            Message message = new Message(topic, "Tag" + i % 5, "key" + i, body);
            ledger.acknowledged(message, body, producer.send(message));
        }
    }

    /** TagA || TagC out of five tags, and of two tags with one hash code only the one asked for. */
    static void tagFilter(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItTags", 4);
        String[] tags = {"TagA", "TagB", "TagC", "TagD", "AaAa", "BBBB", null};
        Ledger ledger = new Ledger();
        for (int i = 0; i < peer.number("n", 1000); i++) {
            byte[] body = SendScenarios.utf8("tagged " + i);
            Message message = new Message(topic, tags[i % tags.length], "key" + i, body);
            ledger.acknowledged(message, body, producer.send(message));
        }
        for (String expression : new String[] {"TagA || TagC", "AaAa", "TagB", "*"}) {
            Set<String> wanted = new HashSet<>(List.of(expression.split(" \\|\\| ")));
            Ledger expected =
                ledger.where(sent -> expression.equals("*") || wanted.contains(sent.properties().get("TAGS")));
            expected.compare(peer.checks, "received " + expression,
                peer.drain(topic, expression, expected.size()), false);
        }
    }

    /** The consumer waits in long polls while messages are sent. */
    static void concurrent(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItConcurrent", 4);
        Running running = start(peer, peer.fresh("concurrent"), topic, MessageModel.CLUSTERING);
        peer.await("four queues assigned", () -> running.queuesOf(topic) == 4);
        Ledger ledger = new Ledger();
        send(producer, topic, 0, peer.number("n", 1000), ledger);
        peer.waitFor(() -> running.received().size() >= ledger.size());
        running.consumer().shutdown();
        ledger.compare(peer.checks, "received", running.received(), false);
    }

    /** Per queue: offsets ascend without a gap and no two threads at once; per order: steps in order. */
    static void orderly(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItOrderly", 4);
        ConcurrentLinkedQueue<MessageExt> received = new ConcurrentLinkedQueue<>();
        Map<Integer, AtomicInteger> inside = new ConcurrentHashMap<>();
        AtomicBoolean overlapped = new AtomicBoolean();
        DefaultMQPushConsumer consumer = peer.pushConsumer(peer.fresh("orderly"));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            AtomicInteger busy =
                inside.computeIfAbsent(context.getMessageQueue().getQueueId(), id -> new AtomicInteger());
            if (busy.incrementAndGet() > 1) {
                overlapped.set(true);
            }
            received.addAll(messages);
            busy.decrementAndGet();
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        Ledger ledger = new Ledger();
        int count = peer.number("n", 1000);
        for (int i = 0; i < count; i++) {
            byte[] body = SendScenarios.utf8("step " + i);
            Message message = new Message(topic, "Order", "order" + i % 10, body);
            message.putUserProperty("step", Integer.toString(i));
            SendResult result =
                producer.send(message, (queues, sent, order) -> queues.get((Integer) order % queues.size()), i % 10);
            ledger.acknowledged(message, body, result);
        }
        peer.waitFor(() -> received.size() >= count);
        consumer.shutdown();
        ledger.compare(peer.checks, "received", received, false);
        Map<Integer, Long> next = new HashMap<>();
        Map<String, Integer> steps = new HashMap<>();
        boolean dense = true;
        boolean ordered = true;
        for (MessageExt message : received) {
            dense &= message.getQueueOffset() == next.getOrDefault(message.getQueueId(), 0L);
            next.put(message.getQueueId(), message.getQueueOffset() + 1);
            int step = Integer.parseInt(message.getUserProperty("step"));
            ordered &= step > steps.getOrDefault(message.getKeys(), -1);
            steps.put(message.getKeys(), step);
        }
        peer.checks.that("order-kept", dense && ordered && !overlapped.get(), "queues", next.size(),
            "dense", dense, "ordered", ordered, "oneThreadPerQueue", !overlapped.get());
    }

    /** Two instances of one group each receive everything. */
    static void broadcast(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItBroadcast", 4);
        String group = peer.fresh("broadcast");
        Running first = start(peer, group, topic, MessageModel.BROADCASTING);
        Running second = start(peer, group, topic, MessageModel.BROADCASTING);
        peer.await("all queues in both", () -> first.queuesOf(topic) == 4 && second.queuesOf(topic) == 4);
        Ledger ledger = new Ledger();
        send(producer, topic, 0, peer.number("n", 1000), ledger);
        peer.waitFor(() -> first.received().size() >= ledger.size() && second.received().size() >= ledger.size());
        ledger.compare(peer.checks, "received by the first", first.received(), false);
        ledger.compare(peer.checks, "received by the second", second.received(), false);
    }

    /** Two instances share the queues; when one leaves, the other goes on with all of them. */
    static void sharing(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItSharing", 4);
        String group = peer.fresh("sharing");
        Running first = start(peer, group, topic, MessageModel.CLUSTERING);
        Running second = start(peer, group, topic, MessageModel.CLUSTERING);
        peer.await("two queues each", () -> first.queuesOf(topic) == 2 && second.queuesOf(topic) == 2);
        int count = peer.number("n", 1000);
        Ledger ledger = new Ledger();
        send(producer, topic, 0, count, ledger);
        peer.waitFor(() -> first.received().size() + second.received().size() >= ledger.size());
        int byFirst = first.received().size();
        int bySecond = second.received().size();
        peer.checks.that("both-got-some", byFirst > 0 && bySecond > 0, "first", byFirst, "second", bySecond);
        first.consumer().shutdown();
        peer.await("the other takes over", () -> second.queuesOf(topic) == 4);
        send(producer, topic, count, count + 200, ledger);
        peer.waitFor(() -> first.received().size() + second.received().size() >= ledger.size());
        List<MessageExt> union = new ArrayList<>(first.received());
        union.addAll(second.received());
        // At least once: a queue that changes hands may repeat what was not yet committed.
        ledger.compare(peer.checks, "received by both", union, true);
    }

    /** A group that comes back goes on where it stood: offsets were committed and kept. */
    static void resume(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItResume", 4);
        String group = peer.fresh("resume");
        Ledger before = new Ledger();
        send(producer, topic, 0, 400, before);
        Running first = start(peer, group, topic, MessageModel.CLUSTERING);
        peer.waitFor(() -> first.received().size() >= before.size());
        first.consumer().shutdown();
        before.compare(peer.checks, "received before", first.received(), false);
        Ledger after = new Ledger();
        send(producer, topic, 400, 800, after);
        Running second = start(peer, group, topic, MessageModel.CLUSTERING);
        peer.waitFor(() -> second.received().size() >= after.size());
        second.consumer().shutdown();
        after.compare(peer.checks, "received after", second.received(), false);
    }

    private ConsumeScenarios() {
    }
}
