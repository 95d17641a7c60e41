//! Every schedule of every race. The name of a test is that of the race.

#![cfg(loom)]

use webrtc_server_loom_tests::explore::explore;
use webrtc_server_loom_tests::races::named;

//= CLS-04
#[test]
fn completion_against_a_thread_that_waits() {
    explore(&named("completion against a thread that waits"));
}

#[test]
fn completion_against_a_thread_that_waits_until_a_deadline() {
    explore(&named("completion against a thread that waits until a deadline"));
}

#[test]
fn completion_against_a_look() {
    explore(&named("completion against a look"));
}

#[test]
fn completion_against_a_task() {
    explore(&named("completion against a task"));
}

#[test]
fn completion_against_a_waiter_that_gives_up() {
    explore(&named("completion against a waiter that gives up"));
}

#[test]
fn completion_against_a_callback() {
    explore(&named("completion against a callback"));
}

#[test]
fn completion_against_two_callbacks() {
    explore(&named("completion against two callbacks"));
}

#[test]
fn completion_against_completion() {
    explore(&named("completion against completion"));
}

#[test]
fn a_dropped_reply_against_the_asker() {
    explore(&named("a dropped reply against the asker"));
}

//= X3
#[test]
fn close_against_the_worker_that_completes_it() {
    explore(&named("close against the worker that completes it"));
}

#[test]
fn two_closers_one_worker() {
    explore(&named("two closers, one worker"));
}

#[test]
fn barrier_against_the_last_acknowledgement_two_workers() {
    explore(&named("barrier against the last acknowledgement, two workers"));
}

//= CLS-10
#[test]
fn two_closers_two_workers() {
    explore(&named("two closers, two workers"));
}

#[test]
fn two_closers_who_wait_two_workers() {
    explore(&named("two closers who wait, two workers"));
}

#[test]
fn close_against_a_look() {
    explore(&named("close against a look"));
}

//= X5
#[test]
fn callback_that_closes_again() {
    explore(&named("callback that closes again"));
}

#[test]
fn close_against_the_loss_of_the_only_worker() {
    explore(&named("close against the loss of the only worker"));
}

#[test]
fn close_against_the_loss_of_one_of_two_workers() {
    explore(&named("close against the loss of one of two workers"));
}

#[test]
fn last_handle_dropped_against_close() {
    explore(&named("last handle dropped against close"));
}

#[test]
fn last_handle_dropped_against_another() {
    explore(&named("last handle dropped against another"));
}

#[test]
fn command_queue_against_a_sleeping_worker() {
    explore(&named("command queue against a sleeping worker"));
}

#[test]
fn command_queue_against_a_sleeping_worker_two_commands() {
    explore(&named("command queue against a sleeping worker, two commands"));
}

#[test]
fn command_queue_against_a_sleeping_worker_two_callers() {
    explore(&named("command queue against a sleeping worker, two callers"));
}

//= RES-14
#[test]
fn full_queue_against_the_worker_that_takes() {
    explore(&named("full queue against the worker that takes"));
}

#[test]
fn full_queue_against_the_worker_that_takes_two_callers() {
    explore(&named("full queue against the worker that takes, two callers"));
}

#[test]
fn full_queue_against_a_task() {
    explore(&named("full queue against a task"));
}

#[test]
fn full_queue_against_worker_exit() {
    explore(&named("full queue against worker exit"));
}

#[test]
fn full_queue_against_worker_exit_a_task() {
    explore(&named("full queue against worker exit, a task"));
}

#[test]
fn full_queue_against_a_callback() {
    explore(&named("full queue against a callback"));
}

#[test]
fn close_against_the_worker_s_queue() {
    explore(&named("close against the worker's queue"));
}

//= CLS-22
#[test]
fn close_against_create_transport() {
    explore(&named("close against create_transport"));
}

#[test]
fn close_against_worker_exit() {
    explore(&named("close against worker exit"));
}

#[test]
fn callback_that_closes_against_close() {
    explore(&named("callback that closes against close"));
}

#[test]
fn handover_against_close() {
    explore(&named("handover against close"));
}

#[test]
fn handover_against_close_and_the_loss_of_the_new_owner() {
    explore(&named("handover against close and the loss of the new owner"));
}

//= CLS-31
#[test]
fn drain_against_create_transport() {
    explore(&named("drain against create_transport"));
}

#[test]
fn drain_against_the_last_transport_that_leaves() {
    explore(&named("drain against the last transport that leaves"));
}
