package interop;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Requests and their replies. */
final class RequestScenarios {
    static void request(Peer peer) throws Exception {
        DefaultMQProducer requester = peer.producer();
        DefaultMQProducer replier = peer.producer();
        String topic = peer.topic(requester, "ItRequest", 4);
        DefaultMQPushConsumer consumer = peer.pushConsumer(peer.fresh("replier"));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                if (message.getTags().equals("silence")) {
                    continue;
                }
                try {
                    byte[] answer = SendScenarios.utf8("re: " + new String(message.getBody()));
                    replier.send(MessageUtil.createReplyMessage(message, answer));
                } catch (Exception failure) {
                    return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        int right = 0;
        int count = peer.number("n", 50);
        for (int i = 0; i < count; i++) {
            Message answer = requester.request(ask(topic, "loud", i), peer.limitMillis());
            right += new String(answer.getBody()).equals("re: question " + i) ? 1 : 0;
        }
        peer.checks.equal("replies", count, right);

        Map<String, String> answers = new ConcurrentHashMap<>();
        Map<String, String> expected = new ConcurrentHashMap<>();
        for (int i = 0; i < count; i++) {
            String key = "key" + i;
            expected.put(key, "re: question " + i);
            requester.request(ask(topic, "loud", i), new RequestCallback() {
                @Override
                public void onSuccess(Message message) {
                    answers.put(key, new String(message.getBody()));
                }

                @Override
                public void onException(Throwable failure) {
                    answers.put(key, failure.toString());
                }
            }, peer.limitMillis());
        }
        peer.waitFor(() -> answers.size() == count);
        peer.checks.equal("replies to callbacks", expected, answers);

        String ended = "answered";
        try {
            requester.request(ask(topic, "silence", 0), 1000);
        } catch (RequestTimeoutException timeout) {
            ended = "timeout";
        }
        peer.checks.equal("nobody replies", "timeout", ended);
        consumer.shutdown();
    }

    private static Message ask(String topic, String tag, int number) {
        return new Message(topic, tag, "key" + number, SendScenarios.utf8("question " + number));
    }

    private RequestScenarios() {
    }
}
