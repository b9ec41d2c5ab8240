import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedWriter;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageSizeAccumulator;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

/**
 * Lets Kafka's own classes write every message at every version, four times: with defaults, with high, with low and
 * with varied values in every field (the last, because two high values could be swapped unseen). One line per case: name, key, direction, version, kind, header version, bytes, values as JSON.
 */
class GoldenBytes {
    private static final String PACKAGE = "org.apache.kafka.common.message.";
    private static final String[] DATA = {
        "ConsumerProtocolSubscription", "ConsumerProtocolAssignment", "ControlRecordTypeSchema", "EndTxnMarker"};
    private static final String[] STRINGS = {
        "orders", "grüße 日本 \ud83d\ude00", "x".repeat(300), "é".repeat(43), "語".repeat(42), "a".repeat(42), "z".repeat(127)};
    /** In the place of records, which are opaque to a message; the JSON has none of them. */
    private static final byte[] RECORDS = new byte[37];
    private static final int UNKNOWN_TAG = 9999;

    private final boolean isHigh;
    private final boolean isLow;
    private int count = 0;

    private GoldenBytes(String kind) {
        this.isHigh = kind.equals("high");
        this.isLow = kind.equals("low");
    }

    public static void main(String[] arguments) throws Exception {
        for (int index = 0; index < RECORDS.length; index++) RECORDS[index] = (byte) index;
        try (BufferedWriter out = Files.newBufferedWriter(Path.of(arguments[0]), StandardCharsets.UTF_8)) {
            for (ApiMessageType api : ApiMessageType.values()) {
                short last = api.highestSupportedVersion(true);
                for (short version = api.lowestSupportedVersion(); version <= last; version++) {
                    write(out, api.name, api.apiKey(), "request", version, api.requestHeaderVersion(version));
                    write(out, api.name, api.apiKey(), "response", version, api.responseHeaderVersion(version));
                }
            }
            for (String name : DATA) {
                try {
                    Message sample = newMessage(Class.forName(PACKAGE + name));
                    for (short version = sample.lowestSupportedVersion(); version <= sample.highestSupportedVersion(); version++) {
                        write(out, name, -1, "data", version, -1);
                    }
                } catch (ClassNotFoundException absentFromOlderJars) {
                    continue;
                }
            }
        }
    }

    private static void write(BufferedWriter out, String api, int key, String direction, short version, int header)
            throws Exception {
        for (String kind : new String[] {"default", "high", "low", "varied"}) {
            String name = switch (direction) {
                case "request" -> camel(api) + "RequestData";
                case "response" -> camel(api) + "ResponseData";
                default -> api;
            };
            Class<?> type = Class.forName(PACKAGE + name);
            Message message = newMessage(type);
            if (!kind.equals("default")) new GoldenBytes(kind).fill(message, version);
            Method toJson = Class.forName(PACKAGE + name + "JsonConverter").getMethod("write", type, short.class);
            String json;
            byte[] bytes;
            try {
                json = ((JsonNode) toJson.invoke(null, message, version)).toString();
                bytes = bytes(message, version);
            } catch (RuntimeException | InvocationTargetException failure) {
                throw new IllegalStateException(name + " version " + version + " " + kind, failure);
            }
            out.write(String.join("\t", camel(api), Integer.toString(key), direction, Short.toString(version), kind,
                Integer.toString(header), Base64.getEncoder().encodeToString(bytes), json));
            out.write('\n');
        }
    }

    /** ApiMessageType has names such as `AlterReplicaLogDirs` already; kept apart in case that changes. */
    private static String camel(String name) {
        return Character.toUpperCase(name.charAt(0)) + name.substring(1);
    }

    private static Message newMessage(Class<?> type) throws ReflectiveOperationException {
        return (Message) type.getDeclaredConstructor().newInstance();
    }

    private static byte[] bytes(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        MessageSizeAccumulator size = new MessageSizeAccumulator();
        message.addSize(size, cache, version);
        ByteBuffer buffer = ByteBuffer.allocate(size.totalSize());
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) throw new IllegalStateException("fewer bytes than announced");
        return buffer.array();
    }

    /** Sets every field that the version has. */
    private void fill(Message message, short version) throws Exception {
        Schema schema = ((Schema[]) message.getClass().getField("SCHEMAS").get(null))[version];
        Map<String, Type> types = new HashMap<>();
        boolean isFlexible = false;
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields tagged) {
                isFlexible = true;
                taggedFields(tagged).forEach(inner -> types.put(plain(inner.name), inner.type));
            } else {
                types.put(plain(field.def.name), field.def.type);
            }
        }
        int found = 0;
        for (Field field : message.getClass().getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers())) continue;
            Type type = types.get(plain(field.getName()));
            if (type == null) continue;
            found++;
            field.setAccessible(true);
            field.set(message, value(field, type, version));
        }
        if (found != types.size()) throw new IllegalStateException("fields of " + message.getClass() + ": " + types);
        if (isFlexible && isHigh) message.unknownTaggedFields().add(new RawTaggedField(UNKNOWN_TAG, new byte[] {1, 2, 3}));
    }

    private Object value(Field field, Type type, short version) throws Exception {
        Class<?> javaType = field.getType();
        count++;
        // A FetchSnapshotResponse's records may not be null, which its schema does not say.
        boolean isNullable = type.isNullable() && !field.getName().equals("unalignedRecords");
        if (isLow && isNullable) return null;
        if (Collection.class.isAssignableFrom(javaType)) return collection(field, type, version);
        if (Message.class.isAssignableFrom(javaType)) {
            Message inner = newMessage(javaType);
            fill(inner, version);
            return inner;
        }
        if (javaType == long.class && field.getName().equals("highWatermark")
            && field.getDeclaringClass().getSimpleName().equals("FetchPartition")) {
            return isHigh ? Long.MAX_VALUE - 1 : isLow ? Long.MIN_VALUE : count;
        }
        if (javaType == ByteBuffer.class) return ByteBuffer.wrap(byteArray());
        if (javaType.getSimpleName().equals("BaseRecords")) {
            Class<?> records = Class.forName(javaType.getPackageName() + ".MemoryRecords");
            byte[] content = isLow ? new byte[0] : RECORDS;
            return records.getMethod("readableRecords", ByteBuffer.class).invoke(null, ByteBuffer.wrap(content));
        }
        return scalar(javaType, type);
    }

    private Object scalar(Class<?> javaType, Type type) {
        if (javaType == boolean.class || javaType == Boolean.class) return isHigh || (!isLow && count % 2 == 0);
        if (javaType == byte.class || javaType == Byte.class) {
            return isHigh ? Byte.MAX_VALUE : isLow ? Byte.MIN_VALUE : (byte) count;
        }
        if (javaType == short.class || javaType == Short.class) {
            return isHigh ? Short.MAX_VALUE : isLow ? Short.MIN_VALUE : (short) (257 * count);
        }
        if (javaType == int.class || javaType == Integer.class) {
            if (type == Type.UINT16) return isHigh ? 65535 : isLow ? 0 : 40_000 + count;
            return isHigh ? Integer.MAX_VALUE : isLow ? Integer.MIN_VALUE : 1_000_003 * count;
        }
        if (javaType == long.class || javaType == Long.class) {
            long safe = (1L << 53) - 1;
            return isHigh ? safe : isLow ? -safe : 10_000_000_019L * count * (count % 2 == 0 ? 1 : -1);
        }
        if (javaType == double.class) return isHigh ? Double.MAX_VALUE : isLow ? -Double.MIN_VALUE : 0.1 * count;
        if (javaType == String.class) return isHigh ? STRINGS[count % STRINGS.length] : isLow ? "" : "text " + count;
        if (javaType == Uuid.class) return isLow ? new Uuid(0, count) : new Uuid(-count, Long.MAX_VALUE - count);
        if (javaType == byte[].class) return byteArray();
        throw new IllegalStateException("no value for " + javaType);
    }

    private byte[] byteArray() {
        byte[] bytes = new byte[isLow ? 0 : count % 3 == 0 ? 5000 : 20];
        for (int index = 0; index < bytes.length; index++) bytes[index] = (byte) (index * 7 + count);
        return bytes;
    }

    @SuppressWarnings("unchecked")
    private Object collection(Field field, Type type, short version) throws Exception {
        Type elementType = type.arrayElementType().orElseThrow();
        Class<?> javaType = field.getType();
        Collection<Object> values;
        Class<?> elementClass;
        if (List.class == javaType) {
            elementClass = (Class<?>) ((ParameterizedType) field.getGenericType()).getActualTypeArguments()[0];
            values = new ArrayList<>();
        } else {
            elementClass = (Class<?>) ((ParameterizedType) javaType.getGenericSuperclass()).getActualTypeArguments()[0];
            values = (Collection<Object>) javaType.getDeclaredConstructor().newInstance();
        }
        for (int index = 0; index < 2; index++) {
            count++;
            if (Message.class.isAssignableFrom(elementClass)) {
                Message inner = newMessage(elementClass);
                fill(inner, version);
                values.add(inner);
            } else {
                values.add(scalar(elementClass, elementType));
            }
        }
        return values;
    }

    /** A schema's fields have names like `topic_id`, a class's like `topicId`. */
    private static String plain(String name) {
        return name.replace("_", "").toLowerCase();
    }

    /** Through the private field, since the older jar has no accessor. */
    @SuppressWarnings("unchecked")
    private static Collection<org.apache.kafka.common.protocol.types.Field> taggedFields(TaggedFields section)
            throws ReflectiveOperationException {
        Field fields = TaggedFields.class.getDeclaredField("fields");
        fields.setAccessible(true);
        return ((Map<Integer, org.apache.kafka.common.protocol.types.Field>) fields.get(section)).values();
    }
}
