package interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Java's producers in the interop matrix. */
final class MatrixProducer {
    private static final long REPLY_MILLIS = 30_000;

    static void run(Peer peer, MatrixPart part) throws Exception {
        if (part.is("transaction")) {
            transactions(peer, part);
            return;
        }
        String namespace = part.is("namespace") ? MatrixPart.NAMESPACE : null;
        DefaultMQProducer producer =
            new DefaultMQProducer(namespace, part.group() + "_producer", null, part.is("trace"), null);
        start(peer, producer);
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < MatrixPart.MESSAGES; i++) {
            messages.add(part.message(i));
        }
        switch (part.feature()) {
            case "async" -> async(producer, messages);
            case "oneway" -> {
                for (Message message : messages) {
                    producer.sendOneway(message);
                }
            }
            case "batch" -> stored(producer.send(messages));
            case "orderly" -> {
                for (int i = 0; i < messages.size(); i++) {
                    stored(producer.send(messages.get(i),
                        (queues, message, lane) -> queues.get((Integer) lane % queues.size()), i % MatrixPart.QUEUES));
                }
            }
            case "request" -> {
                for (int i = 0; i < messages.size(); i++) {
                    Message reply = producer.request(messages.get(i), REPLY_MILLIS);
                    String text = new String(reply.getBody(), StandardCharsets.UTF_8);
                    if (!text.equals("reply to " + MatrixPart.body(i))) {
                        throw new IllegalStateException("the reply to " + i + " is " + text);
                    }
                }
            }
            default -> {
                for (Message message : messages) {
                    if (part.is("delay")) {
                        message.setDelayTimeLevel(2);
                    }
                    stored(producer.send(message));
                }
            }
        }
        Matrix.letTracesOut(part);
        producer.shutdown();
    }

    private static void start(Peer peer, DefaultMQProducer producer) throws Exception {
        producer.setNamesrvAddr(peer.namesrv);
        producer.setInstanceName(peer.fresh("instance"));
        producer.setSendMsgTimeout(10_000);
        producer.start();
        peer.atEnd(producer::shutdown);
    }

    private static void stored(SendResult result) {
        if (result.getSendStatus() != SendStatus.SEND_OK) {
            throw new IllegalStateException(result.toString());
        }
    }

    private static void async(DefaultMQProducer producer, List<Message> messages) throws Exception {
        CountDownLatch answers = new CountDownLatch(messages.size());
        AtomicReference<Throwable> failed = new AtomicReference<>();
        for (Message message : messages) {
            producer.send(message, new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    answers.countDown();
                }

                @Override
                public void onException(Throwable failure) {
                    failed.set(failure);
                    answers.countDown();
                }
            });
        }
        answers.await();
        if (failed.get() != null) {
            throw new IllegalStateException(failed.get());
        }
    }

    /** One is committed, one rolled back, one left open until the broker asks, and so on. */
    private static void transactions(Peer peer, MatrixPart part) throws Exception {
        AtomicInteger asked = new AtomicInteger();
        TransactionMQProducer producer = new TransactionMQProducer(part.group() + "_producer");
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object state) {
                return (LocalTransactionState) state;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                asked.incrementAndGet();
                return LocalTransactionState.COMMIT_MESSAGE;
            }
        });
        start(peer, producer);
        int open = 0;
        for (int i = 0; i < MatrixPart.MESSAGES; i++) {
            LocalTransactionState state = switch (i % 3) {
                case 0 -> LocalTransactionState.COMMIT_MESSAGE;
                case 1 -> LocalTransactionState.ROLLBACK_MESSAGE;
                default -> LocalTransactionState.UNKNOW;
            };
            open += state == LocalTransactionState.UNKNOW ? 1 : 0;
            stored(producer.sendMessageInTransaction(part.message(i), state));
        }
        int expected = open;
        peer.await("the broker's questions", () -> asked.get() >= expected);
        // What it answers is sent one-way, in the background: let it out.
        Thread.sleep(1000);
        producer.shutdown();
    }

    private MatrixProducer() {
    }
}
