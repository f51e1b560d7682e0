//! The corpus that fuzzing found worth keeping is read again in every run, by the same bodies (tests/fuzz).

#[path = "../fuzz/bodies.rs"]
mod bodies;

use std::path::Path;

#[test]
fn the_kept_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (target, body) in bodies::TARGETS {
        let files: Vec<_> =
            std::fs::read_dir(corpus.join(target)).unwrap_or_else(|e| panic!("{target}: {e}")).map(|e| e.unwrap().path()).collect();
        assert!(!files.is_empty(), "{target} has a corpus");
        for file in files {
            body(&std::fs::read(&file).unwrap());
        }
    }
    let folders = std::fs::read_dir(&corpus).unwrap().count();
    assert_eq!(folders, bodies::TARGETS.len(), "every folder of the corpus is some target's");
}
