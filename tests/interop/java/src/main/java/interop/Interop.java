package interop;

import com.alibaba.fastjson.JSONObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Judges a running cluster through the unmodified Java 4.9.2 client.
 *
 * <p>Usage: {@code Interop NAMESRV SCENARIO[,SCENARIO...]|all [key=value ...]}. Each check prints one line of
 * JSON; the exit code is 0 when every check holds, 1 when one differs, 2 when the call itself is wrong.
 */
public final class Interop {
    /** One thing to prove; it reports through the peer's checks and throws only what it cannot explain. */
    interface Scenario {
        void run(Peer peer) throws Exception;
    }

    private static Map<String, Scenario> judged() {
        Map<String, Scenario> scenarios = new LinkedHashMap<>();
        scenarios.put("sync", SendScenarios::sync);
        scenarios.put("async", SendScenarios::async);
        scenarios.put("oneway", SendScenarios::oneway);
        scenarios.put("batch", SendScenarios::batch);
        scenarios.put("properties", SendScenarios::properties);
        scenarios.put("compressed", SendScenarios::compressed);
        scenarios.put("queue-choice", SendScenarios::queueChoice);
        scenarios.put("refusals", SendScenarios::refusals);
        scenarios.put("tag-filter", ConsumeScenarios::tagFilter);
        scenarios.put("sql-filter", FilterScenarios::sql);
        scenarios.put("push-concurrent", ConsumeScenarios::concurrent);
        scenarios.put("push-orderly", ConsumeScenarios::orderly);
        scenarios.put("broadcast", ConsumeScenarios::broadcast);
        scenarios.put("sharing", ConsumeScenarios::sharing);
        scenarios.put("resume", ConsumeScenarios::resume);
        scenarios.put("delay", DeferredScenarios::delay);
        scenarios.put("retry", DeferredScenarios::retry);
        scenarios.put("orderly-suspension", DeferredScenarios::orderlySuspension);
        scenarios.put("transaction", TransactionScenarios::transaction);
        scenarios.put("request", RequestScenarios::request);
        scenarios.put("pull", PullScenarios::pull);
        scenarios.put("lite-pull", PullScenarios::litePull);
        scenarios.put("query-key", QueryScenarios::byKey);
        scenarios.put("query-unique-key", QueryScenarios::byUniqueKey);
        scenarios.put("query-offset-id", QueryScenarios::byOffsetId);
        scenarios.put("offsets", QueryScenarios::offsets);
        return scenarios;
    }

    private static Map<String, Scenario> single() {
        Map<String, Scenario> scenarios = new LinkedHashMap<>();
        scenarios.put("acl", AclScenarios::acl);
        scenarios.put("acl-reload", AclReload::reload);
        scenarios.put("tls", TlsRow::tls);
        scenarios.put("produce", Journal::produce);
        scenarios.put("follow", Journal::follow);
        scenarios.put("consume-all", Journal::consumeAll);
        scenarios.put("keyed", Journal::keyed);
        scenarios.put("verify-store", StoreDump::run);
        return scenarios;
    }

    public static void main(String[] args) throws Exception {
        Map<String, Scenario> judged = judged();
        Map<String, Scenario> known = new LinkedHashMap<>(judged);
        known.putAll(single());
        if (args.length < 2) {
            System.err.println("usage: Interop NAMESRV|- SCENARIO[,SCENARIO...]|all [key=value ...]\nscenarios: "
                + String.join(" ", known.keySet()));
            System.exit(2);
        }
        Map<String, String> parameters = new LinkedHashMap<>();
        for (int i = 2; i < args.length; i++) {
            int equals = args[i].indexOf('=');
            if (equals <= 0) {
                System.err.println("not key=value: " + args[i]);
                System.exit(2);
            }
            parameters.put(args[i].substring(0, equals), args[i].substring(equals + 1));
        }
        List<String> names = new ArrayList<>();
        for (String name : args[1].equals("all") ? judged.keySet() : List.of(args[1].split(","))) {
            if (!known.containsKey(name)) {
                System.err.println("no scenario " + name + "; there are: " + String.join(" ", known.keySet()));
                System.exit(2);
            }
            names.add(name);
        }
        isolateClientFiles();
        Checks checks = new Checks();
        for (String name : names) {
            runOne(name, known.get(name), args[0], parameters, checks);
        }
        System.out.flush();
        checks.summary();
        System.exit(checks.failed() == 0 ? 0 : 1);
    }

    private static void runOne(String name, Scenario scenario, String namesrv, Map<String, String> parameters,
        Checks checks) {
        checks.scenario(name);
        try (Peer peer = new Peer(namesrv, parameters, checks)) {
            scenario.run(peer);
        } catch (Throwable failure) {
            JSONObject line = new JSONObject(true);
            line.put("error", failure.toString());
            checks.add(name, false, line);
            failure.printStackTrace();
        }
    }

    /** Client log and broadcast offsets go to a scratch folder: set before any client class is loaded. */
    static void isolateClientFiles() throws IOException {
        Path scratch = Files.createTempDirectory("rocketmq-interop");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> deleteTree(scratch)));
        // Silent unless -Dinterop.log.level=WARN (to standard error); standard output belongs to the results.
        setDefault("rocketmq.client.logUseSlf4j", "true");
        setDefault("logback.configurationFile", "interop-logback.xml");
        setDefault("rocketmq.client.logRoot", scratch.resolve("logs").toString());
        setDefault("rocketmq.client.localOffsetStoreDir", scratch.resolve("offsets").toString());
    }

    private static void setDefault(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }

    private static void deleteTree(Path root) {
        try (var paths = Files.walk(root)) {
            paths.sorted(java.util.Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
        } catch (IOException ignored) {
            // Scratch files of a finished run harm nobody.
        }
    }

    private Interop() {
    }
}
