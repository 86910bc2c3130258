package interop;

import com.alibaba.fastjson.JSONObject;
import java.util.Map;

/** Prints one JSON line per check and counts those that failed. */
final class Checks {
    private String scenario = "";
    private int done;
    private int failed;

    synchronized void scenario(String name) {
        scenario = name;
    }

    /** Records a check; {@code fields} follow the name in the line. */
    synchronized void add(String check, boolean ok, Map<String, Object> fields) {
        JSONObject line = new JSONObject(true);
        line.put("scenario", scenario);
        line.put("check", check);
        line.putAll(fields);
        line.put("ok", ok);
        done++;
        if (!ok) {
            failed++;
            System.err.println("FAILED " + scenario + "/" + check + ": " + fields);
        }
        System.out.println(line.toJSONString());
    }

    void that(String check, boolean ok, Object... pairs) {
        JSONObject fields = new JSONObject(true);
        for (int i = 0; i + 1 < pairs.length; i += 2) {
            fields.put(pairs[i].toString(), pairs[i + 1]);
        }
        add(check, ok, fields);
    }

    /** Holds when both values are equal; prints both. */
    void equal(String check, Object expected, Object actual) {
        that(check, java.util.Objects.equals(expected, actual), "expected", expected, "actual", actual);
    }

    synchronized int failed() {
        return failed;
    }

    synchronized void summary() {
        System.err.println((failed == 0 ? "all " + done + " checks hold" : failed + " of " + done + " checks FAILED"));
    }
}
