package interop;

import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.JSONObject;
import java.net.InetSocketAddress;
import java.util.List;
import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.broker.filter.CommitLogDispatcherCalcBitMap;
import org.apache.rocketmq.broker.filter.ConsumerFilterManager;
import org.apache.rocketmq.broker.filter.ExpressionMessageFilter;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.filter.ExpressionType;
import org.apache.rocketmq.common.filter.FilterAPI;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.filter.util.BitsArray;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.store.ConsumeQueue;
import org.apache.rocketmq.store.ConsumeQueueExt.CqExtUnit;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.MessageExtBrokerInner;
import org.apache.rocketmq.store.SelectMappedBufferResult;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/**
 * Java's own store with consume queue extensions: writes a small one ({@code write DIR}), or tells what it finds in
 * one ({@code read DIR}). Segments: commit log 16384, queues 400, extensions 300 bytes.
 */
public final class StoreExtension {
    private static final String TOPIC = "Extended";

    private StoreExtension() {
    }

    public static void main(String[] args) throws Exception {
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(args[1]);
        config.setStorePathCommitLog(args[1] + "/commitlog");
        config.setMappedFileSizeCommitLog(16384);
        config.setMappedFileSizeConsumeQueue(400);
        config.setMappedFileSizeConsumeQueueExt(300);
        config.setEnableConsumeQueueExt(true);
        config.setMaxHashSlotNum(20);
        config.setMaxIndexNum(40);
        config.setHaListenPort(0);
        BrokerConfig broker = new BrokerConfig();
        broker.setEnableCalcFilterBitMap(true);
        ConsumerFilterManager filters =
            new BrokerController(broker, new NettyServerConfig(), new NettyClientConfig(), config).getConsumerFilterManager();
        filters.load();
        if (args[0].equals("write")) {
            filters.register(TOPIC, "group_low", "n < 10", ExpressionType.SQL92, 1);
            filters.register(TOPIC, "group_even", "even = TRUE", ExpressionType.SQL92, 1);
            Thread.sleep(2);
        }
        DefaultMessageStore store = new DefaultMessageStore(config, new BrokerStatsManager("java"),
            (topic, queue, offset, code, time, bits, properties) -> { }, broker);
        store.getDispatcherList().addFirst(new CommitLogDispatcherCalcBitMap(broker, filters));
        if (!store.load()) {
            throw new IllegalStateException("the store cannot be loaded");
        }
        store.start();
        if (args[0].equals("write")) {
            for (int n = 0; n < 30; n++) {
                store.putMessage(message(n));
            }
        }
        while (store.dispatchBehindBytes() > 0) {
            Thread.sleep(10);
        }
        tell(store, filters);
        store.shutdown();
        filters.persist();
        System.exit(0);
    }

    private static MessageExtBrokerInner message(int n) {
        MessageExtBrokerInner message = new MessageExtBrokerInner();
        message.setTopic(TOPIC);
        message.setQueueId(0);
        message.setTags("Tag" + n % 3);
        message.putUserProperty("n", Integer.toString(n));
        message.putUserProperty("even", Boolean.toString(n % 2 == 0));
        MessageAccessor.putProperty(message, "WAIT", "true");
        message.setBody(("extended " + n).getBytes());
        message.setBornTimestamp(1_700_000_000_000L + n);
        message.setBornHost(new InetSocketAddress("127.0.0.1", 1));
        message.setStoreHost(new InetSocketAddress("127.0.0.1", 2));
        message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
        message.setTagsCode(MessageExtBrokerInner.tagsString2tagsCode(null, message.getTags()));
        return message;
    }

    /**
     * A JSON line for each entry: its unit as QUERY_CONSUME_QUEUE shows it, and whether the bit map leaves it to each
     * group; then to standard error how many messages each group gets.
     */
    private static void tell(DefaultMessageStore store, ConsumerFilterManager filters) throws Exception {
        ExpressionMessageFilter low = filter(filters, "group_low");
        ExpressionMessageFilter even = filter(filters, "group_even");
        ConsumeQueue queue = (ConsumeQueue) store.getConsumeQueue(TOPIC, 0);
        for (long at = 0; at < store.getMaxOffsetInQueue(TOPIC, 0); at++) {
            SelectMappedBufferResult entry = queue.getIndexBuffer(at);
            entry.getByteBuffer().position(12);
            long code = entry.getByteBuffer().getLong();
            entry.release();
            CqExtUnit unit = new CqExtUnit();
            if (!queue.getExt(code, unit)) {
                throw new IllegalStateException("entry " + at + " has no unit at " + code);
            }
            JSONObject line = new JSONObject(true);
            line.put("json", JSON.toJSONString(unit));
            line.put("bits", unit.getFilterBitMap() == null ? null : BitsArray.create(unit.getFilterBitMap()).toString());
            line.put("low", low.isMatchedByConsumeQueue(unit.getTagsCode(), unit));
            line.put("even", even.isMatchedByConsumeQueue(unit.getTagsCode(), unit));
            System.out.println(line.toJSONString());
        }
        for (String group : List.of("group_even", "group_low")) {
            GetMessageResult got = store.getMessage(group, TOPIC, 0, 0, 100, filter(filters, group));
            System.err.println(group + " gets " + got.getMessageCount());
        }
    }

    private static ExpressionMessageFilter filter(ConsumerFilterManager filters, String group) throws Exception {
        return new ExpressionMessageFilter(
            FilterAPI.build(TOPIC, filters.get(TOPIC, group).getExpression(), ExpressionType.SQL92),
            filters.get(TOPIC, group), filters);
    }
}
