package bench;

import com.alibaba.fastjson.JSONObject;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.Histogram;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * The load tool on the unmodified Java client: {@code Load MODE namesrv=ADDR [pid=BROKER_PID] [key=value ...]}.
 *
 * <p>Modes: {@code sync} (threads, size, count, warm), {@code async} (inflight), {@code batch} (batch), {@code fill}
 * and {@code drain} (topic), {@code latency} (rate, seconds), {@code idle} (connections). Each warms up, then
 * measures a fixed count and prints one JSON line; the broker's CPU time is taken over exactly the measured part.
 */
public final class Load {
    static final long LONGEST_NANOS = TimeUnit.SECONDS.toNanos(120);
    private static final int DIGITS = 3;

    public static void main(String[] args) throws Exception {
        if (args.length < 2) {
            System.err.println("usage: Load sync|async|batch|fill|drain|latency|idle namesrv=ADDR [key=value ...]");
            System.exit(2);
        }
        if (System.getProperty("rocketmq.client.logUseSlf4j") == null) {
            System.setProperty("rocketmq.client.logUseSlf4j", "true");
            System.setProperty("logback.configurationFile", "interop-logback.xml");
        }
        Options options = new Options(args, 1, args.length);
        JSONObject line = new JSONObject(true);
        line.put("mode", args[0]);
        switch (args[0]) {
            case "sync" -> SendLoad.sync(options, line);
            case "async" -> SendLoad.async(options, line);
            case "batch" -> SendLoad.batch(options, line);
            case "fill" -> ConsumeLoad.fill(options, line);
            case "drain" -> ConsumeLoad.drain(options, line);
            case "latency" -> ConsumeLoad.latency(options, line);
            case "idle" -> IdleLoad.run(options, line);
            default -> throw new IllegalArgumentException("no mode " + args[0]);
        }
        System.out.println(line.toJSONString());
        System.exit(0);
    }

    static Histogram histogram() {
        return new Histogram(LONGEST_NANOS, DIGITS);
    }

    static void record(Histogram histogram, long nanos) {
        histogram.recordValue(Math.max(1, Math.min(nanos, LONGEST_NANOS)));
    }

    static double round(double value) {
        return Math.round(value * 1000.0) / 1000.0;
    }

    /** Count, duration, rate and, when there are any, latencies in microseconds. */
    static void result(JSONObject line, long count, long nanos, Histogram latencies) {
        line.put("count", count);
        line.put("seconds", round(nanos / 1e9));
        line.put("rate", Math.round(count * 1e9 / nanos));
        if (latencies != null && latencies.getTotalCount() > 0) {
            line.put("p50_us", round(latencies.getValueAtPercentile(50) / 1000.0));
            line.put("p99_us", round(latencies.getValueAtPercentile(99) / 1000.0));
            line.put("p999_us", round(latencies.getValueAtPercentile(99.9) / 1000.0));
            line.put("max_us", round(latencies.getMaxValue() / 1000.0));
        }
    }

    static DefaultMQProducer producer(Options options) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("bench_" + System.nanoTime());
        producer.setNamesrvAddr(options.required("namesrv"));
        producer.setSendMsgTimeout(30_000);
        // Incompressible or not, a body travels as it is: the broker is judged, not the client's deflater.
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        producer.start();
        return producer;
    }

    /** The topic named, or a fresh one, created with {@code queues} queues and visible in the route. */
    static String topic(Options options, DefaultMQProducer producer) throws Exception {
        String topic = options.text("topic", "Bench_" + Long.toString(System.currentTimeMillis(), 36));
        int queues = options.number("queues", 4);
        producer.createTopic("TBW102", topic, queues);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (true) {
            try {
                if (producer.fetchPublishMessageQueues(topic).size() >= queues) {
                    return topic;
                }
            } catch (Exception notYet) {
                // The deadline decides.
            }
            if (System.nanoTime() > deadline) {
                throw new TimeoutException("no route of " + topic + " within 30 s");
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
        }
    }

    static long stored(DefaultMQProducer producer, String topic) throws Exception {
        long count = 0;
        for (MessageQueue queue : producer.fetchPublishMessageQueues(topic)) {
            count += producer.maxOffset(queue) - producer.minOffset(queue);
        }
        return count;
    }

    /** The same pseudo-random body for all messages of a run. */
    static byte[] body(int size) {
        byte[] body = new byte[size];
        new java.util.Random(size).nextBytes(body);
        return body;
    }

    private Load() {
    }
}
