package bench;

import com.alibaba.fastjson.JSONObject;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.HdrHistogram.Histogram;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;

/** Sends over one connection: synchronous threads, a pipelined window, batches. */
final class SendLoad {
    /** One send of {@code step} messages; false when it was not stored. */
    private interface Send {
        boolean once() throws Exception;
    }

    static void sync(Options options, JSONObject line) throws Exception {
        DefaultMQProducer producer = Load.producer(options);
        String topic = Load.topic(options, producer);
        byte[] body = Load.body(options.number("size", 1024));
        closedLoop(options, line, 1,
            () -> producer.send(new Message(topic, body)).getSendStatus() == SendStatus.SEND_OK);
    }

    static void batch(Options options, JSONObject line) throws Exception {
        DefaultMQProducer producer = Load.producer(options);
        String topic = Load.topic(options, producer);
        byte[] body = Load.body(options.number("size", 1024));
        int batch = options.number("batch", 32);
        line.put("batch", batch);
        closedLoop(options, line, batch, () -> {
            List<Message> messages = new ArrayList<>(batch);
            for (int i = 0; i < batch; i++) {
                messages.add(new Message(topic, body));
            }
            return producer.send(messages).getSendStatus() == SendStatus.SEND_OK;
        });
    }

    /** Each thread sends again when its answer is there; latencies are those of the sends. */
    private static void closedLoop(Options options, JSONObject line, int step, Send send) throws Exception {
        int threads = options.number("threads", 1);
        int count = options.number("count", 10_000) / step;
        int warm = options.number("warm", 2_000) / step;
        AtomicInteger failed = new AtomicInteger();
        run(threads, warm, send, new AtomicInteger());
        long pid = Long.parseLong(options.text("pid", "0"));
        DaemonUse before = DaemonUse.of(pid);
        long start = System.nanoTime();
        Histogram latencies = run(threads, count, send, failed);
        long nanos = System.nanoTime() - start;
        DaemonUse after = DaemonUse.of(pid);
        line.put("threads", threads);
        line.put("size", options.number("size", 1024));
        long messages = (long) (count - failed.get()) * step;
        Load.result(line, messages, nanos, latencies);
        line.put("failed", failed.get());
        after.since(before, messages, line);
    }

    private static Histogram run(int threads, int count, Send send, AtomicInteger failed) throws Exception {
        AtomicInteger left = new AtomicInteger(count);
        Histogram sum = Load.histogram();
        CountDownLatch done = new CountDownLatch(threads);
        for (int i = 0; i < threads; i++) {
            new Thread(() -> {
                Histogram own = Load.histogram();
                while (left.getAndDecrement() > 0) {
                    long start = System.nanoTime();
                    boolean stored = false;
                    try {
                        stored = send.once();
                    } catch (Exception failure) {
                        complain(failure, failed);
                    }
                    if (stored) {
                        Load.record(own, System.nanoTime() - start);
                    } else {
                        failed.incrementAndGet();
                    }
                }
                synchronized (sum) {
                    sum.add(own);
                }
                done.countDown();
            }).start();
        }
        done.await();
        return sum;
    }

    private static void complain(Throwable failure, AtomicInteger failed) {
        if (failed.get() == 0) {
            System.err.println("first failed send: " + failure);
        }
    }

    /** Keeps {@code inflight} sends on their way; latency from the call to the callback. */
    static void async(Options options, JSONObject line) throws Exception {
        DefaultMQProducer producer = Load.producer(options);
        producer.setRetryTimesWhenSendAsyncFailed(0);
        String topic = Load.topic(options, producer);
        byte[] body = Load.body(options.number("size", 1024));
        int inflight = options.number("inflight", 256);
        int count = options.number("count", 100_000);
        pipeline(producer, topic, body, options.number("warm", 20_000), inflight, new AtomicInteger());
        long pid = Long.parseLong(options.text("pid", "0"));
        AtomicInteger failed = new AtomicInteger();
        DaemonUse before = DaemonUse.of(pid);
        long start = System.nanoTime();
        Histogram latencies = pipeline(producer, topic, body, count, inflight, failed);
        long nanos = System.nanoTime() - start;
        DaemonUse after = DaemonUse.of(pid);
        line.put("inflight", inflight);
        line.put("size", body.length);
        Load.result(line, count - failed.get(), nanos, latencies);
        line.put("failed", failed.get());
        after.since(before, count - failed.get(), line);
    }

    private static Histogram pipeline(DefaultMQProducer producer, String topic, byte[] body, int count, int inflight,
        AtomicInteger failed) throws Exception {
        Semaphore window = new Semaphore(inflight);
        Histogram latencies = Load.histogram();
        for (int i = 0; i < count; i++) {
            window.acquire();
            long start = System.nanoTime();
            producer.send(new Message(topic, body), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    if (result.getSendStatus() == SendStatus.SEND_OK) {
                        synchronized (latencies) {
                            Load.record(latencies, System.nanoTime() - start);
                        }
                    } else {
                        failed.incrementAndGet();
                    }
                    window.release();
                }

                @Override
                public void onException(Throwable failure) {
                    complain(failure, failed);
                    failed.incrementAndGet();
                    window.release();
                }
            });
        }
        window.acquire(inflight);
        return latencies;
    }

    private SendLoad() {
    }
}
