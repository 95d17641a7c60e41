//! The one answer to a command.

use super::closing::Closing;
use super::latch::Latch;
use crate::sync::{Arc, Weakness, is_weakened};

/// Takes the answer. Dropped without one, it tells the asker that nobody will answer.
pub struct Reply<T: Clone>(Arc<Latch<Option<T>>>);

/// Where the answer arrives. An asker may go away without it.
pub struct Answer<T: Clone>(Arc<Latch<Option<T>>>);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It may still come.
    #[error("not answered yet")]
    Yet,
    /// The worker is gone.
    #[error("nobody will answer")]
    Ever,
}

impl<T: Clone> Reply<T> {
    /// A reply, and where it arrives.
    #[must_use]
    pub fn new() -> (Self, Answer<T>) {
        let latch = Arc::new(Latch::new());
        (Reply(Arc::clone(&latch)), Answer(latch))
    }

    /// Answers. An asker that went away is no error.
    pub fn send(self, answer: T) {
        self.0.set(Some(answer));
    }
}

impl<T: Clone> Drop for Reply<T> {
    /// After the answer this changes nothing.
    fn drop(&mut self) {
        if !is_weakened(Weakness::ReplyEndsSilently) {
            self.0.set(None);
        }
    }
}

impl<T: Clone> Answer<T> {
    /// Blocks until it is answered.
    ///
    /// # Errors
    ///
    /// [`NoAnswer::Ever`].
    pub fn recv(&self) -> Result<T, NoAnswer> {
        self.0.wait().ok_or(NoAnswer::Ever)
    }

    /// The answer, if it is there.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn try_recv(&self) -> Result<T, NoAnswer> {
        self.0.get().ok_or(NoAnswer::Yet)?.ok_or(NoAnswer::Ever)
    }

    /// The same to be awaited; `None`: nobody will answer.
    #[must_use]
    pub fn awaited(&self) -> Closing<Option<T>> {
        Closing::new(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_arrives_and_a_dropped_reply_ends_the_wait() {
        let (reply, answer) = Reply::new();
        assert_eq!(answer.try_recv(), Err(NoAnswer::Yet));
        reply.send(1);
        assert_eq!((answer.recv(), answer.try_recv()), (Ok(1), Ok(1)));
        let (reply, answer) = Reply::<u8>::new();
        drop(reply);
        assert_eq!((answer.recv(), answer.try_recv()), (Err(NoAnswer::Ever), Err(NoAnswer::Ever)));
    }

    #[test]
    fn an_asker_that_went_away_is_no_error() {
        let (reply, answer) = Reply::new();
        drop(answer);
        reply.send(1);
    }
}
