package interop;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.acl.common.AclClientRPCHook;
import org.apache.rocketmq.acl.common.SessionCredentials;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Rules that are changed by an editor while messages flow; wants {@code rules=FILE}, the broker's plain_acl.yml, and the
 * topics orders and prices that {@link AclScenarios} made.
 */
final class AclReload {
    private static final String SHOP = "shop-account";
    private static final String SECRET = "secret-of-shop";

    private final Peer peer;
    private final Path file;
    private final String before;
    private final DefaultMQProducer shop;
    private final DefaultMQPullConsumer reader;

    private AclReload(Peer peer) throws Exception {
        this.peer = peer;
        file = Path.of(peer.required("rules"));
        before = Files.readString(file);
        shop = new DefaultMQProducer(peer.fresh("producer"), hook());
        shop.setNamesrvAddr(peer.namesrv);
        shop.setInstanceName(peer.fresh("instance"));
        shop.setRetryTimesWhenSendFailed(0);
        shop.start();
        peer.atEnd(shop::shutdown);
        reader = new DefaultMQPullConsumer(peer.fresh("reader"), hook());
        reader.setNamesrvAddr(peer.namesrv);
        reader.setInstanceName(peer.fresh("instance"));
        reader.start();
        peer.atEnd(reader::shutdown);
    }

    private static AclClientRPCHook hook() {
        return new AclClientRPCHook(new SessionCredentials(SHOP, SECRET));
    }

    static void reload(Peer peer) throws Exception {
        AclReload reload = new AclReload(peer);
        reload.others();
        reload.permissions();
        reload.secret();
    }

    /** As editors write: beside it, then in its place. */
    private void write(String text) throws Exception {
        Path beside = file.resolveSibling("plain_acl.yml.new");
        Files.writeString(beside, text);
        Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE);
    }

    private String send() {
        try {
            return shop.send(new Message("prices", SendScenarios.utf8("body"))).getSendStatus().name();
        } catch (Exception refusal) {
            return refusal + " caused by " + refusal.getCause();
        }
    }

    private String pull() {
        try {
            MessageQueue queue = reader.fetchSubscribeMessageQueues("prices").iterator().next();
            return reader.pull(queue, "*", 0, 1).getPullStatus().name();
        } catch (Exception refusal) {
            return refusal + " caused by " + refusal.getCause();
        }
    }

    private String with(String permission) {
        return before.replaceAll("prices=[A-Z|]*", "prices=" + permission);
    }

    /** Changes that concern others, and a file that nobody can read, disturb no send. */
    private void others() throws Exception {
        write(with("PUB"));
        peer.await("sends are allowed", () -> send().equals("SEND_OK"));
        AtomicBoolean ends = new AtomicBoolean();
        AtomicInteger sent = new AtomicInteger();
        ConcurrentLinkedQueue<String> refused = new ConcurrentLinkedQueue<>();
        Thread traffic = new Thread(() -> {
            while (!ends.get()) {
                String said = send();
                sent.incrementAndGet();
                if (!said.equals("SEND_OK")) {
                    refused.add(said);
                }
            }
        });
        traffic.start();
        DefaultMQProducer witness = new DefaultMQProducer(peer.fresh("witness"),
            new AclClientRPCHook(new SessionCredentials("witness", "secret-of-witness")));
        witness.setNamesrvAddr(peer.namesrv);
        witness.setInstanceName(peer.fresh("instance"));
        witness.setRetryTimesWhenSendFailed(0);
        witness.start();
        peer.atEnd(witness::shutdown);
        for (int round = 0; round < 5; round++) {
            String account = "  - accessKey: witness\n    secretKey: secret-of-witness\n    topicPerms:\n      - prices=PUB\n";
            write(with("PUB").replace("accounts:\n", "accounts:\n  # round " + round + "\n" + account));
            peer.await("the new account counts", () -> said(witness).equals("SEND_OK"));
            write(with("PUB"));
            peer.await("it is gone", () -> said(witness).contains("No acl config for witness"));
        }
        write(with("PUB") + "\n   broken: [\n");
        int until = sent.get();
        peer.await("the broken file was met", () -> Files.readString(Path.of(peer.required("log")), StandardCharsets.UTF_8)
            .lines().anyMatch(line -> line.contains("the rules of before stay in force") && line.contains(", line ")
                && line.contains(", column ")));
        peer.await("sends go on", () -> sent.get() > until + 50);
        ends.set(true);
        traffic.join();
        peer.checks.that("no send is disturbed by changes for others and a broken file", refused.isEmpty(), "sent",
            sent.get(), "refused", refused.peek());
        System.out.println("acl reload: " + sent.get() + " sends during 10 changes and a broken file, refused: " + refused.size());
    }

    private static String said(DefaultMQProducer producer) {
        try {
            return producer.send(new Message("prices", SendScenarios.utf8("body"))).getSendStatus().name();
        } catch (Exception refusal) {
            return refusal + " caused by " + refusal.getCause();
        }
    }

    /** Each permission, put in force while the client is connected. */
    private void permissions() throws Exception {
        String denied = "No default permission for topic:prices";
        for (String permission : List.of("DENY", "PUB", "SUB", "PUB|SUB", "SUB|PUB")) {
            boolean sends = permission.contains("PUB");
            boolean pulls = permission.contains("SUB");
            write(with(permission));
            boolean holds = peer.waitFor(() -> (sends ? send().equals("SEND_OK") : send().contains(denied))
                && (pulls ? pull().equals("FOUND") : pull().contains(denied)));
            peer.checks.that("permission " + permission, holds, "send", send(), "pull", pull());
            System.out.println("acl reload: prices=" + permission + " send " + (sends ? "served" : "refused") + ", pull "
                + (pulls ? "served" : "refused"));
        }
    }

    /** A secret that is changed locks its holder out, and lets it in again. */
    private void secret() throws Exception {
        write(with("PUB|SUB").replace(SECRET, "secret-of-another"));
        peer.checks.that("a changed secret",
            peer.waitFor(() -> send().contains("Check signature failed for accessKey=" + SHOP)), "send", send());
        write(with("PUB|SUB"));
        peer.checks.that("the old secret again", peer.waitFor(() -> send().equals("SEND_OK")), "send", send());
        write(before);
    }
}
