//! What is generated and committed. `UPDATE=1` rewrites it.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn in_model(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compare a committed document with what it should be, or rewrite it.
pub(crate) fn assert_current(path: &Path, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the document");
        fs::write(path, expected).expect("a writable document");
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == expected, "{} is not current: rewrite it with UPDATE=1", path.display());
}

/// The traces in a folder.
pub(crate) fn traces_in(folder: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(in_model(folder)).expect("the folder of traces");
    let files = files.map(|entry| entry.expect("an entry").path());
    files.filter(|file| file.to_string_lossy().ends_with(".itf.json")).collect()
}
