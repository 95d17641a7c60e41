//! Model and real stack agree; and replay notices when they do not.

use super::{Descriptors, Plan, replay, replay_small};
use webrtc_server_model::{Config, Graph};

#[test]
fn every_edge_of_small_happens_on_real_sockets_as_in_the_model() {
    let replay = replay_small(Descriptors::Ignored, &mut |_, _| {}).unwrap();
    println!("{replay}");
    assert!(replay.divergences.is_empty(), "{replay}");
}
