//! What was said long ago, in short: written by the model beside the mailbox, and stored.
//!
//! If the model fails, nothing is written: what does not fit into a prompt is left out of it, and the prompt says so.

use cluster::prelude::Result;
use futures_util::stream;

use super::{
    agent::{Chat, Here},
    message::UiMessage,
    methods::Summarised,
    model::Asking,
    prompt::{self, cut},
    rows::{SUMMARY, Summary},
};
use crate::agents::{AgentCtx, Callable};

/// Longest summary, in characters.
const CHARS_MAX: usize = 3000;
/// Tokens that the model may write for it.
const TOKENS_MAX: u32 = 512;

impl Chat {
    /// Has the oldest messages summed up, if what is not summed up fills more than half of a prompt.
    pub(super) fn sum_up(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        if self.is_summing_up {
            return Ok(());
        }
        let from = self.summary.as_ref().map_or(0, |summary| summary.place + 1);
        let since: Vec<(u64, &UiMessage)> = self.transcript.between(from, u64::MAX).collect();
        let address = ctx.address().actor(ctx.tenant());
        let asking = Asking::new(ctx.env(), format!("{address}/{from}/{}", self.history));
        let room = asking.window.chars;
        let mut left: usize = since.iter().map(|(_, message)| prompt::chars(message)).sum();
        if left <= room / 2 {
            return Ok(());
        }
        // A quarter stays as it was said; what is summed up at once fits into a prompt.
        let (mut old, mut taken) = (Vec::new(), 0);
        let mut place = from;
        for (at, message) in since {
            let chars = prompt::chars(message);
            if left <= room / 4 || (taken + chars > room / 2 && !old.is_empty()) {
                break;
            }
            left -= chars;
            taken += chars;
            place = at;
            old.push(message);
        }
        let prompt = prompt::to_summarise(self.summary.as_ref(), &old, room);
        let text = asking.sum_up(prompt, TOKENS_MAX.min(asking.window.answer));
        let history = self.history;
        self.is_summing_up = true;
        ctx.spawn_stream(stream::once(async move {
            Summarised {
                history,
                place,
                text: text.await,
            }
        }));
        Ok(())
    }
}

impl Callable<Summarised> for Chat {
    async fn call(&mut self, summarised: Summarised, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        let Summarised { history, place, text } = summarised;
        if history != self.history {
            return Ok(());
        }
        self.is_summing_up = false;
        let text = match text {
            Ok(text) => cut(text.trim(), CHARS_MAX).to_owned(),
            Err(error) => {
                tracing::warn!(chat = ctx.name(), error, "a conversation could not be summed up");
                return Ok(());
            }
        };
        if text.is_empty() {
            return Ok(());
        }
        let summary = Summary { place, text };
        ctx.put(&SUMMARY, &summary)?;
        self.summary = Some(summary);
        // There may be more.
        self.sum_up(ctx)
    }
}
