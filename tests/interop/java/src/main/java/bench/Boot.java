package bench;

import com.alibaba.fastjson.JSONObject;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Time from starting a daemon to its "boot success" line, and its anonymous memory when left alone:
 * {@code Boot [rounds=5] [idle-seconds=3] [wipe=DIR] -- COMMAND...}. {@code wipe} is emptied before each round.
 */
public final class Boot {
    public static void main(String[] args) throws Exception {
        int split = Arrays.asList(args).indexOf("--");
        if (split < 0 || split == args.length - 1) {
            System.err.println("usage: Boot [rounds=5] [idle-seconds=3] [wipe=DIR] -- COMMAND...");
            System.exit(2);
        }
        Options options = new Options(args, 0, split);
        List<String> command = List.of(args).subList(split + 1, args.length);
        List<Double> millis = new ArrayList<>();
        List<Long> memory = new ArrayList<>();
        for (int i = 0; i < options.number("rounds", 5); i++) {
            wipe(options.text("wipe", ""));
            round(command, options.number("idle-seconds", 3), millis, memory);
        }
        Collections.sort(millis);
        Collections.sort(memory);
        JSONObject line = new JSONObject(true);
        line.put("mode", "boot");
        line.put("rounds", millis.size());
        line.put("boot_ms", Load.round(millis.get(millis.size() / 2)));
        line.put("boot_ms_max", Load.round(millis.get(millis.size() - 1)));
        line.put("rss_anon_kib", memory.get(memory.size() / 2));
        System.out.println(line.toJSONString());
    }

    private static void round(List<String> command, int idleSeconds, List<Double> millis, List<Long> memory)
        throws Exception {
        long start = System.nanoTime();
        Process process = new ProcessBuilder(command).redirectErrorStream(true)
            .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null"))).start();
        Thread reaper = new Thread(process::destroyForcibly);
        Runtime.getRuntime().addShutdownHook(reaper);
        StringBuilder output = new StringBuilder();
        boolean booted = false;
        BufferedReader lines = process.inputReader();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            output.append(line).append('\n');
            if (line.contains("boot success")) {
                booted = true;
                break;
            }
        }
        if (!booted) {
            throw new IllegalStateException(String.join(" ", command) + " ended without boot success:\n" + output);
        }
        millis.add((System.nanoTime() - start) / 1e6);
        TimeUnit.SECONDS.sleep(idleSeconds);
        ProcessHandle daemon = daemonOf(process.toHandle());
        memory.add(DaemonUse.of(daemon.pid()).anonymousKib);
        // Nothing it holds is needed: a clean stop would only take time.
        daemon.destroyForcibly();
        process.destroyForcibly();
        process.waitFor(30, TimeUnit.SECONDS);
        Runtime.getRuntime().removeShutdownHook(reaper);
    }

    /** Follows start scripts that did not exec. */
    private static ProcessHandle daemonOf(ProcessHandle started) throws IOException {
        String name = Files.readString(Path.of("/proc/" + started.pid() + "/comm")).trim();
        if (List.of("sh", "dash", "bash", "busybox").contains(name)) {
            var child = started.children().findFirst();
            if (child.isPresent()) {
                return daemonOf(child.get());
            }
        }
        return started;
    }

    private static void wipe(String dir) throws IOException {
        if (dir.isEmpty() || !Files.isDirectory(Path.of(dir))) {
            return;
        }
        try (var paths = Files.walk(Path.of(dir))) {
            paths.sorted(Collections.reverseOrder()).filter(path -> !path.equals(Path.of(dir)))
                .forEach(path -> path.toFile().delete());
        }
    }

    private Boot() {
    }
}
