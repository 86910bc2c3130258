package bench;

import com.alibaba.fastjson.JSONObject;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a daemon has used, read from Linux's /proc: CPU time in seconds, memory in KiB. Pid 0 reads nothing. */
final class DaemonUse {
    private static final int USER_TIME_FIELD = 11;
    private static final int SYSTEM_TIME_FIELD = 12;
    /** The kernel reports these fields in USER_HZ, which is 100 on every Linux architecture in use. */
    private static final double TICKS_PER_SECOND = 100.0;

    final double userSeconds;
    final double systemSeconds;
    final long anonymousKib;

    private DaemonUse(double userSeconds, double systemSeconds, long anonymousKib) {
        this.userSeconds = userSeconds;
        this.systemSeconds = systemSeconds;
        this.anonymousKib = anonymousKib;
    }

    static DaemonUse of(long pid) throws IOException {
        if (pid == 0) {
            return new DaemonUse(0, 0, 0);
        }
        String stat = Files.readString(Path.of("/proc/" + pid + "/stat"), StandardCharsets.ISO_8859_1);
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        long anonymous = 0;
        for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/status"))) {
            if (line.startsWith("RssAnon:")) {
                anonymous = Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        return new DaemonUse(Long.parseLong(fields[USER_TIME_FIELD]) / TICKS_PER_SECOND,
            Long.parseLong(fields[SYSTEM_TIME_FIELD]) / TICKS_PER_SECOND, anonymous);
    }

    /** Adds what was used since {@code before} for {@code messages} messages. */
    void since(DaemonUse before, long messages, JSONObject line) {
        double user = userSeconds - before.userSeconds;
        double system = systemSeconds - before.systemSeconds;
        line.put("cpu_user_s", Load.round(user));
        line.put("cpu_sys_s", Load.round(system));
        if (messages > 0) {
            line.put("cpu_s_per_million", Load.round((user + system) * 1e6 / messages));
        }
        line.put("rss_anon_kib", anonymousKib);
    }
}
