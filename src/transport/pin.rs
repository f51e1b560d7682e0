//! Pinned host keys (主机密钥指纹). A bank tells its server's key by another channel; we accept that key and no other.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD_NO_PAD};
use base64::{alphabet, engine::DecodePaddingMode};
use sha2::{Digest as _, Sha256};

/// Base64 with or without padding, as people paste it.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// One key that a server may show.
///
/// Written as in a public key file (`ssh-ed25519 AAAA…`, a comment may follow) or as `ssh-keygen -l` prints it (`SHA256:…`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeyPin {
    /// The whole key.
    Key {
        /// Its type, such as `ssh-ed25519` or `ssh-rsa`.
        algorithm: String,
        /// The key as it goes over the wire.
        blob: Vec<u8>,
    },
    /// Its SHA-256.
    Fingerprint([u8; 32]),
}

/// Why a text is no pin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Neither of the two shapes.
    #[error(
        "a host key is pinned as \"ssh-ed25519 AAAA...\" or as \"SHA256:...\", not as {0:?}; ask the bank, or its administrator's `ssh-keygen -lf`, for it"
    )]
    Shape(String),
    /// Not base64, or not of the right length.
    #[error("{0:?} is not the base64 of a SHA-256 or of a key")]
    Base64(String),
    /// The key says another type than stands before it.
    #[error("the key says that it is of type {inside:?}, but {outside:?} stands before it")]
    TypesDiffer {
        /// In the key.
        inside: String,
        /// Before it.
        outside: String,
    },
}

impl HostKeyPin {
    /// Whether this is the key that a server showed.
    #[must_use]
    pub fn is_for(&self, shown: &[u8]) -> bool {
        match self {
            Self::Key { blob, .. } => blob == shown,
            Self::Fingerprint(digest) => Sha256::digest(shown)[..] == digest[..],
        }
    }

    /// The names by which this key may sign, best first; `None` if the pin does not tell.
    pub(super) fn signature_algorithms(&self) -> Option<Vec<&str>> {
        match self {
            Self::Key { algorithm, .. } if algorithm == "ssh-rsa" => Some(vec!["rsa-sha2-512", "rsa-sha2-256"]),
            Self::Key { algorithm, .. } => Some(vec![algorithm]),
            Self::Fingerprint(_) => None,
        }
    }
}

/// A key's fingerprint as `ssh-keygen -l` prints it.
pub fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

impl FromStr for HostKeyPin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let text = text.trim();
        if let Some(digest) = text.strip_prefix("SHA256:") {
            let digest = LENIENT.decode(digest).ok().and_then(|bytes| bytes.try_into().ok());
            return digest.map(Self::Fingerprint).ok_or_else(|| PinError::Base64(text.to_owned()));
        }
        let mut words = text.split_ascii_whitespace();
        let (Some(algorithm), Some(key)) = (words.next(), words.next()) else {
            return Err(PinError::Shape(text.to_owned()));
        };
        if !["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"].contains(&algorithm) {
            return Err(PinError::Shape(text.to_owned()));
        }
        let blob = LENIENT.decode(key).map_err(|_| PinError::Base64(key.to_owned()))?;
        let inside = type_inside(&blob).ok_or_else(|| PinError::Base64(key.to_owned()))?;
        if inside != algorithm {
            return Err(PinError::TypesDiffer { inside: inside.to_owned(), outside: algorithm.to_owned() });
        }
        Ok(Self::Key { algorithm: algorithm.to_owned(), blob })
    }
}

/// A key begins with its type: four bytes of length, then the name.
fn type_inside(blob: &[u8]) -> Option<&str> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    std::str::from_utf8(rest.get(..length)?).ok()
}

impl fmt::Display for HostKeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { blob, .. } => f.write_str(&fingerprint(blob)),
            Self::Fingerprint(digest) => write!(f, "SHA256:{}", STANDARD_NO_PAD.encode(digest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key made for this test, and what `ssh-keygen -lf` prints for it.
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINj96pIIPxWpBVKgsO/sVvQKiUe+KxH302/u/HLT3bnz";
    const PRINT: &str = "SHA256:6z949tkmjA5BieEDdDmXVlanhTNFdIQFPPF4FsjWAFo";

    #[test]
    fn a_key_and_its_fingerprint_pin_the_same() {
        let key: HostKeyPin = KEY.parse().unwrap();
        let print: HostKeyPin = PRINT.parse().unwrap();
        assert_eq!(key.to_string(), PRINT);
        assert_eq!(print.to_string(), PRINT);
        let HostKeyPin::Key { blob, .. } = &key else { panic!("a whole key") };
        assert!(key.is_for(blob) && print.is_for(blob));
        let mut other = blob.clone();
        other[30] ^= 1;
        assert!(!key.is_for(&other) && !print.is_for(&other));
        assert_eq!(format!("{PRINT}=").parse::<HostKeyPin>().unwrap(), print);
        assert_eq!(format!("{KEY} the bank's new server").parse::<HostKeyPin>().unwrap(), key);
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        let rsa = KEY.replace("ssh-ed25519", "ssh-rsa");
        let long = format!("{PRINT}AAAA");
        for text in
            ["", "ssh-ed25519", "SHA256:", "SHA256:AAAA", "MD5:aa:bb", "ssh-ed25519 !!!!", "ssh-ed25519 AAAA", "ssh-dss AAAA", &rsa, &long]
        {
            assert!(text.parse::<HostKeyPin>().is_err(), "{text}");
        }
        assert!(matches!(rsa.parse::<HostKeyPin>(), Err(PinError::TypesDiffer { .. })));
    }
}
