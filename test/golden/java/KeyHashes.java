import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Random;
import org.apache.kafka.common.utils.Utils;

/** Writes how Kafka's own producer hashes keys: the key in base64, and its hash without the sign bit. */
public class KeyHashes {
    public static void main(String[] arguments) throws Exception {
        Random random = new Random(794);
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(Path.of(arguments[0])))) {
            for (int i = 0; i < 4_000; i++) {
                byte[] key = new byte[i < 200 ? i : random.nextInt(300)];
                random.nextBytes(key);
                // Half of them as text that is ASCII.
                if (i % 2 == 1) {
                    for (int at = 0; at < key.length; at++) key[at] &= 0x7f;
                }
                out.println(Base64.getEncoder().encodeToString(key) + "\t" + Utils.toPositive(Utils.murmur2(key)));
            }
        }
    }
}
