//! The command line.

use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::Parser;
use flashgate_output::{number::whole, time};
use flashgate_payments::signature::Profile;
use reqwest::Url;

use crate::behaviour::{Behaviour, RefundBehaviour};

/// Maximum number of retries of a callback.
const RETRIES_MAX: usize = 32;

/// A payment provider for tests and demonstrations. Takes payments of buyers, sends signed callbacks to a merchant, and
/// answers the merchant's queries, closes and refunds. Everything is in memory and lost at the end. No real money.
///
/// Prints `listening on http://ADDRESS` when it accepts connections, and runs until SIGTERM or SIGINT.
///
/// Behaviours of attempts: prompt, slow, lost, twice, late, reversed, failing, wrong_amount, wrong_currency. Behaviours of
/// refunds: succeed, pending, failing, requires_action, succeed_then_fail, refuse, never_answer. slow, late, reversed,
/// pending and succeed_then_fail take a time in milliseconds (slow:500), failing a number of calls (failing:3).
///
/// Exit codes: 0 shut down, 1 failed, 2 wrong command line or file, 70 shut down because a background task failed, 124
/// shutdown timed out, 130 or 143 terminated by a second SIGINT or SIGTERM.
#[derive(Clone, Debug, Parser)]
#[command(name = "payment-provider", version)]
pub struct Args {
    /// Address to listen on: HOST:PORT with a numeric host; port 0 is any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7090")]
    pub listen: SocketAddr,
    /// URL that callbacks are posted to
    #[arg(long, value_name = "URL", value_parser = http_url)]
    pub callback_url: Url,
    /// File with the secrets of callbacks, one per line: `whsec_` and the base64 of 24 to 64 bytes. Callbacks are signed
    /// with each
    #[arg(long, value_name = "FILE")]
    pub secret_file: PathBuf,
    /// File with the bearer token of the merchant
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// Headers of callbacks: standard-webhooks or stripe
    #[arg(long, value_name = "PROFILE", default_value_t)]
    pub profile: Profile,
    /// Behaviour of attempts without one of their own
    #[arg(long, value_name = "BEHAVIOUR", default_value_t)]
    pub behaviour: Behaviour,
    /// Behaviour of refunds of attempts without one of their own
    #[arg(long, value_name = "BEHAVIOUR", default_value_t)]
    pub refund_behaviour: RefundBehaviour,
    /// Pauses before the retries of a callback that is not acknowledged with 2xx, separated by commas, at most 32; then
    /// it is given up. `none` for no retries
    #[arg(long, value_name = "PAUSES", default_value = "1s,2s,4s,8s,16s,32s,64s")]
    pub retry_schedule: RetrySchedule,
    /// Timeout of a callback
    #[arg(long, value_name = "TIME", value_parser = time::parse, default_value = "10s")]
    pub callback_timeout: Duration,
    /// Maximum attempts, and maximum refunds; further ones are refused with 503
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1, 10_000_000), default_value_t = 1_000_000)]
    pub records_max: usize,
    /// Log filter for standard error: directives such as info, or warn,flashgate_payment_provider=debug
    #[arg(long, value_name = "FILTER", env = "FLASHGATE_LOG", default_value = "info")]
    pub log: String,
}

/// The pauses before the retries of a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule(pub Vec<Duration>);

impl FromStr for RetrySchedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let pauses: Vec<Duration> = text.split(',').map(time::parse).collect::<Result<_, _>>()?;
        if pauses.len() > RETRIES_MAX {
            return Err(format!("must be at most {RETRIES_MAX} times"));
        }
        Ok(Self(pauses))
    }
}

fn http_url(text: &str) -> Result<Url, String> {
    let url: Option<Url> = text.parse().ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| "must be http://host[:port]/path, or https://".to_owned())
}
