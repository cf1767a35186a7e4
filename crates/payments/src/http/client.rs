//! One call: its connection, its time, and the size of its answer are limited.

use std::time::Duration;

use bytes::Bytes;
use flashgate_domain::causes;
use http::{HeaderMap, HeaderValue, Method, header};
use reqwest::{Certificate, Identity, Response, redirect};
use tokio::{sync::Semaphore, time::timeout};

use super::{HttpProviderConfig, IDEMPOTENCY_KEY, InvalidProviderConfig, ProviderUrl};
use crate::{provider::ProviderError, wire::AmountBody};

/// How long a connection may be idle before it is closed: less than servers and middleboxes usually wait.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The answer to a call, with any status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: ProviderUrl,
    call_timeout: Duration,
    answer_bytes_max: usize,
    /// A permit for each call. HTTP/1.1 carries one call on a connection at a time, so it bounds the connections too.
    permits: Semaphore,
}

impl Client {
    pub(super) fn new(config: &HttpProviderConfig) -> Result<Self, InvalidProviderConfig> {
        let calls_max =
            usize::try_from(config.calls_max.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let builder = reqwest::Client::builder()
            .default_headers(authorization(config)?)
            .user_agent(concat!("flashgate/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms.get().into()))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(calls_max);
        let http = with_tls(builder, config)?.build().map_err(|error| {
            // Without authorities of the system there is no client.
            InvalidProviderConfig::Tls(causes(&error))
        })?;
        Ok(Self {
            http,
            url: config.url.clone(),
            call_timeout: Duration::from_millis(config.call_timeout_ms.get().into()),
            answer_bytes_max: usize::try_from(config.answer_bytes_max.get()).unwrap_or(usize::MAX),
            permits: Semaphore::new(calls_max),
        })
    }

    /// Sends one request, and reads the whole answer. The timeout covers the wait for a permit as well.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        idempotency_key: Option<&str>,
        body: Option<&AmountBody>,
    ) -> Result<Answer, ProviderError> {
        let mut request = self.http.request(method, self.url.at(path));
        if let Some(key) = idempotency_key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(body) = body {
            // A struct of strings and a number cannot fail to serialize.
            let json = serde_json::to_vec(body).unwrap_or_default();
            request = request.header(header::CONTENT_TYPE, "application/json").body(Bytes::from(json));
        }
        let call = async {
            // The semaphore is never closed.
            let _permit = self.permits.acquire().await.ok();
            let response = request.send().await.map_err(failure)?;
            let status = response.status().as_u16();
            Ok(Answer { status, body: self.read(response).await? })
        };
        timeout(self.call_timeout, call)
            .await
            .unwrap_or(Err(ProviderError::Timeout { limit: self.call_timeout }))
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, ProviderError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if body.len().saturating_add(chunk.len()) > self.answer_bytes_max {
                let cause = format!("it is longer than {} bytes", self.answer_bytes_max);
                return Err(ProviderError::Unreadable { cause });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn failure(error: reqwest::Error) -> ProviderError {
    let never_sent = error.is_connect();
    let cause = causes(&error.without_url());
    if never_sent { ProviderError::Unreachable { cause } } else { ProviderError::ConnectionLost { cause } }
}

fn authorization(config: &HttpProviderConfig) -> Result<HeaderMap, InvalidProviderConfig> {
    let token = config.token()?;
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_invalid| InvalidProviderConfig::Token)?;
    value.set_sensitive(true);
    Ok([(header::AUTHORIZATION, value)].into_iter().collect())
}

/// The authorities of `tls.ca_file`, or those of the system; those are only read for an https URL.
fn with_tls(
    builder: reqwest::ClientBuilder,
    config: &HttpProviderConfig,
) -> Result<reqwest::ClientBuilder, InvalidProviderConfig> {
    if !config.url.is_tls() {
        return Ok(builder.tls_certs_only([]));
    }
    if config.tls.is_empty() {
        return Ok(builder);
    }
    let unusable = |error: reqwest::Error| InvalidProviderConfig::Tls(causes(&error));
    let material = config.tls.read()?;
    let builder =
        builder.tls_certs_only(Certificate::from_pem_bundle(&material.authorities).map_err(unusable)?);
    let Some(identity) = material.identity else { return Ok(builder) };
    let pem = [identity.key, b"\n".to_vec(), identity.certificate].concat();
    Ok(builder.identity(Identity::from_pem(&pem).map_err(unusable)?))
}
