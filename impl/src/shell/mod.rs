//! Everything that touches the operating system or OpenSSL.

pub mod bind;
mod carriers;
pub mod dtls;
mod limiter;
mod sys;
mod timers;
mod worker;

pub use timers::Alarm;
pub use worker::{Clock, Notify, Ready, Worker, WorkerConfig};
