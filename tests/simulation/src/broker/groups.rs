//! Consumer groups: who holds which queue, and how far the group is.

use flashgate_messaging::Delivery;
use rand::{Rng, rngs::StdRng};

use super::QUEUES;

/// Some subscribers that divide the queues of a topic.
#[derive(Debug, Default)]
pub(super) struct Group {
    members: Vec<u64>,
    pub(super) queues: [Holding; QUEUES],
}

/// One queue as the group has it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holding {
    pub(super) owner: Option<u64>,
    /// Moved whenever the queue changes hands.
    pub(super) number: u64,
    pub(super) committed: usize,
    /// The furthest that was ever committed.
    acknowledged: usize,
}

impl Group {
    pub(super) fn join(&mut self, member: u64, random: &mut StdRng) {
        self.members.push(member);
        self.divide(random);
    }

    pub(super) fn leave(&mut self, member: u64, random: &mut StdRng) {
        let before = self.members.len();
        self.members.retain(|other| *other != member);
        if self.members.len() != before {
            self.divide(random);
        }
    }

    /// Gives each queue to some member.
    pub(super) fn divide(&mut self, random: &mut StdRng) {
        let turn = random.random_range(0..QUEUES);
        for (place, queue) in self.queues.iter_mut().enumerate() {
            let owner = match self.members.len() {
                0 => None,
                count => self.members.get((place + turn) % count).copied(),
            };
            if owner != queue.owner {
                (queue.owner, queue.number) = (owner, queue.number + 1);
            }
        }
    }

    /// Takes an offset from whoever sends one, also a lower one and from a member that lost the queue.
    pub(super) fn commit(&mut self, queue: usize, offset: usize) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.committed = offset;
            queue.acknowledged = queue.acknowledged.max(offset);
        }
    }

    pub(super) fn unacknowledged(&self, stored: Option<&[Vec<Delivery>; QUEUES]>) -> usize {
        let Some(stored) = stored else { return 0 };
        self.queues.iter().zip(stored).map(|(queue, stored)| stored.len() - queue.acknowledged).sum()
    }
}
