//! Profiles.
use std::path::Path;

use bankgate::format::Profile;

#[test]
fn every_profile_of_the_tree_loads() {
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats")).unwrap() {
        let dir = entry.unwrap().path();
        if dir.is_dir() {
            let profile = Profile::load(&dir).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(Some(profile.id()), dir.file_name().and_then(|n| n.to_str()));
        }
    }
}
