//! The inputs that fuzzing kept, and those that it found.

use crate::checks;

/// Each file of a folder; none is a mistake.
fn each(folder: &str, check: fn(&[u8])) {
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(!files.is_empty(), "{folder}");
    for file in files {
        check(&std::fs::read(file.unwrap().path()).unwrap());
    }
}

#[test]
fn what_fuzzing_kept_does_no_harm() {
    each("events", checks::event);
    each("fuzz/corpus/event", checks::event);
    each("fuzz/corpus/configuration", checks::configuration);
    each("fuzz/corpus/destination", checks::destination);
    each("src/messages", checks::own_texts);
    each("fuzz/corpus/own_texts", checks::own_texts);
}
