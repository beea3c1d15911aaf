//! What a chat says without being asked: reminders, and notices of others.

use cluster::prelude::{ActorError, Result};
use serde_json::{Value, json};

use super::{
    agent::{Chat, Here},
    message::UiMessage,
    methods::{Notice, Remind},
    prompt::cut,
};
use crate::agents::{AgentCtx, Callable};

/// Name of the chat of a person that notices arrive in.
pub const INBOX: &str = "inbox";

/// Longest notice, in characters.
const TEXT_MAX: usize = 2000;

impl Chat {
    fn say_unasked(&mut self, text: &str, metadata: Value, ctx: Here<'_, '_>) -> Result<()> {
        let message = UiMessage::own(format!("msg-{}", ctx.uuid()), text, metadata);
        // Whoever is told has not said it: the oldest makes room.
        self.transcript.make_room(message.to_json()?.len(), ctx)?;
        let place = self.next_place();
        self.transcript.put(place, message, ctx)?;
        self.tell_messages(None, ctx)
    }
}

impl Callable<Remind> for Chat {
    async fn call(&mut self, Remind { text }: Remind, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        self.say_unasked(&format!("Reminder: {text}"), json!({ "kind": "reminder" }), ctx)
    }
}

impl Callable<Notice> for Chat {
    async fn call(&mut self, Notice { from, text }: Notice, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        if ctx.caller().is_some() {
            return Err(ActorError::forbidden(
                "chat.notice",
                "notices come from other actors of the tenant",
            ));
        }
        let text = format!("{from}: {}", cut(&text, TEXT_MAX));
        self.say_unasked(&text, json!({ "kind": "notice", "from": from }), ctx)
    }
}
