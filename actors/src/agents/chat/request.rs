//! What a client asks to be answered.

use cluster::prelude::{ActorError, Result};
use serde::Deserialize;
use serde_json::Value;

use super::{
    message::{Speaker, UiMessage},
    transcript::Transcript,
};

/// Most messages that a client says at once.
const NEW_MAX: usize = 16;

#[derive(Deserialize)]
struct Body {
    messages: Vec<Value>,
    #[serde(default)]
    trigger: Option<String>,
}

/// What is to be done before there is an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Request {
    /// These messages are new.
    Say(Vec<UiMessage>),
    /// This message, which there is already, is answered anew; what follows it is forgotten.
    Again(u64, UiMessage),
    /// The last answer, which waited for decisions, goes on.
    GoOn(u64),
}

impl Request {
    /// Reads the body of a request. Only what the person says counts: answers are what was stored of them.
    ///
    /// # Errors
    /// `chat.request`, `chat.message`.
    pub(super) fn read(body: &str, transcript: &Transcript) -> Result<Self> {
        let refused = |why: &str| ActorError::invalid("chat.request", why.to_owned());
        let Body { messages, trigger } =
            serde_json::from_str(body).map_err(|error| refused(&format!("a request is not as expected: {error}")))?;
        let is_regenerate = trigger.as_deref() == Some("regenerate-message");
        let last = messages.last().ok_or_else(|| refused("a request has messages"))?;
        let last = UiMessage::read(last)?;
        let place = transcript.place_of(&last.id);
        match (last.role, place) {
            (Speaker::User, Some(place)) => {
                if transcript.get(place).is_none_or(|known| known.role != Speaker::User) {
                    return Err(refused("the id of the last message is that of an answer"));
                }
                last.check()?;
                Ok(Self::Again(place, last))
            }
            (Speaker::User, None) => Self::said(&messages, transcript),
            (Speaker::Assistant, Some(place)) if is_regenerate => {
                let mut before = transcript.between(0, place);
                let asked = before.rfind(|(_, message)| message.role == Speaker::User);
                let (place, message) = asked.ok_or_else(|| refused("there is nothing that was asked"))?;
                Ok(Self::Again(place, message.clone()))
            }
            (Speaker::Assistant, Some(place)) if place + 1 == transcript.end() => Ok(Self::GoOn(place)),
            (Speaker::Assistant, _) => Err(refused("the last message of a request is the person's")),
        }
    }

    /// The messages behind all that are known.
    fn said(messages: &[Value], transcript: &Transcript) -> Result<Self> {
        let mut said = Vec::new();
        for value in messages.iter().rev() {
            let message = UiMessage::read(value)?;
            if message.role != Speaker::User || transcript.place_of(&message.id).is_some() {
                break;
            }
            if said.len() == NEW_MAX {
                return Err(ActorError::too_large(
                    "chat.request",
                    format!("at most {NEW_MAX} messages are said at once"),
                ));
            }
            message.check()?;
            said.push(message);
        }
        said.reverse();
        Ok(Self::Say(said))
    }
}
