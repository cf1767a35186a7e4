package flashgate;

import org.apache.rocketmq.store.ha.DefaultHAService;

/**
 * The broker's replication service without its listener.
 *
 * <p>RocketMQ 5.4.0 binds the replication port to every address and has no setting for it
 * (DefaultHAService.AcceptSocketService). A single master on a developer's machine has no
 * replica, so nothing listens at all. The broker finds this class through
 * META-INF/service/org.apache.rocketmq.store.ha.HAService.
 */
public class NoReplicaHaService extends DefaultHAService {
    @Override
    public void start() {
        groupTransferService.start();
        haConnectionStateNotificationService.start();
    }
}
