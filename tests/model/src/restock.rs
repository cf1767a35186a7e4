//! Units that an operator adds: a level of the order store, to which each gateway brings the ledger up. `restock.lua`
//! and the preheat of a gateway in small.

use crate::{
    action::Action, gateway::GATEWAYS, ledger::Ledger, model::Protocol, state::State, variants::Break,
};

/// What a gateway knows of the units that were added since the start of the sale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reader {
    /// What it has read in the order store, and is about to tell the ledger.
    pub read: Option<i8>,
    /// What it told the ledger last.
    pub told: i8,
}

impl Protocol {
    /// What can happen to units that are added.
    pub(crate) fn enabled_in_restock(state: &State, actions: &mut Vec<Action>) {
        if state.left.restocks > 0 {
            actions.push(Action::Restock);
        }
        for (gateway, reader) in state.readers.iter().enumerate() {
            // To tell the ledger what it has counted changes nothing: it would only multiply the states.
            let is_news = reader.told.min(state.ledger.restocked) < state.database.restocked;
            if reader.read.is_some() {
                actions.push(Action::TellLevel(gateway));
            } else if is_news {
                actions.push(Action::ReadLevel(gateway));
            }
        }
    }

    /// One transaction in the order store.
    pub(crate) const fn restock(state: &mut State) {
        state.left.restocks -= 1;
        state.database.restocked += 1;
        state.database.saleable += 1;
    }

    /// A gateway reads the sale.
    pub(crate) fn read_level(state: &mut State, gateway: usize) {
        state.readers[gateway].read = Some(state.database.restocked);
    }

    /// It tells the ledger what it has read, however old that is by now.
    pub(crate) fn tell_level(&self, state: &mut State, gateway: usize) {
        let reader = &mut state.readers[gateway];
        let Some(level) = reader.read.take() else { return };
        match self.broken {
            Some(Break::RestockByDifference) => state.ledger.add(level - reader.told),
            Some(Break::RestockBackwards) => state.ledger.add(level - state.ledger.restocked),
            _ => state.ledger.add((level - state.ledger.restocked).max(0)),
        }
        reader.told = level;
    }
}

impl Ledger {
    const fn add(&mut self, units: i8) {
        self.restocked += units;
        self.available += units;
    }
}

/// Gateways that have read nothing.
pub(crate) const UNREAD: [Reader; GATEWAYS] = [Reader { read: None, told: 0 }; GATEWAYS];
