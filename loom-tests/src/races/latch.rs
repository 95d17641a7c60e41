//! X3: whoever waits while the latch is set is answered, once, and sees what the setter did.

use crate::explore::Race;
use crate::world::{Carrier, block_on};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;
use webrtc_server::control::reply::{NoAnswer, Reply};
use webrtc_server::control::{Closing, Latch};
use webrtc_server::sync::{Arc, thread};

/// What races here.
pub const RACES: &[Race] = &[
    Race::new("completion against a thread that waits", thread_that_waits),
    Race::new("completion against a thread that waits until a deadline", thread_with_a_deadline),
    Race::new("completion against a look", look),
    Race::new("completion against a task", task),
    Race::new("completion against a waiter that gives up", waiter_that_gives_up),
    Race::new("completion against a callback", || callbacks(1)),
    Race::new("completion against two callbacks", || callbacks(2)),
    Race::new("completion against completion", two_setters),
    Race::new("a dropped reply against the asker", dropped_reply),
];

type Shared = Arc<(Arc<Latch<u8>>, Carrier)>;

fn shared() -> Shared {
    Arc::new((Arc::new(Latch::new()), Carrier::new()))
}

fn setter(shared: &Shared) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        shared.1.work();
        assert!(shared.0.set(7));
    })
}

/// The system may wake a sleeper for nothing; loom does not, so a thread does.
fn disturber(shared: &Shared) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || shared.0.wake_spuriously())
}

fn thread_that_waits() {
    let shared = shared();
    let threads = [setter(&shared), disturber(&shared)];
    assert_eq!(shared.0.wait(), 7);
    shared.1.rely_on_release();
    for thread in threads {
        thread.join().expect("no panic");
    }
}

fn thread_with_a_deadline() {
    let shared = shared();
    let threads = [setter(&shared), disturber(&shared)];
    // loom has no clock: the deadline never comes.
    assert_eq!(shared.0.wait_timeout(Duration::from_secs(3600)), Some(7));
    shared.1.rely_on_release();
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// For those who only look: whoever sees it set may rely on it, without a lock.
fn look() {
    let shared = shared();
    let setter = setter(&shared);
    if shared.0.is_set() {
        shared.1.rely_on_release();
        assert_eq!(shared.0.get(), Some(7));
    }
    setter.join().expect("no panic");
}

fn task() {
    let shared = shared();
    let setter = setter(&shared);
    assert_eq!(block_on(Closing::new(&shared.0)), 7);
    shared.1.rely_on_release();
    setter.join().expect("no panic");
}

/// It takes nobody else's answer.
fn waiter_that_gives_up() {
    let shared = shared();
    let setter = setter(&shared);
    let mut closing = Closing::new(&shared.0);
    let stays = closing.clone();
    let _ = pin!(&mut closing).poll(&mut Context::from_waker(Waker::noop()));
    let gives_up = thread::spawn(move || drop(closing));
    assert_eq!(block_on(stays), 7);
    setter.join().expect("no panic");
    gives_up.join().expect("no panic");
}

fn callbacks(registrars: usize) {
    let shared = shared();
    // The host's atomics: they count, and must not order anything in the model.
    let calls = Arc::new(AtomicUsize::new(0));
    let register = |shared: &Shared, calls: &Arc<AtomicUsize>| {
        let (relied_on, calls) = (Arc::clone(shared), Arc::clone(calls));
        shared.0.on_set(move |value| {
            relied_on.1.rely_on_release();
            assert_eq!(value, 7);
            calls.fetch_add(1, Ordering::Relaxed);
        });
    };
    let setter = setter(&shared);
    let others: Vec<_> = (1..registrars)
        .map(|_| {
            let (shared, calls) = (Arc::clone(&shared), Arc::clone(&calls));
            thread::spawn(move || register(&shared, &calls))
        })
        .collect();
    register(&shared, &calls);
    setter.join().expect("no panic");
    for other in others {
        other.join().expect("no panic");
    }
    assert_eq!(calls.load(Ordering::Relaxed), registrars);
}

/// One of them wins.
fn two_setters() {
    let latch = Arc::new(Latch::new());
    let setters = [1, 2].map(|value| {
        let latch = Arc::clone(&latch);
        thread::spawn(move || latch.set(value).then_some(value))
    });
    let seen = latch.wait();
    let won: Vec<_> =
        setters.into_iter().filter_map(|setter| setter.join().expect("no panic")).collect();
    assert_eq!((won, latch.wait()), (vec![seen], seen));
}

fn dropped_reply() {
    let (reply, answer) = Reply::<u8>::new();
    let worker = thread::spawn(move || drop(reply));
    assert_eq!(answer.recv(), Err(NoAnswer::Ever));
    worker.join().expect("no panic");
}
