//! X3: a thread or a task that begins to wait while the latch is set is not forgotten; of two
//! setters one wins.

#![cfg(loom)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};
use webrtc_server::control::{Closing, Latch};
use webrtc_server::sync::{Arc, Weakness, thread};
use webrtc_server_loom_tests::{Carrier, SERVER_KEY, caught, explore};

fn setter_and_sleeper() {
    let shared = Arc::new((Latch::new(), Carrier::new()));
    let setter = Arc::clone(&shared);
    let setter = thread::spawn(move || {
        setter.1.work();
        assert!(setter.0.set(7));
    });
    assert_eq!(shared.0.wait(), 7);
    shared.1.rely_on_release();
    setter.join().unwrap();
}

fn two_setters_and_sleeper() {
    let latch = Arc::new(Latch::new());
    let setters = [1, 2].map(|value| {
        let latch = Arc::clone(&latch);
        thread::spawn(move || latch.set(value).then_some(value))
    });
    let seen = latch.wait();
    let won: Vec<_> = setters.into_iter().filter_map(|setter| setter.join().unwrap()).collect();
    assert_eq!((won, latch.wait()), (vec![seen], seen));
}

/// The simplest runtime: one task, polled again after each wake.
struct Runtime(loom::sync::Mutex<bool>, loom::sync::Condvar);

impl Wake for Runtime {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}

impl Runtime {
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = Arc::new(Self(loom::sync::Mutex::new(false), loom::sync::Condvar::new()));
        let waker = Waker::from(Arc::clone(&runtime));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            let mut woken = runtime.0.lock().unwrap();
            while !*woken {
                woken = runtime.1.wait(woken).unwrap();
            }
            *woken = false;
        }
    }
}

fn setter_and_task() {
    let shared = Arc::new((Arc::new(Latch::new()), Carrier::new()));
    let setter = Arc::clone(&shared);
    let setter = thread::spawn(move || {
        setter.1.work();
        assert!(setter.0.set(7));
    });
    assert_eq!(Runtime::block_on(Closing::new(&shared.0, SERVER_KEY)), 7);
    shared.1.rely_on_release();
    setter.join().unwrap();
}

/// A task that gives up while the latch is set takes nobody else's answer.
fn setter_and_task_that_leaves() {
    let latch = Arc::new(Latch::new());
    let setter = Arc::clone(&latch);
    let setter = thread::spawn(move || assert!(setter.set(7)));
    let mut closing = Closing::new(&latch, SERVER_KEY);
    let stays = closing.clone();
    let _ = pin!(&mut closing).poll(&mut Context::from_waker(Waker::noop()));
    drop(closing);
    assert_eq!(Runtime::block_on(stays), 7);
    setter.join().unwrap();
}

#[test]
fn a_thread_waits() {
    explore("a sleeper, one setter", 3, setter_and_sleeper);
}

#[test]
fn x3_the_first_setter_wins() {
    explore("a sleeper, two setters", 10, two_setters_and_sleeper);
}

#[test]
fn a_task_waits() {
    explore("a task, one setter", 3, setter_and_task);
}

#[test]
fn a_task_leaves() {
    explore("a task that leaves, one that stays, one setter", 3, setter_and_task_that_leaves);
}

#[test]
fn a_notification_before_the_latch_is_set_is_caught() {
    let said = caught(Weakness::LatchNotifiesBeforeItIsSet, setter_and_sleeper);
    assert!(said.contains("deadlock"), "{said}");
}
