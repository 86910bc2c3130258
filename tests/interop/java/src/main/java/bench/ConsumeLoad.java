package bench;

import com.alibaba.fastjson.JSONObject;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Push consumption: draining what lies there, and the time from send to delivery. */
final class ConsumeLoad {
    private static final long STALLED_NANOS = TimeUnit.SECONDS.toNanos(60);

    /** Puts {@code count} messages into {@code topic} by batches; not part of any measurement. */
    static void fill(Options options, JSONObject line) throws Exception {
        DefaultMQProducer producer = Load.producer(options);
        String topic = Load.topic(options, producer);
        byte[] body = Load.body(options.number("size", 1024));
        int count = options.number("count", 100_000);
        long start = System.nanoTime();
        for (int sent = 0; sent < count; ) {
            List<Message> messages = new ArrayList<>();
            for (; messages.size() < 64 && sent < count; sent++) {
                messages.add(new Message(topic, body));
            }
            producer.send(messages);
        }
        line.put("topic", topic);
        Load.result(line, count, System.nanoTime() - start, null);
        producer.shutdown();
    }

    private static DefaultMQPushConsumer consumer(Options options, String topic) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("bench_" + System.nanoTime());
        consumer.setNamesrvAddr(options.required("namesrv"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPullBatchSize(options.number("pull-batch", 32));
        consumer.setConsumeMessageBatchMaxSize(options.number("consume-batch", 32));
        consumer.subscribe(topic, "*");
        return consumer;
    }

    /** From the first to the last of {@code count} messages that lie in {@code topic}. */
    static void drain(Options options, JSONObject line) throws Exception {
        String topic = options.required("topic");
        int count = options.number("count", 100_000);
        long pid = Long.parseLong(options.text("pid", "0"));
        AtomicInteger received = new AtomicInteger();
        AtomicLong first = new AtomicLong();
        AtomicLong last = new AtomicLong();
        DefaultMQPushConsumer consumer = consumer(options, topic);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            long now = System.nanoTime();
            first.compareAndSet(0, now);
            if (received.addAndGet(messages.size()) >= count) {
                last.compareAndSet(0, now);
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        DaemonUse before = DaemonUse.of(pid);
        consumer.start();
        awaitAll(received, count);
        DaemonUse after = DaemonUse.of(pid);
        Load.result(line, count, last.get() - first.get(), null);
        line.put("extra", received.get() - count);
        after.since(before, count, line);
        consumer.shutdown();
    }

    /** Returns when all are there; throws when nothing came for a minute. */
    private static void awaitAll(AtomicInteger received, int count) {
        int seen = 0;
        long since = System.nanoTime();
        while (received.get() < count) {
            int now = received.get();
            if (now != seen) {
                seen = now;
                since = System.nanoTime();
            } else if (System.nanoTime() - since > STALLED_NANOS) {
                throw new IllegalStateException("stalled at " + now + " of " + count + " messages");
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
        }
    }

    /**
     * Sends at a fixed {@code rate} for {@code seconds}; latency counts from the moment a message was due, so a
     * pause of the broker is charged to every message that it kept waiting (no coordinated omission).
     */
    static void latency(Options options, JSONObject line) throws Exception {
        DefaultMQProducer producer = Load.producer(options);
        String topic = Load.topic(options, producer);
        byte[] pattern = Load.body(Math.max(16, options.number("size", 1024)));
        int rate = options.number("rate", 1000);
        int warm = rate * options.number("warm-seconds", 5);
        int count = rate * options.number("seconds", 20);
        long pid = Long.parseLong(options.text("pid", "0"));
        Histogram latencies = new ConcurrentHistogram(Load.LONGEST_NANOS, 3);
        AtomicInteger received = new AtomicInteger();
        AtomicInteger failed = new AtomicInteger();
        DefaultMQPushConsumer consumer = consumer(options, topic);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            long now = System.nanoTime();
            for (MessageExt message : messages) {
                ByteBuffer body = ByteBuffer.wrap(message.getBody());
                long due = body.getLong();
                if (body.getInt() >= warm) {
                    Load.record(latencies, now - due);
                }
            }
            received.addAndGet(messages.size());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        long begin = System.nanoTime() + TimeUnit.SECONDS.toNanos(2);
        DaemonUse before = null;
        for (int i = 0; i < warm + count; i++) {
            long due = begin + (long) (i * 1e9 / rate);
            for (long ahead = due - System.nanoTime(); ahead > 0; ahead = due - System.nanoTime()) {
                LockSupport.parkNanos(ahead);
            }
            if (i == warm) {
                before = DaemonUse.of(pid);
            }
            byte[] body = pattern.clone();
            ByteBuffer.wrap(body).putLong(due).putInt(i);
            producer.send(new Message(topic, body), counting(failed));
        }
        awaitAll(received, warm + count - failed.get());
        DaemonUse after = DaemonUse.of(pid);
        line.put("target_rate", rate);
        Load.result(line, count, System.nanoTime() - begin - (long) (warm * 1e9 / rate), latencies);
        line.put("failed", failed.get());
        after.since(before, count, line);
    }

    private static SendCallback counting(AtomicInteger failed) {
        return new SendCallback() {
            @Override
            public void onSuccess(SendResult result) {
            }

            @Override
            public void onException(Throwable failure) {
                failed.incrementAndGet();
            }
        };
    }

    private ConsumeLoad() {
    }
}
