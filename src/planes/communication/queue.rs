//! Letters that wait to be sent, so that nobody who asks for one waits for a mail server, or learns from the time whether one
//! was sent.
//!
//! Letters wait in memory: those of a process that ends are lost, and their readers ask again. Each of them can be asked for
//! again.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{Letter, Post};
use crate::metrics;

/// Letters that wait; one more is refused.
const WAITING_MAX: usize = 256;

/// How long after a failure a letter is tried again; then it is given up.
const PAUSES: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(10), Duration::from_mins(1)];

/// Takes letters and sends them one after the other. Cloning shares the queue.
#[derive(Debug, Clone)]
pub struct MailQueue {
    letters: mpsc::Sender<Letter>,
}

/// So many letters wait that no other one is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many mails wait to be sent")]
pub struct QueueFull;

impl MailQueue {
    /// Begins to send on the runtime that this is called on.
    #[must_use]
    pub fn start(post: Arc<dyn Post>) -> Self {
        let (letters, mut waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(async move {
            while let Some(letter) = waiting.recv().await {
                deliver(&*post, letter).await;
            }
        });
        Self { letters }
    }

    /// Takes a letter that is sent soon.
    ///
    /// # Errors
    ///
    /// Fails when too many others wait.
    pub fn put(&self, letter: Letter) -> Result<(), QueueFull> {
        self.letters.try_send(letter).map_err(|_| {
            tracing::error!("a mail is not sent, because too many others wait");
            count("refused");
            QueueFull
        })
    }
}

async fn deliver(post: &dyn Post, letter: Letter) {
    for pause in PAUSES {
        match post.send(letter.clone()).await {
            Ok(()) => return count("sent"),
            Err(error) => tracing::warn!(%error, "a mail was not sent, and is tried again"),
        }
        tokio::time::sleep(pause).await;
    }
    match post.send(letter).await {
        Ok(()) => count("sent"),
        Err(error) => {
            tracing::error!(%error, "a mail was not sent, and is given up");
            count("failed");
        }
    }
}

fn count(outcome: &'static str) {
    ::metrics::counter!(metrics::MAILS_TOTAL, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use actors::email::Email;
    use futures_util::{FutureExt, future::BoxFuture};

    use super::*;
    use crate::planes::communication::{MailError, fake::FakePost};

    fn letter(subject: &str) -> Letter {
        Letter {
            to: Email::new("ann@example.org").unwrap(),
            subject: subject.to_owned(),
            text: String::new(),
        }
    }

    /// Fails the first few times.
    #[derive(Debug)]
    struct Broken {
        failures: AtomicUsize,
        post: FakePost,
    }

    impl Post for Broken {
        fn send(&self, letter: Letter) -> BoxFuture<'_, Result<(), MailError>> {
            let left = |left: usize| left.checked_sub(1);
            if self
                .failures
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
                .is_ok()
            {
                return async { Err(std::io::Error::other("no way out").into()) }.boxed();
            }
            self.post.send(letter)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_letter_that_failed_is_tried_again_and_not_for_ever() {
        let (post, mut letters) = FakePost::new();
        let post = Broken {
            failures: AtomicUsize::new(4 + 3),
            post,
        };
        let queue = MailQueue::start(Arc::new(post));
        for subject in ["given up", "late", "at once"] {
            // The first one uses up four failures, the second one three.
            queue.put(letter(subject)).unwrap();
        }
        assert_eq!(letters.recv().await.unwrap().subject, "late");
        assert_eq!(letters.recv().await.unwrap().subject, "at once");
    }

    #[tokio::test]
    async fn no_more_letters_wait_than_may() {
        #[derive(Debug)]
        struct Stuck;
        impl Post for Stuck {
            fn send(&self, _: Letter) -> BoxFuture<'_, Result<(), MailError>> {
                std::future::pending().boxed()
            }
        }
        let queue = MailQueue::start(Arc::new(Stuck));
        let taken = (0..WAITING_MAX + 10)
            .take_while(|_| queue.put(letter("x")).is_ok())
            .count();
        assert_eq!(taken, WAITING_MAX, "nothing was sent yet");
    }
}
