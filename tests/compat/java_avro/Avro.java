import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import io.confluent.kafka.serializers.KafkaAvroSerializer;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericContainer;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.io.JsonEncoder;

/**
 * Confluent's Avro serializer and deserializer: a request a line on stdin, its answer a line on stdout; fields are
 * parted by tabs and in base64 but for the first.
 * <pre>
 * write TOPIC SCHEMA VALUE -> ok MESSAGE                value: in Avro's JSON
 * read TOPIC MESSAGE       -> ok SCHEMA VALUE MESSAGE   the last: the value, serialized again
 * </pre>
 */
public final class Avro {
    private static final KafkaAvroSerializer SERIALIZER = new KafkaAvroSerializer();
    private static final KafkaAvroDeserializer DESERIALIZER = new KafkaAvroDeserializer();

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);  // whatever a library prints is no answer
        Map<String, Object> config = Map.of("schema.registry.url", arguments[0]);
        SERIALIZER.configure(config, false);
        DESERIALIZER.configure(config, false);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            String[] fields = line.split("\t");
            try {
                answers.println("ok\t" + (fields[0].equals("write") ? write(fields) : read(fields)));
            } catch (Throwable error) {
                answers.println("error\t" + encoded(String.valueOf(error) + ": " + error.getCause()));
            }
        }
    }

    private static String write(String[] fields) throws Exception {
        Schema schema = new Schema.Parser().parse(text(fields[2]));
        Object value = new GenericDatumReader<Object>(schema)
            .read(null, DecoderFactory.get().jsonDecoder(schema, text(fields[3])));
        return encoded(SERIALIZER.serialize(text(fields[1]), plain(value)));
    }

    private static String read(String[] fields) throws Exception {
        String topic = text(fields[1]);
        byte[] message = Base64.getDecoder().decode(fields[2]);
        Object value = DESERIALIZER.deserialize(topic, message);
        Schema schema = value instanceof GenericContainer held ? held.getSchema()
            : value instanceof byte[] ? Schema.create(Schema.Type.BYTES)
            : Schema.create(Schema.Type.valueOf(GenericData.get().induce(plain(value)).getType().name()));
        ByteArrayOutputStream json = new ByteArrayOutputStream();
        JsonEncoder encoder = EncoderFactory.get().jsonEncoder(schema, json);
        new GenericDatumWriter<Object>(schema).write(
            value instanceof byte[] bytes ? ByteBuffer.wrap(bytes) : value, encoder);
        encoder.flush();
        byte[] again = SERIALIZER.serialize(topic, plain(value));
        return encoded(schema.toString()) + "\t" + encoded(json.toString(StandardCharsets.UTF_8)) + "\t" + encoded(again);
    }

    private static Object plain(Object value) {
        if (value instanceof ByteBuffer buffer) {
            byte[] bytes = new byte[buffer.remaining()];
            buffer.duplicate().get(bytes);
            return bytes;
        }
        return value instanceof byte[] || value instanceof GenericContainer ? value
            : value instanceof CharSequence ? value.toString() : value;
    }

    private static String text(String field) {
        return new String(Base64.getDecoder().decode(field), StandardCharsets.UTF_8);
    }

    private static String encoded(String text) {
        return encoded(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String encoded(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }
}
