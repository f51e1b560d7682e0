//! The profile language as a JSON Schema, for editors: keys, their meaning, and what may stand there. It says less than the
//! checks of a profile: what must agree between two places only [`super::Profile::load`] knows.

use schemars::{Schema, SchemaGenerator, json_schema, schema_for};
use serde_json::Value;

use super::field::vocabulary;
use super::spec::Spec;
use crate::domain::reason::Reason;

/// The schema of `profile.toml`.
#[must_use]
pub fn profile_schema() -> Value {
    let mut schema = schema_for!(Spec);
    schema.insert("title".to_owned(), "bankgate: a bank's profile (profile.toml)".into());
    schema.to_value()
}

/// A value of the vocabulary, or one that the profile declares.
pub fn value(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = vocabulary().into_iter().map(|(name, ..)| name).collect();
    json_schema!({ "anyOf": [{ "enum": names }, { "type": "string", "pattern": "^extra\\." }] })
}

/// The code of a canonical reason.
pub fn reason(_: &mut SchemaGenerator) -> Schema {
    let codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    json_schema!({ "enum": codes })
}
