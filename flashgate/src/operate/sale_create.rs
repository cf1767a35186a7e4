//! `flashgate sale create`: one sale a command, also if answers get lost on the way.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use flashgate_domain::{
    Clock, DeductPolicy, IdempotencyKey, Sale, SaleFields, SystemClock,
    intent::QUANTITY_MAX,
    sale::{PAY_WITHIN_MAX, PAY_WITHIN_MIN, PRICE_MINOR_MAX, STOCK_MAX},
};
use flashgate_operations::client::ClientError;
use flashgate_output::{
    exit::CliError,
    note,
    number::{price_minor, whole},
    time,
};
use flashgate_proto::{sale::create_request, v1};
use tokio::time::sleep;

use super::{
    OperatorArgs,
    answer::failed,
    moment::{Moment, show},
    sale::print,
};

/// The pauses before a call whose answer was lost is repeated. In all longer than a worker takes to start again.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// A new sale.
#[derive(Clone, Debug, Args)]
pub struct CreateArgs {
    /// Title for buyers
    #[arg(long)]
    title: String,
    /// Units at the start
    #[arg(long, value_name = "UNITS", value_parser = whole::<u64>(1, STOCK_MAX))]
    stock: u64,
    /// Price of a unit, in the currency's minor unit: 1999 for 19.99 EUR, 2000 for 2000 JPY
    #[arg(long, value_name = "AMOUNT", value_parser = price_minor(PRICE_MINOR_MAX))]
    price_minor: u64,
    /// ISO 4217, such as CNY
    #[arg(long, value_name = "CODE")]
    currency: String,
    /// Opening time: 2026-11-11T20:00:00Z, now, or +10m
    #[arg(long, value_name = "MOMENT", default_value = "now")]
    opens: Moment,
    /// Closing time, in the same formats
    #[arg(long, value_name = "MOMENT")]
    closes: Moment,
    /// Maximum units per buyer
    #[arg(long, value_name = "UNITS", default_value = "1", value_parser = whole::<u32>(1, QUANTITY_MAX.into()))]
    limit_per_buyer: u32,
    /// Maximum units per request [default: the limit per buyer]
    #[arg(long, value_name = "UNITS", value_parser = whole::<u32>(1, QUANTITY_MAX.into()))]
    quantity_max: Option<u32>,
    /// Time to pay an order after it was placed, after which it is cancelled: 20m, or none for no deadline
    #[arg(long, value_name = "TIME", default_value = "20m", value_parser = pay_within)]
    pay_within: Duration,
    /// When the units of an order leave the order store: when it is placed, or when the paid order is shipped
    #[arg(long, value_name = "POLICY", default_value = "at-order", value_parser = policy())]
    deduct_policy: DeductPolicy,
    /// Makes the command repeatable: the same key and fields return the same sale, never a second one [default: a new
    /// key for each command]
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<IdempotencyKey>,
    #[command(flatten)]
    at: OperatorArgs,
}

/// The policies, as options spell them.
fn policy() -> impl TypedValueParser<Value = DeductPolicy> {
    PossibleValuesParser::new(["at-order", "at-payment"]).map(|name| match name.as_str() {
        "at-payment" => DeductPolicy::AtPayment,
        _ => DeductPolicy::AtOrder,
    })
}

/// Zero is no deadline.
fn pay_within(text: &str) -> Result<Duration, String> {
    if text == "none" {
        return Ok(Duration::ZERO);
    }
    let fits = |time: &Duration| (PAY_WITHIN_MIN..=PAY_WITHIN_MAX).contains(time);
    let expected = || "must be a time from 1s to 30d such as 20m, or none".to_owned();
    time::parse(text).ok().filter(fits).ok_or_else(expected)
}

/// Repeats a call with an idempotency key whose answer is lost.
///
/// # Errors
/// The last answer was lost too.
pub(super) async fn until_answered(
    call: impl AsyncFn() -> Result<Sale, ClientError>,
) -> Result<Result<Sale, ClientError>, CliError> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let error = match call().await {
            Err(error) if error.is_unavailable() => failed(error),
            answer => return Ok(answer),
        };
        let Some(pause) = pauses.next() else { return Err(error) };
        note(format_args!("flashgate: {error}; asking again, with the same idempotency key"));
        sleep(pause).await;
    }
}

pub(super) fn idempotency_key(text: &str) -> Result<IdempotencyKey, String> {
    IdempotencyKey::new(text).map_err(|wrong| wrong.to_string())
}

/// 128 bits that no other command has: the operating system seeds each `RandomState`.
pub(super) fn new_key() -> Result<IdempotencyKey, CliError> {
    let random = || RandomState::new().build_hasher().finish();
    IdempotencyKey::new(format!("{:016x}{:016x}", random(), random())).map_err(CliError::other)
}

impl CreateArgs {
    /// Does what the command says. A call whose answer is lost is repeated with the same key and the same moments.
    pub(super) async fn run(&self) -> Result<(), CliError> {
        let request = self.request()?;
        let sales = self.at.sales().await?;
        let answer = until_answered(async || sales.clone().create(request.clone()).await).await;
        answer.map_or_else(|why| Err(in_doubt(&why, &request)), |answer| print(&self.at, answer))
    }

    fn request(&self) -> Result<v1::CreateSaleRequest, CliError> {
        let now = SystemClock.now();
        let fields = SaleFields {
            title: self.title.clone(),
            price_minor: self.price_minor,
            currency: self.currency.clone(),
            opens_at: self.opens.from(now),
            closes_at: self.closes.from(now),
            stock: self.stock,
            limit_per_buyer: self.limit_per_buyer,
            quantity_max: self.quantity_max.unwrap_or(0),
            deduct_policy: self.deduct_policy,
            pay_within: self.pay_within,
        };
        let key = self.idempotency_key.clone().map_or_else(new_key, Ok)?;
        Ok(create_request(fields, Some(&key)))
    }
}

/// The answer is lost for good.
fn in_doubt(why: &CliError, request: &v1::CreateSaleRequest) -> CliError {
    let (opens, closes) = (show(request.opens_at_ms), show(request.closes_at_ms));
    CliError::Unavailable(format!(
        "{why}; the sale may have been created: `flashgate sale list` shows every sale. The same command with \
         --idempotency-key {} --opens {opens} --closes {closes} finds it, or creates it once",
        request.idempotency_key
    ))
}
