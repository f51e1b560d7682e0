//! The language as a JSON Schema, held against the profiles of the tree by a validator that knows nothing of the language.

use bankgate::format::profile_schema;
use jsonschema::Validator;
use serde_json::Value;

use super::folder;

fn validator() -> Validator {
    jsonschema::validator_for(&profile_schema()).unwrap()
}

/// A profile's text as the validator sees it.
fn seen(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

fn text(id: &str) -> String {
    std::fs::read_to_string(folder(id).join("profile.toml")).unwrap()
}

#[test]
fn the_kept_schema_is_the_languages() {
    let kept = std::fs::read_to_string(folder("").join("profile.schema.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert!(kept == profile_schema(), "run: bankgate format schema > bank-formats/profile.schema.json");
}

#[test]
fn every_profile_of_the_tree_is_valid_by_it() {
    let validator = validator();
    for entry in std::fs::read_dir(folder("")).unwrap() {
        let dir = entry.unwrap().path();
        if dir.is_dir() {
            let profile = seen(&std::fs::read_to_string(dir.join("profile.toml")).unwrap());
            let errors: Vec<String> = validator.iter_errors(&profile).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", dir.display());
        }
    }
}

#[test]
fn what_an_editor_would_mark_is_what_the_language_refuses() {
    let whole = text("fixed-gbk-bytes");
    let wrong = [
        ("max_rows = 50000", "max_rows = 50000\nmax_row = 1", "/exchange"),
        ("debit_model = \"net\"", "debit_model = \"nett\"", "/exchange/debit_model"),
        ("version = 2", "version = \"two\"", "/version"),
        ("value = \"payee_name\"", "value = \"payee\"", "/layout/file/record/1/field/6"),
        ("reason = \"NAME_MISMATCH\"", "reason = \"NAME_MISMATCHED\"", "/reason/0/reason"),
        ("syntax = \"fixed\"", "syntax = \"fix\"", "/layout/file/syntax"),
    ];
    let validator = validator();
    for (from, to, place) in wrong {
        assert!(whole.contains(from), "{from}");
        let broken = whole.replacen(from, to, 1);
        let profile = seen(&broken);
        let places: Vec<String> = validator.iter_errors(&profile).map(|e| e.instance_path().to_string()).collect();
        assert!(places.iter().any(|p| p.starts_with(place)), "{to}: {places:?}");
        let loaded = bankgate::format::Profile::read(&broken, std::path::Path::new("profile.toml"));
        assert!(loaded.is_err(), "{to}: the language itself says no");
    }
}
