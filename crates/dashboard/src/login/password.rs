//! Passwords in files: plain as 1.0.0 has them, or hashed as we write them,
//! `{pbkdf2}<rounds>$<salt in hex>$<hash in hex>` (PBKDF2 with HMAC-SHA-256).

use std::num::NonZeroU32;

use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};

const MARK: &str = "{pbkdf2}";
const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Random bytes as hex digits.
pub(super) fn random_hex(bytes: usize) -> Result<String, String> {
    let mut random = vec![0; bytes];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| "the system gives no random numbers".to_string())?;
    Ok(hex(&random))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The hashed form of a password.
pub(super) fn hashed(password: &str) -> Result<String, String> {
    let salt = random_hex(SALT_BYTES)?;
    let mut hash = [0; HASH_BYTES];
    pbkdf2::derive(PBKDF2_HMAC_SHA256, ROUNDS, salt.as_bytes(), password.as_bytes(), &mut hash);
    Ok(format!("{MARK}{ROUNDS}${salt}${}", hex(&hash)))
}

/// Whether the password is the one that was kept; takes as long whatever is wrong.
pub(super) fn is(kept: &str, password: &str) -> bool {
    let Some(fields) = kept.strip_prefix(MARK) else {
        // Compares fingerprints, so that the time tells nothing of the text.
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"compare");
        let kept = ring::hmac::sign(&key, kept.as_bytes());
        return ring::hmac::verify(&key, password.as_bytes(), kept.as_ref()).is_ok();
    };
    let mut fields = fields.splitn(3, '$');
    let rounds = fields.next().and_then(|text| text.parse().ok()).and_then(NonZeroU32::new);
    let (Some(rounds), Some(salt), Some(hash)) =
        (rounds, fields.next(), fields.next().and_then(unhex))
    else {
        return false;
    };
    pbkdf2::verify(PBKDF2_HMAC_SHA256, rounds, salt.as_bytes(), password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_checked() {
        let kept = hashed("s3cret").unwrap();
        assert!(kept.starts_with("{pbkdf2}600000$") && !kept.contains("s3cret"));
        assert!(is(&kept, "s3cret") && !is(&kept, "s3cre") && !is(&kept, ""));
        assert!(is("plain", "plain") && !is("plain", "plai"));
        assert!(!is("{pbkdf2}", "x") && !is("{pbkdf2}1$a$zz", "x") && !is("{pbkdf2}0$a$aa", "x"));
    }
}
