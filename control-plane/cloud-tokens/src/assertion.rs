//! Signed assertions: JSON Web Tokens with RS256 (RFC 7515, RFC 7518 3.3).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::Value;

/// Signs claims with an RSA key in PEM; `key_id` tells the receiver which key it is.
///
/// # Errors
/// What is wrong with the key, without anything of it.
pub(crate) fn sign(claims: &Value, key_pem: &str, key_id: Option<&str>) -> Result<String, &'static str> {
    let key = key_pair(key_pem)?;
    let mut header = serde_json::json!({ "alg": "RS256", "typ": "JWT" });
    if let (Some(key_id), Some(fields)) = (key_id, header.as_object_mut()) {
        fields.insert("kid".to_owned(), key_id.into());
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
        .map_err(|_| "cannot be signed with")?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The claims of a token, unverified: it comes from whoever made it.
pub(crate) fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn key_pair(pem: &str) -> Result<RsaKeyPair, &'static str> {
    const UNREADABLE: &str = "is not a private RSA key in PEM";
    let labelled = |label: &str| -> Option<Vec<u8>> {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let text: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        STANDARD.decode(text).ok()
    };
    let key = match (labelled("PRIVATE KEY"), labelled("RSA PRIVATE KEY")) {
        (Some(pkcs8), _) => RsaKeyPair::from_pkcs8(&pkcs8),
        (None, Some(pkcs1)) => RsaKeyPair::from_der(&pkcs1),
        (None, None) => return Err(UNREADABLE),
    };
    key.map_err(|_| "is an RSA key that cannot be used: 2048 to 4096 bits are needed")
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::json;

    use super::*;

    const KEY: &str = include_str!("../tests/service_account_key.pem");

    #[test]
    fn signatures_hold() {
        let token = sign(&json!({ "iss": "a" }), KEY, Some("k1")).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let header = message.split_once('.').unwrap().0;
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
        assert_eq!(claims(&token), Some(json!({ "iss": "a" })));
        let public = key_pair(KEY).unwrap().public().as_ref().to_vec();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
            .verify(message.as_bytes(), &signature)
            .unwrap();
    }

    #[test]
    fn what_is_no_key_is_not_quoted() {
        for text in ["hunter2", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"] {
            let error = sign(&json!({}), text, None).unwrap_err();
            assert!(!error.contains("hunter2"));
        }
    }
}
