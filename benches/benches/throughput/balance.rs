//! Whether two workers share the work of 200 peers over UDP and TCP: the CPU time of the busier one, beside that of the
//! other, of the same round trips. More than [`RATIO_MAX`] between them is a failure.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::time::Duration;

use criterion::Criterion;
use webrtc_server::Protocol;
use webrtc_server_benches::cpu::{Thread, threads};
use webrtc_server_benches::exchange::Messages;
use webrtc_server_benches::handshake::Contexts;
use webrtc_server_benches::scene::Scene;
use webrtc_server_benches::{Figure, Report};

const PEERS: usize = 200;
const WORKERS: NonZeroUsize = NonZeroUsize::new(2).expect("two");
const MESSAGE_BYTES: usize = 160;
/// Each worker has a hundred of the peers: what one does more than the other is what arrives at the wrong one.
const RATIO_MAX: f64 = 1.25;

const BUSIER: Figure =
    Figure::new("200 round trips, CPU time of the busier of two workers", "the other worker")
        .at_most(RATIO_MAX);

pub(crate) const FIGURES: [&Figure; 1] = [&BUSIER];

/// The figure. Both of its sides are of the same run, so that a slow machine is no reason to fail.
pub(crate) fn figures(criterion: &mut Criterion, report: &mut Report) {
    let shares = RefCell::new(Shares::default());
    report.measure(
        criterion,
        &BUSIER,
        |iterations| shares.borrow_mut().of(Share::Busier, iterations),
        |iterations| shares.borrow_mut().of(Share::Other, iterations),
    );
    if let Some((scene, _)) = shares.into_inner().scene {
        let stats = scene.server.get_stats().expect("an open server");
        println!("handed over: {}, dropped: {}", stats.handed_over, stats.hand_overs_dropped);
        scene.end();
    }
}

#[derive(Clone, Copy)]
enum Share {
    Busier,
    Other,
}

/// Both sides of the figure are of one run: who asks second is told what was measured for who asked first.
#[derive(Default)]
struct Shares {
    scene: Option<(Scene, [Thread; 2])>,
    measured: Option<[Duration; 2]>,
}

impl Shares {
    fn of(&mut self, share: Share, iterations: u64) -> Duration {
        let both = match self.measured.take() {
            Some(both) => both,
            None => {
                let both = self.measure(iterations);
                self.measured = Some(both);
                both
            }
        };
        match share {
            Share::Busier => both[0].max(both[1]),
            Share::Other => both[0].min(both[1]),
        }
    }

    fn measure(&mut self, iterations: u64) -> [Duration; 2] {
        let (scene, workers) = self.scene.get_or_insert_with(set);
        let used =
            |workers: &[Thread; 2]| workers.each_ref().map(|w| w.cpu_time().expect("it lives"));
        let before = used(workers);
        let _ =
            Messages::new(MESSAGE_BYTES, 1).exchange(&mut scene.clients, iterations * PEERS as u64);
        let after = used(workers);
        [0, 1].map(|worker| after[worker] - before[worker])
    }
}

fn set() -> (Scene, [Thread; 2]) {
    let named = || ["webrtc-server-0", "webrtc-server-1"].map(|n| threads(n).expect("/proc"));
    // Those of the servers before may not be gone yet.
    let others = named();
    let protocols = [Protocol::Udp, Protocol::Tcp];
    let scene = Scene::among(&Contexts::default(), &protocols, PEERS, WORKERS);
    let new = named().into_iter().zip(others).map(|(all, others)| {
        all.into_iter().find(|thread| !others.contains(thread)).expect("a worker's thread")
    });
    (scene, new.collect::<Vec<_>>().try_into().expect("two workers"))
}
