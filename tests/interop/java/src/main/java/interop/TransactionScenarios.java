package interop;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Transactions; the broker runs with a short transactionCheckInterval and transactionTimeOut. */
final class TransactionScenarios {
    /** Decides by tag: at once, or at the first or second question. */
    private static final class Decider implements TransactionListener {
        final Map<String, Integer> asked = new ConcurrentHashMap<>();

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
            return switch (message.getTags()) {
                case "commit" -> LocalTransactionState.COMMIT_MESSAGE;
                case "rollback" -> LocalTransactionState.ROLLBACK_MESSAGE;
                default -> LocalTransactionState.UNKNOW;
            };
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            int times = asked.merge(message.getKeys(), 1, Integer::sum);
            return switch (message.getTags()) {
                case "ask-commit" -> LocalTransactionState.COMMIT_MESSAGE;
                case "ask-rollback" -> LocalTransactionState.ROLLBACK_MESSAGE;
                case "ask-twice" -> times < 2 ? LocalTransactionState.UNKNOW : LocalTransactionState.COMMIT_MESSAGE;
                default -> LocalTransactionState.UNKNOW;
            };
        }
    }

    /** Exactly what is committed arrives, at once or after the producer was asked. */
    static void transaction(Peer peer) throws Exception {
        String topic = peer.topic(peer.producer(), "ItTransaction", 4);
        ConcurrentLinkedQueue<MessageExt> received = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = peer.pushConsumer(peer.fresh("transaction"));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            received.addAll(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Decider decider = new Decider();
        TransactionMQProducer producer = new TransactionMQProducer(peer.fresh("decider"));
        producer.setNamesrvAddr(peer.namesrv);
        producer.setSendMsgTimeout(10_000);
        producer.setTransactionListener(decider);
        producer.start();
        peer.atEnd(producer::shutdown);
        String[] tags = {"commit", "rollback", "ask-commit", "ask-rollback", "ask-twice"};
        Ledger committed = new Ledger();
        int asked = 0;
        for (int i = 0; i < peer.number("n", 100); i++) {
            String tag = tags[i % tags.length];
            byte[] body = SendScenarios.utf8("transaction " + i);
            Message message = new Message(topic, tag, "key" + i, body);
            producer.sendMessageInTransaction(message, null);
            asked += tag.startsWith("ask") ? 1 : 0;
            if (!tag.endsWith("rollback")) {
                committed.put(message, body, null, null, null);
            }
        }
        int questions = asked;
        peer.waitFor(() -> received.size() >= committed.size() && decider.asked.size() >= questions);
        committed.compareContents(peer.checks, "received", received);
        boolean onlyUndecided = decider.asked.keySet().stream()
            .noneMatch(key -> Integer.parseInt(key.substring(3)) % tags.length < 2);
        peer.checks.that("asked", onlyUndecided && decider.asked.size() == questions, "expected", questions,
            "actual", decider.asked.size());
        boolean named = received.stream().allMatch(message -> message.getTopic().equals(topic)
            && "true".equals(message.getProperty("TRAN_MSG")) && message.getReconsumeTimes() == 0);
        peer.checks.that("as sent", named);
        consumer.shutdown();
    }

    private TransactionScenarios() {
    }
}
