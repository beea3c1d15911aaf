//! The bytes of what nodes say about the cluster itself: while it is upgraded, a node of this version must be understood by
//! one of the next. A new variant gets a name and a line of its own; a line never changes.

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::{
    Timestamp, golden,
    members::{
        node::{Addresses, NodeAddress, Role, Zone},
        overview::{GroupOverview, Move, MoveOutcome, NodeOverview},
    },
    node_name::NodeName,
};

const CLUSTER: ClusterId = ClusterId::new(Uuid::from_bytes([0xA5; 16]));
const NODE: NodeId = NodeId::new(258);

fn name() -> NodeName {
    NodeName::new("a").unwrap()
}

fn addresses() -> Addresses {
    let address = |text| NodeAddress::new(text).unwrap();
    Addresses {
        raft: address("10.0.0.1:7001"),
        requests: address("10.0.0.1:7002"),
        http: Some(address("10.0.0.1:80")),
    }
}

fn zone() -> Option<Zone> {
    Some(Zone::new("z").unwrap())
}

fn member() -> Member {
    Member {
        id: NODE,
        name: name(),
        addresses: addresses(),
        role: Role::Replica,
        zone: zone(),
        state: MemberState::Up,
        format: 300,
        token: Uuid::from_bytes([0x5A; 16]),
    }
}

fn group() -> GroupReport {
    GroupReport {
        shard: Some(7),
        term: 300,
        leader: Some(NODE),
        voters: BTreeSet::from([NodeId::new(1), NODE]),
        learners: BTreeSet::from([NodeId::new(3)]),
        is_changing: true,
        epoch: Some(301),
        applied: Some(302),
        last: Some(303),
        lag: Some(BTreeMap::from([(NodeId::new(1), 4)])),
    }
}

fn overview() -> Overview {
    let step = |outcome| Move {
        shard: Some(7),
        what: "copy to node 3".to_owned(),
        why: "it has 2 of 3 copies".to_owned(),
        began: Timestamp::from_millis(1_700_000_000_123),
        outcome,
    };
    Overview {
        cluster: CLUSTER,
        leader: NODE,
        format: 300,
        nodes: vec![NodeOverview {
            id: NODE,
            name: name(),
            addresses: addresses(),
            role: Role::Gateway,
            zone: zone(),
            state: MemberState::Draining,
            format: 300,
            heard: Some(Duration::from_millis(1_500)),
            alive: true,
            shards: 5,
            leads: 2,
            drained: false,
            why: vec!["why".to_owned()],
        }],
        groups: vec![GroupOverview {
            shard: None,
            leader: Some(NODE),
            epoch: Some(301),
            voters: vec![NodeId::new(1), NODE],
            learners: vec![NodeId::new(3)],
            lag: BTreeMap::from([(NodeId::new(1), 4)]),
            applied: Some(302),
            last: Some(303),
        }],
        moves: vec![step(None)],
        history: vec![
            step(Some(MoveOutcome::Done(Duration::from_millis(40)))),
            step(Some(MoveOutcome::Failed("no".to_owned()))),
        ],
        notes: vec!["note".to_owned()],
    }
}

fn letters() -> Vec<Letter> {
    let take = |action| {
        Request::Take(Take {
            shard: Some(7),
            action,
            term: 300,
            voters: BTreeSet::from([NODE]),
        })
    };
    let join = Request::Join {
        node: Introduction {
            name: name(),
            addresses: addresses(),
            role: Role::Replica,
            zone: zone(),
            format: 300,
            token: Uuid::from_bytes([0x5A; 16]),
        },
        cluster: Some(CLUSTER),
    };
    let requests = [
        join,
        Request::Table,
        Request::Report,
        take(Action::AddLearner(NODE)),
        take(Action::DropLearner(NODE)),
        take(Action::ChangeVoters(BTreeSet::from([NodeId::new(1), NODE]))),
        take(Action::TransferLeader(NODE)),
        Request::Move {
            node: NODE,
            to: MemberState::Removing,
        },
        Request::Overview,
    ];
    let letter = |request| Letter { request, passed: true };
    requests.map(letter).to_vec()
}

fn answers() -> Vec<Answer> {
    let refusals = [
        TableError::NameTaken { name: name(), by: NODE },
        TableError::Removed(NODE),
        TableError::Unknown(NODE),
        TableError::TooOld(name(), 1, 2),
        TableError::Leaving(NODE),
        TableError::Full,
    ];
    let mut answers = vec![Answer::Joined(Joined {
        cluster: CLUSTER,
        node: NODE,
        shards: 16,
        members: vec![member()],
    })];
    answers.extend(refusals.map(|refusal| Answer::Refused(Refusal::Table(refusal))));
    answers.extend([
        Answer::Refused(Refusal::OtherCluster {
            asked: CLUSTER,
            this: CLUSTER,
        }),
        Answer::Refused(Refusal::Needed {
            node: NODE,
            why: "why".to_owned(),
        }),
        Answer::NotLeader(Some(NODE)),
        Answer::Table(vec![member()]),
        Answer::Report(vec![group()]),
        Answer::Taken(Ok(())),
        Answer::Taken(Err("no".to_owned())),
        Answer::Moved,
        Answer::Overview(Box::new(overview())),
        Answer::Failed("no".to_owned()),
        Answer::Unreadable,
        Answer::Leaving(vec![group()]),
    ]);
    answers
}

/// The name of the line. It has no arm for everything else, so that whoever adds a variant comes by here.
fn asked(letter: &Letter) -> &'static str {
    match &letter.request {
        Request::Join { .. } => "join",
        Request::Table => "table",
        Request::Report => "report",
        Request::Take(take) => match take.action {
            Action::AddLearner(_) => "take-add-learner",
            Action::DropLearner(_) => "take-drop-learner",
            Action::ChangeVoters(_) => "take-change-voters",
            Action::TransferLeader(_) => "take-transfer-leader",
        },
        Request::Move { .. } => "move",
        Request::Overview => "overview",
    }
}

fn answered(answer: &Answer) -> &'static str {
    match answer {
        Answer::Joined(_) => "joined",
        Answer::Refused(refusal) => match refusal {
            Refusal::Table(error) => match error {
                TableError::NameTaken { .. } => "refused-name-taken",
                TableError::Removed(_) => "refused-removed",
                TableError::Unknown(_) => "refused-unknown",
                TableError::TooOld(..) => "refused-too-old",
                TableError::Leaving(_) => "refused-leaving",
                TableError::Full => "refused-full",
            },
            Refusal::OtherCluster { .. } => "refused-other-cluster",
            Refusal::Needed { .. } => "refused-needed",
        },
        Answer::NotLeader(_) => "not-leader",
        Answer::Table(_) => "table",
        Answer::Report(_) => "report",
        Answer::Taken(Ok(())) => "taken",
        Answer::Taken(Err(_)) => "not-taken",
        Answer::Moved => "moved",
        Answer::Overview(_) => "overview",
        Answer::Failed(_) => "failed",
        Answer::Unreadable => "unreadable",
        Answer::Leaving(_) => "leaving",
    }
}

#[test]
fn letters_keep_their_bytes() {
    let letters = letters();
    let written = letters.iter().map(|letter| (asked(letter), letter.encode()));
    let golden = golden::check(
        include_str!("../../../tests/golden/letters.txt"),
        &written.collect::<Vec<_>>(),
    );
    assert_eq!(golden.len(), letters.len(), "each has a line of its own");
    for letter in letters {
        let read = Letter::decode(&golden[asked(&letter)]).unwrap();
        assert_eq!(format!("{read:?}"), format!("{letter:?}"));
    }
}

#[test]
fn answers_to_letters_keep_their_bytes() {
    let answers = answers();
    let written = answers.iter().map(|answer| (answered(answer), answer.encode()));
    let golden = golden::check(
        include_str!("../../../tests/golden/letter-answers.txt"),
        &written.collect::<Vec<_>>(),
    );
    assert_eq!(golden.len(), answers.len(), "each has a line of its own");
    for answer in answers {
        let read = Answer::decode(&golden[answered(&answer)]).unwrap();
        assert_eq!(format!("{read:?}"), format!("{answer:?}"));
    }
}
