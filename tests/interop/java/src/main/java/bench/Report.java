package bench;

import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.JSONArray;
import com.alibaba.fastjson.JSONObject;
import com.alibaba.fastjson.serializer.SerializerFeature;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Prints the table of a bench run and holds it against the targets:
 * {@code Report RESULTS.jsonl BASE OTHER TARGETS [HISTORY.json]}.
 *
 * <p>Each result line carries case, system and pair. A system's figure is the median of its pairs; a ratio is taken
 * within each pair (OTHER / BASE) and printed as its median with the smallest and largest.
 */
public final class Report implements Targets.Figures {
    /** A measured figure: its field, its heading, how it is shown. */
    private record Figure(String field, String heading, double unit, String format) {
    }

    private static final List<Figure> FIGURES = List.of(
        new Figure("rate", "msg/s", 1, "%.0f"),
        new Figure("p50_us", "p50 ms", 1000, "%.3f"),
        new Figure("p99_us", "p99 ms", 1000, "%.3f"),
        new Figure("p999_us", "p99.9 ms", 1000, "%.3f"),
        new Figure("max_us", "max ms", 1000, "%.2f"),
        new Figure("cpu_s_per_million", "CPU s/M", 1, "%.2f"),
        new Figure("rss_anon_kib", "anon MiB", 1024, "%.1f"),
        new Figure("kib_per_connection", "KiB/conn", 1, "%.1f"),
        new Figure("bytes_per_queue", "B/queue", 1, "%.0f"),
        new Figure("lag_max", "max lag", 1, "%.0f"),
        new Figure("lag_ms_max", "lag ms", 1, "%.0f"),
        new Figure("boot_ms", "boot ms", 1, "%.0f"));
    private static final String FLOOR = "floor";

    private final Map<String, Map<String, TreeMap<Integer, JSONObject>>> results = new LinkedHashMap<>();
    private final String base;
    private final String other;

    private Report(String base, String other) {
        this.base = base;
        this.other = other;
    }

    public static void main(String[] args) throws Exception {
        if (args.length < 4) {
            System.err.println("usage: Report RESULTS.jsonl BASE OTHER TARGETS [HISTORY.json]");
            System.exit(2);
        }
        Report report = new Report(args[1], args[2]);
        JSONObject machine = new JSONObject(true);
        for (String text : Files.readAllLines(Path.of(args[0]))) {
            JSONObject line = JSON.parseObject(text, com.alibaba.fastjson.parser.Feature.OrderedField);
            if (line.containsKey("machine")) {
                machine = line;
            } else {
                report.add(line);
            }
        }
        System.out.print(report.table());
        System.out.println();
        System.out.print(new Targets(report.other, FLOOR, report).verdicts(Path.of(args[3])));
        if (args.length > 4) {
            report.append(Path.of(args[4]), machine);
        }
    }

    private void add(JSONObject line) {
        results.computeIfAbsent(line.getString("case"), name -> new LinkedHashMap<>())
            .computeIfAbsent(line.getString("system"), name -> new TreeMap<>())
            .put(line.getIntValue("pair"), line);
    }

    private static double median(List<Double> values) {
        double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        int half = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }

    @Override
    public Double figure(String name, String system, String field) {
        List<Double> values = new ArrayList<>();
        for (JSONObject line : results.getOrDefault(name, Map.of()).getOrDefault(system, new TreeMap<>()).values()) {
            if (line.containsKey(field)) {
                values.add(line.getDoubleValue(field));
            }
        }
        return values.isEmpty() ? null : median(values);
    }

    @Override
    public Double ratio(String name, String field) {
        double[] spread = results.containsKey(name) ? spread(name, field) : null;
        return spread == null ? null : spread[0];
    }

    /** Median, smallest and largest of OTHER / BASE within each pair; null when not comparable. */
    private double[] spread(String name, String field) {
        List<Double> ratios = new ArrayList<>();
        var bases = results.get(name).getOrDefault(base, new TreeMap<>());
        var others = results.get(name).getOrDefault(other, new TreeMap<>());
        bases.forEach((pair, line) -> {
            JSONObject against = others.get(pair);
            if (against != null && line.containsKey(field) && against.containsKey(field)
                && line.getDoubleValue(field) > 0) {
                ratios.add(against.getDoubleValue(field) / line.getDoubleValue(field));
            }
        });
        if (ratios.isEmpty()) {
            return null;
        }
        double[] sorted = ratios.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        return new double[] {median(ratios), sorted[0], sorted[sorted.length - 1]};
    }

    private String table() {
        List<String[]> rows = new ArrayList<>();
        List<String> head = new ArrayList<>(List.of("case", "system"));
        FIGURES.forEach(figure -> head.add(figure.heading()));
        rows.add(head.toArray(String[]::new));
        for (String name : results.keySet()) {
            for (String system : List.of(base, other, FLOOR)) {
                if (system.equals(FLOOR) && !results.get(name).containsKey(FLOOR)) {
                    continue;
                }
                List<String> row = new ArrayList<>(List.of(name, system));
                for (Figure figure : FIGURES) {
                    Double value = figure(name, system, figure.field());
                    row.add(value == null ? "" : String.format(Locale.ROOT, figure.format(), value / figure.unit()));
                }
                rows.add(row.toArray(String[]::new));
            }
            List<String> ratios = new ArrayList<>(List.of("", "ratio"));
            List<String> spreads = new ArrayList<>(List.of("", "spread"));
            for (Figure figure : FIGURES) {
                double[] ratio = spread(name, figure.field());
                ratios.add(ratio == null ? "" : String.format(Locale.ROOT, "x%.3f", ratio[0]));
                spreads.add(ratio == null ? "" : String.format(Locale.ROOT, "%.2f-%.2f", ratio[1], ratio[2]));
            }
            rows.add(ratios.toArray(String[]::new));
            rows.add(spreads.toArray(String[]::new));
        }
        return aligned(rows);
    }

    private static String aligned(List<String[]> rows) {
        int columns = rows.get(0).length;
        int[] widths = new int[columns];
        boolean[] used = new boolean[columns];
        for (int r = 0; r < rows.size(); r++) {
            for (int c = 0; c < columns; c++) {
                widths[c] = Math.max(widths[c], rows.get(r)[c].length());
                used[c] |= r > 0 && !rows.get(r)[c].isEmpty();
            }
        }
        StringBuilder text = new StringBuilder();
        for (String[] row : rows) {
            StringBuilder line = new StringBuilder();
            for (int c = 0; c < columns; c++) {
                if (used[c]) {
                    String pad = " ".repeat(widths[c] - row[c].length());
                    line.append(c < 2 ? row[c] + pad : pad + row[c]).append("  ");
                }
            }
            text.append(line.toString().stripTrailing()).append('\n');
        }
        return text.toString();
    }

    /** Appends this run, medians and ratios, to the history: a JSON array with one run per entry. */
    private void append(Path history, JSONObject machine) throws IOException {
        JSONArray runs = Files.exists(history)
            ? JSON.parseArray(Files.readString(history, StandardCharsets.UTF_8)) : new JSONArray();
        JSONObject run = new JSONObject(true);
        run.putAll(machine);
        JSONObject cases = new JSONObject(true);
        for (String name : results.keySet()) {
            JSONObject entry = new JSONObject(true);
            for (String system : List.of(base, other, FLOOR)) {
                JSONObject figures = new JSONObject(true);
                FIGURES.forEach(figure -> {
                    Double value = figure(name, system, figure.field());
                    if (value != null) {
                        figures.put(figure.field(), Load.round(value));
                    }
                });
                if (!figures.isEmpty()) {
                    entry.put(system, figures);
                }
            }
            JSONObject ratios = new JSONObject(true);
            FIGURES.forEach(figure -> {
                double[] ratio = spread(name, figure.field());
                if (ratio != null) {
                    ratios.put(figure.field(), Arrays.stream(ratio).map(Load::round).boxed().toList());
                }
            });
            entry.put("ratio_median_min_max", ratios);
            cases.put(name, entry);
        }
        run.put("cases", cases);
        runs.add(run);
        Files.writeString(history, JSON.toJSONString(runs, SerializerFeature.PrettyFormat,
            SerializerFeature.MapSortField) + "\n", StandardCharsets.UTF_8);
    }
}
