//! What goes through a socket.

use serde::{Deserialize, Serialize};

use crate::{ActorError, Result};

/// Most bytes of each half of an automatic response.
const AUTO_RESPONSE_BYTES: usize = 2048;

/// One message of a client or of an actor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Frame {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Frame {
    /// Length of the content, in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Frame {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// How a client asked to be connected. What it means is between the gateway and the class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// What was asked for: path and query.
    pub uri: String,
    /// Headers, or whatever else the gateway says about the client.
    pub headers: Vec<(String, String)>,
}

/// The end of a socket; codes are those of RFC 6455, section 7.4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Why, as a number.
    pub code: u16,
    /// Why, in words.
    pub reason: String,
    /// Whether both sides said so, one after the other.
    pub is_clean: bool,
}

impl Closing {
    /// The connection was lost (1006).
    pub fn lost() -> Self {
        Self {
            code: 1006,
            reason: String::new(),
            is_clean: false,
        }
    }

    pub(crate) fn because(code: u16, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            is_clean: false,
        }
    }
}

/// What a client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A frame of the actor.
    Frame(Frame),
    /// The connection is to be closed. Nothing follows.
    Close(Closing),
}

/// A text that gateways answer by themselves, so that it wakes nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoResponse {
    request: String,
    response: String,
}

impl AutoResponse {
    /// Answers `request`, if that is the whole text of a frame, with `response`.
    ///
    /// # Errors
    /// `too-large` if one of them has more than 2,048 bytes.
    pub fn new(request: &str, response: &str) -> Result<Self> {
        if request.len().max(response.len()) > AUTO_RESPONSE_BYTES {
            return Err(ActorError::too_large(
                "too-large",
                format!("request and response of an automatic response have at most {AUTO_RESPONSE_BYTES} bytes"),
            ));
        }
        Ok(Self {
            request: request.to_owned(),
            response: response.to_owned(),
        })
    }

    /// What is sent back at once, if this frame is the request.
    pub(crate) fn to(&self, frame: &Frame) -> Option<Frame> {
        match frame {
            Frame::Text(text) if *text == self.request => Some(Frame::Text(self.response.clone())),
            Frame::Text(_) | Frame::Binary(_) => None,
        }
    }
}
