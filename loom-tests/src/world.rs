//! What the races share.

use loom::cell::UnsafeCell;
use loom::sync::{Condvar, Mutex};
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use webrtc_server::control::queue::{Bounds, Wake};

/// Room for one command, and for one more of who cannot wait.
pub const NARROW: Bounds = Bounds { commands: 1, reserve: 1, hand_over_bytes: 1 };

/// What carries bytes. loom panics when it is used by one thread and looked at by another without an order between the
/// two.
#[derive(Debug)]
pub struct Carrier(UnsafeCell<()>);

// SAFETY: there is nothing in the cell, and nothing is read or written through it; loom only notes
// the accesses.
#[allow(unsafe_code)]
unsafe impl Send for Carrier {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Carrier {}

impl Carrier {
    /// A carrier that nobody uses yet.
    #[must_use]
    pub fn new() -> Self {
        Self(UnsafeCell::new(()))
    }

    /// What its worker does with it: sends, receives, releases.
    pub fn work(&self) {
        self.0.with_mut(|_| ());
    }

    /// What somebody does who relies on its release: binds the port again.
    pub fn rely_on_release(&self) {
        self.0.with(|_| ());
    }
}

impl Default for Carrier {
    fn default() -> Self {
        Self::new()
    }
}

/// Something that is a descriptor: its drop is the last use of its carrier.
#[derive(Debug)]
pub struct Descriptor(pub Arc<Carrier>);

impl Drop for Descriptor {
    fn drop(&mut self) {
        // After a panic loom is gone, and with it what it knows of the carrier.
        if !std::thread::panicking() {
            self.0.work();
        }
    }
}

/// What a worker sleeps on. It is sticky, as an eventfd is: a wake that comes before the sleep ends it.
#[derive(Debug)]
pub struct Token {
    woken: Mutex<bool>,
    changed: Condvar,
}

/// Wakes the worker that sleeps on a token; a descriptor, as the real one is.
#[derive(Debug)]
pub struct TokenWaker(pub Arc<Token>, pub Descriptor);

impl Wake for TokenWaker {
    fn wake(&self) -> io::Result<()> {
        self.0.wake();
        Ok(())
    }
}

impl Token {
    /// Nobody was woken yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { woken: Mutex::new(false), changed: Condvar::new() })
    }

    /// The poll of a worker: sleeps until the next wake, or not at all when there was one since the last sleep.
    pub fn sleep(&self) {
        let mut woken = self.woken.lock().expect("no holder panics");
        while !*woken {
            woken = self.changed.wait(woken).expect("no holder panics");
        }
        *woken = false;
    }

    fn wake(&self) {
        *self.woken.lock().expect("no holder panics") = true;
        self.changed.notify_one();
    }
}

impl std::task::Wake for Token {
    fn wake(self: Arc<Self>) {
        Token::wake(&self);
    }
}

/// The simplest runtime: one task, polled again after each wake.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let token = Token::new();
    let waker = Waker::from(Arc::clone(&token));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        token.sleep();
    }
}
