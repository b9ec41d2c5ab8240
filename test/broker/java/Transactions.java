import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes transactions to partition 0: each argument behind the topic is "commit", "abort" or "leave" (open), ":" and values. */
public class Transactions {
  public static void main(String[] arguments) {
    var configuration = Map.<String, Object>of("bootstrap.servers", arguments[0], "transactional.id", arguments[1]);
    String topic = arguments[2];
    try (var producer = new KafkaProducer<>(configuration, new StringSerializer(), new StringSerializer())) {
      producer.initTransactions();
      for (String step : List.of(arguments).subList(3, arguments.length)) {
        String[] parts = step.split(":");
        producer.beginTransaction();
        for (String value : parts[1].split(",")) producer.send(new ProducerRecord<>(topic, 0, null, value));
        producer.flush();
        if (parts[0].equals("commit")) producer.commitTransaction();
        if (parts[0].equals("abort")) producer.abortTransaction();
        // Ends without a word, as a crash would.
        if (parts[0].equals("leave")) Runtime.getRuntime().halt(0);
      }
    }
  }
}
