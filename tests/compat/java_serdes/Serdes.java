import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.util.JsonFormat;
import io.apicurio.registry.serde.jsonschema.JsonSchemaKafkaDeserializer;
import io.apicurio.registry.serde.jsonschema.JsonSchemaKafkaSerializer;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaDeserializer;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaSerializer;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Apicurio's serializers and deserializers, set to Confluent's wire format: a request a line on stdin, its answer a
 * line on stdout; fields are parted by tabs and in base64 but for the first.
 * <pre>
 * write-json TOPIC SCHEMA VALUE            -> ok MESSAGE        value: JSON, handed over as a tree
 * write-map TOPIC SCHEMA VALUE             -> ok MESSAGE        handed over as a Map
 * read-json TOPIC MESSAGE                  -> ok VALUE
 * write-protobuf TOPIC FILES NAME VALUE    -> ok MESSAGE        files: a FileDescriptorSet, the message's last
 * read-protobuf TOPIC NAME MESSAGE         -> ok VALUE MESSAGE  the last: the value, serialized again
 * </pre>
 * Each request has a serializer of its own: they keep the first schema of a topic and a Java class.
 */
public final class Serdes {
    private static final ObjectMapper JSON = new ObjectMapper()
        .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
        .enable(DeserializationFeature.USE_BIG_INTEGER_FOR_INTS)
        .setNodeFactory(JsonNodeFactory.withExactBigDecimals(true));
    private static final Map<String, Object> CONFIG = new HashMap<>(Map.of(
        "apicurio.registry.http.adapter", "JDK",
        "apicurio.registry.auto-register", true,
        "apicurio.registry.use-id", "contentId",  // which is Confluent's id
        "apicurio.registry.serde.send-type-ref", false,
        "apicurio.registry.serde.read-type-ref", false,
        "apicurio.registry.serde.send-indexes", true,
        "apicurio.registry.serde.read-indexes", true));

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);  // whatever a library prints is no answer
        CONFIG.put("apicurio.registry.url", arguments[0]);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            String[] parts = line.split("\t");
            List<byte[]> fields = new ArrayList<>();
            for (int at = 1; at < parts.length; at++) {
                fields.add(Base64.getDecoder().decode(parts[at]));
            }
            try {
                StringBuilder answer = new StringBuilder("ok");
                for (byte[] field : answer(parts[0], fields)) {
                    answer.append('\t').append(Base64.getEncoder().encodeToString(field));
                }
                answers.println(answer);
            } catch (Throwable error) {
                error.printStackTrace();
                byte[] said = (error + ": " + error.getCause()).getBytes(StandardCharsets.UTF_8);
                answers.println("error\t" + Base64.getEncoder().encodeToString(said));
            }
        }
    }

    private static List<byte[]> answer(String verb, List<byte[]> fields) throws Exception {
        String topic = text(fields.get(0));
        switch (verb) {
            case "write-json":
                return List.of(writeJson(topic, fields.get(1), JSON.readTree(fields.get(2))));
            case "write-map":
                return List.of(writeJson(topic, fields.get(1), JSON.readValue(fields.get(2), Map.class)));
            case "read-json":
                return List.of(readJson(topic, fields.get(1)));
            case "write-protobuf":
                Descriptor message = messages(FileDescriptorSet.parseFrom(fields.get(1))).get(text(fields.get(2)));
                DynamicMessage.Builder builder = DynamicMessage.newBuilder(message);
                JsonFormat.parser().merge(text(fields.get(3)), builder);
                return List.of(writeProtobuf(topic, builder.build()));
            case "read-protobuf":
                return readProtobuf(topic, text(fields.get(1)), fields.get(2));
            default:
                throw new IllegalArgumentException(verb);
        }
    }

    private static byte[] writeJson(String topic, byte[] schema, Object value) {
        Map<String, Object> config = new HashMap<>(CONFIG);
        config.put("apicurio.registry.artifact.schema.location", "schema.json");
        Thread.currentThread().setContextClassLoader(new ClassLoader(Serdes.class.getClassLoader()) {
            @Override
            public InputStream getResourceAsStream(String name) {
                return name.equals("schema.json") ? new ByteArrayInputStream(schema) : super.getResourceAsStream(name);
            }
        });
        try (Serializer<Object> serializer = new JsonSchemaKafkaSerializer<>()) {
            serializer.configure(config, false);
            return serializer.serialize(topic, value);
        }
    }

    private static byte[] readJson(String topic, byte[] message) throws Exception {
        try (JsonSchemaKafkaDeserializer<JsonNode> deserializer = new JsonSchemaKafkaDeserializer<>()) {
            deserializer.setObjectMapper(JSON);
            deserializer.configure(CONFIG, false);
            return JSON.writeValueAsBytes(deserializer.deserialize(topic, message));
        }
    }

    private static byte[] writeProtobuf(String topic, DynamicMessage message) {
        Map<String, Object> config = new HashMap<>(CONFIG);
        // What is checked is that the file has a message of this name and no other: none within another has it.
        config.put("apicurio.registry.serde.validation-enabled", false);
        try (Serializer<DynamicMessage> serializer = new ProtobufKafkaSerializer<>()) {
            serializer.configure(config, false);
            return serializer.serialize(topic, message);
        }
    }

    private static List<byte[]> readProtobuf(String topic, String name, byte[] message) throws Exception {
        Map<String, Object> config = new HashMap<>(CONFIG);
        config.put("apicurio.registry.deserializer.value.return-class", DynamicMessage.class);
        // It reads over the indexes and wants the message's name in a header.
        Headers headers = new RecordHeaders();
        headers.add("apicurio.value.msgType", name.getBytes(StandardCharsets.UTF_8));
        try (Deserializer<DynamicMessage> deserializer = new ProtobufKafkaDeserializer<>()) {
            deserializer.configure(config, false);
            DynamicMessage value = deserializer.deserialize(topic, headers, message);
            String json = JsonFormat.printer().preservingProtoFieldNames().omittingInsignificantWhitespace().print(value);
            return List.of(json.getBytes(StandardCharsets.UTF_8), writeProtobuf(topic + "-again", value));
        }
    }

    /** All messages of these files, by their full names. */
    private static Map<String, Descriptor> messages(FileDescriptorSet files) throws Exception {
        Map<String, FileDescriptor> built = new HashMap<>();
        Map<String, Descriptor> found = new HashMap<>();
        for (FileDescriptorProto file : files.getFileList()) {  // each after those that it imports
            List<FileDescriptor> imported = new ArrayList<>();
            for (String name : file.getDependencyList()) {
                imported.add(built.get(name));
            }
            FileDescriptor one = FileDescriptor.buildFrom(file, imported.toArray(new FileDescriptor[0]));
            built.put(file.getName(), one);
            add(one.getMessageTypes(), found);
        }
        return found;
    }

    private static void add(List<Descriptor> messages, Map<String, Descriptor> found) {
        for (Descriptor message : messages) {
            found.put(message.getFullName(), message);
            add(message.getNestedTypes(), found);
        }
    }

    private static String text(byte[] field) {
        return new String(field, StandardCharsets.UTF_8);
    }
}
