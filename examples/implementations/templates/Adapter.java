// A template: between Convoke and the logic of your server, in Java (JDK 17, no build tool), contract `core`.
//
// Convoke starts this and talks to it over standard input and output, one JSON object a line, as docs/IMPLEMENTATIONS.md
// says. Everything of that is here; your calls go where it says YOURS. As it stands, every operation is answered with
// 100001, not implemented, so a run ends with a verdict that says what comes next.
//
//     javac -d . Adapter.java
//     convoke smoke --server "java -XX:TieredStopAtLevel=1 Adapter"
//     convoke conform --server "java -XX:TieredStopAtLevel=1 Adapter" scenarios/lists
//
// Log to System.err: standard output belongs to Convoke. JSON is at the end; take your own library for it if you have one.

import java.io.*;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.*;

public class Adapter {
    // The name of your server and its version, for reports.
    static final String NAME = "my-server", VERSION = "0.1";

    // Throw this where a call fails: the code is one of PROTOCOL.md, section 11.
    static class Refused extends RuntimeException {
        final int code;
        Refused(int code, String message) { super(message); this.code = code; }
    }

    // What a call came to: its `result`, and the `at` of PROTOCOL.md 4.2, or null.
    record Done(Map<String, Object> result, Map<String, Object> at) {}

    // Your server, or what calls it. A new one is made for every run, so nothing of the last run is left.
    // Take the time from `now`, in nanoseconds, and from nowhere else. Draw no random numbers but from the seed in `hello`.
    static class Server {
        long now = 0;
        final List<Object> out = new ArrayList<>(); // what is to happen because of the message at hand, in order
        final Set<List<Object>> online = new LinkedHashSet<>(); // the sessions that are online, by user and device

        Server(Map<String, Object> hello) {
            // YOURS: make a fresh server. `hello` has the accounts that exist, the bounds, and whether there are rate limits.
        }

        void sessionBegan(Map<String, Object> session) {
            // YOURS: tell your server, if it keeps track of who is online.
            online.add(List.of(session.get("userId"), session.get("deviceId")));
        }

        void sessionEnded(Map<String, Object> session) {
            // YOURS: if the user was in a room through this device, that is an exit from it (TERM-2).
            online.remove(List.of(session.get("userId"), session.get("deviceId")));
        }

        Done request(Map<String, Object> session, String operation, Object args) {
            // YOURS: one case for each operation of PROTOCOL.md, section 6. For example:
            //
            //     case "createRoom" -> {
            //         var room = myServer.createRoom(session.get("userId"), object(args).get("roomId"), now);
            //         return new Done(Map.of(), Map.of("instance", room.instance(), "revision", room.revision()));
            //     }
            // and where somebody is to hear of it, before you return: tell(devices, "onReceiveInvitation", payload, stamp);
            switch (operation) {
                default -> throw new Refused(100001, "not implemented: " + operation);
            }
        }

        // YOURS: whatever is due by `now`. This comes before every other message, too (TMO-3).
        void timePassed() {}

        // YOURS: when the next thing is due by itself, such as the deadline of a call; null if nothing is.
        Long wakeAt() { return null; }

        // Sends an event to sessions that are online (PROTOCOL.md, section 8).
        void tell(List<Map<String, Object>> sessions, String event, Map<String, Object> payload, Map<String, Object> stamp) {
            var to = new ArrayList<Object>();
            for (var session : sessions) to.add(Map.of("userId", session.get("userId"), "deviceId", session.get("deviceId")));
            if (!to.isEmpty()) out.add(Map.of("event", Map.of("to", to, "event", event, "payload", payload, "stamp", stamp)));
        }
    }

    // One message in, one answer out. Nothing below needs a change.
    static Map<String, Object> answer(Server server, Map<String, Object> message) {
        if (message.get("now") instanceof BigDecimal now) server.now = now.longValueExact();
        server.out.clear();
        server.timePassed();
        switch ((String) message.get("type")) {
            case "online" -> server.sessionBegan(object(message.get("session")));
            case "offline" -> server.sessionEnded(object(message.get("session")));
            case "request" -> server.out.add(Map.of("response", respond(server, message)));
            default -> { }
        }
        var answer = new HashMap<String, Object>(Map.of("type", "out", "out", server.out));
        if (server.wakeAt() != null) answer.put("wakeAt", server.wakeAt());
        return answer;
    }

    static Map<String, Object> respond(Server server, Map<String, Object> message) {
        var response = new HashMap<String, Object>(Map.of("id", message.get("id")));
        try {
            var done = server.request(object(message.get("session")), (String) message.get("operation"), message.get("args"));
            response.put("result", done.result());
            if (done.at() != null) response.put("at", done.at());
        } catch (Refused refused) {
            response.put("error", Map.of("code", refused.code, "message", refused.getMessage()));
        }
        return response;
    }

    public static void main(String[] arguments) throws IOException {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        Server server = null;
        for (String line; (line = in.readLine()) != null; ) {
            var message = object(new Json(line).value());
            switch ((String) message.get("type")) {
                case "hello" -> {
                    server = "core".equals(message.get("contract")) ? new Server(message) : null; // else Convoke says so
                    // `storage` "none": a server that forgets everything in a crash. Scenarios with crashes are left out.
                    // `reusable`: another hello may come, and begins another run. That saves starting Java for each.
                    out.print(Json.text(Map.of("type", "hello", "schema", 1, "contract", "core", "name", NAME,
                        "version", VERSION, "storage", "none", "reusable", true)) + "\n");
                }
                case "stop" -> { out.print(Json.text(Map.of("type", "out", "out", List.of())) + "\n"); return; }
                case "fault" -> throw new IOException(message.get("reason") + " (see " + message.get("read") + ")");
                default -> out.print(Json.text(answer(server, message)) + "\n");
            }
            out.flush();
        }
    }

    @SuppressWarnings("unchecked") static Map<String, Object> object(Object value) { return (Map<String, Object>) value; }

    // JSON as maps, lists, strings, BigDecimal, Boolean and null. It trusts Convoke to write JSON.
    static class Json {
        private final String text;
        private int at = 0;
        Json(String text) { this.text = text; }

        Object value() {
            switch (next()) {
                case '{' -> {
                    var object = new LinkedHashMap<String, Object>();
                    for (at++; next() != '}'; skip(',')) {
                        String name = (String) value();
                        skip(':');
                        object.put(name, value());
                    }
                    at++;
                    return object;
                }
                case '[' -> {
                    var list = new ArrayList<Object>();
                    for (at++; next() != ']'; skip(',')) list.add(value());
                    at++;
                    return list;
                }
                case '"' -> { return string(); }
                default -> {
                    int from = at;
                    while (at < text.length() && ",]} ".indexOf(text.charAt(at)) < 0) at++;
                    String word = text.substring(from, at);
                    if (word.equals("null")) return null;
                    return "tf".indexOf(word.charAt(0)) >= 0 ? (Object) word.equals("true") : new BigDecimal(word);
                }
            }
        }

        private char next() { while (text.charAt(at) == ' ') at++; return text.charAt(at); }
        private void skip(char separator) { if (next() == separator) at++; }

        private String string() {
            var string = new StringBuilder();
            for (at++; text.charAt(at) != '"'; at++) {
                if (text.charAt(at) != '\\') { string.append(text.charAt(at)); continue; }
                char escaped = text.charAt(++at);
                if (escaped == 'u') { string.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16)); at += 4; }
                else string.append("bfnrt".indexOf(escaped) < 0 ? escaped : "\b\f\n\r\t".charAt("bfnrt".indexOf(escaped)));
            }
            at++;
            return string.toString();
        }

        static String text(Object value) {
            if (value instanceof Map<?, ?> map) {
                var fields = new StringJoiner(",", "{", "}");
                // Sorted, for the order of Map.of differs from process to process, and two runs must answer the same.
                new TreeMap<>(object(map)).forEach((name, field) -> fields.add(text(name) + ":" + text(field)));
                return fields.toString();
            }
            if (value instanceof Collection<?> list) {
                var items = new StringJoiner(",", "[", "]");
                list.forEach(item -> items.add(text(item)));
                return items.toString();
            }
            if (!(value instanceof String string)) return String.valueOf(value);
            var quoted = new StringBuilder("\"");
            for (char c : string.toCharArray())
                quoted.append(c == '"' || c == '\\' ? "\\" + c : c < ' ' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
            return quoted.append('"').toString();
        }
    }
}
