//! Payment providers: who takes the buyers' money, reports it by signed callbacks, and returns it.
//!
//! | module | subject |
//! |---|---|
//! | [`provider`] | the trait of a provider with its four verbs: verify a callback, query, close, refund |
//! | [`callback`] | the body of a callback, decoded strictly |
//! | [`signature`] | HMAC-SHA-256 signatures of webhooks: Standard Webhooks and Stripe's header, made and verified |
//! | [`http`] | a provider behind a small JSON protocol over HTTP, and its configuration |
//! | [`wire`] | the bodies of that protocol |
//!
//! The rules of attempts, refunds and amounts are in `flashgate_domain::payment`; this crate stores nothing and reads
//! no clock.
//!
//! The HMAC, the comparison in constant time, base64, hex, the HTTP client and TLS are libraries. The verifier is our
//! own because `standardwebhooks`, the library of the specification, reads the system's clock, has a fixed tolerance,
//! knows one secret and one header profile, and takes only bodies in UTF-8. Its implementations for Python and
//! JavaScript verify ours in the tests, and ours verifies theirs. The client is our own because the protocol is: a real
//! provider gets an implementation of [`provider::PaymentProvider`] of its own, with its own library if it has one.

pub mod callback;
pub mod http;
pub mod provider;
pub mod signature;
pub mod wire;
