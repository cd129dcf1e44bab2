import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Sends two events, and sends them again: an event with the same id is recorded once. Java 17, no libraries.
 *
 * <pre>COUNTERSIGN_URL=http://127.0.0.1:8080 COUNTERSIGN_TOKEN=... java Send.java [NAME]</pre>
 */
public class Send {
    static final HttpClient CLIENT = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(20)).build();

    public static void main(String[] args) throws Exception {
        String name = args.length > 0 ? args[0] : "order-" + Instant.now().getEpochSecond();
        Instant now = Instant.now().truncatedTo(ChronoUnit.MICROS); // finer times are refused
        // One event a line. The ids are the sender's, so that a request can be repeated when its answer is lost.
        String events = String.format("""
            {"id":"%1$s-requested","occurred_at":"%2$s","actor":{"id":"u-17","name":"jane@example.com"},"action":"REQUEST",\
            "resource":{"type":"CERTIFICATE","id":"4711","name":"www.example.com"},"outcome":"success","source":"example/java"}
            {"id":"%1$s-approved","occurred_at":"%2$s","actor":{"id":"u-18","name":"raj@example.com"},"action":"APPROVE",\
            "resource":{"type":"CERTIFICATE","id":"4711","name":"www.example.com"},"outcome":"success","source":"example/java",\
            "attributes":{"ticket":"CHG-1042"}}
            """, name, now);
        for (int i = 0; i < 2; i++) {
            System.out.print(send(events));
        }
    }

    /** Sends until there is an answer that will not change. The ids make that safe. */
    static String send(String events) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(System.getenv("COUNTERSIGN_URL") + "/api/v1/events"))
            .header("Authorization", "Bearer " + System.getenv("COUNTERSIGN_TOKEN"))
            .header("Content-Type", "application/x-ndjson")
            .timeout(Duration.ofMinutes(1))
            .POST(HttpRequest.BodyPublishers.ofString(events)).build();
        for (int attempt = 0; attempt < 8; attempt++) {
            long wait = Math.min(200L << attempt, 30_000);
            wait -= ThreadLocalRandom.current().nextLong(wait / 2);
            String detail;
            try {
                HttpResponse<String> response = CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
                detail = response.statusCode() + " " + response.body();
                if (response.statusCode() == 201) {
                    return response.body();
                }
                if (response.statusCode() != 429 && response.statusCode() < 500) {
                    // 409 and 400 name the event and the field: nothing of the request is recorded.
                    throw new IllegalArgumentException("refused: " + detail);
                }
                wait = Math.max(wait, 1000 * response.headers().firstValueAsLong("Retry-After").orElse(0));
            } catch (IOException e) {
                detail = e.toString();
            }
            System.err.printf("waiting %d ms: %s%n", wait, detail);
            Thread.sleep(wait);
        }
        throw new IOException("given up: the events may be recorded; send them again with the same ids");
    }
}
