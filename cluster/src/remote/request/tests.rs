//! The bytes of what nodes ask each other and answer: while a cluster is upgraded, a node of this version must be understood
//! by one of the next. A new variant gets a name and a line of its own; a line never changes.

use std::ops::Bound;

use super::*;
use crate::{
    ActorId, DeadLetterQuery, DirectoryQuery, NodeId, TenantId, Timestamp,
    address::Address,
    dead_letter::Removal,
    golden,
    hold::Held,
    id::ClassUid,
    remote::operation::{
        Count, DeadLetterPage, Inspect, IsErased, Live, Names, Nothing, Passivate, ReadDeadLetter, RemoveDeadLetter,
        Tenants, Values,
    },
    socket::{Roll, SocketId},
};

const CLASS: ClassUid = ClassUid([0xC1; 8]);
const HASH: ActorHash = ActorHash([0xA5; 16]);
const SEND: SendId = SendId { index: 258, ordinal: 3 };
const EPOCH: Epoch = Epoch(300);
const SOCKET: SocketId = SocketId {
    node: NodeId::new(258),
    instance: u64::MAX,
    number: 7,
};
const CONTENT: &[u8] = b"content";

fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn stored() -> Stored {
    let id = ActorId::from_parts("chat", tenant(), "general".to_owned());
    Address::new(CLASS, id).stored()
}

fn leader() -> Leader {
    Leader {
        node: NodeId::new(258),
        epoch: EPOCH,
    }
}

fn call(sender: Sender) -> Box<Call> {
    Box::new(Call {
        target: stored(),
        message: "chat.say".to_owned(),
        epoch: EPOCH,
        sender,
    })
}

fn calls() -> Vec<Request> {
    let passage = Passage {
        instance: u64::MAX,
        number: 7,
        floor: 5,
        after: Some(6),
    };
    vec![
        Request::Call(call(Sender::Ask {
            passage,
            chain: vec![HASH],
            request: Some("request-1".to_owned()),
            key: Some(IdempotencyKey::new("key-1").unwrap()),
            remaining: Duration::from_millis(1_500),
        })),
        Request::Call(call(Sender::Outbox { source: 513, id: SEND })),
    ]
}

fn operations() -> Vec<Operation> {
    let names = Names {
        class: CLASS,
        tenant: tenant(),
        query: DirectoryQuery {
            prefix: "g".to_owned(),
            after: Some("general".to_owned()),
            limit: 300,
        },
        limit: 300,
    };
    let page = DeadLetterPage {
        query: DeadLetterQuery {
            tenant: Some(tenant()),
            receiver: None,
            after: None,
            limit: 300,
        },
        after: Some(SEND),
        limit: 300,
    };
    vec![
        names.into(),
        Tenants {
            classes: vec![CLASS],
            after: Some(tenant()),
            limit: 300,
        }
        .into(),
        Count {
            class: CLASS,
            tenant: Some(tenant()),
            limit: 300,
        }
        .into(),
        IsErased(CLASS).into(),
        page.into(),
        ReadDeadLetter(SEND).into(),
        RemoveDeadLetter {
            id: SEND,
            removal: Removal::Discard,
        }
        .into(),
        Inspect(stored()).into(),
        Live(stored()).into(),
        Values {
            address: stored(),
            after: Some("key".to_owned()),
            limit: 300,
        }
        .into(),
        Passivate(stored()).into(),
        Nothing.into(),
        Roll {
            gateway: NodeId::new(258),
            instance: 513,
            after: 7,
            to: 300,
            open: vec![8, 300],
            connecting: vec![9],
        }
        .into(),
    ]
}

fn copies() -> Vec<Asked> {
    let span = (Bound::Included(vec![1, 2]), Bound::Excluded(vec![3]));
    vec![
        Asked::Rows {
            spans: vec![span, (Bound::Unbounded, Bound::Unbounded)],
            limit: 300,
        },
        Asked::Log { from: 258, offset: 7 },
        Asked::Rest { token: 9 },
        Asked::GoOn { token: 9 },
    ]
}

fn restores() -> Vec<Restoring> {
    vec![
        Restoring::Hold {
            token: 9,
            held: Held::Tenant(tenant()),
        },
        Restoring::Hold {
            token: 9,
            held: Held::Actor(HASH),
        },
        Restoring::Release { token: 9 },
        Restoring::Part {
            token: 9,
            number: 2,
            part: 1,
        },
        Restoring::Write {
            token: 9,
            number: 2,
            parts: 1,
            shard: 513,
            epoch: Some(EPOCH),
            wakes: (true, false),
        },
    ]
}

fn requests() -> Vec<Request> {
    let mut requests = calls();
    requests.push(Request::Meta(Meta::Get { key: vec![1, 2] }));
    requests.push(Request::Meta(Meta::PutIfAbsent {
        key: vec![1, 2],
        value: vec![3],
    }));
    requests.push(Request::Leaders);
    let operation = |operation| Request::Operation { shard: 513, operation };
    requests.extend(operations().into_iter().map(operation));
    requests.extend(copies().into_iter().map(|asked| Request::Copy { group: 258, asked }));
    requests.extend(restores().into_iter().map(Request::Restoring));
    requests.push(Request::Confirm(vec![1, 513]));
    requests.push(Request::Look {
        shard: 513,
        behind: 300,
        operation: Nothing.into(),
    });
    let accounts = [
        Shown::Nobody,
        Shown::Holder("shown".to_owned()),
        Shown::Vouched("shown".to_owned()),
    ];
    requests.extend(accounts.map(|account| Request::CallFor {
        call: call(Sender::Outbox { source: 513, id: SEND }),
        account,
    }));
    let deliver = Request::Deliver {
        instance: u64::MAX,
        number: 7,
    };
    requests.extend([deliver, Request::Instance]);
    requests.push(Request::AutoResponded {
        instance: u64::MAX,
        number: 7,
    });
    requests
}

fn answers() -> Vec<Answer> {
    let error = || ActorError::conflict("chat.closed", "the chat is closed");
    let faults = [
        Fault::Handler(error()),
        Fault::Foreign(error()),
        Fault::Activation(error()),
        Fault::Panic,
        Fault::Overloaded("full".into()),
        Fault::Unavailable,
        Fault::Unknown,
        Fault::Refused(error()),
    ];
    let given = [
        Given::Rows {
            head: vec![1, 2],
            epoch: EPOCH,
            done: 1,
            after: Some(vec![3]),
        },
        Given::Log { left: 300 },
        Given::Gone,
        Given::Resting { head: vec![1, 2] },
        Given::WentOn(true),
        Given::Restless,
    ];
    let kept = [
        Kept::Holding { is_new: true },
        Kept::Done,
        Kept::Written(EPOCH),
        Kept::NotHeld,
        Kept::NotOwner,
        Kept::Doubtful,
    ];
    let mut answers = vec![Answer::Reply, Answer::Done];
    answers.extend(faults.map(Answer::Fault));
    answers.extend([
        Answer::NotLeader(Some(leader())),
        Answer::NotLeader(None),
        Answer::Early,
        Answer::Late,
        Answer::Unreadable,
        Answer::Row(Some(vec![1, 2])),
        Answer::Failed(error()),
        Answer::Leaders(vec![(513, leader())]),
        Answer::Output,
    ]);
    answers.extend(given.map(Answer::Given));
    answers.extend(kept.map(Answer::Kept));
    answers.extend([Answer::Confirmed(vec![(513, 300)]), Answer::Seen(300)]);
    answers.extend([Answer::Delivered(vec![SOCKET]), Answer::Instance(u64::MAX)]);
    let moment = Timestamp::from_millis(1_700_000_000_123);
    answers.extend([None, Some(moment)].map(Answer::AutoResponded));
    answers
}

/// The name of the line. It has no arm for everything else, so that whoever adds a variant comes by here.
fn asked(request: &Request) -> &'static str {
    match request {
        Request::Call(call) => match call.sender {
            Sender::Ask { .. } => "call-ask",
            Sender::Outbox { .. } => "call-outbox",
        },
        Request::Meta(Meta::Get { .. }) => "meta-get",
        Request::Meta(Meta::PutIfAbsent { .. }) => "meta-put-if-absent",
        Request::Leaders => "leaders",
        Request::Operation { operation, .. } => match operation {
            Operation::Names(_) => "names",
            Operation::Tenants(_) => "tenants",
            Operation::Count(_) => "count",
            Operation::IsErased(_) => "is-erased",
            Operation::DeadLetters(_) => "dead-letters",
            Operation::DeadLetter(_) => "dead-letter",
            Operation::RemoveDeadLetter(_) => "remove-dead-letter",
            Operation::Inspect(_) => "inspect",
            Operation::Live(_) => "live",
            Operation::Values(_) => "values",
            Operation::Passivate(_) => "passivate",
            Operation::Nothing(_) => "nothing",
            Operation::Roll(_) => "roll",
        },
        Request::Copy { asked, .. } => match asked {
            Asked::Rows { .. } => "copy-rows",
            Asked::Log { .. } => "copy-log",
            Asked::Rest { .. } => "copy-rest",
            Asked::GoOn { .. } => "copy-go-on",
        },
        Request::Restoring(restoring) => match restoring {
            Restoring::Hold {
                held: Held::Tenant(_), ..
            } => "restoring-hold-tenant",
            Restoring::Hold {
                held: Held::Actor(_), ..
            } => "restoring-hold-actor",
            Restoring::Release { .. } => "restoring-release",
            Restoring::Part { .. } => "restoring-part",
            Restoring::Write { .. } => "restoring-write",
        },
        Request::Confirm(_) => "confirm",
        Request::Look { .. } => "look",
        Request::CallFor { account, .. } => match account {
            Shown::Nobody => "call-for-nobody",
            Shown::Holder(_) => "call-for-holder",
            Shown::Vouched(_) => "call-for-vouched",
        },
        Request::Deliver { .. } => "deliver",
        Request::Instance => "instance",
        Request::AutoResponded { .. } => "auto-responded",
    }
}

fn answered(answer: &Answer) -> &'static str {
    match answer {
        Answer::Reply => "reply",
        Answer::Done => "done",
        Answer::Fault(fault) => match fault {
            Fault::Handler(_) => "fault-handler",
            Fault::Foreign(_) => "fault-foreign",
            Fault::Activation(_) => "fault-activation",
            Fault::Panic => "fault-panic",
            Fault::Overloaded(_) => "fault-overloaded",
            Fault::Unavailable => "fault-unavailable",
            Fault::Unknown => "fault-unknown",
            Fault::Refused(_) => "fault-refused",
        },
        Answer::NotLeader(Some(_)) => "not-leader-hint",
        Answer::NotLeader(None) => "not-leader",
        Answer::Early => "early",
        Answer::Late => "late",
        Answer::Unreadable => "unreadable",
        Answer::Row(_) => "row",
        Answer::Failed(_) => "failed",
        Answer::Leaders(_) => "leaders",
        Answer::Output => "output",
        Answer::Given(given) => match given {
            Given::Rows { .. } => "given-rows",
            Given::Log { .. } => "given-log",
            Given::Gone => "given-gone",
            Given::Resting { .. } => "given-resting",
            Given::WentOn(_) => "given-went-on",
            Given::Restless => "given-restless",
        },
        Answer::Kept(kept) => match kept {
            Kept::Holding { .. } => "kept-holding",
            Kept::Done => "kept-done",
            Kept::Written(_) => "kept-written",
            Kept::NotHeld => "kept-not-held",
            Kept::NotOwner => "kept-not-owner",
            Kept::Doubtful => "kept-doubtful",
        },
        Answer::Confirmed(_) => "confirmed",
        Answer::Seen(_) => "seen",
        Answer::Delivered(_) => "delivered",
        Answer::Instance(_) => "instance",
        Answer::AutoResponded(None) => "never-auto-responded",
        Answer::AutoResponded(Some(_)) => "auto-responded",
    }
}

#[test]
fn requests_keep_their_bytes() {
    let requests = requests();
    let written = requests.iter().map(|request| (asked(request), request.encode(CONTENT)));
    let golden = golden::check(
        include_str!("../../../tests/golden/requests.txt"),
        &written.collect::<Vec<_>>(),
    );
    assert_eq!(golden.len(), requests.len(), "each has a line of its own");
    for request in requests {
        let (read, content) = Request::decode(&golden[asked(&request)]).unwrap();
        assert_eq!((format!("{read:?}"), &*content), (format!("{request:?}"), CONTENT));
    }
}

#[test]
fn answers_keep_their_bytes() {
    let answers = answers();
    let written = answers.iter().map(|answer| (answered(answer), answer.encode(CONTENT)));
    let golden = golden::check(
        include_str!("../../../tests/golden/answers.txt"),
        &written.collect::<Vec<_>>(),
    );
    assert_eq!(golden.len(), answers.len(), "each has a line of its own");
    for answer in answers {
        let (read, content) = Answer::decode(&golden[answered(&answer)]).unwrap();
        assert_eq!((format!("{read:?}"), &*content), (format!("{answer:?}"), CONTENT));
    }
}

/// A node says so to what it cannot read, and has done nothing: so an older one can be asked what only a newer one knows.
#[test]
fn what_a_later_version_asks_is_told_apart() {
    let leaders = Request::Leaders.encode(CONTENT);
    let mut later = leaders.to_vec();
    // Behind the length and the version.
    later[5] = 200;
    assert!(Request::decode(&Bytes::from(later)).is_none());
    let mut other = leaders.to_vec();
    other[4] += 1;
    assert!(Request::decode(&Bytes::from(other)).is_none());
}
