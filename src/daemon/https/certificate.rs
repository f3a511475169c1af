//! A self-signed certificate for HTTPS (RFC 5280, X.509, P-256), for cameras without another one.
//!
//! It is written byte by byte: a general certificate crate would add more to the program than this file. Pure, except
//! for random numbers.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ring::error::Unspecified;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

/// Object identifiers in DER.
const COMMON_NAME: &[u8] = b"\x06\x03\x55\x04\x03";
const EC_PUBLIC_KEY: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
const P256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const ECDSA_WITH_SHA256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
const ALTERNATIVE_NAMES: &[u8] = b"\x06\x03\x55\x1d\x11";
const BASIC_CONSTRAINTS: &[u8] = b"\x06\x03\x55\x1d\x13";
const EXTENDED_KEY_USAGE: &[u8] = b"\x06\x03\x55\x1d\x25";
const SERVER_AUTH: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01";

/// DER tags.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const UTF8: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

const DAY_S: u64 = 86_400;

/// Seconds of validity: browsers refuse certificates that are valid for longer than 398 days.
const VALID_S: u64 = 397 * DAY_S;

/// Another certificate is made this long before the end.
const RENEWED_BEFORE_S: u64 = 30 * DAY_S;

/// 1 January 2026, and a time in 2048: `UTCTime` ends with 2049. A clock that was never set says 1970.
const TIMES_S: std::ops::RangeInclusive<u64> = 1_767_225_600..=2_461_449_600;

/// The form of `UTCTime` (RFC 5280 §4.1.2.5.1).
const UTC_FORM: &str = "%y%m%d%H%M%SZ";

/// A certificate and its key, as PEM.
pub struct SelfSigned {
    pub certificate: String,
    /// Its private key (PKCS #8).
    pub key: String,
}

/// Generates a certificate for the machine `host` with these names and addresses, at the time `now_s` in seconds
/// since 1970. It is valid from the day before.
///
/// # Errors
/// The operating system provides no random numbers.
pub fn generate(
    host: &str,
    names: &[String],
    addresses: &[IpAddr],
    now_s: u64,
) -> Result<SelfSigned, Unspecified> {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random)
        .map_err(|_| Unspecified)?;
    let mut serial = [0; 16];
    random.fill(&mut serial)?;
    // DER wants a positive number without a leading zero byte.
    serial[0] = serial[0] & 0x7f | 0x40;
    let from_s = now_s.clamp(*TIMES_S.start(), *TIMES_S.end()) - DAY_S;
    let validity = [from_s, from_s + VALID_S].map(|time_s| value(UTC_TIME, utc_time(time_s).as_bytes()));
    let common_name: String = format!("tallycam {host}").chars().take(64).collect();
    let attribute = value(SEQUENCE, &[COMMON_NAME, &value(UTF8, common_name.as_bytes())].concat());
    let name = value(SEQUENCE, &value(SET, &attribute));
    let algorithm = value(SEQUENCE, ECDSA_WITH_SHA256);
    let key_kind = value(SEQUENCE, &[EC_PUBLIC_KEY, P256].concat());
    let public_key = value(SEQUENCE, &[key_kind, bits(pair.public_key().as_ref())].concat());
    let names = names.iter().map(|name| value(DNS_NAME, name.as_bytes()));
    let addresses = addresses.iter().map(|address| match address {
        IpAddr::V4(ip) => value(IP_ADDRESS, &ip.octets()),
        IpAddr::V6(ip) => value(IP_ADDRESS, &ip.octets()),
    });
    let reached: Vec<u8> = names.chain(addresses).flatten().collect();
    let extensions = [
        extension(ALTERNATIVE_NAMES, &reached),
        extension(BASIC_CONSTRAINTS, &[]),
        extension(EXTENDED_KEY_USAGE, SERVER_AUTH),
    ];
    let body = value(
        SEQUENCE,
        &[
            // Version 3.
            b"\xa0\x03\x02\x01\x02".to_vec(),
            value(INTEGER, &serial),
            algorithm.clone(),
            name.clone(),
            value(SEQUENCE, &validity.concat()),
            name,
            public_key,
            value(0xa3, &value(SEQUENCE, &extensions.concat())),
        ]
        .concat(),
    );
    let signature = pair.sign(&random, &body)?;
    let certificate = value(SEQUENCE, &[body, algorithm, bits(signature.as_ref())].concat());
    Ok(SelfSigned { certificate: pem("CERTIFICATE", &certificate), key: pem("PRIVATE KEY", pkcs8.as_ref()) })
}

/// A time in seconds since 1970 as `UTCTime`.
fn utc_time(time_s: u64) -> String {
    let time = Timestamp::from_second(i64::try_from(time_s).unwrap_or(0)).unwrap_or_default();
    time.strftime(UTC_FORM).to_string()
}

/// True if the certificate `der`, which [`generate`] made, is to be replaced at `now_s`: it ends soon, has not begun,
/// or is valid for too long.
pub fn is_due(der: &[u8], now_s: u64) -> bool {
    // Both times stand in a sequence of 30 bytes, each with its tag and its length of 13.
    let is_validity =
        |part: &[u8]| part.starts_with(&[SEQUENCE, 30, UTC_TIME, 13]) && part[17..19] == [UTC_TIME, 13];
    let Some(validity) = der.windows(32).find(|part| is_validity(part)) else { return true };
    let [from, until] = [&validity[4..17], &validity[19..32]].map(|text| {
        let time = DateTime::strptime(UTC_FORM, std::str::from_utf8(text).unwrap_or_default()).ok()?;
        u64::try_from(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second()).ok()
    });
    let (Some(from_s), Some(until_s)) = (from, until) else { return true };
    now_s < from_s || now_s + RENEWED_BEFORE_S > until_s || until_s - from_s > VALID_S
}

/// A value in DER (X.690): tag, length, content.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        len @ ..=0x7f => out.push(len as u8),
        len @ ..=0xff => out.extend([0x81, len as u8]),
        len => out.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    out.extend_from_slice(content);
    out
}

/// Whole bytes as a bit string.
fn bits(bytes: &[u8]) -> Vec<u8> {
    value(BIT_STRING, &[&[0], bytes].concat())
}

/// An extension whose content is a sequence.
fn extension(id: &[u8], content: &[u8]) -> Vec<u8> {
    value(SEQUENCE, &[id, &value(OCTET_STRING, &value(SEQUENCE, content))].concat())
}

fn pem(what: &str, der: &[u8]) -> String {
    let coded = STANDARD.encode(der);
    let lines: String = coded
        .as_bytes()
        .chunks(64)
        .flat_map(|line| line.iter().chain(b"\n"))
        .map(|&b| char::from(b))
        .collect();
    format!("-----BEGIN {what}-----\n{lines}-----END {what}-----\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::TlsIdentity;

    #[test]
    fn the_certificate_can_be_served() {
        let names: Vec<String> = (0..40).map(|n| format!("door-{n}.example")).collect();
        let addresses = ["192.168.1.20".parse().unwrap(), "fd00::2".parse().unwrap()];
        for now_s in [0, 1_800_000_000, 1 << 40] {
            let made = generate("door", &names, &addresses, now_s).unwrap();
            let identity = TlsIdentity::from_pem(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
            assert_eq!(identity.fingerprint().len(), 95, "{}", identity.fingerprint());
        }
    }

    #[test]
    fn it_is_valid_for_397_days_and_renewed_a_month_before() {
        let now_s = 1_795_000_000;
        let made = generate("door", &[], &[], now_s).unwrap();
        let lines: String = made.certificate.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(lines).unwrap();
        let is_due = |days: i64| is_due(&der, now_s.saturating_add_signed(days * 86_400));
        assert!(!is_due(0) && !is_due(365) && is_due(367) && is_due(1000));
        assert!(is_due(-2), "it has not begun");
        let text = |time_s| utc_time(time_s).into_bytes();
        let has = |what: &[u8]| der.windows(what.len()).any(|part| part == what);
        assert!(has(&text(now_s - 86_400)) && has(&text(now_s + 396 * 86_400)));
        let at = der.windows(13).position(|part| part == text(now_s + 396 * 86_400)).unwrap();
        let mut longer = der.clone();
        longer[at..at + 13].copy_from_slice(b"360101000000Z");
        assert!(super::is_due(&longer, now_s), "ten years, as an earlier version made it");
        assert!(super::is_due(b"no certificate", now_s));
    }

    #[test]
    fn no_two_are_the_same() {
        let made = || generate("door", &[], &[], 0).unwrap();
        let (one, other) = (made(), made());
        assert!(one.certificate != other.certificate && one.key != other.key);
        // The key of one does not go with the certificate of the other.
        assert!(TlsIdentity::from_pem(one.certificate.as_bytes(), other.key.as_bytes()).is_err());
    }
}
