import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.ConnectSchema;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;

/** Records, schemas and values in the JSON of tests/compat/typed.py: every value says its type. */
final class Typed {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private Typed() {}

    /** With an offset it was read from the log: a sink's record. */
    static ConnectRecord<?> record(JsonNode node) {
        Schema keySchema = schema(node.get("key").get("schema"));
        Object key = value(node.get("key").get("value"), keySchema);
        Schema valueSchema = schema(node.get("value").get("schema"));
        Object value = value(node.get("value").get("value"), valueSchema);
        ConnectHeaders headers = new ConnectHeaders();
        for (JsonNode header : node.path("headers")) {
            Schema schema = schema(header.get("schema"));
            headers.add(header.get("name").textValue(), value(header.get("value"), schema), schema);
        }
        String topic = node.get("topic").textValue();
        Integer partition = node.hasNonNull("partition") ? node.get("partition").intValue() : null;
        Long timestamp = node.hasNonNull("timestamp") ? node.get("timestamp").longValue() : null;
        if (node.hasNonNull("offset")) {
            return new SinkRecord(topic, partition == null ? 0 : partition, keySchema, key, valueSchema, value,
                node.get("offset").longValue(), timestamp, TimestampType.CREATE_TIME, headers);
        }
        return new SourceRecord(Map.of(), Map.of(), topic, partition, keySchema, key, valueSchema, value, timestamp,
            headers);
    }

    static JsonNode write(ConnectRecord<?> record) {
        if (record == null) {
            return NODES.nullNode();
        }
        ObjectNode node = NODES.objectNode();
        node.put("topic", record.topic());
        node.put("partition", record.kafkaPartition());
        node.put("timestamp", record.timestamp());
        ObjectNode key = node.putObject("key");
        key.set("schema", write(record.keySchema()));
        key.set("value", write(record.key(), record.keySchema()));
        ObjectNode value = node.putObject("value");
        value.set("schema", write(record.valueSchema()));
        value.set("value", write(record.value(), record.valueSchema()));
        ArrayNode headers = node.putArray("headers");
        for (Header header : record.headers()) {
            ObjectNode written = headers.addObject();
            written.put("name", header.key());
            written.set("schema", write(header.schema()));
            written.set("value", write(header.value(), header.schema()));
        }
        return node;
    }

    static Schema schema(JsonNode node) {
        if (node == null || node.isNull()) {
            return null;
        }
        Schema.Type type = Schema.Type.valueOf(node.get("type").textValue());
        List<Field> fields = type == Schema.Type.STRUCT ? new ArrayList<>() : null;
        for (JsonNode field : node.path("fields")) {
            fields.add(new Field(field.get("name").textValue(), fields.size(), schema(field.get("schema"))));
        }
        Map<String, String> parameters = node.has("parameters") ? new LinkedHashMap<>() : null;
        node.path("parameters").properties().forEach(e -> parameters.put(e.getKey(), e.getValue().textValue()));
        Schema keys = schema(node.get("keys"));
        Schema values = schema(node.get("values"));
        boolean optional = node.path("optional").booleanValue();
        String name = node.path("name").textValue();
        String doc = node.path("doc").textValue();
        Integer version = node.has("version") ? node.get("version").intValue() : null;
        Schema plain = new ConnectSchema(type, optional, null, name, version, doc, parameters, fields, keys, values);
        Object standard = node.has("default") ? value(node.get("default"), plain) : null;
        return standard == null
            ? plain
            : new ConnectSchema(type, optional, standard, name, version, doc, parameters, fields, keys, values);
    }

    static JsonNode write(Schema schema) {
        if (schema == null) {
            return NODES.nullNode();
        }
        ObjectNode node = NODES.objectNode();
        node.put("type", schema.type().name());
        if (schema.isOptional()) {
            node.put("optional", true);
        }
        if (schema.defaultValue() != null) {
            node.set("default", write(schema.defaultValue(), schema));
        }
        if (schema.name() != null) {
            node.put("name", schema.name());
        }
        if (schema.version() != null) {
            node.put("version", schema.version());
        }
        if (schema.doc() != null) {
            node.put("doc", schema.doc());
        }
        if (schema.parameters() != null && !schema.parameters().isEmpty()) {
            ObjectNode parameters = node.putObject("parameters");
            schema.parameters().forEach(parameters::put);
        }
        if (schema.type() == Schema.Type.STRUCT) {
            ArrayNode fields = node.putArray("fields");
            for (Field field : schema.fields()) {
                fields.addObject().put("name", field.name()).set("schema", write(field.schema()));
            }
        }
        if (schema.type() == Schema.Type.MAP && schema.keySchema() != null) {
            node.set("keys", write(schema.keySchema()));
        }
        boolean holdsOthers = schema.type() == Schema.Type.MAP || schema.type() == Schema.Type.ARRAY;
        if (holdsOthers && schema.valueSchema() != null) {
            node.set("values", write(schema.valueSchema()));
        }
        return node;
    }

    static Object value(JsonNode node, Schema schema) {
        if (node == null || node.isNull()) {
            return null;
        }
        String tag = node.fieldNames().next();
        JsonNode content = node.get(tag);
        return switch (tag) {
            case "int8" -> (byte) content.intValue();
            case "int16" -> (short) content.intValue();
            case "int32" -> content.intValue();
            case "int64" -> content.longValue();
            case "float32" -> Float.parseFloat(content.textValue());
            case "float64" -> Double.parseDouble(content.textValue());
            case "boolean" -> content.booleanValue();
            case "string" -> content.textValue();
            case "bytes" -> Base64.getDecoder().decode(content.textValue());
            case "decimal" -> new BigDecimal(content.textValue());
            case "date" -> new Date(content.longValue());
            case "array" -> {
                Schema items = schema == null ? null : schema.valueSchema();
                List<Object> list = new ArrayList<>();
                content.forEach(item -> list.add(value(item, items)));
                yield list;
            }
            case "map" -> {
                Map<Object, Object> map = new LinkedHashMap<>();
                for (JsonNode pair : content) {
                    Object key = value(pair.get(0), schema == null ? null : schema.keySchema());
                    map.put(key, value(pair.get(1), schema == null ? null : schema.valueSchema()));
                }
                yield map;
            }
            case "struct" -> {
                Schema own = node.has("schema") ? schema(node.get("schema")) : schema;
                Struct struct = new Struct(own);
                for (Field field : own.fields()) {
                    Object inner = value(content.get(field.name()), field.schema());
                    if (inner != null) {
                        struct.put(field, inner);
                    }
                }
                yield struct;
            }
            default -> throw new IllegalArgumentException("no type " + tag);
        };
    }

    /** `schema`: what stands beside the value; a struct of another schema brings its own. */
    static JsonNode write(Object value, Schema schema) {
        if (value == null) {
            return NODES.nullNode();
        }
        ObjectNode node = NODES.objectNode();
        if (value instanceof Byte number) {
            node.put("int8", number.intValue());
        } else if (value instanceof Short number) {
            node.put("int16", number.intValue());
        } else if (value instanceof Integer number) {
            node.put("int32", number);
        } else if (value instanceof Long number) {
            node.put("int64", number);
        } else if (value instanceof Float number) {
            node.put("float32", number.toString());
        } else if (value instanceof Double number) {
            node.put("float64", number.toString());
        } else if (value instanceof Boolean flag) {
            node.put("boolean", flag);
        } else if (value instanceof String text) {
            node.put("string", text);
        } else if (value instanceof byte[] data) {
            node.put("bytes", Base64.getEncoder().encodeToString(data));
        } else if (value instanceof ByteBuffer buffer) {
            node.put("bytes", Base64.getEncoder().encodeToString(bytes(buffer)));
        } else if (value instanceof BigDecimal number) {
            node.put("decimal", number.toString());
        } else if (value instanceof BigInteger number) {
            node.put("decimal", number.toString());
        } else if (value instanceof Date date) {
            node.put("date", date.getTime());
        } else if (value instanceof List<?> list) {
            Schema items = schema == null || schema.type() != Schema.Type.ARRAY ? null : schema.valueSchema();
            ArrayNode array = node.putArray("array");
            list.forEach(item -> array.add(write(item, items)));
        } else if (value instanceof Map<?, ?> map) {
            boolean known = schema != null && schema.type() == Schema.Type.MAP;
            ArrayNode pairs = node.putArray("map");
            map.forEach((k, v) -> pairs.addArray().add(write(k, known ? schema.keySchema() : null))
                .add(write(v, known ? schema.valueSchema() : null)));
        } else if (value instanceof Struct struct) {
            ObjectNode fields = node.putObject("struct");
            for (Field field : struct.schema().fields()) {
                fields.set(field.name(), write(struct.getWithoutDefault(field.name()), field.schema()));
            }
            if (!struct.schema().equals(schema)) {
                node.set("schema", write(struct.schema()));
            }
        } else {
            node.put("other", value.getClass().getName() + " " + value);
        }
        return node;
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] data = new byte[buffer.remaining()];
        buffer.duplicate().get(data);
        return data;
    }
}
