package interop;

import com.alibaba.fastjson.JSON;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.apache.rocketmq.broker.filter.MessageEvaluationContext;
import org.apache.rocketmq.filter.FilterFactory;
import org.apache.rocketmq.filter.expression.Expression;

/**
 * Prints what Java's SQL92 module makes of many expressions and messages, one JSON line for each
 * expression: its printed form and a letter for each message of the first line, or the error.
 * The output is tests/golden/java-4.9.2/sql92.jsonl; it is the same every time.
 */
public final class FilterTable {
    private static final String[] NAMES = {"a", "b", "c", "$x", "_y1"};
    private static final String[] VALUES = {
        "5", "-5", "0", "10", "2", "5.0", "5.5", "-0.0", "1e3", "x", "X", "", " 5 ", "+5", "true", "TRUE",
        "false", "2147483647", "2147483648", "-2147483648", "9223372036854775807", "9223372036854775808",
        "NaN", "Infinity", "it's", "é", "0x10", "5L", "5d", "null"};
    private static final String[] LITERALS = {
        "5", "0", "10", "-5", "+5", "--5", "5.5", "5.", ".5", "5e0", "1e3", "-0.5", "5L", "2147483647", "2147483648",
        "-2147483648", "9223372036854775807", "'5'", "'x'", "'X'", "''", "'it''s'", "'true'", "'é'", "'NaN'",
        "TRUE", "false", "-'x'", "-TRUE", "'5.0'"};
    private static final String[] OPERATORS = {"=", "<>", ">", ">=", "<", "<="};
    /** The grammar's corners, and what it refuses. */
    private static final String[] CORNERS = {
        "", "   ", "a", "a =", "a = 'x", "a = 'x' junk", "a ! b", "5", "a = NULL", "a <> NULL", "NULL = a", "null = null",
        "a BETWEEN 5 AND 3", "a between 'x' and 3", "a between NULL and 3", "a BETWEEN TRUE AND FALSE",
        "a BETWEEN TRUE AND 5", "a BETWEEN 5 AND TRUE", "a BETWEEN 'x' AND TRUE", "a BETWEEN TRUE AND 'x'",
        "a BETWEEN 5.5 AND 5", "a BETWEEN -5 AND 5", "a BETWEEN 5 AND -5", "a BETWEEN (b) AND 5", "a BETWEEN 5 AND 5",
        "a BETWEEN b AND c", "a NOT BETWEEN 5 AND 3", "a NOT BETWEEN 3 AND 5", "a NOT BETWEEN b AND c",
        "1 BETWEEN 0 AND 2", "'b' BETWEEN 'a' AND 'c'", "a BETWEEN '1' AND '3'", "a BETWEEN 0.5 AND 10",
        "a BETWEEN 1 AND 5 AND b = 5", "a BETWEEN 1 OR 2", "a BETWEEN 1 2", "a BETWEEN", "a BETWEEN 1 AND",
        "1 in ('a')", "a in (1)", "a in ()", "a IN 5", "a IN", "a IN (", "a IN ('x'", "a IN ('x',", "a IN ('x' 'y')",
        "a in ('x')", "a in ('5', 'x', 'it''s')", "a not in ('x','y')", "a NOT IN ('5')", "NOT a in ('x')",
        "NOT (a IN ('5', '10'))", "(a) in ('5')", "a in ('1','2','3','4','5')", "a in ('5')('x')",
        "(a in ('1','2','3','4','five','six')) > 5", "a IN ('x') = TRUE", "a IN ('5') = b", "a in ('x', 'x', 'y') > 1",
        "a > 99999999999999999999", "a > 0.0", "a > 0e5", "a > 00", "(a > 00)", "(a > 0L)", "(a > 05)", "(a = 0x10)",
        "a > 1e400", "a > 1.0e-400", "a = 2e-324", "a = 1e-323", "a = 1.7976931348623159E308", "a = 9223372036854775808",
        "a = -9223372036854775808", "a > 5 AND", "NOT a > 5", "NOT (a > 5)", "NOT 'x'", "'x'", "-a", "-a > 5", "+a = 5",
        "-a = 5", "- 'x' = 5", "a is", "a is not", "a IS 5", "a IS TRUE", "a IS NOT 5", "a IS NULL", "a IS NOT NULL",
        "NOT a IS NULL", "NOT (a IS NULL)", "a IS NULL IS NULL", "NULL IS NULL", "5 IS NULL", "(a", "(a = 5", "a = 5)",
        "(a b", "(a OR", "(a 5", "(a NOT NULL)", "()", "and", "a = 1 and and", "IS NULL", "NOT", "a NOT", "a NOT b",
        "a NOT = 6", "(a NOT > 6)", "a = 5 NOT", "a > 5 NOT > 6", "a NOT IN", "a NOT BETWEEN", "a NOT BETWEEN 1",
        "a NOT NOT IN ('x')", "TRUE", "FALSE", "NULL", "NOT TRUE", "NOT NULL", "NOT NOT TRUE", "NOT (NOT (a = 5))",
        "5 = 5", "'a' = 'a'", "TRUE = TRUE", "TRUE = FALSE", "TRUE = 5", "TRUE = 'x'", "5 = TRUE", "'true' = TRUE",
        "TRUE = a", "FALSE <> a", "5 = a", "'x' = a", "5.5 = a", "1 > 2", "2 > 1", "1 > a", "TRUE > 1", "'x' > 1",
        "a > 'x'", "a > TRUE", "a > NULL", "a > b > c", "(a = 5) > 2", "a > NOT b", "a > -b", "a > -'x'",
        "a = 5 = 5", "a = TRUE = FALSE", "(a = 5) = (b = 5)", "(a = 5) <> (b = 5)", "a = b", "a <> b", "a > b", "a <= b",
        "a = a", "a <> a", "a = -b", "a and b", "a or b", "NOT a", "a or 5", "5 and a", "a and 'x'", "a AND NULL",
        "a = 5 OR NULL", "NULL OR a = 5", "a = 5 AND b = 5 OR c = 5", "a = 5 OR b = 5 AND c = 5", "(a = 5 OR b = 5) AND c = 5",
        "a > 1 OR b > 1", "a > 1 AND b > 1", "a = 5 AND b > 1", "a <> 5 OR b > 1", "a > 'x", "a = \"x\"", "\u00e9 = 1",
        "a = 1 /* x", "/* c */ a = 5", "/**/ a = 5", "/***/ a = 5", "/* * / **/ a = 5", "a = 5 -- hi", "a = 5 -- hi\n",
        "-- hi\na = 5", "-- hi\r\na = 5", "a = 5 -- hi\n AND b = 5", "a--b\n= 5", "-- x", "a -- x !", "/ a", "a = 1 /",
        "a = 1 / 2", "a\n=\n5 &", "a\n=\n& 5", "a = 5\r\n and $", "\t\ta = @", "\t\ta = @ 5", "a = \t\t !", "'a\tb' !",
        "a LIKE 'x'", "a + 1 > 2", "a-b=1", "a,b", "a.b = 1", "a b !", "a !", "a 'x", "a NOT !", "a NOT IN !", "a IS !",
        "+ )", "+ a > 5 = )", "- )", "a = + )", "+(a = )", "+(a = 5 AND 5)", "+(a > 'x' AND )", "NOT )", "a = -", "a < = 5",
        "a <", "< a", "a => 5", "a == 5", "a != 5", "a = .", "a = .e3", "a = .e", "a = 5e", "(a = 5e)", "a = 5.e3", "a = 1.5f",
        "(a = 1.5f)", "a = 1.5L", "$x = 5", "_y1 = '5'", "A = 5", "a1 = 5", "$ = 1", "a = 'it''s'", "a = ''''", "a = '\n' !",
        "a = '' !", "a = ''x'", "'", "''", "'''", "a = 'x\r\ny' !", "a\r= !", "a\r\r= ! ", "\"", "\\", "a \b x", "a = 'x\"y", "a \u0007b",
        "a \u0000 b", "\u00a0", "a\u3000= 1", "a = '\ud83d\ude00' !", "\ud83d\ude00", "\f a = 5", "a = '\\' !", "a = 'é' !",
        "a > '5' AND b = )", "a = NULL AND )", "(a > TRUE) AND (", "a = 5 OR b = (", "NOT 5 AND )",
        "a = 5 AND (b = 5 OR (c = 5 AND NOT (a > 1 AND b > 1)))", "((((a))))", "((a)) = 5", "a = (5)", "a = ('x')",
        "a AND (b) AND c", "true AND True and TRUE", "nOt (A iS nUlL)", "a Between 1 aNd 10", "BETWEENS = 5", "inn = 5",
    };

    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    private final List<Map<String, String>> messages = new ArrayList<>();

    public static void main(String[] args) {
        new FilterTable().print();
    }

    private void print() {
        messages();
        out.println(JSON.toJSONString(messages));
        for (String text : expressions()) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("expression", text);
            try {
                Expression expression = FilterFactory.INSTANCE.get("SQL92").compile(text);
                line.put("printed", expression.toString());
                StringBuilder results = new StringBuilder();
                for (Map<String, String> message : messages) {
                    results.append(result(expression, message, line));
                }
                line.put("results", results.toString());
            } catch (Throwable error) {
                line.put("error", error.getMessage());
            }
            out.println(JSON.toJSONString(line));
        }
        out.flush();
    }

    /** T, F, N for null, or E; the first exception's text is kept. */
    private static char result(Expression expression, Map<String, String> message, Map<String, Object> line) {
        try {
            Object value = expression.evaluate(new MessageEvaluationContext(message));
            return value == null ? 'N' : (Boolean) value ? 'T' : 'F';
        } catch (Throwable error) {
            line.putIfAbsent("exception", error.toString());
            return 'E';
        }
    }

    private void messages() {
        messages.add(new LinkedHashMap<>());
        for (String value : VALUES) {
            Map<String, String> message = new LinkedHashMap<>();
            message.put("a", value);
            message.put("b", VALUES[(messages.size() * 7) % VALUES.length]);
            if (messages.size() % 3 != 0) {
                message.put("c", VALUES[(messages.size() * 11) % VALUES.length]);
            }
            if (messages.size() % 4 == 0) {
                message.put("$x", "5");
                message.put("_y1", "5");
            }
            messages.add(message);
        }
        Map<String, String> withoutA = new LinkedHashMap<>();
        withoutA.put("b", "5");
        messages.add(withoutA);
    }

    private Set<String> expressions() {
        Set<String> all = new LinkedHashSet<>();
        for (String literal : LITERALS) {
            for (String operator : OPERATORS) {
                all.add("a " + operator + " " + literal);
            }
            all.add(literal + " = a");
        }
        all.addAll(List.of(CORNERS));
        Random random = new Random(92);
        while (all.size() < 700) {
            all.add(condition(random, 3));
        }
        // Damaged ones: what is refused, where, and in which words.
        List<String> sound = new ArrayList<>(all);
        while (all.size() < 1000) {
            StringBuilder text = new StringBuilder(sound.get(random.nextInt(sound.size())));
            if (text.length() > 0) {
                int at = random.nextInt(text.length());
                String put = "()'<>=+-/*., 5e&aNOT AND\n".substring(random.nextInt(24)).substring(0, 1);
                switch (random.nextInt(3)) {
                    case 0 -> text.deleteCharAt(at);
                    case 1 -> text.insert(at, put);
                    default -> text.setLength(at);
                }
            }
            all.add(text.toString());
        }
        return all;
    }

    private static String condition(Random random, int depth) {
        String left = operand(random);
        int kind = random.nextInt(depth == 0 ? 6 : 10);
        return switch (kind) {
            case 0 -> left + " IS " + (random.nextBoolean() ? "NOT " : "") + "NULL";
            case 1 -> left + (random.nextBoolean() ? " NOT" : "") + " BETWEEN " + operand(random) + " AND " + operand(random);
            case 2 -> NAMES[random.nextInt(NAMES.length)] + (random.nextBoolean() ? " NOT" : "") + " IN ('"
                + VALUES[random.nextInt(24)] + "', '" + VALUES[random.nextInt(24)] + "')";
            case 3, 4, 5 -> left + " " + OPERATORS[random.nextInt(OPERATORS.length)] + " " + operand(random);
            case 6 -> "NOT (" + condition(random, depth - 1) + ")";
            case 7 -> "(" + condition(random, depth - 1) + ") AND " + condition(random, depth - 1);
            case 8 -> condition(random, depth - 1) + " OR " + condition(random, depth - 1);
            default -> condition(random, depth - 1) + " AND " + condition(random, depth - 1);
        };
    }

    private static String operand(Random random) {
        return random.nextInt(3) == 0
            ? LITERALS[random.nextInt(LITERALS.length)]
            : NAMES[random.nextInt(NAMES.length)];
    }
}
