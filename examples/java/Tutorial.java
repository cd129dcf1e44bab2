import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * A compliance report from the DigiCert ONE Account Manager audit log in five steps. Java 17, no libraries.
 *
 * <pre>COUNTERSIGN_URL=http://127.0.0.1:8080 COUNTERSIGN_TOKEN=... FROM=2026-01-01 TO=2026-03-31 java Tutorial.java > report.tsv</pre>
 */
public class Tutorial {
    static final String BASE_URL = required("COUNTERSIGN_URL");
    static final String TOKEN = required("COUNTERSIGN_TOKEN");
    static final LocalDate TODAY = LocalDate.now(ZoneOffset.UTC);
    static final String FROM = System.getenv().getOrDefault("FROM", TODAY.minusDays(90).toString());
    static final String TO = System.getenv().getOrDefault("TO", TODAY.toString());
    static final HttpClient CLIENT = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(20)).build();

    public static void main(String[] args) throws Exception {
        // 1. What is there: the newest entries.
        Map<String, Object> newest = get("/account/api/v1/audit-log", Map.of("sort", "timestamp:desc"));
        Map<String, Object> first = object(list(newest.get("items")).get(0));
        log("step 1: %d entries, the newest is %s %s at %s", total(newest), first.get("action"), first.get("resource_type"), first.get("timestamp"));

        // 2. What is wanted: a period, and two types of resource.
        Map<String, String> wanted = new TreeMap<>(Map.of("from", FROM, "to", TO, "resource_types", "USER,APIKEY", "sort", "timestamp:desc"));
        log("step 2: %d of them from %s to %s", total(get("/account/api/v1/audit-log", wanted)), FROM, TO);

        // 3. All of it, in pages of 1000.
        List<Map<String, Object>> items = new ArrayList<>();
        wanted.put("limit", "1000");
        for (long offset = 0, total = 1; offset < total; offset += 1000) {
            wanted.put("offset", Long.toString(offset));
            Map<String, Object> page = get("/account/api/v1/audit-log", wanted);
            list(page.get("items")).forEach(item -> items.add(object(item)));
            total = total(page);
        }
        log("step 3: %d entries read", items.size());

        // 4. Who that was.
        TreeSet<String> userIds = new TreeSet<>();
        TreeSet<String> accountIds = new TreeSet<>();
        for (Map<String, Object> item : items) {
            accountIds.add(text(object(item.get("account")).get("id")));
            if (item.get("user") != null) {
                userIds.add(text(object(item.get("user")).get("id")));
            }
        }
        Map<String, Map<String, Object>> users = lookUp("user", userIds);
        log("step 4: %d of %d users are known", users.size(), userIds.size());

        // 5. And in which account.
        Map<String, Map<String, Object>> accounts = lookUp("account", accountIds);
        log("step 5: %d of %d accounts are known", accounts.size(), accountIds.size());

        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
        row(out, "timestamp", "action", "status", "resource_type", "resource_name", "user", "user_email", "user_type", "user_status", "account", "account_number");
        for (Map<String, Object> item : items) {
            Map<String, Object> actor = object(item.get("user"));
            Map<String, Object> user = item.get("user") == null ? Map.of() : users.getOrDefault(text(actor.get("id")), Map.of("status", "unknown"));
            Map<String, Object> account = object(item.get("account"));
            row(out, item.get("timestamp"), item.get("action"), item.get("status"), item.get("resource_type"), item.get("resource_name"),
                actor.get("name"), user.get("email"), user.get("user_type"), user.get("status"),
                account.get("name"), accounts.getOrDefault(text(account.get("id")), Map.of()).get("friendly_identifier"));
        }
        out.flush();
    }

    /** Returns the decoded answer, null for one that is not found. */
    static Map<String, Object> get(String path, Map<String, String> parameters) throws IOException, InterruptedException {
        String query = parameters.entrySet().stream().map(p -> p.getKey() + "=" + encode(p.getValue())).collect(Collectors.joining("&", "?", ""));
        HttpRequest request = HttpRequest.newBuilder(URI.create(BASE_URL + path + query))
            .header("x-api-key", TOKEN).timeout(Duration.ofMinutes(1)).build();
        HttpResponse<String> response = CLIENT.send(request, HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
        if (response.statusCode() == 404) {
            return null;
        }
        if (response.statusCode() != 200) {
            throw new IOException("GET " + path + ": " + response.statusCode() + " " + response.body());
        }
        return object(new Json(response.body()).read());
    }

    /** Returns what is known of each id. Who is not known any more is left out. */
    static Map<String, Map<String, Object>> lookUp(String kind, Iterable<String> ids) throws IOException, InterruptedException {
        Map<String, Map<String, Object>> known = new TreeMap<>();
        for (String id : ids) {
            Map<String, Object> found = get("/account/api/v1/" + kind + "/" + encode(id).replace("+", "%20"), Map.of());
            if (found != null) {
                known.put(id, found);
            }
        }
        return known;
    }

    static void row(PrintStream out, Object... cells) {
        List<String> escaped = new ArrayList<>();
        for (Object cell : cells) {
            escaped.add(text(cell).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r"));
        }
        out.print(String.join("\t", escaped) + "\n");
    }

    static String required(String name) {
        String value = System.getenv(name);
        if (value == null || value.isEmpty()) {
            System.err.println("set " + name);
            System.exit(1);
        }
        return value;
    }

    static void log(String format, Object... values) {
        System.err.printf(format + "%n", values);
    }

    static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    static long total(Map<String, Object> page) {
        return ((Double) page.get("total")).longValue();
    }

    static String text(Object value) {
        return value == null ? "" : (String) value;
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Object value) {
        return value == null ? Map.of() : (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    static List<Object> list(Object value) {
        return (List<Object>) value;
    }

    /** Reads JSON, for which Java has nothing built in. A real program takes a library. */
    static class Json {
        private final String text;
        private int at;

        Json(String text) {
            this.text = text;
        }

        Object read() throws IOException {
            switch (peek()) {
                case '{': {
                    Map<String, Object> object = new LinkedHashMap<>();
                    for (expect('{'); peek() != '}'; skip(',')) {
                        String name = string();
                        expect(':');
                        object.put(name, read());
                    }
                    expect('}');
                    return object;
                }
                case '[': {
                    List<Object> list = new ArrayList<>();
                    for (expect('['); peek() != ']'; skip(',')) {
                        list.add(read());
                    }
                    expect(']');
                    return list;
                }
                case '"':
                    return string();
                default:
                    return word();
            }
        }

        private Object word() throws IOException {
            int start = at;
            while (at < text.length() && "+-.0123456789abcdefghijklmnopqrstuvwxyzE".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
            String word = text.substring(start, at);
            return switch (word) {
                case "true" -> true;
                case "false" -> false;
                case "null" -> null;
                case "" -> throw new IOException("no JSON at character " + at);
                default -> Double.valueOf(word);
            };
        }

        private String string() throws IOException {
            StringBuilder value = new StringBuilder();
            expect('"');
            while (text.charAt(at) != '"') {
                char c = text.charAt(at++);
                if (c != '\\') {
                    value.append(c);
                    continue;
                }
                char escape = text.charAt(at++);
                if (escape == 'u') {
                    value.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                    at += 4;
                } else {
                    int known = "bfnrt".indexOf(escape);
                    value.append(known < 0 ? escape : "\b\f\n\r\t".charAt(known));
                }
            }
            at++;
            return value.toString();
        }

        private char peek() throws IOException {
            while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
                at++;
            }
            if (at == text.length()) {
                throw new IOException("the JSON ends early");
            }
            return text.charAt(at);
        }

        private void expect(char c) throws IOException {
            if (peek() != c) {
                throw new IOException("expected " + c + " at character " + at);
            }
            at++;
        }

        private void skip(char c) throws IOException {
            if (peek() == c) {
                at++;
            }
        }
    }
}
