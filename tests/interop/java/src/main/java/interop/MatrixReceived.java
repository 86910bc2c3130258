package interop;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntUnaryOperator;
import org.apache.rocketmq.common.message.MessageExt;

/** What a consumer of the matrix has received, held against what it has to receive. */
final class MatrixReceived {
    private final MatrixPart part;
    private final Map<Integer, Integer> counts = new ConcurrentHashMap<>();
    private final AtomicReference<String> wrong = new AtomicReference<>();

    MatrixReceived(MatrixPart part) {
        this.part = part;
    }

    /** Notes a delivery; returns the message's number, or -1. */
    int add(MessageExt message) {
        String text = new String(message.getBody(), StandardCharsets.UTF_8);
        for (int i = 0; i < MatrixPart.MESSAGES; i++) {
            if (text.equals(MatrixPart.body(i)) && part.wanted(i)) {
                boolean right = MatrixPart.tag(i).equals(message.getTags()) && ("key" + i).equals(message.getKeys())
                    && Integer.toString(i).equals(message.getProperty("n"));
                // A Java 4.9.2 broker spoils the last property of a message sent in a batch.
                if (!right && !part.is("batch")) {
                    wrong("properties of " + i + ": " + message.getProperties());
                }
                counts.merge(i, 1, Integer::sum);
                return i;
            }
        }
        wrong("got a message that it must not get: " + text);
        return -1;
    }

    void addAll(List<MessageExt> messages) {
        messages.forEach(this::add);
    }

    void wrong(String what) {
        wrong.compareAndSet(null, what);
    }

    /** Waits until each wanted message was delivered so often. */
    void await(Peer peer, IntUnaryOperator times) throws Exception {
        peer.waitFor(() -> wrong.get() != null || missing(times) < 0);
        // What must not come would come about now.
        Thread.sleep(500);
        if (wrong.get() != null) {
            throw new IllegalStateException(wrong.get());
        }
        if (missing(times) >= 0) {
            throw new IllegalStateException("missing, among others: " + missing(times) + "; got " + counts);
        }
    }

    boolean complete() {
        return missing(i -> 1) < 0;
    }

    private int missing(IntUnaryOperator times) {
        for (int i = 0; i < MatrixPart.MESSAGES; i++) {
            if (part.wanted(i) && counts.getOrDefault(i, 0) < times.applyAsInt(i)) {
                return i;
            }
        }
        return -1;
    }
}
