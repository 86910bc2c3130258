package interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;

/** Java's consumers in the interop matrix. */
@SuppressWarnings("deprecation")
final class MatrixConsumer {
    /** What the delay level of the producers means here. */
    private static final long DELAY_MILLIS = 1000;

    static void run(Peer peer, MatrixPart part) throws Exception {
        switch (part.feature()) {
            case "broadcast" -> broadcast(peer, part);
            case "from-where" -> fromWhere(peer, part);
            case "retry" -> retry(peer, part);
            case "request" -> answer(peer, part);
            case "pull" -> pull(peer, part);
            case "lite-pull" -> litePull(peer, part);
            default -> plain(peer, part);
        }
    }

    private static DefaultMQPushConsumer consumer(Peer peer, MatrixPart part, String group) throws Exception {
        String namespace = part.is("namespace") ? MatrixPart.NAMESPACE : null;
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(namespace, group, null,
            new AllocateMessageQueueAveragely(), part.is("trace"), null);
        consumer.setNamesrvAddr(peer.namesrv);
        consumer.setInstanceName(peer.fresh("instance"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        switch (part.feature()) {
            case "tags" -> consumer.subscribe(part.topic(), MatrixPart.TAGS);
            case "sql" -> consumer.subscribe(part.topic(), MessageSelector.bySql(MatrixPart.SQL));
            default -> consumer.subscribe(part.topic(), "*");
        }
        peer.atEnd(consumer::shutdown);
        return consumer;
    }

    private static MessageListenerConcurrently noting(MatrixReceived received) {
        return (messages, context) -> {
            received.addAll(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
    }

    private static void plain(Peer peer, MatrixPart part) throws Exception {
        MatrixReceived received = new MatrixReceived(part);
        DefaultMQPushConsumer consumer = consumer(peer, part, part.group());
        switch (part.feature()) {
            case "orderly" -> consumer.registerMessageListener(inOrder(received));
            case "delay" -> consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                for (MessageExt message : messages) {
                    long after = message.getStoreTimestamp() - message.getBornTimestamp();
                    if (after < DELAY_MILLIS) {
                        received.wrong("delivered after " + after + " ms");
                    }
                    received.add(message);
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
            default -> consumer.registerMessageListener(noting(received));
        }
        consumer.start();
        part.tell().accept("ready");
        received.await(peer, i -> 1);
        if (part.is("reset")) {
            part.tell().accept("seen");
            received.await(peer, i -> 2);
        }
        Matrix.letTracesOut(part);
        consumer.shutdown();
    }

    /** Messages of a queue have to come in the order they were sent. */
    private static MessageListenerOrderly inOrder(MatrixReceived received) {
        Map<Integer, Integer> last = new ConcurrentHashMap<>();
        return (messages, context) -> {
            for (MessageExt message : messages) {
                int index = received.add(message);
                Integer before = last.put(index % MatrixPart.QUEUES, index);
                if (before != null && before >= index) {
                    received.wrong(index + " after " + before);
                }
            }
            return ConsumeOrderlyStatus.SUCCESS;
        };
    }

    /** Both members of the group get everything. */
    private static void broadcast(Peer peer, MatrixPart part) throws Exception {
        List<MatrixReceived> members = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            MatrixReceived received = new MatrixReceived(part);
            DefaultMQPushConsumer consumer = consumer(peer, part, part.group());
            consumer.setMessageModel(MessageModel.BROADCASTING);
            consumer.registerMessageListener(noting(received));
            consumer.start();
            members.add(received);
        }
        part.tell().accept("ready");
        for (MatrixReceived received : members) {
            received.await(peer, i -> 1);
        }
    }

    /** A new group gets what is there: from the first message, or from an hour ago. */
    private static void fromWhere(Peer peer, MatrixPart part) throws Exception {
        for (ConsumeFromWhere from : List.of(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET,
            ConsumeFromWhere.CONSUME_FROM_TIMESTAMP)) {
            MatrixReceived received = new MatrixReceived(part);
            DefaultMQPushConsumer consumer = consumer(peer, part, part.group() + from.ordinal());
            consumer.setConsumeFromWhere(from);
            consumer.setConsumeTimestamp(UtilAll.timeMillisToHumanString3(System.currentTimeMillis() - 3_600_000));
            consumer.registerMessageListener(noting(received));
            consumer.start();
            received.await(peer, i -> 1);
            consumer.shutdown();
        }
    }

    /** Every message fails once; the odd ones fail again and are dead letters. */
    private static void retry(Peer peer, MatrixPart part) throws Exception {
        MatrixReceived tries = new MatrixReceived(part);
        MatrixReceived dead = new MatrixReceived(part);
        DefaultMQPushConsumer consumer = consumer(peer, part, part.group());
        consumer.setMaxReconsumeTimes(1);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            MessageExt message = messages.get(0);
            int index = tries.add(message);
            if (!message.getTopic().equals(part.topic())) {
                tries.wrong("comes again as of " + message.getTopic());
            }
            return message.getReconsumeTimes() == 0 || index % 2 == 1
                ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        DefaultMQPushConsumer letters = peer.pushConsumer(part.group() + "_dead");
        letters.subscribe("%DLQ%" + part.group(), "*");
        letters.registerMessageListener(noting(dead));
        letters.start();
        part.tell().accept("ready");
        tries.await(peer, i -> 2);
        dead.await(peer, i -> i % 2);
    }

    /** Answers each request. */
    private static void answer(Peer peer, MatrixPart part) throws Exception {
        MatrixReceived received = new MatrixReceived(part);
        MatrixReceived answered = new MatrixReceived(part);
        DefaultMQProducer replier = peer.producer();
        DefaultMQPushConsumer consumer = consumer(peer, part, part.group());
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                received.add(message);
                String asked = new String(message.getBody(), StandardCharsets.UTF_8);
                try {
                    replier.send(MessageUtil.createReplyMessage(message, SendScenarios.utf8("reply to " + asked)));
                    answered.add(message);
                } catch (Exception failure) {
                    answered.wrong(failure.toString());
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        part.tell().accept("ready");
        received.await(peer, i -> 1);
        answered.await(peer, i -> 1);
    }

    /** Pulls each queue to its end, commits the offsets and reads them back. */
    private static void pull(Peer peer, MatrixPart part) throws Exception {
        MatrixReceived received = new MatrixReceived(part);
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(part.group());
        consumer.setNamesrvAddr(peer.namesrv);
        consumer.setInstanceName(peer.fresh("instance"));
        consumer.start();
        peer.atEnd(consumer::shutdown);
        for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(part.topic())) {
            long offset = 0;
            PullResult result = consumer.pull(queue, "*", offset, 7);
            while (result.getPullStatus() == PullStatus.FOUND) {
                received.addAll(result.getMsgFoundList());
                offset = result.getNextBeginOffset();
                result = consumer.pull(queue, "*", offset, 7);
            }
            consumer.updateConsumeOffset(queue, offset);
            consumer.getDefaultMQPullConsumerImpl().getOffsetStore().persistAll(Set.of(queue));
            long expected = offset;
            peer.await("the committed offset", () -> consumer.fetchConsumeOffset(queue, true) == expected);
        }
        received.await(peer, i -> 1);
    }

    /** By subscription, then by assignment from each queue's beginning. */
    private static void litePull(Peer peer, MatrixPart part) throws Exception {
        for (boolean assign : List.of(false, true)) {
            MatrixReceived received = new MatrixReceived(part);
            DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(part.group() + assign);
            consumer.setNamesrvAddr(peer.namesrv);
            consumer.setInstanceName(peer.fresh("instance"));
            consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
            if (!assign) {
                consumer.subscribe(part.topic(), "*");
            }
            consumer.start();
            peer.atEnd(consumer::shutdown);
            if (assign) {
                consumer.assign(consumer.fetchMessageQueues(part.topic()));
                for (MessageQueue queue : consumer.fetchMessageQueues(part.topic())) {
                    consumer.seekToBegin(queue);
                }
            }
            peer.waitFor(() -> {
                received.addAll(consumer.poll(100));
                return received.complete();
            });
            received.await(peer, i -> 1);
            consumer.commitSync();
        }
    }

    private MatrixConsumer() {
    }
}
