//! A model that follows a script and counts what it was asked.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};

use super::lock;
use crate::ports::{
    Finish, Model, ModelError, ModelEvent, ModelInfo, ModelReply, ModelRequest, ModelStream, Profile, Slot, Usage,
};

/// How a scripted model answers.
#[derive(Debug, Clone)]
pub enum Reply {
    /// With this text.
    Text(String),
    /// With this error.
    Error(ModelError),
    /// With this text after a time.
    After(Duration, String),
    /// With these pieces, and so much time before each.
    Slowly(Duration, Vec<String>),
    /// Never.
    Hang,
    /// The stream ends in the middle of the answer.
    Cut,
}

type Script = dyn Fn(&ModelRequest, u32) -> Reply + Send + Sync;

/// Asks the script for each request, with the number of earlier requests of the same label.
pub struct FakeModel {
    profile: Profile,
    context_tokens: u32,
    script: Box<Script>,
    requests: Mutex<Vec<ModelRequest>>,
    asked: Mutex<BTreeMap<String, u32>>,
    open: Arc<AtomicUsize>,
}

impl fmt::Debug for FakeModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeModel")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

impl FakeModel {
    /// A capable model with this script.
    pub fn new(script: impl Fn(&ModelRequest, u32) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            profile: Profile::Full,
            context_tokens: 128_000,
            script: Box::new(script),
            requests: Mutex::default(),
            asked: Mutex::default(),
            open: Arc::default(),
        }
    }

    /// The same as a small model.
    #[must_use]
    pub fn embedded(self) -> Self {
        Self {
            profile: Profile::Embedded,
            context_tokens: 4_096,
            ..self
        }
    }

    /// The same with another window.
    #[must_use]
    pub fn window(self, context_tokens: u32) -> Self {
        Self { context_tokens, ..self }
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<ModelRequest> {
        lock(&self.requests).clone()
    }

    /// Requests that are being answered now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

/// Counts a request as open for as long as its stream lives.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Model for FakeModel {
    fn info(&self, slot: Slot) -> ModelInfo {
        let id = match slot {
            Slot::Generator => "fake-writer",
            Slot::Reviewer => "fake-reviewer",
            Slot::Tiebreaker => "fake-tiebreaker",
        };
        ModelInfo {
            id: id.to_owned(),
            profile: self.profile,
            context_tokens: self.context_tokens,
        }
    }

    fn complete(&self, request: ModelRequest) -> ModelStream {
        let earlier = {
            let mut asked = lock(&self.asked);
            let count = asked.entry(request.label.clone()).or_default();
            *count += 1;
            *count - 1
        };
        let reply = (self.script)(&request, earlier);
        let model = self.info(request.slot).id;
        lock(&self.requests).push(request);
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(self.open.clone());
        let done = move |text: String| {
            let usage = Usage {
                input_tokens: 100,
                output_tokens: 10,
            };
            let reply = ModelReply {
                text,
                usage,
                finish: Finish::Stop,
                model,
            };
            Ok(ModelEvent::Done(reply))
        };
        let answer = async move {
            let (pause, pieces) = match reply {
                Reply::Text(text) => (Duration::ZERO, vec![text]),
                Reply::After(delay, text) => {
                    tokio::time::sleep(delay).await;
                    (Duration::ZERO, vec![text])
                }
                Reply::Slowly(pause, pieces) => (pause, pieces),
                Reply::Error(error) => return stream::iter([Err(error)]).boxed(),
                Reply::Cut => return stream::iter([Ok(ModelEvent::Delta("{\"cut\":".to_owned()))]).boxed(),
                Reply::Hang => std::future::pending().await,
            };
            let whole = pieces.concat();
            let deltas = stream::iter(pieces).then(move |piece| async move {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                Ok(ModelEvent::Delta(piece))
            });
            let queued = stream::iter([Ok(ModelEvent::Queued { position: 0 })]);
            queued.chain(deltas).chain(stream::iter([done(whole)])).boxed()
        };
        stream::once(answer)
            .flatten()
            .map(move |event| {
                let _ = &open;
                event
            })
            .boxed()
    }
}
