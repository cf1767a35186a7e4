//! The configuration of a provider over HTTP.

use std::fs;

use flashgate_payments::{http::HttpProviderConfig, signature::Profile};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn parse(text: &str) -> Result<HttpProviderConfig, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

/// The required keys, and `more`.
fn with(more: &str) -> String {
    format!("url = \"http://127.0.0.1:7090\"\ntoken = \"hunter2\"\nsigning_secrets = [\"{SECRET}\"]\n{more}")
}

#[test]
fn address_token_and_secret_are_enough() {
    let config = parse(&with("")).unwrap();
    config.check().unwrap();
    assert_eq!((config.profile, config.tolerance_seconds.get()), (Profile::StandardWebhooks, 300));
    assert_eq!((config.connect_timeout_ms.get(), config.call_timeout_ms.get()), (2_000, 10_000));
    assert_eq!((config.answer_bytes_max.get(), config.calls_max.get()), (65_536, 64));
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains(&SECRET[6..12]), "{shown}");
    parse(&with("profile = \"stripe\"")).unwrap().check().unwrap();
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        ("", "missing field `url`"),
        ("url = \"127.0.0.1:7090\"", "must be https://"),
        ("url = \"ftp://a\"", "must be https://"),
        ("url = \"https://user:hunter2@a\"", "must be https://"),
        ("url = \"https://a/?b\"", "must be https://"),
        (&with("profile = \"svix\""), "must be standard-webhooks or stripe"),
        (&with("calls_max = 0"), "nonzero"),
        (&with("retries = 3"), "unknown field `retries`"),
        ("url = \"http://a\"\nsigning_secrets = [\"whsec_hunter2\"]", "must be whsec_ and the base64"),
    ] {
        let wrong = parse(text).unwrap_err();
        assert!(wrong.contains(expected) && !wrong.contains("hunter2"), "{text}: {wrong}");
    }
}

#[test]
fn a_key_that_does_not_fit_the_others_is_named() {
    let url = "url = \"http://a\"\n";
    let many = vec![format!("\"{SECRET}\""); 9].join(", ");
    for (text, expected) in [
        (url.to_owned(), "signing_secrets is required, or signing_secrets_file"),
        (with("signing_secrets_file = \"/a\""), "signing_secrets_file must be omitted"),
        (format!("{url}signing_secrets_file = \"/missing\""), "signing_secrets_file: cannot read"),
        (format!("{url}token = \"a\"\nsigning_secrets = [{many}]"), "signing_secrets must be at most 8"),
        (format!("{url}signing_secrets = [\"{SECRET}\"]"), "token is required, or token_file"),
        (with("token_file = \"/a\""), "token_file must be omitted"),
        (with("").replace("hunter2", "hunter\\n2"), "token must be visible ASCII"),
        (
            with("").replace("http://", "https://") + "[tls]\nca_file = \"/missing\"",
            "tls.ca_file: cannot read",
        ),
    ] {
        let wrong = parse(&text).unwrap().check().unwrap_err().to_string();
        assert!(wrong.starts_with(expected) && !wrong.contains("hunter"), "{text}: {wrong}");
    }
}

#[test]
fn token_and_secrets_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let (token, secrets) = (folder.path().join("token"), folder.path().join("secrets"));
    let text = format!(
        "url = \"http://a/pay/\"\ntoken_file = {:?}\nsigning_secrets_file = {:?}",
        token.display().to_string(),
        secrets.display().to_string()
    );
    let config = parse(&text).unwrap();
    fs::write(&token, "hunter2\n").unwrap();
    fs::write(&secrets, format!("{SECRET}\n{SECRET}\n")).unwrap();
    config.check().unwrap();
    for content in ["", "\n", "whsec_hunter2\n", &format!("{SECRET}\n\n"), &format!("{SECRET}\n").repeat(9)] {
        fs::write(&secrets, content).unwrap();
        let wrong = config.check().unwrap_err().to_string();
        assert!(wrong.starts_with("signing_secrets_file: ") && !wrong.contains("hunter2"), "{wrong}");
    }
    fs::write(&secrets, SECRET).unwrap();
    fs::write(&token, "hunter2\nhunter3\n").unwrap();
    let wrong = config.check().unwrap_err().to_string();
    assert!(wrong.starts_with("token_file: ") && !wrong.contains("hunter2"), "{wrong}");
}
