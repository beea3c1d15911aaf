//! The bytes of what nodes say to each other: a node of this version must be understood by one of the next.

use openraft::EntryPayload;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, VoteRequest, VoteResponse,
};

use super::*;
use crate::consensus::codec::CodecError;
use crate::consensus::rpc::{Call, Part, Progress, Refusal, Request, Response, SnapshotId};
use crate::consensus::types::{Command, Entry, LeaderId, LogId, Vote};
use crate::golden;

fn id(index: u64) -> LogId {
    LogId {
        leader_id: LeaderId { term: 3, node_id: 7 },
        index,
    }
}

fn vote(committed: bool) -> Vote {
    Vote {
        leader_id: LeaderId { term: 4, node_id: 7 },
        committed,
    }
}

fn calls() -> Vec<(&'static str, Call)> {
    let entry = |index, payload| Entry {
        log_id: id(index),
        payload,
    };
    let append = AppendEntriesRequest {
        vote: vote(true),
        prev_log_id: Some(id(4)),
        entries: vec![
            entry(5, EntryPayload::Blank),
            entry(6, EntryPayload::Normal(Command::Own { node: 7 })),
        ],
        leader_commit: Some(id(3)),
    };
    let heartbeat = AppendEntriesRequest {
        vote: vote(true),
        prev_log_id: None,
        entries: Vec::new(),
        leader_commit: None,
    };
    let mut transferred = VoteRequest::new(vote(false), None);
    transferred.leadership_transfer = true;
    let part = Part {
        vote: vote(true),
        snapshot: SnapshotId {
            applied: id(9),
            bytes: 1 << 33,
            sum: 0xABCD_EF01_2345_6789,
        },
        offset: 1 << 20,
        bytes: Bytes::from_static(b"piece"),
    };
    vec![
        ("append", Call::Append(append)),
        ("heartbeat", Call::Append(heartbeat)),
        ("vote", Call::Vote(VoteRequest::new(vote(false), Some(id(9))))),
        ("pre-vote", Call::PreVote(transferred)),
        (
            "transfer",
            Call::Transfer(TransferLeaderRequest::new(vote(true), 8, Some(id(9)))),
        ),
        ("part", Call::Part(part)),
    ]
}

fn responses() -> Vec<(&'static str, Response)> {
    let changed = TransferLeaderError::VoteChanged {
        expected: vote(true),
        actual: vote(false),
    };
    let unflushed = TransferLeaderError::LogNotFlushed {
        expected: Some(id(9)),
        actual: None,
    };
    vec![
        ("appended", Response::Append(AppendEntriesResponse::Success)),
        (
            "appended-part",
            Response::Append(AppendEntriesResponse::PartialSuccess(Some(id(5)))),
        ),
        ("conflict", Response::Append(AppendEntriesResponse::Conflict)),
        (
            "higher-vote",
            Response::Append(AppendEntriesResponse::HigherVote(vote(false))),
        ),
        (
            "voted",
            Response::Vote(VoteResponse::new(vote(false), Some(id(9)), true)),
        ),
        ("transferred", Response::Transfer(Ok(()))),
        ("vote-changed", Response::Transfer(Err(changed))),
        ("not-flushed", Response::Transfer(Err(unflushed))),
        ("next", Response::Part(Progress::Next(1 << 21))),
        ("busy", Response::Part(Progress::Busy)),
        ("installing", Response::Part(Progress::Installing)),
        ("installed", Response::Part(Progress::Installed(vote(true)))),
        ("failed", Response::Part(Progress::Failed)),
        ("unreadable", Response::Refused(Refusal::Unreadable)),
        ("misdirected", Response::Refused(Refusal::Misdirected)),
        ("unknown-group", Response::Refused(Refusal::UnknownGroup)),
        ("no-vote", Response::Refused(Refusal::NoVote)),
        ("stopping", Response::Refused(Refusal::Stopping)),
        ("lost-log", Response::Refused(Refusal::LostLog)),
    ]
}

fn request(call: Call) -> Request {
    Request {
        to: NodeId::new(8),
        group: 258,
        call,
    }
}

#[test]
fn calls_keep_their_bytes() {
    let written = calls()
        .into_iter()
        .map(|(name, call)| (name, request(call).encode()))
        .collect::<Vec<_>>();
    let golden = golden::check(include_str!("../../../tests/golden/calls.txt"), &written);
    for (name, call) in calls() {
        let read = Request::decode(golden[name].clone()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", request(call)));
    }
}

#[test]
fn responses_keep_their_bytes() {
    let written = responses()
        .into_iter()
        .map(|(name, response)| (name, response.encode()))
        .collect::<Vec<_>>();
    let golden = golden::check(include_str!("../../../tests/golden/responses.txt"), &written);
    for (name, response) in responses() {
        assert_eq!(Response::decode(golden[name].clone()).unwrap(), response);
    }
}

#[test]
fn what_was_damaged_on_the_way_is_noticed() {
    for (_, call) in calls() {
        let record = request(call).encode();
        for bit in 0..record.len() * 8 {
            let mut torn = record.to_vec();
            torn[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Request::decode(torn.into()).unwrap_err(), CodecError::Checksum);
        }
        for length in 0..record.len() {
            assert!(Request::decode(record.slice(..length)).is_err());
        }
    }
}
