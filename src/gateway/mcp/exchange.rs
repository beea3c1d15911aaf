//! An exchange: one request of a session, what the server says to it, and what the client answers in between.
//!
//! It is a transport of rmcp for a server that lives as long as the request. Several run at once in a session and each counts its
//! own requests to the client from 0, so what the client sees carries the name of the stream: that is how its answer finds the way back,
//! whichever node it is sent to.

use std::{future::Future, sync::Arc};

use rmcp::{
    RoleServer,
    model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId, ServerJsonRpcMessage},
    transport::Transport,
};
use tokio::sync::mpsc;

/// Messages that wait on either side.
const WAITING_MAX: usize = 64;

/// The other side is gone.
#[derive(Debug, thiserror::Error)]
#[error("the exchange has ended")]
pub(super) struct Ended;

/// The server's side.
#[derive(Debug)]
pub(super) struct Exchange {
    stream: Arc<str>,
    inbox: mpsc::Receiver<ClientJsonRpcMessage>,
    outbox: mpsc::Sender<ServerJsonRpcMessage>,
}

/// The client's side.
#[derive(Debug)]
pub(super) struct Ends {
    /// To the server. Once it is dropped the exchange ends.
    pub(super) to_server: mpsc::Sender<ClientJsonRpcMessage>,
    /// From the server.
    pub(super) from_server: mpsc::Receiver<ServerJsonRpcMessage>,
}

/// Begins an exchange with a message.
pub(super) fn begin(stream: Arc<str>, first: ClientJsonRpcMessage) -> (Exchange, Ends) {
    let (to_server, inbox) = mpsc::channel(WAITING_MAX);
    let (outbox, from_server) = mpsc::channel(WAITING_MAX);
    // The channel is empty.
    to_server.try_send(first).ok();
    let exchange = Exchange { stream, inbox, outbox };
    (exchange, Ends { to_server, from_server })
}

impl Transport<RoleServer> for Exchange {
    type Error = Ended;

    fn send(&mut self, message: ServerJsonRpcMessage) -> impl Future<Output = Result<(), Ended>> + Send + 'static {
        let message = outward(&self.stream, message);
        let outbox = self.outbox.clone();
        async move { outbox.send(message).await.map_err(|_| Ended) }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.inbox.recv().await.map(inward)
    }

    async fn close(&mut self) -> Result<(), Ended> {
        self.inbox.close();
        Ok(())
    }
}

/// Names the stream in a request to the client.
fn outward(stream: &str, mut message: ServerJsonRpcMessage) -> ServerJsonRpcMessage {
    if let JsonRpcMessage::Request(request) = &mut message {
        request.id = RequestId::String(format!("{stream}.{}", request.id).into());
    }
    message
}

/// Takes the name of the stream from an answer of the client.
fn inward(mut message: ClientJsonRpcMessage) -> ClientJsonRpcMessage {
    let own = |id: &RequestId| {
        let (_, number) = named(id)?;
        Some(RequestId::Number(number))
    };
    match &mut message {
        JsonRpcMessage::Response(response) => {
            if let Some(id) = own(&response.id) {
                response.id = id;
            }
        }
        JsonRpcMessage::Error(error) => {
            if let Some(id) = error.id.as_ref().and_then(own) {
                error.id = Some(id);
            }
        }
        JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
    }
    message
}

/// The stream and the number in the id of a request to the client.
pub(super) fn named(id: &RequestId) -> Option<(&str, i64)> {
    let RequestId::String(id) = id else { return None };
    let (stream, number) = id.rsplit_once('.')?;
    Some((stream, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use rmcp::model::{PingRequest, ServerRequest};

    use super::*;

    #[test]
    fn the_answer_of_a_client_finds_its_stream() {
        let ping = ServerRequest::PingRequest(PingRequest::default());
        let asked = outward("5f", ServerJsonRpcMessage::request(ping, RequestId::Number(3)));
        let JsonRpcMessage::Request(asked) = asked else {
            panic!("{asked:?}")
        };
        assert_eq!(named(&asked.id), Some(("5f", 3)));
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#,
            serde_json::to_string(&asked.id).unwrap()
        );
        let answered = inward(serde_json::from_str(&text).unwrap());
        let JsonRpcMessage::Response(answered) = answered else {
            panic!("{answered:?}")
        };
        assert_eq!(answered.id, RequestId::Number(3));
    }
}
