//! Defaults and codecs of single settings.

use std::path::PathBuf;
use std::time::Duration;

pub fn schema() -> String {
    "bankgate".into()
}

pub fn pool_max() -> u32 {
    8
}

pub fn statement_timeout() -> Duration {
    Duration::from_secs(300)
}

pub fn state_dir() -> PathBuf {
    "/var/lib/bankgate".into()
}

pub fn archive_dir() -> PathBuf {
    "/var/lib/bankgate/archive".into()
}

pub fn lease_ttl() -> Duration {
    Duration::from_secs(60)
}

pub fn socket() -> PathBuf {
    "/run/bankgate/bankgate.sock".into()
}

pub fn inbox() -> String {
    "inbox".into()
}

pub fn outbox() -> String {
    "outbox".into()
}

pub fn done() -> String {
    "done".into()
}

pub fn yes() -> bool {
    true
}

pub fn upload_attempts_max() -> u32 {
    5
}

/// Whole seconds, as keys that end in `_s` carry them.
pub mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.as_secs())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u32::deserialize(deserializer).map(|seconds| Duration::from_secs(u64::from(seconds)))
    }
}

/// A time zone of the IANA database, by name.
pub mod zone {
    use chrono_tz::Tz;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse()
            .map_err(|_| D::Error::custom(format!("{name:?} is not a time zone of the IANA database; for China it is \"Asia/Shanghai\"")))
    }
}

/// An amount in yuan, as text: a number with a point would be a float.
pub mod yuan {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::domain::money::Fen;

    pub fn serialize<S: Serializer>(value: &Fen, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fen, D::Error> {
        let text = String::deserialize(deserializer)?;
        Fen::parse_yuan(&text).map_err(|why| D::Error::custom(format!("{text:?} is not an amount in yuan: {why}")))
    }
}
