package interop;

import com.alibaba.fastjson.JSONObject;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;
import org.apache.rocketmq.store.ConsumeQueue;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.DispatchRequest;
import org.apache.rocketmq.store.QueryMessageResult;
import org.apache.rocketmq.store.SelectMappedBufferResult;
import org.apache.rocketmq.store.config.BrokerRole;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/**
 * Opens a store directory with Java's own DefaultMessageStore and holds it to itself: every record of the commit log
 * parses with the right CRC, its consume queue entry points back at it, and the index finds it by every key.
 *
 * <p>{@code dir=DIR} is copied first unless {@code in-place=true}; then recovery changes it as a Java broker would,
 * and with {@code start=true} the store also runs and is shut down cleanly. Sizes: {@code commitlog=}, {@code cq=},
 * {@code slots=}, {@code indexes=}. {@code out=FILE} gets one JSON line per record, {@code records=N} is the number
 * of records that must be there.
 */
final class StoreDump {
    private static final int PHYSICAL_OFFSET_POSITION = 28;
    private static final int QUERY_LIMIT = 64;

    /** One record as Java's recovery reads it. */
    private record Entry(DispatchRequest request, MessageExt message) {
    }

    static void run(Peer peer) throws Exception {
        Path given = Path.of(peer.required("dir"));
        Path dir = given;
        if (!peer.flag("in-place", false)) {
            dir = Files.createTempDirectory("rocketmq-store");
            copyTree(given, dir);
            Path scratch = dir;
            peer.atEnd(() -> deleteTree(scratch));
        }
        DefaultMessageStore store = new DefaultMessageStore(config(peer, dir), new BrokerStatsManager("interop"),
            (topic, queueId, offset, tagsCode, storeTime, bitMap, properties) -> { }, new BrokerConfig());
        peer.checks.that("loads", store.load(), "min", store.getMinPhyOffset(), "max", store.getMaxPhyOffset());
        boolean start = peer.flag("start", false);
        if (start) {
            store.start();
            peer.await("dispatch", () -> store.dispatchBehindBytes() == 0);
        }
        try {
            List<Entry> entries = records(peer, store);
            String out = peer.text("out", "");
            if (!out.isEmpty()) {
                write(entries, out);
            }
            queues(peer, store, entries);
            index(peer, store, entries);
        } finally {
            store.shutdown();
        }
    }

    private static MessageStoreConfig config(Peer peer, Path dir) {
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(dir.toString());
        config.setStorePathCommitLog(dir.resolve("commitlog").toString());
        config.setMappedFileSizeCommitLog(peer.number("commitlog", 1024 * 1024 * 1024));
        config.setMappedFileSizeConsumeQueue(peer.number("cq", 6_000_000));
        config.setMaxHashSlotNum(peer.number("slots", 5_000_000));
        config.setMaxIndexNum(peer.number("indexes", 20_000_000));
        config.setHaListenPort(0);
        // A slave delivers no delayed messages, so a started store holds what was found and nothing more.
        config.setBrokerRole(BrokerRole.SLAVE);
        // A dump must never delete what it reads.
        config.setFileReservedTime(24 * 365 * 100);
        config.setDiskMaxUsedSpaceRatio(95);
        return config;
    }

    private static List<Entry> records(Peer peer, DefaultMessageStore store) {
        List<Entry> entries = new ArrayList<>();
        String broken = null;
        long offset = store.getMinPhyOffset();
        long max = store.getMaxPhyOffset();
        while (offset < max && broken == null) {
            SelectMappedBufferResult data = store.getCommitLog().getData(offset);
            if (data == null) {
                broken = "nothing readable at " + offset;
                break;
            }
            try {
                ByteBuffer buffer = data.getByteBuffer();
                long fileEnd = store.getCommitLog().rollNextFile(offset);
                while (offset < fileEnd && offset < max) {
                    ByteBuffer record = buffer.duplicate();
                    DispatchRequest request = store.getCommitLog().checkMessageAndReturnSize(buffer, true, true);
                    if (!request.isSuccess()) {
                        broken = "no valid record at " + offset;
                        break;
                    }
                    if (request.getMsgSize() == 0) {
                        offset = fileEnd;
                        break;
                    }
                    record.limit(record.position() + request.getMsgSize());
                    entries.add(new Entry(request, MessageDecoder.decode(record.slice(), true, false)));
                    offset += request.getMsgSize();
                    buffer.position(record.limit());
                }
            } finally {
                data.release();
            }
        }
        int expected = peer.number("records", entries.size());
        peer.checks.that("records", broken == null && entries.size() == expected, "records", entries.size(),
            "expected", expected, "broken", broken);
        return entries;
    }

    private static void write(List<Entry> entries, String out) throws IOException {
        try (PrintStream lines = out.equals("-")
            ? new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, StandardCharsets.UTF_8)
            : new PrintStream(out, StandardCharsets.UTF_8)) {
            for (Entry entry : entries) {
                lines.println(line(entry.message()).toJSONString());
            }
        }
    }

    private static JSONObject line(MessageExt message) {
        JSONObject line = new JSONObject(true);
        line.put("topic", message.getTopic());
        line.put("queueId", message.getQueueId());
        line.put("queueOffset", message.getQueueOffset());
        line.put("commitLogOffset", message.getCommitLogOffset());
        line.put("storeSize", message.getStoreSize());
        line.put("sysFlag", message.getSysFlag());
        line.put("flag", message.getFlag());
        line.put("bodyCRC", message.getBodyCRC());
        line.put("bodyLength", message.getBody() == null ? 0 : message.getBody().length);
        line.put("bornTimestamp", message.getBornTimestamp());
        line.put("storeTimestamp", message.getStoreTimestamp());
        line.put("bornHost", String.valueOf(message.getBornHost()));
        line.put("storeHost", String.valueOf(message.getStoreHost()));
        line.put("reconsumeTimes", message.getReconsumeTimes());
        line.put("preparedTransactionOffset", message.getPreparedTransactionOffset());
        line.put("properties", new TreeMap<>(message.getProperties()));
        return line;
    }

    /** Each visible record has its entry, each entry its record, and each queue is without a gap. */
    private static void queues(Peer peer, DefaultMessageStore store, List<Entry> entries) {
        List<String> wrong = new ArrayList<>();
        int visible = 0;
        for (Entry entry : entries) {
            DispatchRequest request = entry.request();
            int kind = MessageSysFlag.getTransactionValue(request.getSysFlag());
            if (kind == MessageSysFlag.TRANSACTION_PREPARED_TYPE || kind == MessageSysFlag.TRANSACTION_ROLLBACK_TYPE) {
                continue;
            }
            visible++;
            String found = queueEntry(store, request);
            String expected = request.getCommitLogOffset() + " " + request.getMsgSize() + " " + request.getTagsCode();
            if (!expected.equals(found)) {
                wrong.add(request.getTopic() + "/" + request.getQueueId() + "@" + request.getConsumeQueueOffset()
                    + ": record " + expected + ", entry " + found);
            }
        }
        long listed = 0;
        int queues = 0;
        for (var topic : store.getConsumeQueueTable().values()) {
            for (ConsumeQueue queue : topic.values()) {
                listed += queue.getMessageTotalInQueue();
                queues++;
            }
        }
        peer.checks.that("consume-queues", wrong.isEmpty() && listed == visible, "queues", queues, "entries", listed,
            "records", visible, "wrong", wrong.subList(0, Math.min(5, wrong.size())));
    }

    private static String queueEntry(DefaultMessageStore store, DispatchRequest request) {
        var topic = store.getConsumeQueueTable().get(request.getTopic());
        ConsumeQueue queue = topic == null ? null : topic.get(request.getQueueId());
        SelectMappedBufferResult entry = queue == null ? null : queue.getIndexBuffer(request.getConsumeQueueOffset());
        if (entry == null) {
            return null;
        }
        try {
            ByteBuffer buffer = entry.getByteBuffer();
            return buffer.getLong() + " " + buffer.getInt() + " " + buffer.getLong();
        } finally {
            entry.release();
        }
    }

    /** Every record is found by its unique key and by each of its keys. */
    private static void index(Peer peer, DefaultMessageStore store, List<Entry> entries) {
        int keys = 0;
        List<String> wrong = new ArrayList<>();
        for (Entry entry : entries) {
            DispatchRequest request = entry.request();
            if (MessageSysFlag.getTransactionValue(request.getSysFlag()) == MessageSysFlag.TRANSACTION_ROLLBACK_TYPE) {
                continue;
            }
            List<String> names = new ArrayList<>();
            if (request.getUniqKey() != null) {
                names.add(request.getUniqKey());
            }
            if (request.getKeys() != null) {
                names.addAll(List.of(request.getKeys().split(" ")));
            }
            for (String key : names) {
                if (key.isEmpty()) {
                    continue;
                }
                keys++;
                if (!finds(store, request, key)) {
                    wrong.add(request.getTopic() + "#" + key + " at " + request.getCommitLogOffset());
                }
            }
        }
        peer.checks.that("index", wrong.isEmpty(), "keys", keys, "notFound", wrong.size(), "first",
            wrong.subList(0, Math.min(5, wrong.size())));
    }

    private static boolean finds(DefaultMessageStore store, DispatchRequest request, String key) {
        QueryMessageResult result = store.queryMessage(request.getTopic(), key, QUERY_LIMIT, 0, Long.MAX_VALUE);
        try {
            int found = 0;
            for (ByteBuffer buffer : result.getMessageBufferList()) {
                if (buffer.getLong(PHYSICAL_OFFSET_POSITION) == request.getCommitLogOffset()) {
                    return true;
                }
                found++;
            }
            // More messages share the key than one query may return.
            return found >= QUERY_LIMIT;
        } finally {
            result.release();
        }
    }

    private static void copyTree(Path from, Path to) throws IOException {
        try (var paths = Files.walk(from)) {
            for (Path path : (Iterable<Path>) paths::iterator) {
                Path target = to.resolve(from.relativize(path).toString());
                if (Files.isDirectory(path)) {
                    Files.createDirectories(target);
                } else {
                    Files.copy(path, target);
                    target.toFile().setWritable(true);
                }
            }
        }
    }

    private static void deleteTree(Path root) {
        try (var paths = Files.walk(root)) {
            paths.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
        } catch (IOException ignored) {
            // A scratch copy left behind harms nobody.
        }
    }

    private StoreDump() {
    }
}
