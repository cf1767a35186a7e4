//! What the scripts answer, as typed values. Anything unexpected is `None` here, and a
//! [`LedgerFault::UnknownReply`] for the caller: an answer is never guessed.

use flashgate_domain::{BatchId, LedgerId, Node, OrderId, SaleId, Timestamp, audit::LostEntry};
use flashgate_ledger::{
    Activated, Answer, Compensated, Deduction, Fate, LedgerFault, LedgerIdentity, LedgerOrder, LedgerState,
    LogEntry, LogStatus, OpenBatch, Prepared, Rebuilding, Rebuilt, Restored, Screening, Settled, Snapshot,
    Standing, Totals, Written,
};
use redis::Value;

use super::{
    pack::{INTENT_BYTES, Packed, state_of_byte, unpack_intent},
    seen::Progress,
};

/// The bytes of a sale in the column `sales` of a log entry.
const SHARE_BYTES: usize = 16;

/// How much of an unknown reply is told, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// The fault for a reply that is not understood.
pub(super) fn unknown(call: &'static str, reply: &dyn std::fmt::Debug) -> LedgerFault {
    LedgerFault::UnknownReply { call, reply: format!("{reply:?}").chars().take(SHOWN_CHARS_MAX).collect() }
}

/// An array reply, read from its beginning.
struct Fields<'a>(std::slice::Iter<'a, Value>);

impl<'a> Fields<'a> {
    /// The fields of an array; a single string is the only field.
    fn new(value: &'a Value) -> Option<Self> {
        if let Value::Array(values) = value {
            Some(Self(values.iter()))
        } else {
            matches!(value, Value::BulkString(_)).then(|| Self(std::slice::from_ref(value).iter()))
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let Value::BulkString(bytes) = self.0.next()? else { return None };
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A whole number; Redis gives stored ones as text.
    fn signed(&mut self) -> Option<i64> {
        if let Some(Value::Int(number)) = self.0.as_slice().first() {
            self.0.next();
            return Some(*number);
        }
        self.text()?.parse().ok()
    }

    fn number<T: TryFrom<i64>>(&mut self) -> Option<T> {
        self.signed().and_then(|number| T::try_from(number).ok())
    }

    fn next_is_nil(&mut self, count: usize) -> bool {
        let missing = self.0.as_slice().first() == Some(&Value::Nil);
        if missing {
            self.0.by_ref().take(count).for_each(drop);
        }
        missing
    }

    fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    fn end(&self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

/// An answer, and what it tells about how far the sales have come.
#[derive(Debug)]
pub(super) struct Told<T> {
    pub(super) answer: T,
    pub(super) progress: Vec<(SaleId, Progress)>,
    /// The sales that stopped in this call, since the server was behind.
    pub(super) stopped: Vec<SaleId>,
}

impl<T> Told<T> {
    const fn only(answer: T) -> Self {
        Self { answer, progress: Vec::new(), stopped: Vec::new() }
    }
}

/// The fault if a script met another ledger than it was meant for.
pub(super) fn other_ledger(value: &Value) -> Option<LedgerFault> {
    let mut fields = Fields::new(value)?;
    if fields.bytes()? != b"other_ledger" {
        return None;
    }
    // Its identity, or nothing.
    Some(LedgerFault::OtherLedger { found: fields.text().and_then(|id| id.parse().ok()) })
}

/// The columns `ledger` and `store` of the identity.
pub(super) fn identity(value: &Value) -> Option<Option<LedgerIdentity>> {
    let mut fields = Fields::new(value)?;
    if fields.next_is_nil(2) {
        return Some(None);
    }
    let ledger = fields.text()?.parse::<LedgerId>().ok()?;
    Some(Some(LedgerIdentity { ledger, store: fields.text()?.parse().ok()? }))
}

/// The reply of `probe.lua`: the commands that failed, each with its error.
pub(super) fn probed(value: &Value) -> Option<Vec<String>> {
    let Value::Array(errors) = value else { return None };
    let text = |error: &Value| {
        let Value::BulkString(bytes) = error else { return None };
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    errors.iter().map(text).collect()
}

/// The policy in what INFO tells of the memory.
pub(super) fn eviction_policy(value: &Value) -> Option<String> {
    let text = if let Value::VerbatimString { text, .. } = value {
        text.as_str()
    } else {
        Fields::new(value)?.text()?
    };
    let policy = text.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?;
    Some(policy.trim().to_owned())
}

/// Units held, one a buyer, as HMGET tells them.
pub(super) fn holdings(value: &Value) -> Option<Vec<u64>> {
    let mut fields = Fields::new(value)?;
    let mut units = Vec::new();
    while !fields.is_empty() {
        units.push(if fields.next_is_nil(1) { 0 } else { fields.number()? });
    }
    Some(units)
}

/// The time: seconds, and microseconds of the second.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    let mut fields = Fields::new(value)?;
    let (seconds, micros): (u64, u64) = (fields.number()?, fields.number()?);
    Some(Timestamp::from_millis(seconds.checked_mul(1_000)?.checked_add(micros / 1_000)?))
}

/// The members of a sorted set of sales.
pub(super) fn sale_ids(value: &Value) -> Option<Vec<SaleId>> {
    let mut fields = Fields::new(value)?;
    let mut sales = Vec::new();
    while !fields.is_empty() {
        sales.push(fields.text()?.parse::<SaleId>().ok()?);
    }
    Some(sales)
}

/// The reply of `sweep.lua`: how many sales were freed.
pub(super) fn swept(value: &Value) -> Option<u64> {
    let Value::Int(freed) = value else { return None };
    u64::try_from(*freed).ok()
}

/// The reply of `screen.lua`.
pub(super) fn screening(value: &Value, packed: &Packed) -> Option<Told<Screening>> {
    let mut fields = Fields::new(value)?;
    (fields.text()? == "screened").then_some(())?;
    judged(&mut fields, packed)
}

/// The reply of `deduct.lua`.
pub(super) fn deduction(value: &Value, packed: &Packed) -> Option<Told<Deduction>> {
    let mut fields = Fields::new(value)?;
    match fields.text()? {
        "deducted" | "acknowledged" => Some(Told::only(Deduction::Applied { standings: Vec::new() })),
        "fenced" => Some(Told::only(Deduction::Fenced)),
        "taken" => Some(Told::only(Deduction::IdTaken)),
        "applied" => {
            let Told { answer, progress, stopped } = judged(&mut fields, packed)?;
            Some(Told { answer: Deduction::Applied { standings: answer.standings }, progress, stopped })
        }
        "refused" => {
            let Told { answer, progress, stopped } = judged(&mut fields, packed)?;
            Some(Told { answer: Deduction::Refused(answer), progress, stopped })
        }
        _ => None,
    }
}

/// What follows the status in `judge.lua`.
fn judged(fields: &mut Fields<'_>, packed: &Packed) -> Option<Told<Screening>> {
    let open_orders = fields.number()?;
    let answers = fields.bytes()?;
    let stopped = fields.bytes()?;
    let mut standings = Vec::with_capacity(packed.sales.len());
    let mut progress = Vec::with_capacity(packed.sales.len());
    let mut opens_at = Vec::with_capacity(packed.sales.len());
    for sale in &packed.sales {
        if fields.next_is_nil(5) {
            opens_at.push(Timestamp::default());
            continue;
        }
        let (standing, reached) = standing(fields, *sale)?;
        standings.push(standing);
        progress.push((*sale, reached));
        opens_at.push(Timestamp::from_millis(fields.number()?));
    }
    fields.end()?;
    let answers = unpack_answers(answers, packed, &opens_at)?;
    let stopped = stopped.chunks(2).map(|number| {
        let number = u16::from_be_bytes(number.try_into().ok()?);
        packed.sales.get(usize::from(number)).copied()
    });
    let stopped = stopped.collect::<Option<_>>()?;
    Some(Told { answer: Screening { answers, standings, open_orders }, progress, stopped })
}

fn standing(fields: &mut Fields<'_>, sale: SaleId) -> Option<(Standing, Progress)> {
    let standing = Standing { sale, available: fields.signed()?, epoch: fields.number()? };
    let sequence = fields.number()?;
    Some((standing, Progress { sequence, generation: fields.number()? }))
}

fn unpack_answers(bytes: &[u8], packed: &Packed, opens_at: &[Timestamp]) -> Option<Vec<Answer>> {
    if bytes.is_empty() {
        return Some(vec![Answer::Pass; packed.sale_of.len()]);
    }
    let mut rest = bytes.iter().copied();
    let mut answers = Vec::with_capacity(packed.sale_of.len());
    for sale in &packed.sale_of {
        answers.push(match rest.next()? {
            b'+' => Answer::Pass,
            b'#' => Answer::Replay(order_id(&mut rest)?),
            b'!' => Answer::KeyReused,
            b'=' => Answer::Repeated,
            b'M' => Answer::Missing,
            b'N' => Answer::NotReady,
            b'Z' => Answer::Paused,
            b'O' => Answer::NotOpen { opens_at: *opens_at.get(usize::from(*sale))? },
            b'E' => Answer::Ended,
            b'S' => Answer::SoldOut,
            b'L' => Answer::OverLimit,
            _ => return None,
        });
    }
    rest.next().is_none().then_some(answers)
}

fn order_id(bytes: &mut impl Iterator<Item = u8>) -> Option<OrderId> {
    let id: Vec<u8> = bytes.take(8).collect();
    OrderId::new(u64::from_be_bytes(id.try_into().ok()?)).ok()
}

/// The reply of `check_back.lua`.
pub(super) fn fate(value: &Value) -> Option<Fate> {
    match Fields::new(value)?.text()? {
        "deducted" | "acknowledged" => Some(Fate::Deducted),
        "fenced" => Some(Fate::Fenced),
        _ => None,
    }
}

/// The reply of `settle_confirmed.lua`; `Some(None)` if it left the batch to `settle.lua`.
pub(super) fn settled_confirmed(value: &Value, sales: &[SaleId]) -> Option<Option<Told<Settled>>> {
    if Fields::new(value)?.text()? == "otherwise" {
        return Some(None);
    }
    settled(value, sales).map(Some)
}

/// The reply of `settle.lua`.
pub(super) fn settled(value: &Value, sales: &[SaleId]) -> Option<Told<Settled>> {
    let mut fields = Fields::new(value)?;
    let status = fields.text()?;
    match status {
        "already" => Some(Told::only(Settled::Already)),
        "contradiction" => Some(Told::only(Settled::Contradiction)),
        "taken" => Some(Told::only(Settled::IdTaken)),
        "broken_off" => {
            let mut stopped = Vec::new();
            for sale in sales {
                if fields.number::<u8>()? == 1 {
                    stopped.push(*sale);
                }
            }
            fields.end()?;
            Some(Told {
                answer: Settled::BrokenOff { stopped: stopped.clone() },
                progress: Vec::new(),
                stopped,
            })
        }
        "applied" | "late" => {
            let (mut standings, mut progress) = (Vec::new(), Vec::new());
            for sale in sales {
                if !fields.next_is_nil(4) {
                    let (standing, reached) = standing(&mut fields, *sale)?;
                    standings.push(standing);
                    progress.push((*sale, reached));
                }
            }
            fields.end()?;
            let answer =
                if status == "late" { Settled::AppliedLate(standings) } else { Settled::Applied(standings) };
            Some(Told { answer, progress, stopped: Vec::new() })
        }
        _ => None,
    }
}

/// The reply of `prepare.lua`.
pub(super) fn prepared(value: &Value) -> Option<Prepared> {
    let mut fields = Fields::new(value)?;
    let (state, generation) = (fields.text()?, fields.number()?);
    match state {
        "created" => Some(Prepared::Created),
        "prepared" => Some(Prepared::Waiting { generation }),
        "active" | "paused" | "closed" => Some(Prepared::Active { generation }),
        _ => None,
    }
}

/// The reply of `activate.lua`.
pub(super) fn activated(value: &Value) -> Option<Activated> {
    let mut fields = Fields::new(value)?;
    match fields.text()? {
        "active" => Some(Activated::Active),
        "paused" => Some(Activated::Paused),
        "closed" => Some(Activated::Closed),
        "missing" => Some(Activated::Missing),
        "other_generation" => Some(Activated::OtherGeneration { generation: fields.number()? }),
        _ => None,
    }
}

/// The reply of `pause.lua` and `close.lua`.
pub(super) fn stopped(value: &Value) -> Option<()> {
    let state = Fields::new(value)?.text()?;
    matches!(state, "missing" | "paused" | "closed").then_some(())
}

/// The reply of `rebuild.lua`.
pub(super) fn rebuilding(value: &Value) -> Option<Rebuilding> {
    let mut fields = Fields::new(value)?;
    Some(match fields.text()? {
        "begun" => Rebuilding::Begun,
        "other_generation" => Rebuilding::OtherGeneration { generation: fields.number()? },
        "open" => Rebuilding::Open { orders: fields.number()? },
        state => Rebuilding::NotStopped { state: LedgerState::parse(state)? },
    })
}

/// The reply of `restore.lua`.
pub(super) fn restored(value: &Value) -> Option<Restored> {
    match Fields::new(value)?.text()? {
        "restored" => Some(Restored::Done),
        "missing" => Some(Restored::Missing),
        _ => None,
    }
}

/// The reply of `resume.lua`.
pub(super) fn rebuilt(value: &Value) -> Option<Rebuilt> {
    let mut fields = Fields::new(value)?;
    Some(match fields.text()? {
        "missing" => Rebuilt::Missing,
        "other_generation" => Rebuilt::OtherGeneration { generation: fields.number()? },
        "differs" => Rebuilt::Differs { available: fields.signed()? },
        "incomplete" => Rebuilt::Incomplete,
        state => Rebuilt::Stands { state: LedgerState::parse(state)? },
    })
}

/// The reply of `compensate.lua`.
pub(super) fn compensated(value: &Value, sale: SaleId) -> Option<Told<Compensated>> {
    let mut fields = Fields::new(value)?;
    match fields.text()? {
        "missing" => Some(Told::only(Compensated::Missing)),
        "moved" => Some(Told::only(Compensated::Moved {
            generation: fields.number()?,
            adjustments: fields.number()?,
            in_ledger: fields.signed()?,
        })),
        "done" => {
            let rest = fields.number()?;
            let (standing, reached) = standing(&mut fields, sale)?;
            let answer = Compensated::Done { standing, rest };
            Some(Told { answer, progress: vec![(sale, reached)], stopped: Vec::new() })
        }
        _ => None,
    }
}

/// The reply of `order.lua`.
pub(super) fn order(value: &Value) -> Option<Option<LedgerOrder>> {
    if *value == Value::Nil {
        return Some(None);
    }
    let mut fields = Fields::new(value)?;
    let sale = u64::from_be_bytes(fields.bytes()?.try_into().ok()?);
    let (quantity, buyer) = unpack_intent(fields.bytes()?)?;
    let state = state_of_byte(*fields.bytes()?.first()?)?;
    Some(Some(LedgerOrder { sale: SaleId::new(sale).ok()?, buyer, quantity, state }))
}

/// One reply of `snapshot.lua`.
#[derive(Debug)]
pub(super) struct SnapshotPage {
    /// The sale as it is now, with the open batches of the page.
    pub(super) snapshot: Snapshot,
    /// When the last batch of the page was deducted, if there may be more.
    pub(super) next_from: Option<Timestamp>,
}

/// The reply of `snapshot.lua`.
pub(super) fn snapshot(value: &Value) -> Option<Option<SnapshotPage>> {
    if *value == Value::Nil {
        return Some(None);
    }
    let mut fields = Fields::new(value)?;
    let state = LedgerState::parse(fields.text()?)?;
    let generation = fields.number()?;
    let totals = Totals {
        initial: fields.number()?,
        restocked: fields.number()?,
        returned: fields.number()?,
        deducted: fields.number()?,
        written_off: fields.number()?,
        reclaimed: fields.number()?,
        available: fields.signed()?,
    };
    let (epoch, sequence, adjustments) = (fields.number()?, fields.number()?, fields.number()?);
    let (pending_orders, _pending_units) = (fields.signed()?, fields.signed()?);
    let written = Written { buyers: fields.number()?, keys: fields.number()? };
    let (buyers, keys) = (fields.number()?, fields.number()?);
    let taken_at = Timestamp::from_millis(fields.number()?);
    let next_from = Some(fields.number()?).filter(|at| *at > 0).map(Timestamp::from_millis);
    let lost_count: u64 = fields.number()?;
    let mut lost = Vec::new();
    for _entry in 0..lost_count {
        let batch = fields.text()?.parse::<BatchId>().ok()?;
        lost.push(LostEntry { batch, deducted_at: Timestamp::from_millis(fields.number()?) });
    }
    let mut open = Vec::new();
    while !fields.is_empty() {
        open.push(OpenBatch {
            id: fields.text()?.parse::<BatchId>().ok()?,
            deducted_at: Timestamp::from_millis(fields.number()?),
            orders: fields.number()?,
            units: fields.number()?,
        });
    }
    let snapshot = Snapshot {
        state,
        generation,
        totals,
        epoch,
        sequence,
        adjustments,
        buyers,
        keys,
        written,
        pending_orders,
        taken_at,
        open,
        lost,
    };
    Some(Some(SnapshotPage { snapshot, next_from }))
}

/// The columns `status`, `nonce`, `sales`, `intents` and `states` of the log entry of `batch`.
pub(super) fn entry(value: &Value, batch: BatchId) -> Option<Option<LogEntry>> {
    let mut fields = Fields::new(value)?;
    if fields.next_is_nil(5) {
        return Some(None);
    }
    let status = LogStatus::parse(fields.text()?)?;
    if u64::from_str_radix(fields.text()?, 16).ok()? != batch.nonce() {
        return Some(None);
    }
    let orders = match status {
        LogStatus::Fenced => Vec::new(),
        LogStatus::Deducted | LogStatus::Acknowledged => {
            logged_orders(fields.bytes()?, fields.bytes()?, fields.bytes()?)?
        }
    };
    Some(Some(LogEntry { status, orders }))
}

/// The columns `status`, `nonce` and `body` of the log entry of `batch`.
pub(super) fn message(value: &Value, batch: BatchId) -> Option<Option<Vec<u8>>> {
    let mut fields = Fields::new(value)?;
    if fields.next_is_nil(3) {
        return Some(None);
    }
    let is_open = LogStatus::parse(fields.text()?)? == LogStatus::Deducted;
    let is_it = u64::from_str_radix(fields.text()?, 16).ok()? == batch.nonce();
    if !is_open || !is_it || fields.next_is_nil(1) {
        return Some(None);
    }
    Some(Some(fields.bytes()?.to_vec()))
}

/// The orders of a log entry: of each sale id u64, orders u32 and units u32; the intents; a state each.
fn logged_orders(sales: &[u8], intents: &[u8], states: &[u8]) -> Option<Vec<LedgerOrder>> {
    let (intents, rest) = intents.as_chunks::<INTENT_BYTES>();
    (rest.is_empty() && intents.len() == states.len()).then_some(())?;
    let order = |(intent, state): (&[u8; INTENT_BYTES], &u8)| {
        let number = usize::from(u16::from_be_bytes(*intent.first_chunk()?));
        let sale = u64::from_be_bytes(*sales.get(number * SHARE_BYTES..)?.first_chunk()?);
        let (quantity, buyer) = unpack_intent(intent)?;
        Some(LedgerOrder { sale: SaleId::new(sale).ok()?, buyer, quantity, state: state_of_byte(*state)? })
    };
    intents.iter().zip(states).map(order).collect()
}

/// The columns `available` and `epoch` of a sale.
pub(super) fn standing_of(value: &Value, sale: SaleId) -> Option<Option<Standing>> {
    let mut fields = Fields::new(value)?;
    if fields.next_is_nil(2) {
        return Some(None);
    }
    Some(Some(Standing { sale, available: fields.signed()?, epoch: fields.number()? }))
}

/// One step of HSCAN on the keys of a sale: adds to `found`, and returns the cursor of the next step.
pub(super) fn scanned(value: &Value, found: &mut Vec<[u8; 8]>) -> Option<u64> {
    let mut fields = Fields::new(value)?;
    let cursor = fields.number()?;
    let mut pairs = Fields::new(fields.0.next()?)?;
    while !pairs.is_empty() {
        let digest = pairs.bytes()?;
        let _order = pairs.bytes()?;
        found.push(digest.get(..8)?.try_into().ok()?);
    }
    Some(cursor)
}

/// The count of starts, of which this is one.
pub(super) fn started(value: &Value) -> Option<Node> {
    let Value::Int(start) = value else { return None };
    Some(Node::of_start(u64::try_from(*start).ok()?.checked_sub(1)?))
}
