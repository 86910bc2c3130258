package interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Java's client in the interop matrix: plays the parts that it is told on standard input.
 *
 * <p>Usage: {@code Matrix NAMESRV}. Each line is {@code ID produce|consume FEATURE TOPIC GROUP}; the answers are
 * {@code @ ID ready}, {@code @ ID seen}, {@code @ ID passed}, {@code @ ID failed TEXT}. Ends with its input.
 */
public final class Matrix {
    /** How long a part may take; the cell gives up a little later. */
    private static final String LIMIT_SECONDS = "110";

    public static void main(String[] args) throws Exception {
        Interop.isolateClientFiles();
        ExecutorService parts = Executors.newCachedThreadPool();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ");
            MatrixPart part = new MatrixPart(words[2], words[3], words[4], word -> say(words[0], word));
            boolean produce = words[1].equals("produce");
            parts.execute(() -> play(words[0], args[0], part, produce));
        }
        System.exit(0);
    }

    private static void play(String id, String namesrv, MatrixPart part, boolean produce) {
        try (Peer peer = new Peer(namesrv, Map.of("timeout", LIMIT_SECONDS), new Checks())) {
            if (produce) {
                MatrixProducer.run(peer, part);
            } else {
                MatrixConsumer.run(peer, part);
            }
        } catch (Throwable failure) {
            say(id, "failed " + failure.toString().replace('\n', ' '));
            return;
        }
        say(id, "passed");
    }

    /** Java's client drops records that are under way when it is shut down; nothing tells when they are sent. */
    static void letTracesOut(MatrixPart part) throws InterruptedException {
        if (part.is("trace")) {
            Thread.sleep(3000);
        }
    }

    private static synchronized void say(String id, String words) {
        System.out.println("@ " + id + " " + words);
        System.out.flush();
    }

    private Matrix() {
    }
}
