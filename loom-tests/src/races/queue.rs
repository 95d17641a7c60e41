//! No command is lost, nobody who waits for room is forgotten, and who cannot wait never does.

use crate::explore::Race;
use crate::world::{Carrier, Descriptor, NARROW, Token, TokenWaker, block_on};
use std::collections::VecDeque;
use std::future::poll_fn;
use webrtc_server::control::queue::{Bounds, CommandQueue, PushError, Weigh, Weight};
use webrtc_server::sync::{Arc, thread};

/// What races here.
pub const RACES: &[Race] = &[
    Race::new("command queue against a sleeping worker", || sleeping_worker(1, 1)),
    Race::new("command queue against a sleeping worker, two commands", || sleeping_worker(1, 2)),
    Race::new("command queue against a sleeping worker, two callers", || sleeping_worker(2, 1)),
    Race::new("full queue against the worker that takes", full_queue),
    Race::bounded("full queue against the worker that takes, two callers", two_who_wait),
    Race::new("full queue against a task", task_that_waits),
    Race::new("full queue against worker exit", || full_queue_and_exit(Waiter::Thread)),
    Race::new("full queue against worker exit, a task", || full_queue_and_exit(Waiter::Task)),
    Race::new("full queue against a callback", callback_that_cannot_wait),
];

/// A command of the application, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Command(u8);

impl Weigh for Command {
    fn weight(&self) -> Weight {
        Weight::Command
    }
}

type Queue = Arc<CommandQueue<Command, TokenWaker>>;

const WIDE: Bounds = Bounds { commands: 9, reserve: 0, hand_over_bytes: 0 };

fn connected(bounds: Bounds) -> (Queue, Arc<Token>) {
    let (queue, token) = (Arc::new(CommandQueue::new(bounds)), Token::new());
    let waker = TokenWaker(Arc::clone(&token), Descriptor(Arc::new(Carrier::new())));
    queue.connect(waker);
    (queue, token)
}

/// The loop of a worker, until it has so many commands.
fn take(queue: &Queue, token: &Token, count: usize) -> VecDeque<Command> {
    let mut taken = VecDeque::new();
    while taken.len() < count {
        // As it does with the budget of one turn.
        if !queue.take(1, &mut taken) && taken.len() < count {
            token.sleep();
        }
    }
    taken
}

fn sleeping_worker(callers: u8, commands: u8) {
    let (queue, token) = connected(WIDE);
    let callers: Vec<_> = (0..callers)
        .map(|caller| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                for command in 0..commands {
                    queue.push_waiting(Command(10 * caller + command)).expect("the worker lives");
                }
            })
        })
        .collect();
    let count = callers.len() * usize::from(commands);
    let mut taken = take(&queue, &token, count);
    // In the order of each caller.
    for caller in 0..callers.len() {
        let own = taken.iter().filter(|command| usize::from(command.0) / 10 == caller);
        assert!(own.map(|command| command.0 % 10).eq(0..commands));
    }
    for caller in callers {
        caller.join().expect("no panic");
    }
    assert!(!queue.take(1, &mut taken) && taken.len() == count, "nothing twice");
}

/// The caller finds the queue full and sleeps, or is in time; it may be woken for nothing.
fn full_queue() {
    let (queue, token) = connected(NARROW);
    queue.push_waiting(Command(0)).expect("there is room");
    let caller = Arc::clone(&queue);
    let caller = thread::spawn(move || {
        caller.push_waiting(Command(1)).expect("the worker lives");
    });
    let disturber = Arc::clone(&queue);
    let disturber = thread::spawn(move || disturber.wake_spuriously());
    let mut taken = VecDeque::new();
    let _ = queue.take(9, &mut taken);
    assert_eq!(taken, [Command(0)], "the bound holds");
    taken.extend(take(&queue, &token, 1));
    assert_eq!(taken, [Command(0), Command(1)]);
    caller.join().expect("no panic");
    disturber.join().expect("no panic");
}

fn two_who_wait() {
    let (queue, token) = connected(NARROW);
    queue.push_waiting(Command(0)).expect("there is room");
    let callers = [1, 2].map(|number| {
        let queue = Arc::clone(&queue);
        thread::spawn(move || queue.push_waiting(Command(number)).expect("the worker lives"))
    });
    let mut taken = take(&queue, &token, 3);
    taken.make_contiguous().sort_by_key(|command| command.0);
    assert_eq!(taken, [Command(0), Command(1), Command(2)]);
    for thread in callers {
        thread.join().expect("no panic");
    }
}

fn task_that_waits() {
    let (queue, token) = connected(NARROW);
    queue.push_waiting(Command(0)).expect("there is room");
    let caller = Arc::clone(&queue);
    let caller = thread::spawn(move || {
        let mut command = Some(Command(1));
        block_on(poll_fn(|context| caller.poll_push(&mut command, context.waker())))
            .expect("the worker lives");
    });
    assert_eq!(take(&queue, &token, 2), [Command(0), Command(1)]);
    caller.join().expect("no panic");
}

enum Waiter {
    Thread,
    Task,
}

/// Whoever waits for room in the queue of a worker that ends gets the command back.
fn full_queue_and_exit(waiter: Waiter) {
    let (queue, _token) = connected(NARROW);
    queue.push_waiting(Command(0)).expect("there is room");
    let caller = Arc::clone(&queue);
    let caller = thread::spawn(move || match waiter {
        Waiter::Thread => {
            assert_eq!(caller.push_waiting(Command(1)), Err((PushError::Disconnected, Command(1))));
        }
        Waiter::Task => {
            let mut command = Some(Command(1));
            let put = block_on(poll_fn(|context| caller.poll_push(&mut command, context.waker())));
            assert_eq!((put, command), (Err(PushError::Disconnected), Some(Command(1))));
        }
    });
    assert_eq!(queue.disconnect(), [Command(0)]);
    caller.join().expect("no panic");
}

/// L2: it uses the reserve, or is refused; the worker that it runs on is the one that would have to make room.
fn callback_that_cannot_wait() {
    let (queue, token) = connected(NARROW);
    let caller = Arc::clone(&queue);
    let caller = thread::spawn(move || caller.push_waiting(Command(0)).expect("the worker lives"));
    let own: Vec<_> = [1, 2, 3].map(Command).into_iter().map(|c| queue.try_push(c)).collect();
    let refused = own.iter().filter(|put| put.is_err()).count();
    // The application's one has its place among two, or waits.
    assert!((1..=2).contains(&refused), "{own:?}");
    assert!(own.iter().flat_map(|put| put.as_ref().err()).all(|(why, _)| *why == PushError::Full));
    take(&queue, &token, 4 - refused);
    caller.join().expect("no panic");
}
