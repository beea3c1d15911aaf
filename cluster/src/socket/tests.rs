//! The bytes of what is stored of sockets, and of what nodes tell each other about them.

use bytes::Bytes;

use super::{
    AutoResponse, Closing, Delivery, Frame, Opening, SocketId,
    letters::{Arrived, Closed, Connect, Gap},
    table::{Command, Record},
};
use crate::{golden, peers::NodeId, shard::Epoch, storage::encoded};

const SOCKET: SocketId = SocketId {
    node: NodeId::new(258),
    instance: 513,
    number: 7,
};

fn delivery(command: Command) -> Bytes {
    encoded(&vec![Delivery {
        instance: 513,
        epoch: Epoch(300),
        numbers: vec![7, 8],
        command,
    }])
}

#[test]
fn sockets_keep_their_bytes() {
    let record = Record {
        tags: vec!["red".to_owned()],
    };
    let auto_response = || AutoResponse::new("ping", "pong").unwrap();
    let connect = Connect {
        socket: SOCKET,
        opening: Opening {
            uri: "/rooms/lobby?x=1".to_owned(),
            headers: vec![("user-agent".to_owned(), "test".to_owned())],
        },
    };
    let arrived = |frame| Arrived {
        socket: SOCKET,
        number: 300,
        frame,
    };
    let closed = Closed {
        socket: SOCKET,
        closing: Closing::lost(),
        is_final: false,
    };
    let close = Command::Close {
        code: 4001,
        reason: "bye".to_owned(),
    };
    let written = [
        ("record", encoded(&record)),
        ("cursor", encoded(&300_u64)),
        ("auto-response", encoded(&auto_response())),
        ("connect", encoded(&connect)),
        ("frame-text", encoded(&arrived(Frame::from("hello")))),
        ("frame-binary", encoded(&arrived(Frame::Binary(vec![1, 2])))),
        ("close", encoded(&closed)),
        ("gap", encoded(&Gap { socket: SOCKET })),
        ("deliver-frame", delivery(Command::Frame(Frame::from("hello")))),
        ("deliver-close", delivery(close)),
        (
            "deliver-auto-response",
            delivery(Command::AutoResponse(Some(auto_response()))),
        ),
    ];
    golden::check(include_str!("../../tests/golden/sockets.txt"), &written);
}
