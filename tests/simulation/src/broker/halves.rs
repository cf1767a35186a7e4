//! Half-messages: stored, resolved, asked for, put aside.

use flashgate_domain::{BatchId, Timestamp};
use flashgate_messaging::{BusError, CheckedMessage, HalfMessage, Message, Verdict};
use rand::Rng;
use tokio::time::Instant;

use super::{BrokerState, Witness};

/// A half-message.
#[derive(Clone, Debug)]
pub struct Half {
    /// What becomes visible with a commit.
    pub message: Message,
    /// Its id.
    id: String,
    born_at: Timestamp,
    /// When it is asked for first: from then on only the answer to a check-back resolves it.
    check_due: Instant,
    /// When it is asked for next.
    next_check: Instant,
    asked: u32,
    /// Whether it was asked for too often.
    pub put_aside: bool,
    /// Every verdict that arrived.
    pub verdicts: Vec<Verdict>,
}

impl Half {
    /// Whether no verdict has arrived.
    pub const fn is_open(&self) -> bool {
        self.verdicts.is_empty()
    }
}

impl BrokerState {
    pub(super) fn store_half(&mut self, message: &Message, now: Timestamp) -> HalfMessage {
        let id = self.next_message_id();
        let rules = self.rules;
        let check_due = Instant::now() + self.some_time(rules.first_ms_min, rules.first_ms_max);
        let offset = u64::try_from(self.halves.len()).unwrap_or(u64::MAX);
        let half = Half {
            message: message.clone(),
            id: id.clone(),
            born_at: now,
            check_due,
            next_check: check_due,
            asked: 0,
            put_aside: false,
            verdicts: Vec::new(),
        };
        self.halves.insert(offset, half);
        self.half_arrivals.notify_one();
        HalfMessage {
            topic: message.topic.clone(),
            broker: "sim:10911".to_owned(),
            message_id: id.clone(),
            transaction_id: id,
            queue_offset: offset,
            commit_log_offset: offset,
        }
    }

    /// `asked`: whether it answers a check-back.
    pub(super) fn resolve(
        &mut self,
        offset: u64,
        verdict: Verdict,
        asked: bool,
        now: Timestamp,
    ) -> Result<(), BusError> {
        let refused = |reason: &str| BusError::TooLate { reason: reason.to_owned() };
        let half = self.halves.get_mut(&offset).ok_or_else(|| refused("no such half-message"))?;
        if !asked && Instant::now() >= half.check_due {
            return Err(refused("the check-back is due"));
        }
        half.verdicts.push(verdict);
        if verdict == Verdict::Commit {
            let (message, id, born_at) = (half.message.clone(), half.id.clone(), half.born_at);
            self.append(&message, &id, born_at, now);
        }
        Ok(())
    }

    /// When the next half-message is to be asked for.
    pub(super) fn next_check(&self) -> Option<Instant> {
        let waiting = self.halves.values().filter(|half| half.is_open() && !half.put_aside);
        waiting.map(|half| half.next_check).min()
    }

    /// The question that is due, and whom to ask: any producer of the group, also one that is dead and not missed
    /// yet. Nobody is asked after the last time.
    pub(super) fn question(&mut self) -> Option<(u64, CheckedMessage, Option<Witness>)> {
        let now = Instant::now();
        let due = |half: &Half| half.is_open() && !half.put_aside && half.next_check <= now;
        let offset = self.halves.iter().find(|(_, half)| due(half)).map(|(offset, _)| *offset)?;
        let pause = self.some_time(self.rules.pause_ms_max / 4, self.rules.pause_ms_max);
        let witness = match self.witnesses.len() {
            0 => None,
            count => self.witnesses.get(self.random.random_range(0..count)).cloned(),
        };
        let asks_max = self.rules.asks_max;
        let half = self.halves.get_mut(&offset)?;
        half.next_check = now + pause;
        half.put_aside = half.asked >= asks_max;
        let question = CheckedMessage {
            key: half.message.key.clone(),
            properties: half.message.properties.clone(),
            body: half.message.body.clone(),
            asked_before: half.asked,
            born_at: half.born_at,
        };
        half.asked += 1;
        let witness = if half.put_aside { None } else { witness };
        Some((offset, question, witness))
    }

    /// Whether a message of the batch was put aside.
    pub fn has_put_aside(&self, batch: BatchId) -> bool {
        let key = batch.to_string();
        self.halves.values().any(|half| half.put_aside && half.message.key == key)
    }

    /// Every verdict on a half-message of the batch.
    pub fn verdicts(&self, batch: BatchId) -> Vec<Verdict> {
        let key = batch.to_string();
        let halves = self.halves.values().filter(|half| half.message.key == key);
        halves.flat_map(|half| &half.verdicts).copied().collect()
    }

    /// What was put aside is asked for again, if an operator has that done.
    pub fn take_up_again(&mut self) {
        if !self.rules.takes_up_again {
            return;
        }
        for half in self.halves.values_mut().filter(|half| half.put_aside) {
            (half.put_aside, half.asked) = (false, 0);
        }
        self.half_arrivals.notify_one();
    }
}
