package bench;

import com.alibaba.fastjson.JSONObject;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Opens {@code connections} connections to {@code broker=HOST:PORT} that say nothing, and weighs the broker. */
final class IdleLoad {
    static void run(Options options, JSONObject line) throws Exception {
        String[] address = options.required("broker").split(":");
        InetSocketAddress broker = new InetSocketAddress(address[0], Integer.parseInt(address[1]));
        long pid = Long.parseLong(options.required("pid"));
        int wanted = options.number("connections", 10_000);
        DaemonUse before = DaemonUse.of(pid);
        List<SocketChannel> open = new ArrayList<>();
        long start = System.nanoTime();
        String stopped = null;
        while (open.size() < wanted && stopped == null) {
            try {
                open.add(SocketChannel.open(broker));
            } catch (IOException refused) {
                stopped = refused.toString();
            }
        }
        long nanos = System.nanoTime() - start;
        // Accepting lags behind connecting: weigh when the daemon has come to rest.
        DaemonUse after = DaemonUse.of(pid);
        for (int still = 0; still < 5; ) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(200));
            DaemonUse next = DaemonUse.of(pid);
            still = next.anonymousKib == after.anonymousKib ? still + 1 : 0;
            after = next;
        }
        line.put("connections", open.size());
        line.put("seconds", Load.round(nanos / 1e9));
        if (stopped != null) {
            line.put("stopped", stopped);
        }
        line.put("kib_per_connection",
            Load.round(Math.max(0, after.anonymousKib - before.anonymousKib) / (double) Math.max(1, open.size())));
        after.since(before, 0, line);
        for (SocketChannel channel : open) {
            channel.close();
        }
    }

    private IdleLoad() {
    }
}
