//! What a buyer does with an order, through the interfaces of buyers, operators and the payment provider.

use std::{net::SocketAddr, time::Duration};

use flashgate_load::rush::Receipt;
use flashgate_output::exit::CliError;
use flashgate_payment_provider::behaviour::Behaviour;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::client::{Answer, Client};

/// Timeout for an order to reach a state, and for the gateway to know the order.
const STATE_MAX: Duration = Duration::from_secs(20);
/// First and maximum pause between look-ups of an order.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(50);
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(400);
/// Every tenth payment is taken back, of another tenth the callback is lost, of another it arrives twice, and another tenth
/// cannot be shipped.
const PART: usize = 10;

/// What a buyer is about to do with a confirmed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intention {
    /// To pay it; the provider behaves like that. The order is shipped.
    Pay(Behaviour),
    /// To pay it. It cannot be shipped: the money is refunded.
    PayInVain,
    /// To pay it, and to have an operator cancel it: the money is refunded.
    PayAndReturn,
    /// To cancel it.
    Cancel,
    /// To look at the provider's page, and not to pay.
    OpenPage,
    /// To do nothing.
    Forget,
}

/// What became of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is paid and shipped.
    Shipped,
    /// It was paid, could not be shipped, and was refunded.
    NotShipped,
    /// It was paid, cancelled by an operator and refunded.
    Refunded,
    /// Its buyer cancelled it.
    Cancelled,
    /// It is not paid: it will time out.
    Left,
}

impl Intention {
    /// The intention for the order at `index` of `count` orders, from the first placed to the last. The first third
    /// times out, since its payment deadlines come first.
    pub(super) const fn of(index: usize, count: usize) -> Self {
        match index.saturating_mul(3) / count {
            0 if index.is_multiple_of(2) => Self::OpenPage,
            0 => Self::Forget,
            1 => Self::Cancel,
            _ => match index % PART {
                0 => Self::PayAndReturn,
                1 => Self::Pay(Behaviour::Lost),
                2 => Self::Pay(Behaviour::Twice),
                3 => Self::PayInVain,
                _ => Self::Pay(Behaviour::Prompt),
            },
        }
    }
}

/// The addresses that a buyer and an operator use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoints {
    /// The gateway.
    pub(super) http: SocketAddr,
    /// The order worker.
    pub(super) operator: SocketAddr,
    /// The payment provider.
    pub(super) provider: SocketAddr,
}

/// A buyer with an order.
pub(super) struct Buyer {
    endpoints: Endpoints,
    name: String,
    order: u64,
    gateway: Client,
}

impl Buyer {
    pub(super) async fn connect(endpoints: Endpoints, receipt: Receipt) -> Result<Self, CliError> {
        let gateway = Client::connect(endpoints.http).await?;
        Ok(Self { endpoints, name: receipt.buyer, order: receipt.order, gateway })
    }

    /// Does what is intended; returns when the order is in the state that follows.
    ///
    /// # Errors
    /// The request that was refused or not answered, or the state that was not reached in time.
    pub(super) async fn act(&mut self, intention: Intention) -> Result<Ending, CliError> {
        match intention {
            Intention::Forget => Ok(Ending::Left),
            Intention::OpenPage => self.open_payment().await.map(|_attempt| Ending::Left),
            Intention::Cancel => self.step("cancel").await.map(|_order| Ending::Cancelled),
            Intention::Pay(behaviour) => {
                self.pay(behaviour).await?;
                self.operator("ship", "shipped", "handed to the carrier").await.map(|()| Ending::Shipped)
            }
            Intention::PayInVain => {
                self.pay(Behaviour::Prompt).await?;
                self.operator("fail", "refunded", "damaged in the warehouse")
                    .await
                    .map(|()| Ending::NotShipped)
            }
            Intention::PayAndReturn => {
                self.pay(Behaviour::Prompt).await?;
                self.operator("cancel", "refunded", "the buyer asked for it").await.map(|()| Ending::Refunded)
            }
        }
    }

    async fn open_payment(&mut self) -> Result<Value, CliError> {
        self.step("payment").await
    }

    /// Pays on the provider's page; the provider reports it to the order worker.
    async fn pay(&mut self, behaviour: Behaviour) -> Result<(), CliError> {
        let attempt = self.open_payment().await?;
        let body = json!({
            "attempt_id": attempt["attempt_id"], "amount_minor": attempt["amount_minor"],
            "currency": attempt["currency"], "behaviour": behaviour.to_string(),
        });
        let mut provider = Client::connect(self.endpoints.provider).await?;
        let answer = provider.ask(Method::POST, "/pay", None, body.to_string()).await?;
        success("the payment", answer)?;
        self.becomes("paid").await
    }

    /// An operator makes a step with the paid order, after which it comes to be in that state.
    async fn operator(&mut self, step: &str, state: &str, cause: &str) -> Result<(), CliError> {
        let mut worker = Client::connect(self.endpoints.operator).await?;
        let path = format!("/v1/orders/{}/{step}", self.order);
        let body = json!({"operator": "demo", "cause": cause});
        let answer = worker.ask(Method::POST, &path, None, body.to_string()).await?;
        success(step, answer)?;
        self.becomes(state).await
    }

    /// A request about the order, repeated while the gateway does not know the decision on it, or cannot answer.
    async fn step(&mut self, step: &str) -> Result<Value, CliError> {
        let path = format!("/v1/orders/{}/{step}", self.order);
        let mut pauses = Pauses::new();
        loop {
            let header = Some(("x-buyer-id", self.name.as_str()));
            let answer = self.gateway.ask(Method::POST, &path, header, "").await?;
            if answer.status != StatusCode::SERVICE_UNAVAILABLE || !pauses.pause().await {
                return success(step, answer);
            }
        }
    }

    /// Waits until the order is in that state.
    async fn becomes(&mut self, state: &str) -> Result<(), CliError> {
        let path = format!("/v1/orders/{}", self.order);
        let mut pauses = Pauses::new();
        loop {
            let header = Some(("x-buyer-id", self.name.as_str()));
            let answer = self.gateway.ask(Method::GET, &path, header, "").await?;
            if answer.body["state"] == state {
                return Ok(());
            }
            if !pauses.pause().await {
                return Err(CliError::Other(format!("order {} is not {state} in time", self.order)));
            }
        }
    }
}

fn success(what: &str, answer: Answer) -> Result<Value, CliError> {
    if answer.status.is_success() {
        return Ok(answer.body);
    }
    Err(CliError::Other(format!("{what} was refused: {}", answer.code())))
}

/// Growing pauses up to [`STATE_MAX`] in all.
struct Pauses {
    deadline: Instant,
    next: Duration,
}

impl Pauses {
    fn new() -> Self {
        Self { deadline: Instant::now() + STATE_MAX, next: LOOK_PAUSE_MIN }
    }

    /// Pauses, and returns `true`; or returns `false` if the time is over.
    async fn pause(&mut self) -> bool {
        if Instant::now() >= self.deadline {
            return false;
        }
        sleep(self.next).await;
        self.next = (self.next * 2).min(LOOK_PAUSE_MAX);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_times_out_a_third_is_cancelled_and_a_third_is_paid() {
        let count_of = |count: usize, is_meant: fn(Intention) -> bool| {
            (0..count).filter(|index| is_meant(Intention::of(*index, count))).count()
        };
        for count in [3, 30, 100, 1_000] {
            let left =
                count_of(count, |intention| matches!(intention, Intention::Forget | Intention::OpenPage));
            let cancelled = count_of(count, |intention| intention == Intention::Cancel);
            for part in [left, cancelled, count - left - cancelled] {
                assert!(part.abs_diff(count / 3) <= 1, "{part} of {count}");
            }
        }
        for part in [Intention::PayAndReturn, Intention::PayInVain] {
            let orders = (0..1_000).filter(|index| Intention::of(*index, 1_000) == part).count();
            assert!((30..=40).contains(&orders), "{part:?}: {orders}");
        }
    }
}
