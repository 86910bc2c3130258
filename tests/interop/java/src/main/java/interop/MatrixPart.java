package interop;

import java.util.function.Consumer;
import org.apache.rocketmq.common.message.Message;

/** What the matrix's parts have in common: the messages of a cell, equal in all languages (matrix/src/feature.rs). */
record MatrixPart(String feature, String topic, String group, Consumer<String> tell) {
    static final int MESSAGES = 20;
    static final int QUEUES = 4;
    static final String NAMESPACE = "MatrixSpace";
    static final String SQL = "n BETWEEN 5 AND 14 AND color IS NULL";
    static final String TAGS = "TagA || TagC";

    boolean is(String name) {
        return feature.equals(name);
    }

    static String body(int index) {
        return "matrix " + index;
    }

    static String tag(int index) {
        return new String[] {"TagA", "TagB", "TagC"}[index % 3];
    }

    Message message(int index) {
        Message message = new Message(topic, tag(index), "key" + index, SendScenarios.utf8(body(index)));
        message.putUserProperty("n", Integer.toString(index));
        return message;
    }

    boolean wanted(int index) {
        return switch (feature) {
            case "tags" -> !tag(index).equals("TagB");
            case "sql" -> index >= 5 && index <= 14;
            case "transaction" -> index % 3 != 1;
            default -> true;
        };
    }
}
