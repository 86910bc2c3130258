package interop;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumption by pull: the old pull consumer and the lite one. */
@SuppressWarnings("deprecation")
final class PullScenarios {
    private static Ledger send(Peer peer, DefaultMQProducer producer, String topic) throws Exception {
        Ledger ledger = new Ledger();
        for (int i = 0; i < peer.number("n", 1000); i++) {
            byte[] body = SendScenarios.utf8("pull " + i);
            Message message = new Message(topic, i % 2 == 0 ? "Even" : "Odd", "key" + i, body);
            ledger.acknowledged(message, body, producer.send(message));
        }
        return ledger;
    }

    static void pull(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItPull", 4);
        Ledger ledger = send(peer, producer, topic);
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(peer.fresh("pull"));
        consumer.setNamesrvAddr(peer.namesrv);
        consumer.start();
        peer.atEnd(consumer::shutdown);
        Set<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(topic);
        peer.checks.equal("queues", 4, queues.size());
        ledger.compare(peer.checks, "received *", pullAll(peer, consumer, queues, "*"), false);
        Ledger even = ledger.where(sent -> "Even".equals(sent.properties().get("TAGS")));
        even.compare(peer.checks, "received Even", pullAll(peer, consumer, queues, "Even"), false);
        edges(peer, consumer, queues.iterator().next());
        blocking(peer, producer, consumer, queues.iterator().next());
        committed(peer, consumer, queues);
    }

    private static List<MessageExt> pullAll(Peer peer, DefaultMQPullConsumer consumer, Set<MessageQueue> queues,
        String expression) throws Exception {
        List<MessageExt> received = new ArrayList<>();
        for (MessageQueue queue : queues) {
            long offset = 0;
            PullResult result;
            do {
                result = consumer.pull(queue, expression, offset, 32);
                if (result.getPullStatus() == PullStatus.FOUND) {
                    received.addAll(result.getMsgFoundList());
                    if (result.getNextBeginOffset() <= offset) {
                        throw new IllegalStateException("pull does not advance: " + result);
                    }
                }
                offset = result.getNextBeginOffset();
            } while (result.getPullStatus() != PullStatus.NO_NEW_MSG
                && result.getPullStatus() != PullStatus.OFFSET_ILLEGAL);
            if (result.getPullStatus() != PullStatus.NO_NEW_MSG || offset != consumer.maxOffset(queue)) {
                peer.checks.that("end of " + queue, false, "result", result.toString());
            }
        }
        return received;
    }

    private static void edges(Peer peer, DefaultMQPullConsumer consumer, MessageQueue queue) throws Exception {
        long max = consumer.maxOffset(queue);
        PullResult atEnd = consumer.pull(queue, "*", max, 32);
        peer.checks.that("at-the-end", atEnd.getPullStatus() == PullStatus.NO_NEW_MSG
            && atEnd.getNextBeginOffset() == max && atEnd.getMaxOffset() == max && atEnd.getMinOffset() == 0,
            "result", atEnd.toString());
        PullResult beyond = consumer.pull(queue, "*", max + 1000, 32);
        // Java sends such a reader back to 0 while the queue still begins there, else to the end.
        peer.checks.that("beyond-the-end", beyond.getPullStatus() == PullStatus.OFFSET_ILLEGAL
            && beyond.getNextBeginOffset() == 0 && beyond.getMaxOffset() == max, "result", beyond.toString());
    }

    /** A pull that waits at the end is answered by the next message. */
    private static void blocking(Peer peer, DefaultMQProducer producer, DefaultMQPullConsumer consumer,
        MessageQueue queue) throws Exception {
        long max = consumer.maxOffset(queue);
        CompletableFuture<PullResult> waiting = CompletableFuture.supplyAsync(() -> {
            try {
                return consumer.pullBlockIfNotFound(queue, "*", max, 32);
            } catch (Exception failure) {
                throw new IllegalStateException(failure);
            }
        });
        byte[] body = SendScenarios.utf8("wakes the waiting pull");
        producer.send(new Message(queue.getTopic(), body), queue);
        PullResult woken = waiting.get(peer.limitMillis(), TimeUnit.MILLISECONDS);
        peer.checks.that("long-poll", woken.getPullStatus() == PullStatus.FOUND && woken.getMsgFoundList().size() == 1
            && java.util.Arrays.equals(body, woken.getMsgFoundList().get(0).getBody()), "result", woken.toString());
    }

    private static void committed(Peer peer, DefaultMQPullConsumer consumer, Set<MessageQueue> queues)
        throws Exception {
        boolean kept = true;
        for (MessageQueue queue : queues) {
            consumer.updateConsumeOffset(queue, 7 + queue.getQueueId());
            consumer.getDefaultMQPullConsumerImpl().getOffsetStore().persistAll(Set.of(queue));
            int expected = 7 + queue.getQueueId();
            kept &= peer.waitFor(() -> consumer.fetchConsumeOffset(queue, true) == expected);
        }
        peer.checks.that("offsets-committed", kept);
    }

    static void litePull(Peer peer) throws Exception {
        DefaultMQProducer producer = peer.producer();
        String topic = peer.topic(producer, "ItLite", 4);
        Ledger ledger = send(peer, producer, topic);
        DefaultLitePullConsumer subscribed = lite(peer);
        subscribed.subscribe(topic, "Even");
        subscribed.start();
        Ledger even = ledger.where(sent -> "Even".equals(sent.properties().get("TAGS")));
        even.compare(peer.checks, "received subscribed", poll(peer, subscribed, even.size()), false);
        DefaultLitePullConsumer assigned = lite(peer);
        assigned.start();
        Collection<MessageQueue> queues = new HashSet<>(assigned.fetchMessageQueues(topic));
        assigned.assign(queues);
        for (MessageQueue queue : queues) {
            assigned.seek(queue, 10);
        }
        Ledger later = ledger.where(sent -> sent.queueOffset() >= 10);
        // Java's client may still deliver what it pulled between the assignment and the seek, and then the same again.
        Set<String> wanted = new HashSet<>();
        List<MessageExt> received = new ArrayList<>();
        peer.waitFor(() -> {
            for (MessageExt message : assigned.poll(100)) {
                if (message.getQueueOffset() >= 10) {
                    wanted.add(message.getMsgId());
                    received.add(message);
                }
            }
            return wanted.size() >= later.size();
        });
        later.compare(peer.checks, "received from offset 10", received, true);
        assigned.commitSync();
        boolean committed = true;
        for (MessageQueue queue : queues) {
            committed &= peer.waitFor(() -> assigned.committed(queue) == producer.maxOffset(queue));
        }
        peer.checks.that("offsets-committed", committed);
    }

    private static DefaultLitePullConsumer lite(Peer peer) {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(peer.fresh("lite"));
        consumer.setNamesrvAddr(peer.namesrv);
        consumer.setInstanceName(peer.fresh("instance"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setAutoCommit(false);
        peer.atEnd(consumer::shutdown);
        return consumer;
    }

    private static List<MessageExt> poll(Peer peer, DefaultLitePullConsumer consumer, int expected) {
        List<MessageExt> received = new ArrayList<>();
        peer.waitFor(() -> {
            received.addAll(consumer.poll(100));
            return received.size() >= expected;
        });
        return received;
    }

    private PullScenarios() {
    }
}
