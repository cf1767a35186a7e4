package flashgate;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Rival: RocketMQ's own Java client, one order a transactional message, with one Redis script as the local
 * transaction. No HTTP: threads order one after the other. Prints one line of JSON.
 */
public final class OneOrderAMessage {
    private static final String USAGE =
        "usage: OneOrderAMessage NAMESRV TOPIC REDIS_PORT SCRIPT RUN THREADS WARM_UP_SECONDS SECONDS";
    private static final long STOCK = 1_000_000_000L;
    private static final int LATENCIES_MAX = 2_000_000;

    private final String run;
    private final int redisPort;
    private final String script;
    private final String topic;
    private final AtomicLong nextOrder = new AtomicLong(235_155_916_964_495_360L);
    private final AtomicLong checked = new AtomicLong();
    private final ThreadLocal<Redis> redis = ThreadLocal.withInitial(this::connect);

    private OneOrderAMessage(String run, int redisPort, String script, String topic) {
        this.run = run;
        this.redisPort = redisPort;
        this.script = script;
        this.topic = topic;
    }

    public static void main(String[] words) throws Exception {
        if (words.length != 8) {
            System.err.println(USAGE);
            System.exit(2);
        }
        Redis redis = new Redis(Integer.parseInt(words[2]));
        String script = (String) redis.call("SCRIPT", "LOAD", Files.readString(Path.of(words[3])));
        OneOrderAMessage rival =
            new OneOrderAMessage(words[4], Integer.parseInt(words[2]), script, words[1]);
        redis.call("SET", rival.key("left"), Long.toString(STOCK));
        TransactionMQProducer producer = rival.producer(words[0]);
        int threads = Integer.parseInt(words[5]);
        Seller[] warm = rival.sell(producer, threads, seconds(words[6]));
        long start = System.nanoTime();
        Seller[] sellers = rival.sell(producer, threads, seconds(words[7]));
        double elapsed = (System.nanoTime() - start) / 1e9;
        long left = Long.parseLong((String) redis.call("GET", rival.key("left")));
        long taken = STOCK - left;
        long accepted = sum(warm) + sum(sellers);
        long[] latencies = Arrays.stream(sellers).flatMapToLong(Seller::latencies).sorted().toArray();
        long failed = Arrays.stream(sellers).mapToLong(seller -> seller.failed).sum();
        System.out.printf(
            "{\"threads\":%d,\"orders\":%d,\"seconds\":%.6f,\"failed\":%d,\"checked\":%d,"
                + "\"accepted_in_all\":%d,\"taken_in_all\":%d,\"p50_us\":%d,\"p99_us\":%d}%n",
            threads, sum(sellers), elapsed, failed, rival.checked.get(), accepted, taken,
            percentile(latencies, 50), percentile(latencies, 99));
        producer.shutdown();
        System.exit(0);
    }

    private static double seconds(String text) {
        return Double.parseDouble(text);
    }

    private static long sum(Seller[] sellers) {
        return Arrays.stream(sellers).mapToLong(seller -> seller.accepted).sum();
    }

    private static long percentile(long[] sorted, int percent) {
        return sorted.length == 0 ? 0 : sorted[Math.min(sorted.length - 1, sorted.length * percent / 100)] / 1_000;
    }

    private Redis connect() {
        try {
            return new Redis(redisPort);
        } catch (IOException why) {
            throw new UncheckedIOException(why);
        }
    }

    private String key(String what) {
        return "java:{" + run + "}:" + what;
    }

    private TransactionMQProducer producer(String nameServer) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer("java-rival-" + run);
        producer.setNamesrvAddr(nameServer);
        producer.setSendMsgTimeout(10_000);
        ExecutorService checks = Executors.newFixedThreadPool(4, task -> {
            Thread thread = new Thread(task, "check-back");
            thread.setDaemon(true);
            return thread;
        });
        producer.setExecutorService(checks);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object order) {
                return deduct(message, (String) order);
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                return checkBack(message);
            }
        });
        producer.start();
        return producer;
    }

    private LocalTransactionState deduct(Message message, String order) {
        try {
            Object reply = redis.get().call("EVALSHA", script, "4", key("left"), key("held"), key("keys"),
                key("log:" + message.getKeys()), "buyer-" + order, message.getKeys(), "1", "1000000", order);
            return "accepted".equals(((Object[]) reply)[0])
                ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
        } catch (IOException why) {
            redis.remove();
            return LocalTransactionState.UNKNOW;
        }
    }

    private LocalTransactionState checkBack(MessageExt message) {
        checked.incrementAndGet();
        try {
            Object found = redis.get().call("EXISTS", key("log:" + message.getKeys()));
            return Long.valueOf(1).equals(found)
                ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
        } catch (IOException why) {
            redis.remove();
            return LocalTransactionState.UNKNOW;
        }
    }

    private Seller[] sell(TransactionMQProducer producer, int threads, double seconds) throws InterruptedException {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        Seller[] sellers = new Seller[threads];
        for (int i = 0; i < threads; i++) {
            sellers[i] = new Seller(this, producer, end);
            sellers[i].start();
        }
        for (Seller seller : sellers) {
            seller.join();
        }
        return sellers;
    }

    /** One thread that orders until its time is over. */
    private static final class Seller extends Thread {
        private final OneOrderAMessage rival;
        private final TransactionMQProducer producer;
        private final long end;
        private final long[] nanos = new long[LATENCIES_MAX / 32];
        private long accepted;
        private long failed;

        Seller(OneOrderAMessage rival, TransactionMQProducer producer, long end) {
            this.rival = rival;
            this.producer = producer;
            this.end = end;
        }

        java.util.stream.LongStream latencies() {
            return Arrays.stream(nanos, 0, (int) Math.min(accepted, nanos.length));
        }

        @Override
        public void run() {
            for (long start = System.nanoTime(); start < end; start = System.nanoTime()) {
                String order = Long.toString(rival.nextOrder.getAndIncrement());
                String body = "{\"order_id\":\"" + order + "\",\"sale_id\":\"" + rival.run
                    + "\",\"buyer\":\"buyer-" + order + "\",\"quantity\":1}";
                byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
                try {
                    Message message = new Message(rival.topic, null, "key-" + order, bytes);
                    TransactionSendResult sent = producer.sendMessageInTransaction(message, order);
                    if (sent.getSendStatus() != SendStatus.SEND_OK
                        || sent.getLocalTransactionState() != LocalTransactionState.COMMIT_MESSAGE) {
                        failed++;
                        continue;
                    }
                } catch (Exception why) {
                    failed++;
                    continue;
                }
                if (accepted < nanos.length) {
                    nanos[(int) accepted] = System.nanoTime() - start;
                }
                accepted++;
            }
        }
    }

    /** As much of a Redis client as is needed here: one request, one answer. */
    private static final class Redis {
        private final InputStream in;
        private final OutputStream out;

        Redis(int port) throws IOException {
            Socket socket = new Socket("127.0.0.1", port);
            socket.setTcpNoDelay(true);
            in = new BufferedInputStream(socket.getInputStream());
            out = socket.getOutputStream();
        }

        Object call(String... words) throws IOException {
            StringBuilder request = new StringBuilder("*").append(words.length).append("\r\n");
            for (String word : words) {
                int bytes = word.getBytes(StandardCharsets.UTF_8).length;
                request.append('$').append(bytes).append("\r\n").append(word).append("\r\n");
            }
            out.write(request.toString().getBytes(StandardCharsets.UTF_8));
            return read();
        }

        private Object read() throws IOException {
            String line = line();
            String rest = line.substring(1);
            switch (line.charAt(0)) {
                case '+':
                    return rest;
                case ':':
                    return Long.valueOf(rest);
                case '$':
                    return bulk(Integer.parseInt(rest));
                case '*':
                    Object[] items = new Object[Integer.parseInt(rest)];
                    for (int i = 0; i < items.length; i++) {
                        items[i] = read();
                    }
                    return items;
                default:
                    throw new IOException(line);
            }
        }

        private String bulk(int length) throws IOException {
            if (length < 0) {
                return null;
            }
            byte[] bytes = in.readNBytes(length);
            line();
            return new String(bytes, StandardCharsets.UTF_8);
        }

        private String line() throws IOException {
            StringBuilder text = new StringBuilder();
            for (int next = in.read(); next != '\n'; next = in.read()) {
                if (next < 0) {
                    throw new IOException("the connection has ended");
                }
                if (next != '\r') {
                    text.append((char) next);
                }
            }
            return text.toString();
        }
    }
}
