package interop;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * Java's mqadmin, many calls in one JVM.
 *
 * <p>Usage: {@code AdminBatch FOLDER}; each line of standard input is {@code NAME TAB SECONDS [TAB WORD]...}. What the
 * call prints goes to FOLDER/NAME.out and .err, its exit code to .code; a call that has not ended after that many
 * seconds is left behind with the code "endless". Needs {@code -Djava.security.manager=allow}: commands leave the JVM.
 */
public final class AdminBatch {
    /** Thrown in place of leaving. */
    private static final class Exit extends SecurityException {
        private static final long serialVersionUID = 1L;
    }

    /** Lets everything happen but leaving. */
    @SuppressWarnings({"deprecation", "removal"})
    private static final class Guard extends SecurityManager {
        private volatile boolean open;
        /** What the running call wanted to leave with: the frame around commands swallows the exception. */
        private volatile Integer wanted;

        @Override
        public void checkExit(int code) {
            if (!open) {
                wanted = code;
                throw new Exit();
            }
        }

        @Override
        public void checkPermission(java.security.Permission permission) {
            // Everything else is fine.
        }
    }

    private AdminBatch() {
    }

    @SuppressWarnings({"deprecation", "removal"})
    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        PrintStream out = System.out;
        PrintStream err = System.err;
        Guard guard = new Guard();
        System.setSecurityManager(guard);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            List<String> words = Arrays.asList(line.split("\t"));
            guard.wanted = null;
            forgetCommands();
            run(guard, folder, words.get(0), Integer.parseInt(words.get(1)), words.subList(2, words.size()).toArray(new String[0]));
        }
        System.setOut(out);
        System.setErr(err);
        guard.open = true;
        System.exit(0);
    }

    /** Command objects keep their clients, which can be started only once: each call has new ones, as in a new JVM. */
    private static void forgetCommands() throws ReflectiveOperationException {
        Field commands = MQAdminStartup.class.getDeclaredField("subCommandList");
        commands.setAccessible(true);
        ((List<?>) commands.get(null)).clear();
    }

    private static void run(Guard guard, Path folder, String name, int seconds, String[] words) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        String[] code = {"endless"};
        Thread thread = new Thread(() -> {
            try {
                MQAdminStartup.main0(words, null);
            } catch (Exit exit) {
                // Said by the guard.
            }
            code[0] = guard.wanted == null ? "0" : guard.wanted.toString();
        });
        thread.setDaemon(true);
        thread.start();
        thread.join(seconds * 1000L);
        save(folder, name, out, err, code[0]);
    }

    private static void save(
            Path folder, String name, ByteArrayOutputStream out, ByteArrayOutputStream err, String code)
            throws IOException {
        Files.write(folder.resolve(name + ".out"), out.toByteArray());
        Files.write(folder.resolve(name + ".err"), err.toByteArray());
        Files.writeString(folder.resolve(name + ".code"), code + "\n");
    }
}
