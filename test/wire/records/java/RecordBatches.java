import java.io.BufferedWriter;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.DefaultRecordBatch;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;

/**
 * Writes record batches with the Java client's own classes, and reads batches that were written elsewhere.
 *
 * Arguments: a file of batches to read (name, tab, base64 per line) and the file to write. Each line of that one is a
 * name, the batches as base64, and what Java reads in them; those of the first file first.
 */
public class RecordBatches {
    static BufferedWriter output;

    public static void main(String[] arguments) throws Exception {
        try (BufferedWriter writer = Files.newBufferedWriter(Path.of(arguments[1]))) {
            output = writer;
            for (String line : Files.readAllLines(Path.of(arguments[0]))) {
                String[] parts = line.split("\t");
                byte[] bytes = Base64.getDecoder().decode(parts[1]);
                tell(parts[0], MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)));
            }
            for (byte magic = 0; magic <= 2; magic++) {
                for (String codec : codecs(magic)) {
                    for (TimestampType type : timestampTypes(magic)) {
                        for (boolean large : new boolean[] {false, true}) {
                            String name = String.join(" ", "magic " + magic, codec, type.name, large ? "large" : "small");
                            tell("java: " + name, records(magic, codec, type, large));
                        }
                    }
                }
            }
            special();
        }
    }

    static List<String> codecs(byte magic) {
        List<String> names = new ArrayList<>(List.of("none", "gzip", "gzip-1", "snappy", "lz4", "lz4-3"));
        if (magic == 2) names.addAll(List.of("zstd", "zstd-19", "zstd--7"));
        return names;
    }

    static List<TimestampType> timestampTypes(byte magic) {
        return magic == 0
            ? List.of(TimestampType.NO_TIMESTAMP_TYPE)
            : List.of(TimestampType.CREATE_TIME, TimestampType.LOG_APPEND_TIME);
    }

    static Compression compression(String name) {
        switch (name) {
            case "none": return Compression.NONE;
            case "gzip": return Compression.gzip().build();
            case "gzip-1": return Compression.gzip().level(1).build();
            case "snappy": return Compression.snappy().build();
            case "lz4": return Compression.lz4().build();
            case "lz4-3": return Compression.lz4().level(3).build();
            case "zstd": return Compression.zstd().build();
            case "zstd-19": return Compression.zstd().level(19).build();
            case "zstd--7": return Compression.zstd().level(-7).build();
            default: throw new IllegalArgumentException(name);
        }
    }

    static MemoryRecords records(byte magic, String codec, TimestampType type, boolean large) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(4096), magic, compression(codec), type,
            1000, type == TimestampType.LOG_APPEND_TIME ? 1_700_000_000_123L : RecordBatch.NO_TIMESTAMP);
        Random random = new Random(7);
        Header[] headers = magic < 2 ? RecordBatchNoHeaders.NONE : new Header[] {
            new RecordHeader("a", new byte[] {1}), new RecordHeader("a", (byte[]) null),
            new RecordHeader("ü", new byte[0]), new RecordHeader("", "text".getBytes())
        };
        long base = magic == 0 ? RecordBatch.NO_TIMESTAMP : 1_600_000_000_000L;
        append(builder, magic, base, "key".getBytes(), "value".getBytes(), headers);
        append(builder, magic, base + (magic == 0 ? 0 : 5_000_000_000_000L), null, new byte[0], RecordBatchNoHeaders.NONE);
        append(builder, magic, base - (magic == 0 ? 0 : 1_599_999_999_999L), new byte[0], null, headers);
        for (int index = 0; index < (large ? 200 : 3); index++) {
            byte[] value = new byte[large ? 700 : 20];
            if (index % 3 == 0) random.nextBytes(value);
            else for (int at = 0; at < value.length; at++) value[at] = (byte) ('a' + (at * index) % 23);
            append(builder, magic, base + (magic == 0 ? 0 : index * 70L), ("k" + index).getBytes(), value, headers);
        }
        return builder.build();
    }

    static class RecordBatchNoHeaders {
        static final Header[] NONE = new Header[0];
    }

    static void append(MemoryRecordsBuilder builder, byte magic, long timestamp, byte[] key, byte[] value, Header[] headers) {
        if (magic < 2) builder.append(timestamp, key, value);
        else builder.append(timestamp, key, value, headers);
    }

    static void special() throws Exception {
        for (ControlRecordType type : List.of(ControlRecordType.COMMIT, ControlRecordType.ABORT)) {
            tell("java: marker " + type.name().toLowerCase(), MemoryRecords.withEndTransactionMarker(
                77, 1_700_000_000_000L, 5, 4_000_000_000L, (short) 12, new EndTransactionMarker(type, 4321)));
        }
        tell("java: leader change", MemoryRecords.withLeaderChangeMessage(
            5, 1_700_000_000_000L, 3, ByteBuffer.allocate(256), new LeaderChangeMessage().setLeaderId(1)));

        for (String codec : List.of("none", "lz4")) {
            MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1024), (byte) 2, compression(codec),
                TimestampType.CREATE_TIME, 9_007_199_254_740_000L, RecordBatch.NO_TIMESTAMP, 123_456_789_012L, (short) 7,
                2_147_483_640, true, 42);
            builder.appendWithOffset(9_007_199_254_740_003L, 10, "gap".getBytes(), "one".getBytes(), RecordBatchNoHeaders.NONE);
            builder.appendWithOffset(9_007_199_254_740_900L, 5, "gap".getBytes(), "two".getBytes(), RecordBatchNoHeaders.NONE);
            builder.overrideLastOffset(9_007_199_254_740_990L);
            tell("java: transactional with gaps " + codec, builder.build());
        }

        for (byte magic : new byte[] {0, 1}) {
            MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1024), magic, compression("gzip"),
                magic == 0 ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME, 50);
            builder.appendWithOffset(53, magic == 0 ? -1 : 10, "gap".getBytes(), "one".getBytes());
            builder.appendWithOffset(59, magic == 0 ? -1 : 20, "gap".getBytes(), "two".getBytes());
            tell("java: gaps in a wrapper of magic " + magic, builder.build());
        }

        ByteBuffer empty = ByteBuffer.allocate(DefaultRecordBatch.RECORD_BATCH_OVERHEAD);
        DefaultRecordBatch.writeEmptyHeader(empty, (byte) 2, 9, (short) 1, 100, 30, 39, 2, TimestampType.CREATE_TIME,
            1_700_000_000_000L, false, false);
        empty.flip();
        tell("java: emptied by compaction", MemoryRecords.readableRecords(empty));

        ByteBuffer mixed = ByteBuffer.allocate(16_384);
        for (byte magic = 0; magic <= 2; magic++) {
            mixed.put(records(magic, "none", timestampTypes(magic).get(0), false).buffer());
            mixed.put(records(magic, "snappy", timestampTypes(magic).get(0), false).buffer());
        }
        mixed.flip();
        tell("java: every magic in one field", MemoryRecords.readableRecords(mixed));
    }

    /** Writes a line: the name, the bytes, and the batches and records that Java finds in them. */
    static void tell(String name, MemoryRecords records) throws Exception {
        ByteBuffer buffer = records.buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        StringBuilder found = new StringBuilder();
        for (MutableRecordBatch batch : records.batches()) {
            batch.ensureValid();
            boolean isNew = batch.magic() == 2;
            found.append(String.join(" ", "batch", "magic=" + batch.magic(), "last=" + batch.lastOffset(),
                "base=" + (isNew ? batch.baseOffset() : "?"), "epoch=" + batch.partitionLeaderEpoch(),
                "codec=" + batch.compressionType().name, "type=" + batch.timestampType().name,
                "max=" + batch.maxTimestamp(), "producer=" + batch.producerId() + "/" + batch.producerEpoch(),
                "sequence=" + batch.baseSequence(), "transactional=" + batch.isTransactional(),
                "control=" + batch.isControlBatch(), "count=" + (isNew ? batch.countOrNull() : "?"),
                "size=" + batch.sizeInBytes())).append('|');
            for (Record record : batch) {
                record.ensureValid();
                found.append("record ").append(record.offset()).append(' ').append(record.timestamp()).append(' ')
                    .append(hex(record.key())).append(' ').append(hex(record.value()));
                for (Header header : record.headers()) {
                    found.append(' ').append(HexFormat.of().formatHex(header.key().getBytes("UTF-8"))).append('=')
                        .append(header.value() == null ? "null" : HexFormat.of().formatHex(header.value()));
                }
                if (batch.isControlBatch()) {
                    ControlRecordType type = ControlRecordType.parse(record.key());
                    found.append(" control ").append(type.name().toLowerCase());
                    if (type == ControlRecordType.COMMIT || type == ControlRecordType.ABORT)
                        found.append(' ').append(EndTransactionMarker.deserialize(record).coordinatorEpoch());
                }
                found.append('|');
            }
        }
        output.write(name + "\t" + Base64.getEncoder().encodeToString(bytes) + "\t" + found + "\n");
    }

    static String hex(ByteBuffer bytes) {
        if (bytes == null) return "null";
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return "x" + HexFormat.of().formatHex(copy);
    }
}
