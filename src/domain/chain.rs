//! The links of the audit log (审计链). Each row's hash is taken over the row and the hash of the row before it, so that a row
//! changed, taken out or put in between breaks every link behind it; and whoever keeps an old head can prove that.

use sha2::{Digest as _, Sha256};

/// One row of the audit log, without its own hash.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// Its number; they follow each other without a gap.
    pub id: i64,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// Who.
    pub actor: &'a str,
    /// What was done.
    pub act: &'a str,
    /// To what.
    pub subject: &'a str,
    /// In words.
    pub detail: &'a str,
    /// The hash of the row before; empty for the first.
    pub previous: &'a str,
}

impl Link<'_> {
    /// SHA-256, in lower-case hex, of the JSON array `[id,at,"actor","act","subject","detail","previous"]` in UTF-8, without
    /// spaces between its items and with nothing escaped but `"`, `\` and control characters.
    #[must_use]
    pub fn hash(&self) -> String {
        let Self { id, at, actor, act, subject, detail, previous } = *self;
        hex::encode(Sha256::digest(serde_json::json!([id, at, actor, act, subject, detail, previous]).to_string().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_links_hash_is_what_anybody_computes() {
        let link = Link { id: 2, at: 1_552_960_800_000, actor: "li", act: "day", subject: "2019-03-19", detail: "甲\"\n", previous: "ab" };
        let text = "[2,1552960800000,\"li\",\"day\",\"2019-03-19\",\"甲\\\"\\n\",\"ab\"]";
        assert_eq!(link.hash(), hex::encode(Sha256::digest(text.as_bytes())));
    }
}
