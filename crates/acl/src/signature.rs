//! Signatures of requests: Base64 of HMAC-SHA1 over the values of the header fields in the order
//! of their names, without separators, and the body (contract `wire.md` 2.4).

use std::borrow::Cow;
use std::fmt;

use ring::hmac;
use subtle::ConstantTimeEq;

/// Field that names the account.
pub const ACCESS_KEY: &str = "AccessKey";
/// Field that carries the signature.
pub const SIGNATURE: &str = "Signature";
/// Field of a temporary account's token.
pub const SECURITY_TOKEN: &str = "SecurityToken";
/// Field that clients add after signing.
const UNSIGNED: &str = "_UNIQUE_KEY_QUERY";

/// A secret key, ready for signing. It is never printed.
#[derive(Clone)]
pub(crate) struct SecretKey(hmac::Key);

impl SecretKey {
    pub(crate) fn new(secret: &str) -> SecretKey {
        // RocketMQ 4's clients know no other algorithm.
        SecretKey(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes()))
    }

    /// The signature of a request with those fields; their order does not matter.
    pub(crate) fn sign<'a>(
        &self,
        fields: &mut [(Cow<'a, str>, Cow<'a, str>)],
        body: &[&[u8]],
    ) -> String {
        // Stable and by UTF-8 bytes: Java sorts by UTF-16 units, which is the same for names.
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut context = hmac::Context::with_key(&self.0);
        for (name, value) in fields.iter() {
            if name != SIGNATURE && name != UNSIGNED {
                context.update(value.as_bytes());
            }
        }
        body.iter().for_each(|part| context.update(part));
        base64(context.sign().as_ref())
    }

    /// Whether the signature is right; takes the same time wherever it differs.
    pub(crate) fn verify<'a>(
        &self,
        fields: &mut [(Cow<'a, str>, Cow<'a, str>)],
        body: &[u8],
        signature: &str,
    ) -> bool {
        let right = self.sign(fields, &[body]);
        right.as_bytes().ct_eq(signature.as_bytes()).into()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = (0..3).fold(0_u32, |word, at| {
            (word << 8) | u32::from(group.get(at).copied().unwrap_or_default())
        });
        for digit in 0..4 {
            let index = (word >> (18 - 6 * digit)) & 63;
            let known = digit <= group.len();
            text.push(if known { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn values_are_signed_in_the_order_of_their_names() {
        let key = SecretKey::new("12345678");
        let field = |name: &'static str, value: &'static str| (name.into(), value.into());
        let mut fields = [
            field("b", "ket"),
            field("Signature", "x"),
            field("a", "Roc"),
            field("_UNIQUE_KEY_QUERY", "true"),
        ];
        // Java's signature of `RocketMQ` (tests/golden/java-4.9.2/acl.jsonl).
        let right = "IUc8rrO/0gDch8CjObLQsW2rsiA=";
        assert_eq!(key.sign(&mut fields, &[b"M", b"Q"]), right);
        assert!(key.verify(&mut fields, b"MQ", right));
        for wrong in ["", "IUc8rrO/0gDch8CjObLQsW2rsiB=", "IUc8rrO/0gDch8CjObLQsW2rsiA"] {
            assert!(!key.verify(&mut fields, b"MQ", wrong));
        }
        assert_eq!(format!("{key:?}"), "***");
    }
}
