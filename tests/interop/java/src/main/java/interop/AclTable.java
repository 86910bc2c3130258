package interop;

import com.alibaba.fastjson.JSON;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.rocketmq.acl.common.AclUtils;
import org.apache.rocketmq.acl.common.Permission;
import org.apache.rocketmq.acl.plain.PlainAccessResource;
import org.apache.rocketmq.acl.plain.RemoteAddressStrategy;
import org.apache.rocketmq.acl.plain.RemoteAddressStrategyFactory;

/**
 * Prints what Java's access control makes of white list patterns, permission words and signatures, one JSON line
 * each. The output is tests/golden/java-4.9.2/acl.jsonl; it is the same every time.
 */
public final class AclTable {
    private static final String[] ADDRESSES = {
        "127.0.0.1", "10.10.103.7", "10.10.103.255", "10.10.104.7", "10.10.10.3", "192.168.0.1", "192.168.0.50",
        "192.168.0.100", "192.168.0.101", "192.168.1.5", "192.168.10.200", "192.168.11.1", "192.169.1.1", "1.1.1.1",
        "0.0.0.0", "255.255.255.255", "::1", "0:0:0:0:0:0:0:1", "fe80::1", "fe80::a", "fe80::1f", "2001:db8::ff00:42:8329",
        "2001:DB8:0:0:0:FF00:42:8329", "1050:0:0:0:5:600:300c:1", "1050::5:600:300c:2f", "5::7:6:1-200:5", "localhost", ""};
    private static final String[] PATTERNS = {
        "", " ", "*", "*.*.*.*", "*:*:*:*:*:*:*:*", "127.0.0.1", "10.10.103.7", "10.10.103.*", "10.10.*.*", "10.*.*.*",
        "192.168.0.1-100", "192.168.0.50-50", "192.168.1-10.*", "192.168.0-1.5", "192.168.*.5", "192.1-200.*.*", "192.168.0.{1,50}",
        "192.168.0.{1}", "10.10.103.{7,255}", "127.0.0.1,192.168.0.1", "127.0.0.1,::1", "fe80::1,fe80::a", "::1", "0:0:0:0:0:0:0:1",
        "fe80::*", "fe80::1-20", "1050::5:600:300c:*", "1050::5:600:300c:1-2f", "1050::5:600:*:*", "1050:0:0:0:5:600:300c:{1,2}",
        "fe80::{1,a}", "2001:db8::ff00:42:8329", "2001:DB8::FF00:42:8329",
        "256.0.0.1", "1.2.3", "abc", "1.2.3.4.5", "192.168.0.100-1", "192.168.0.1-300", "192.168.0.-5", "192.168.0.x-5",
        "127.0.0.1, 192.168.0.1", "127.0.0.1,abc", "192.168.0.{1,x}", "192.168.{0,1}.*", "300.168.0.*", "1.300.0.*", "fe80::{1,zz}", "fe80::zz",
        "fe80::2-1", "fe80:*:1", "*:1:2:3:4:5:6:7", "192.168.0.{1,50", "192.168.0.1-", "0.0.0.0", "0.0.0.*", "255.255.255.*"};
    private static final String[] PERMISSIONS = {"DENY", "PUB", "SUB", "PUB|SUB", "SUB|PUB", "ANY", "pub", " PUB", "", "PUB | SUB", "x"};

    public static void main(String[] args) {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        out.println(JSON.toJSONString(ADDRESSES));
        RemoteAddressStrategyFactory factory = new RemoteAddressStrategyFactory();
        for (String pattern : PATTERNS) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("pattern", pattern);
            try {
                RemoteAddressStrategy strategy = factory.getRemoteAddressStrategy(pattern);
                StringBuilder matches = new StringBuilder();
                for (String address : ADDRESSES) {
                    matches.append(match(strategy, address));
                }
                line.put("matches", matches.toString());
            } catch (Throwable error) {
                line.put("error", error.toString());
            }
            out.println(JSON.toJSONString(line));
        }
        for (String word : PERMISSIONS) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("permission", word);
            byte owned = Permission.parsePermFromString(word);
            line.put("pub", Permission.checkPermission(Permission.PUB, owned));
            line.put("sub", Permission.checkPermission(Permission.SUB, owned));
            out.println(JSON.toJSONString(line));
        }
        for (String[] sample : new String[][] {
            {"", "12345678"}, {"RocketMQ", "12345678"}, {"topicA0\u00fc\u65e5\u672c", "geheim\u00fcber"}, {"x".repeat(300), "k".repeat(100)}}) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("secret", sample[1]);
            line.put("content", sample[0]);
            line.put("signature", AclUtils.calSignature(sample[0].getBytes(StandardCharsets.UTF_8), sample[1]));
            out.println(JSON.toJSONString(line));
        }
        out.flush();
    }

    private static char match(RemoteAddressStrategy strategy, String address) {
        PlainAccessResource resource = new PlainAccessResource();
        resource.setWhiteRemoteAddress(address);
        try {
            return strategy.match(resource) ? 'T' : 'F';
        } catch (Throwable error) {
            return 'E';
        }
    }
}
