package interop;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * One cell of the TLS matrix: this JVM's client, through wires that are recorded, to name server and broker. Wants
 * {@code address=BROKER}, {@code name=CELL} and {@code served=true|false}.
 */
final class TlsRow {
    private static final String MARKER = "wire_marker_";

    /** Passes connections on and keeps what goes over them, both ways. */
    private static final class Tap implements AutoCloseable {
        private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        private final ByteArrayOutputStream seen = new ByteArrayOutputStream();
        private final String host;
        private final int port;

        Tap(String target) throws IOException {
            host = target.substring(0, target.lastIndexOf(':'));
            port = Integer.parseInt(target.substring(target.lastIndexOf(':') + 1));
            daemon(this::accept);
        }

        private static void daemon(Runnable task) {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            thread.start();
        }

        String address() {
            return "127.0.0.1:" + listener.getLocalPort();
        }

        private void accept() {
            while (true) {
                try {
                    Socket near = listener.accept();
                    Socket far = new Socket(host, port);
                    daemon(() -> copy(near, far));
                    daemon(() -> copy(far, near));
                } catch (IOException end) {
                    return;
                }
            }
        }

        private void copy(Socket from, Socket to) {
            byte[] bytes = new byte[8192];
            try (from; to) {
                InputStream in = from.getInputStream();
                OutputStream out = to.getOutputStream();
                for (int count = in.read(bytes); count > 0; count = in.read(bytes)) {
                    synchronized (seen) {
                        seen.write(bytes, 0, count);
                    }
                    out.write(bytes, 0, count);
                }
            } catch (IOException end) {
                // Either side has closed: so does the other.
            }
        }

        boolean has(String text) {
            synchronized (seen) {
                return seen.toString(StandardCharsets.ISO_8859_1).contains(text);
            }
        }

        int size() {
            synchronized (seen) {
                return seen.size();
            }
        }

        @Override
        public void close() throws IOException {
            listener.close();
        }
    }

    static void tls(Peer peer) throws Exception {
        boolean served = peer.flag("served", true);
        boolean encrypted = Boolean.getBoolean("tls.enable");
        String marker = peer.fresh(MARKER);
        try (Tap namesrv = new Tap(peer.namesrv); Tap broker = new Tap(peer.required("address"))) {
            DefaultMQAdminExt admin = new DefaultMQAdminExt(3_000);
            admin.setNamesrvAddr(namesrv.address());
            admin.setInstanceName(peer.fresh("admin"));
            admin.start();
            peer.atEnd(admin::shutdown);
            String broken = outcome(() -> admin.createAndUpdateTopicConfig(broker.address(), new TopicConfig(marker, 1, 1, 6)));
            String asked = outcome(() -> admin.getNameServerConfig(java.util.List.of(namesrv.address())));
            peer.checks.equal("broker", served, broken.isEmpty());
            peer.checks.equal("name server", served, asked.isEmpty());
            boolean clear = broker.has(marker) || namesrv.has("\"code\":");
            peer.checks.equal("in clear on the wire", !encrypted, clear);
            System.out.println("tls-row " + peer.required("name") + " " + (broken.isEmpty() && asked.isEmpty() ? "served" : "refused")
                + " " + (clear ? "clear" : "encrypted") + " " + (broker.size() + namesrv.size()));
        }
    }

    private interface Action {
        void run() throws Exception;
    }

    /** The refusal; empty if there was none. */
    private static String outcome(Action action) {
        try {
            action.run();
            return "";
        } catch (Exception refusal) {
            return refusal.toString();
        }
    }

    private TlsRow() {
    }
}
