package interop;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.acl.common.AclClientRPCHook;
import org.apache.rocketmq.acl.common.SessionCredentials;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.PlainAccessConfig;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.RPCHook;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** Access control, on the accounts of tests/interop/plain_acl.yml; wants {@code address=BROKER}. */
final class AclScenarios {
    private static final String ADMIN = "administrator";
    private static final String ADMIN_SECRET = "secret-of-admin";
    private static final String SHOP = "shop-account";
    private static final String SHOP_SECRET = "secret-of-shop";

    static void acl(Peer peer) throws Exception {
        String broker = peer.required("address");
        DefaultMQAdminExt admin = new DefaultMQAdminExt(hook(ADMIN, ADMIN_SECRET), 10_000);
        admin.setNamesrvAddr(peer.namesrv);
        admin.setInstanceName(peer.fresh("admin"));
        admin.start();
        peer.atEnd(admin::shutdown);
        for (String topic : new String[] {"orders", "prices", "hidden"}) {
            admin.createAndUpdateTopicConfig(broker, new TopicConfig(topic, 2, 2, 6));
        }
        for (String topic : new String[] {"orders", "prices", "hidden"}) {
            peer.await("route of " + topic, () -> !admin.examineTopicRouteInfo(topic).getQueueDatas().isEmpty());
        }
        refusals(peer);
        consumed(peer);
        changed(peer, admin, broker);
    }

    private static RPCHook hook(String accessKey, String secretKey) {
        return new AclClientRPCHook(new SessionCredentials(accessKey, secretKey));
    }

    private static DefaultMQProducer producer(Peer peer, RPCHook hook) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer(peer.fresh("producer"), hook);
        producer.setNamesrvAddr(peer.namesrv);
        producer.setInstanceName(peer.fresh("instance"));
        producer.setRetryTimesWhenSendFailed(0);
        producer.start();
        peer.atEnd(producer::shutdown);
        return producer;
    }

    /** The text of the refusal, or OK. */
    private static String send(DefaultMQProducer producer, String topic) {
        try {
            return producer.send(new Message(topic, "Tag", "key", SendScenarios.utf8("body"))).getSendStatus().name();
        } catch (Exception refusal) {
            return refusal + " caused by " + refusal.getCause();
        }
    }

    private static void refusals(Peer peer) throws Exception {
        DefaultMQProducer shop = producer(peer, hook(SHOP, SHOP_SECRET));
        peer.checks.equal("right keys", "SEND_OK", send(shop, "orders"));
        refused(peer, "a topic that only may be read", shop, "prices", "No default permission for topic:prices");
        refused(peer, "a topic that is not listed", shop, "hidden", "No default permission for topic:hidden");
        refused(peer, "a wrong secret", producer(peer, hook(SHOP, "secret-of-shoplifter")), "orders",
            "Check signature failed for accessKey=" + SHOP);
        refused(peer, "an unknown account", producer(peer, hook("nobody-here", SHOP_SECRET)), "orders",
            "No acl config for nobody-here");
        refused(peer, "no signature", producer(peer, null), "orders", "No accessKey is configured");
        DefaultMQAdminExt shopAdmin = new DefaultMQAdminExt(hook(SHOP, SHOP_SECRET), 10_000);
        shopAdmin.setNamesrvAddr(peer.namesrv);
        shopAdmin.setInstanceName(peer.fresh("admin"));
        shopAdmin.start();
        peer.atEnd(shopAdmin::shutdown);
        String text = "";
        try {
            shopAdmin.createAndUpdateTopicConfig(peer.required("address"), new TopicConfig("mine"));
        } catch (Exception refusal) {
            text = refusal.toString();
        }
        peer.checks.that("administration by others",
            text.contains("Need admin permission for request code=17, but accessKey=" + SHOP + " is not"), "text", text);
    }

    private static void refused(Peer peer, String check, DefaultMQProducer producer, String topic, String expected) {
        String text = send(producer, topic);
        peer.checks.that(check, text.contains(expected) && !text.contains("secret-of"), "text", text);
    }

    private static void consumed(Peer peer) throws Exception {
        DefaultMQProducer shop = producer(peer, hook(SHOP, SHOP_SECRET));
        Ledger ledger = new Ledger();
        Queue<MessageExt> received = new ConcurrentLinkedQueue<>();
        String run = peer.fresh("run");
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(null, peer.fresh("group"), hook(SHOP, SHOP_SECRET),
            new AllocateMessageQueueAveragely());
        consumer.setNamesrvAddr(peer.namesrv);
        consumer.setInstanceName(peer.fresh("instance"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe("orders", run);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            received.addAll(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        peer.atEnd(consumer::shutdown);
        for (int i = 0; i < 100; i++) {
            byte[] body = SendScenarios.utf8("signed \u00fc " + i);
            Message message = new Message("orders", run, "key" + i, body);
            message.putUserProperty("name", "v\u00e4lue \u65e5\u672c");
            ledger.acknowledged(message, body, shop.send(message));
        }
        peer.waitFor(() -> received.size() >= ledger.size());
        ledger.compare(peer.checks, "received with right keys", received, false);
    }

    private static void changed(Peer peer, DefaultMQAdminExt admin, String broker) throws Exception {
        PlainAccessConfig account = new PlainAccessConfig();
        account.setAccessKey("newcomer");
        account.setSecretKey("secret-of-newcomer");
        account.setTopicPerms(java.util.List.of("prices=PUB"));
        admin.createAndUpdatePlainAccessConfig(broker, account);
        DefaultMQProducer newcomer = producer(peer, hook("newcomer", "secret-of-newcomer"));
        peer.checks.that("a new account counts", peer.waitFor(() -> send(newcomer, "prices").equals("SEND_OK")));
        peer.checks.that("the version counts up",
            admin.examineBrokerClusterAclVersionInfo(broker).getAclConfigDataVersion().getCounter().get() >= 1);
        peer.checks.that("the accounts are told", admin.examineBrokerClusterAclConfig(broker).getPlainAccessConfigs()
            .stream().anyMatch(known -> "newcomer".equals(known.getAccessKey())));
        admin.deletePlainAccessConfig(broker, "newcomer");
        peer.checks.that("a deleted account does not",
            peer.waitFor(() -> send(newcomer, "prices").contains("No acl config for newcomer")));
    }

    private AclScenarios() {
    }
}
