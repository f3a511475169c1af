//! A self-signed certificate for HTTPS (RFC 5280, X.509, P-256), for cameras without another one.
//!
//! It is written byte by byte: a general certificate crate would add more to the program than this file. Pure, except
//! for random numbers.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// Years of validity.
const YEARS: u64 = 10;

/// The last year that `UTCTime` can express.
const LAST_YEAR: u64 = 2049;

/// A certificate and its key, as PEM.
pub struct SelfSigned {
    pub certificate: String,
    /// Its private key (PKCS #8).
    pub key: String,
}

/// Generates a certificate for the machine `host` with these names and addresses, at the time `now_s` in seconds
/// since 1970.
///
/// Validity starts in 2020: a clock that is wrong now may be set later.
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
    // A clock that was never set says 1970.
    let until = ((1970 + now_s / 31_556_952).max(2026) + YEARS).min(LAST_YEAR) % 100;
    let validity =
        [value(UTC_TIME, b"200101000000Z"), value(UTC_TIME, format!("{until:02}0101000000Z").as_bytes())];
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
    fn no_two_are_the_same() {
        let made = || generate("door", &[], &[], 0).unwrap();
        let (one, other) = (made(), made());
        assert!(one.certificate != other.certificate && one.key != other.key);
        // The key of one does not go with the certificate of the other.
        assert!(TlsIdentity::from_pem(one.certificate.as_bytes(), other.key.as_bytes()).is_err());
    }
}
