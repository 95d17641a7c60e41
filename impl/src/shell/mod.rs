//! Everything that touches the operating system or OpenSSL.

pub mod bind;
mod carriers;
pub mod dtls;
mod hints;
pub(crate) mod limiter;
mod sys;
mod timers;
mod transactions;
mod worker;

#[cfg(feature = "testing")]
pub use carriers::WriteRoom;
pub use timers::Alarm;
#[cfg(feature = "testing")]
pub use worker::JournalEntry;
pub use worker::{Clock, Notify, Ready, Worker, WorkerConfig};
