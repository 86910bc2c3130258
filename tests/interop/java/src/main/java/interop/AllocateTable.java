package interop;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import org.apache.rocketmq.client.consumer.AllocateMessageQueueStrategy;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMachineRoomNearby;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragelyByCircle;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByMachineRoom;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueConsistentHash;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Prints how Java's strategies share queues among members, a line per member of each group:
 * strategy, brokers, queues of each, members, client id, its queues.
 * The output is tests/golden/java-4.9.2/allocate.tsv; it is the same every time.
 */
public final class AllocateTable {
    private static final String[][] BROKERS = {{"r1@b"}, {"r1@a", "r2@b"}, {"r1@a", "r2@b", "r3@c"}};
    private static final int[] QUEUES = {1, 3, 8};
    private static final int[] MEMBERS = {1, 2, 3, 5, 9};

    private AllocateTable() {
    }

    public static void main(String[] args) {
        AllocateMachineRoomNearby.MachineRoomResolver rooms = new AllocateMachineRoomNearby.MachineRoomResolver() {
            @Override
            public String brokerDeployIn(MessageQueue queue) {
                return queue.getBrokerName().split("@")[0];
            }

            @Override
            public String consumerDeployIn(String clientId) {
                return clientId.split("@")[0];
            }
        };
        AllocateMessageQueueByMachineRoom room = new AllocateMessageQueueByMachineRoom();
        room.setConsumeridcs(new HashSet<>(Arrays.asList("r1", "r3")));
        AllocateMessageQueueStrategy average = new AllocateMessageQueueAveragely();
        AllocateMessageQueueStrategy circle = new AllocateMessageQueueAveragelyByCircle();
        for (AllocateMessageQueueStrategy strategy : Arrays.asList(average, circle,
            new AllocateMessageQueueConsistentHash(), room, new AllocateMachineRoomNearby(average, rooms),
            new AllocateMachineRoomNearby(circle, rooms))) {
            for (String[] brokers : BROKERS) {
                for (int queues : QUEUES) {
                    for (int members : MEMBERS) {
                        print(strategy, brokers, queues, members);
                    }
                }
            }
        }
    }

    private static void print(AllocateMessageQueueStrategy strategy, String[] brokers, int queues, int members) {
        List<MessageQueue> all = new ArrayList<>();
        for (String broker : brokers) {
            for (int id = 0; id < queues; id++) {
                all.add(new MessageQueue("T", broker, id));
            }
        }
        List<String> clients = new ArrayList<>();
        for (int i = 0; i < members; i++) {
            clients.add("r" + (i % 4 + 1) + "@10.0.0." + i + "@" + (100 + i));
        }
        Collections.sort(clients);
        for (String client : clients) {
            StringBuilder share = new StringBuilder();
            for (MessageQueue queue : strategy.allocate("g", client, all, clients)) {
                share.append(share.length() > 0 ? " " : "").append(queue.getBrokerName()).append(':')
                    .append(queue.getQueueId());
            }
            System.out.println(String.join("\t", strategy.getName(), String.join(",", brokers),
                String.valueOf(queues), String.valueOf(members), client, share));
        }
    }
}
