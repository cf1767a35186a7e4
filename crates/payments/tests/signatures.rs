//! What a signed webhook is accepted for, and what not.

#![expect(clippy::unwrap_used, reason = "a test may fail at any line")]

use std::time::Duration;

use flashgate_domain::{CallbackId, Timestamp};
use flashgate_payments::signature::{
    Profile, SECRETS_MAX, SignatureError, SignatureScheme, SigningSecret, SigningSecrets, TOLERANCE, Verified,
};
use http::{HeaderMap, HeaderName, HeaderValue};

const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &[u8] = br#"{"type":"payment.paid"}"#;
const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIME: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const STRIPE: HeaderName = HeaderName::from_static("stripe-signature");

fn scheme(profile: Profile, secrets: &[&str]) -> SignatureScheme {
    let secrets = secrets.iter().map(|secret| secret.parse().unwrap()).collect();
    SignatureScheme::new(profile, SigningSecrets::new(secrets).unwrap(), TOLERANCE)
}

fn signed(profile: Profile, secrets: &[&str], body: &[u8], at: Timestamp) -> HeaderMap {
    let id = CallbackId::new("msg_1").unwrap();
    scheme(profile, secrets).sign(&id, body, at).into_iter().collect()
}

fn verified(profile: Profile, headers: &HeaderMap) -> Result<Verified, SignatureError> {
    scheme(profile, &[NEW]).verify(headers, BODY, NOW)
}

/// Ordinary headers with another value of one of them.
fn with(profile: Profile, name: &HeaderName, value: &str) -> HeaderMap {
    let mut headers = signed(profile, &[NEW], BODY, NOW);
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    headers
}

/// The header of signatures of a profile, and its value.
fn signature(profile: Profile, headers: &HeaderMap) -> (HeaderName, String) {
    let name = match profile {
        Profile::StandardWebhooks => SIGNATURE,
        Profile::Stripe => STRIPE,
    };
    let value = headers[&name].to_str().unwrap().to_owned();
    (name, value)
}

#[test]
fn the_published_vector_of_standard_webhooks_is_ours() {
    // `libraries/*/test*` of the repository of the specification.
    let id = CallbackId::new("msg_p5jXN8AQM9LWM0D4loKWxJek").unwrap();
    let at = Timestamp::from_millis(1_614_265_330_000);
    let body = br#"{"test": 2432232314}"#;
    let scheme = scheme(Profile::StandardWebhooks, &[NEW]);
    let headers: HeaderMap = scheme.sign(&id, body, at).into_iter().collect();
    assert_eq!(headers[ID], id.as_str());
    assert_eq!(headers[TIME], "1614265330");
    assert_eq!(headers[SIGNATURE], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_eq!(scheme.verify(&headers, body, at), Ok(Verified { id: Some(id), signed_at: at }));
}

#[test]
fn a_header_of_stripe_is_the_hmac_of_time_and_body_under_the_text_of_the_secret() {
    let headers = signed(Profile::Stripe, &[NEW], BODY, NOW);
    // `printf '1780272000.{"type":"payment.paid"}' | openssl dgst -sha256 -hmac "$NEW"`
    assert_eq!(
        headers[STRIPE],
        "t=1780272000,v1=28800150d43ee5d2296dd1ac0636899fcf88bf00b2574764ea5c094f9290094b"
    );
    assert_eq!(verified(Profile::Stripe, &headers), Ok(Verified { id: None, signed_at: NOW }));
}

#[test]
fn what_is_signed_with_one_of_the_secrets_is_authentic() {
    for profile in Profile::ALL {
        let both = scheme(profile, &[NEW, OLD]);
        for secrets in [&[NEW][..], &[OLD], &[NEW, OLD], &[OLD, NEW]] {
            both.verify(&signed(profile, secrets, BODY, NOW), BODY, NOW).unwrap();
        }
        // The receiver does not have the new secret yet.
        let receiver = scheme(profile, &[OLD]);
        receiver.verify(&signed(profile, &[NEW, OLD], BODY, NOW), BODY, NOW).unwrap();
        let headers = signed(profile, &[NEW], BODY, NOW);
        assert_eq!(receiver.verify(&headers, BODY, NOW), Err(SignatureError::BadSignature));
    }
}

#[test]
fn empty_truncated_extended_and_forged_signatures_never_match() {
    for profile in Profile::ALL {
        let (name, good) = signature(profile, &signed(profile, &[NEW], BODY, NOW));
        let (head, tag) = good.rsplit_once(if profile == Profile::Stripe { "v1=" } else { "v1," }).unwrap();
        let version = &good[head.len()..good.len() - tag.len()];
        let (half, _rest) = tag.split_at(tag.len() / 2);
        let forged: String = tag.chars().map(|letter| if letter == 'A' { 'B' } else { 'A' }).collect();
        for tag in [
            "",
            "=",
            &tag[..4],
            half,
            &tag[..tag.len() - 4],
            &format!("{tag}{tag}"),
            &format!("{tag}AAAA"),
            &forged,
            &"0".repeat(tag.len()),
            "not base64, not hex",
        ] {
            let verdict = verified(profile, &with(profile, &name, &format!("{head}{version}{tag}")));
            let codes = ["bad_signature", "malformed_header"];
            assert!(verdict.is_err_and(|error| codes.contains(&error.code())), "{profile} {tag:?}");
        }
        verified(profile, &with(profile, &name, &good)).unwrap();
    }
}

#[test]
fn an_empty_signature_is_a_bad_one() {
    let empty = with(Profile::StandardWebhooks, &SIGNATURE, "v1,");
    assert_eq!(verified(Profile::StandardWebhooks, &empty), Err(SignatureError::BadSignature));
    let empty = with(Profile::Stripe, &STRIPE, "t=1780272000,v1=");
    assert_eq!(verified(Profile::Stripe, &empty), Err(SignatureError::BadSignature));
}

#[test]
fn one_signature_of_many_is_enough_and_unknown_versions_are_skipped() {
    let (_name, good) =
        signature(Profile::StandardWebhooks, &signed(Profile::StandardWebhooks, &[NEW], BODY, NOW));
    let other = signature(Profile::StandardWebhooks, &signed(Profile::StandardWebhooks, &[OLD], BODY, NOW)).1;
    let many = format!("v1a,AAAA v2,{} {} v1,%% {good}", &good[3..], [&*other; 40].join(" "));
    verified(Profile::StandardWebhooks, &with(Profile::StandardWebhooks, &SIGNATURE, &many)).unwrap();
    for skipped in [format!("v1a,{}", &good[3..]), format!("v2,{}", &good[3..]), format!(",{}", &good[3..])] {
        let headers = with(Profile::StandardWebhooks, &SIGNATURE, &skipped);
        assert_eq!(verified(Profile::StandardWebhooks, &headers), Err(SignatureError::BadSignature));
    }
    let (_name, good) = signature(Profile::Stripe, &signed(Profile::Stripe, &[NEW], BODY, NOW));
    let (time, tag) = good.split_once(",v1=").unwrap();
    let many = format!("{time},v0={tag},v1=00,v1=zz,v1={tag},scheme=x");
    verified(Profile::Stripe, &with(Profile::Stripe, &STRIPE, &many)).unwrap();
    let skipped = with(Profile::Stripe, &STRIPE, &format!("{time},v0={tag}"));
    assert_eq!(verified(Profile::Stripe, &skipped), Err(SignatureError::BadSignature));
}

#[test]
fn a_signature_is_of_its_own_id_time_and_body() {
    for profile in Profile::ALL {
        let headers = signed(profile, &[NEW], BODY, NOW);
        for body in [b"".as_slice(), b"{}", &[BODY, b" "].concat(), &BODY[1..]] {
            let verdict = scheme(profile, &[NEW]).verify(&headers, body, NOW);
            assert_eq!(verdict, Err(SignatureError::BadSignature));
        }
    }
    for (name, value) in [(&ID, "msg_2"), (&TIME, "1780272001")] {
        let swapped = with(Profile::StandardWebhooks, name, value);
        assert_eq!(verified(Profile::StandardWebhooks, &swapped), Err(SignatureError::BadSignature));
    }
    let (_name, good) = signature(Profile::Stripe, &signed(Profile::Stripe, &[NEW], BODY, NOW));
    let later = with(Profile::Stripe, &STRIPE, &good.replace("t=1780272000", "t=1780272001"));
    assert_eq!(verified(Profile::Stripe, &later), Err(SignatureError::BadSignature));
    // A period in an id would let its end count as the time.
    for id in ["msg_1.1780272000", "msg 1", "", "m\u{eb}"] {
        let mut headers = signed(Profile::StandardWebhooks, &[NEW], BODY, NOW);
        headers.insert(ID, HeaderValue::from_bytes(id.as_bytes()).unwrap());
        let verdict = verified(Profile::StandardWebhooks, &headers);
        assert_eq!(verdict, Err(SignatureError::Malformed("webhook-id")), "{id:?}");
    }
}

#[test]
fn a_signature_is_good_for_five_minutes_in_both_directions() {
    for profile in Profile::ALL {
        let scheme = scheme(profile, &[NEW]);
        let headers = signed(profile, &[NEW], BODY, NOW);
        let (ms, verify) = (Duration::from_millis(1), |now| scheme.verify(&headers, BODY, now));
        for now in [NOW.saturating_add(TOLERANCE), NOW.saturating_sub(TOLERANCE)] {
            verify(now).unwrap();
        }
        assert_eq!(verify(NOW.saturating_add(TOLERANCE + ms)).unwrap_err().code(), "timestamp_too_old");
        assert_eq!(verify(NOW.saturating_sub(TOLERANCE + ms)).unwrap_err().code(), "timestamp_too_new");
        assert_eq!(verify(Timestamp::from_millis(u64::MAX)).unwrap_err().code(), "timestamp_too_old");
        assert_eq!(verify(Timestamp::from_millis(0)).unwrap_err().code(), "timestamp_too_new");
    }
}

#[test]
fn a_time_that_is_no_number_is_malformed() {
    for time in [
        "",
        "-1",
        "+1780272000",
        "01780272000",
        "1780272000.5",
        "1e9",
        " 1780272000",
        "18446744073709551616",
        "18446744073709551615",
    ] {
        let headers = with(Profile::StandardWebhooks, &TIME, time);
        let verdict = verified(Profile::StandardWebhooks, &headers);
        assert_eq!(verdict, Err(SignatureError::Malformed("webhook-timestamp")), "{time:?}");
        let (_name, good) = signature(Profile::Stripe, &signed(Profile::Stripe, &[NEW], BODY, NOW));
        let headers = with(Profile::Stripe, &STRIPE, &good.replace("t=1780272000", &format!("t={time}")));
        let verdict = verified(Profile::Stripe, &headers);
        assert_eq!(verdict, Err(SignatureError::Malformed("stripe-signature")), "{time:?}");
    }
}

#[test]
fn a_missing_repeated_or_endless_header_is_named() {
    for name in [&ID, &TIME, &SIGNATURE] {
        let headers = signed(Profile::StandardWebhooks, &[NEW], BODY, NOW);
        let mut missing = headers.clone();
        missing.remove(name);
        let error = verified(Profile::StandardWebhooks, &missing).unwrap_err();
        assert_eq!((error.code(), error.header()), ("missing_header", Some(name.as_str())));
        let mut repeated = headers.clone();
        repeated.append(name, headers[name].clone());
        let error = verified(Profile::StandardWebhooks, &repeated).unwrap_err();
        assert_eq!((error.code(), error.header()), ("repeated_header", Some(name.as_str())));
        let endless = with(Profile::StandardWebhooks, name, &"v1,A ".repeat(1_000));
        let error = verified(Profile::StandardWebhooks, &endless).unwrap_err();
        assert_eq!((error.code(), error.header()), ("malformed_header", Some(name.as_str())));
    }
    let good = signature(Profile::Stripe, &signed(Profile::Stripe, &[NEW], BODY, NOW)).1;
    for malformed in
        ["", "v1", "t=1", &format!("{good},t=1780272000"), &format!("{good},"), &good.replace("t=", "T=")]
    {
        let error = verified(Profile::Stripe, &with(Profile::Stripe, &STRIPE, malformed)).unwrap_err();
        assert!(matches!(error.code(), "malformed_header" | "timestamp_too_old"), "{malformed:?}: {error}");
    }
    let malformed = with(Profile::StandardWebhooks, &SIGNATURE, "g0hM9SsE");
    let error = verified(Profile::StandardWebhooks, &malformed).unwrap_err();
    assert_eq!(error.to_string(), "header webhook-signature is malformed");
}

#[test]
fn a_body_is_bytes_not_text() {
    let body = b"\xff\xfe\0\x80";
    for profile in Profile::ALL {
        scheme(profile, &[NEW]).verify(&signed(profile, &[NEW], body, NOW), body, NOW).unwrap();
    }
}

#[test]
fn a_secret_has_24_to_64_bytes_and_is_never_shown() {
    let secret: SigningSecret = NEW.parse().unwrap();
    assert!(!format!("{:?}", scheme(Profile::Stripe, &[NEW])).contains(&NEW[6..12]));
    assert!(!format!("{secret:?}").contains(&NEW[6..12]));
    let of_bytes = |length: usize| format!("whsec_{}", "AAAA".repeat(length / 3));
    for length in [24, 63] {
        assert!(of_bytes(length).parse::<SigningSecret>().is_ok(), "{length}");
    }
    for text in [
        "",
        "whsec_",
        &NEW[6..],
        &of_bytes(21),
        &of_bytes(66),
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_!fKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ] {
        let error = text.parse::<SigningSecret>().unwrap_err().to_string();
        assert_eq!(error, "must be whsec_ and the base64 of 24 to 64 bytes", "{text:?}");
    }
    assert!(SigningSecrets::new(Vec::new()).is_none());
    assert!(SigningSecrets::new(vec![secret; SECRETS_MAX + 1]).is_none());
}
