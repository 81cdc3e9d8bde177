import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

/**
 * Runs transforms, predicates and converters of Kafka Connect: a request a line on stdin, an answer a line on stdout.
 * tests/compat/java_stages.py says what they look like, tests/compat/typed.py and Typed.java how values are written.
 */
@SuppressWarnings({"unchecked", "rawtypes"})  // the type of records is known while it runs alone
public final class Stages {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);  // whatever a library prints is no answer
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            answers.println(JSON.writeValueAsString(answer(JSON.readTree(line))));
        }
    }

    private static ObjectNode answer(JsonNode request) {
        ObjectNode answer = JSON.createObjectNode();
        try {
            String verb = request.get("verb").textValue();
            switch (verb) {
                case "options" -> options(request, answer);
                case "transform" -> transform(request, answer);
                case "predicate" -> predicate(request, answer);
                case "measure" -> measure(request, answer);
                case "encode" -> encode(request, answer);
                case "decode" -> decode(request, answer);
                default -> throw new IllegalArgumentException("no verb " + verb);
            }
        } catch (Throwable error) {
            answer.set("error", failure(error));
        }
        return answer;
    }

    private static ObjectNode failure(Throwable error) {
        ObjectNode node = JSON.createObjectNode();
        node.put("class", error.getClass().getName());
        node.put("message", String.valueOf(error.getMessage()));
        return node;
    }

    private static Object instance(JsonNode request) throws ReflectiveOperationException {
        return Class.forName(request.get("class").textValue()).getDeclaredConstructor().newInstance();
    }

    private static Map<String, String> config(JsonNode request) {
        Map<String, String> config = new HashMap<>();
        request.path("config").properties().forEach(e -> config.put(e.getKey(), e.getValue().textValue()));
        return config;
    }

    private static void options(JsonNode request, ObjectNode answer) throws ReflectiveOperationException {
        Object made = instance(request);
        ConfigDef declared = made instanceof Transformation<?> transform ? transform.config()
            : made instanceof Predicate<?> test ? test.config() : ((HeaderConverter) made).config();
        ArrayNode options = answer.putArray("options");
        for (ConfigDef.ConfigKey key : declared.configKeys().values()) {
            if (key.internalConfig) {
                continue;
            }
            ObjectNode option = options.addObject();
            option.put("name", key.name);
            option.put("type", key.type.name());
            option.put("required", !key.hasDefault());
            option.put("default", key.hasDefault() ? ConfigDef.convertToString(key.defaultValue, key.type) : null);
        }
    }

    private static Transformation transformation(JsonNode request) throws Exception {
        Transformation made = (Transformation) instance(request);
        made.configure(config(request));
        return made;
    }

    /** One instance sees all records, in order; what fails is an answer like any other. */
    private static void transform(JsonNode request, ObjectNode answer) throws Exception {
        Transformation transform = transformation(request);
        ArrayNode results = answer.putArray("results");
        for (JsonNode written : request.get("records")) {
            ConnectRecord<?> record = Typed.record(written);
            try {
                results.add(Typed.write((ConnectRecord<?>) transform.apply((ConnectRecord) record)));
            } catch (Throwable error) {
                results.addObject().set("error", failure(error));
            }
        }
        transform.close();
    }

    private static void predicate(JsonNode request, ObjectNode answer) throws Exception {
        Predicate predicate = (Predicate) instance(request);
        predicate.configure(config(request));
        ArrayNode results = answer.putArray("results");
        for (JsonNode written : request.get("records")) {
            results.add(predicate.test((ConnectRecord) Typed.record(written)));
        }
    }

    /** Nanoseconds a record, the best of several rounds, after a warm-up. */
    private static void measure(JsonNode request, ObjectNode answer) throws Exception {
        Transformation transform = transformation(request);
        ConnectRecord<?> record = Typed.record(request.get("record"));
        int times = request.get("times").intValue();
        double best = Double.MAX_VALUE;
        Object last = null;
        for (int round = 0; round < 5; round++) {
            long began = System.nanoTime();
            for (int i = 0; i < times; i++) {
                last = transform.apply((ConnectRecord) record);
            }
            best = Math.min(best, (System.nanoTime() - began) / (double) times);
        }
        answer.put("nanoseconds", best);
        answer.put("filtered", last == null);
    }

    private static RecordHeaders headers(JsonNode request) {
        RecordHeaders headers = new RecordHeaders();
        for (JsonNode pair : request.path("headers")) {
            headers.add(pair.get(0).textValue(), Base64.getDecoder().decode(pair.get(1).textValue()));
        }
        return headers;
    }

    private static void encode(JsonNode request, ObjectNode answer) throws Exception {
        Schema schema = Typed.schema(request.get("schema"));
        Object value = Typed.value(request.get("value"), schema);
        String topic = request.get("topic").textValue();
        byte[] data;
        if (instance(request) instanceof HeaderConverter converter && request.has("header")) {
            converter.configure(config(request));
            data = converter.fromConnectHeader(topic, request.get("header").textValue(), schema, value);
        } else {
            Converter converter = (Converter) instance(request);
            converter.configure(config(request), request.path("key").booleanValue());
            data = converter.fromConnectData(topic, headers(request), schema, value);
        }
        answer.put("data", data == null ? null : Base64.getEncoder().encodeToString(data));
    }

    private static void decode(JsonNode request, ObjectNode answer) throws Exception {
        JsonNode written = request.get("data");
        byte[] data = written.isNull() ? null : Base64.getDecoder().decode(written.textValue());
        String topic = request.get("topic").textValue();
        SchemaAndValue found;
        if (instance(request) instanceof HeaderConverter converter && request.has("header")) {
            converter.configure(config(request));
            found = converter.toConnectHeader(topic, request.get("header").textValue(), data);
        } else {
            Converter converter = (Converter) instance(request);
            converter.configure(config(request), request.path("key").booleanValue());
            found = converter.toConnectData(topic, headers(request), data);
        }
        answer.set("schema", found == null ? null : Typed.write(found.schema()));
        answer.set("value", found == null ? null : Typed.write(found.value(), found.schema()));
    }
}
