//! Every mutant of the real code is noticed, and the table of where is current. `UPDATE=1` rewrites it.

use std::fs;
use std::path::Path;
use webrtc_server_conformance::kill_matrix::matrix;
use webrtc_server_model::{Graph, Preset};

#[test]
fn every_mutant_is_noticed_where_the_table_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = here.parent().expect("a workspace");
    let graphs: Vec<_> = Preset::standard().configs.iter().map(Graph::explore).collect();
    let matrix = matrix(&graphs, workspace);
    assert_eq!(matrix.failures(), Vec::<String>::new());
    let (path, document) = (here.join("kill_matrix.md"), matrix.document());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &document).expect("a writable document");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, document, "{} is not current: rewrite it with UPDATE=1", path.display());
}
