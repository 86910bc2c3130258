package bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Holds a run against bench/targets: one line for each condition of a case that ran. */
final class Targets {
    private static final Pattern CONDITION = Pattern.compile("(\\w+)(<=|>=)([0-9.]+)(x|\\*([\\w-]+))?");
    private static final String CPU = "cpu_s_per_million";
    private static final double FLOORS = 1.5;

    /** What the run yielded. */
    interface Figures {
        /** The median of a system in a case; null if there is none. */
        Double figure(String name, String system, String field);

        /** The median ratio of ours to Java's; null if there is none. */
        Double ratio(String name, String field);
    }

    /** Which system is judged, and which is the floor. */
    private final String other;
    private final String floor;
    private final Figures figures;
    private int met;
    private int missed;
    private int open;

    Targets(String other, String floor, Figures figures) {
        this.other = other;
        this.floor = floor;
        this.figures = figures;
    }

    /** The verdicts as lines of text, with a count at the end; cases that did not run are left out. */
    String verdicts(Path file) throws IOException {
        StringBuilder text = new StringBuilder();
        for (String line : Files.readAllLines(file)) {
            int colon = line.indexOf(':');
            if (colon < 0 || line.startsWith("#")) {
                continue;
            }
            String name = line.substring(0, colon).strip();
            for (String condition : line.substring(colon + 1).strip().split(" +")) {
                String verdict = verdict(name, condition);
                if (verdict != null) {
                    text.append(String.format(Locale.ROOT, "%-18s %-24s %s%n", name, condition, verdict));
                }
            }
        }
        return text.append(String.format("targets: %d met, %d missed, %d without a figure to compare with%n",
            met, missed, open)).toString();
    }

    private String verdict(String name, String condition) {
        Matcher parts = CONDITION.matcher(condition);
        if (!parts.matches()) {
            throw new IllegalArgumentException("bench/targets: " + name + ": " + condition);
        }
        String field = parts.group(1);
        Double ours = figures.figure(name, other, field);
        Double reached = ours;
        if (parts.group(5) != null) {
            Double against = figures.figure(parts.group(5), other, field);
            reached = ours == null || against == null ? null : ours / against;
        } else if (parts.group(4) != null) {
            reached = figures.ratio(name, field);
        }
        if (reached == null) {
            open += ours == null ? 0 : 1;
            return ours == null ? null : "no figure to compare with";
        }
        double wanted = Double.parseDouble(parts.group(3));
        boolean holds = parts.group(2).equals("<=") ? reached <= wanted : reached >= wanted;
        List<String> words = new ArrayList<>();
        words.add(String.format(Locale.ROOT, "%.3f", reached));
        Double least = figures.figure(name, floor, field);
        if (field.equals(CPU) && ours != null && least != null) {
            words.add(String.format(Locale.ROOT, "(%.2f times the floor)", ours / least));
            holds |= ours <= FLOORS * least;
        }
        words.add(0, holds ? "met   " : "missed");
        met += holds ? 1 : 0;
        missed += holds ? 0 : 1;
        return String.join(" ", words);
    }
}
