//! What the nodes say to each other about their groups, as bytes.
//!
//! Written by hand like the records on disk: a version, the group, a tag, the fields, and a CRC-32 of all that. Nodes of
//! two versions talk to each other while a cluster is upgraded, so a form that was published stays readable.

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};

use super::codec::{
    self, CodecError, finish, put_bytes, put_count, put_leader, put_log_id, put_option, seal, take_bytes, take_flag,
    take_leader, take_log_id, take_option, take_u8, take_u32, take_u64, unseal,
};
use super::types::{LogId, Types, Vote};
use crate::peers::NodeId;

const VERSION: u8 = 1;

/// What is asked of the member of a group on another node.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The node that is meant: an address may have been given to another one.
    pub(crate) to: NodeId,
    /// 0 is the meta group, shard n is n + 1.
    pub(crate) group: u32,
    pub(crate) call: Call,
}

/// The calls.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<Types>),
    PreVote(VoteRequest<Types>),
    Transfer(TransferLeaderRequest<Types>),
    Part(Part),
}

/// A piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Under which vote the sender leads.
    pub(crate) vote: Vote,
    pub(crate) snapshot: SnapshotId,
    /// Where in the snapshot it belongs.
    pub(crate) offset: u64,
    /// None to ask how far the receiver is.
    pub(crate) bytes: Bytes,
}

/// Tells a snapshot from every other one of its group: two that end with the same entry need not have the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotId {
    /// The last entry it contains.
    pub(crate) applied: LogId,
    /// How long it is.
    pub(crate) bytes: u64,
    /// A sum over its contents.
    pub(crate) sum: u64,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Response {
    Append(AppendEntriesResponse<Types>),
    Vote(VoteResponse<Types>),
    Transfer(TransferLeaderResponse<Types>),
    Part(Progress),
    Refused(Refusal),
}

/// How far the receiver of a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It has everything before this offset.
    Next(u64),
    /// It receives another snapshot.
    Busy,
    /// It has everything, and is about to make it its state.
    Installing,
    /// It has made it its state, or needs none that old; its vote may be higher than that of the sender.
    Installed(Vote),
    /// What it received was damaged, or could not be kept.
    Failed,
}

/// Why a node does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it cannot read the request")]
    Unreadable,
    #[error("the request was for another node")]
    Misdirected,
    #[error("it does not know the group")]
    UnknownGroup,
    #[error("it does not vote yet")]
    NoVote,
    #[error("it is stopping")]
    Stopping,
    #[error("its log lacks entries that it once had")]
    LostLog,
}

impl Request {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(128 + self.call.size());
        out.push(VERSION);
        out.extend(self.to.get().to_be_bytes());
        out.extend(self.group.to_be_bytes());
        match &self.call {
            Call::Append(append) => {
                out.push(1);
                put_append(&mut out, append);
            }
            Call::Vote(vote) => {
                out.push(2);
                put_vote_request(&mut out, vote);
            }
            Call::PreVote(vote) => {
                out.push(3);
                put_vote_request(&mut out, vote);
            }
            Call::Transfer(transfer) => {
                out.push(4);
                put_vote(&mut out, transfer.from_leader());
                out.extend(transfer.to_node_id().to_be_bytes());
                put_option(&mut out, transfer.last_log_id(), put_log_id);
            }
            Call::Part(part) => {
                out.push(5);
                put_vote(&mut out, &part.vote);
                put_log_id(&mut out, &part.snapshot.applied);
                for number in [part.snapshot.bytes, part.snapshot.sum, part.offset] {
                    out.extend(number.to_be_bytes());
                }
                put_bytes(&mut out, &part.bytes);
            }
        }
        seal(out).into()
    }

    pub(crate) fn decode(record: Bytes) -> Result<Self, CodecError> {
        let mut input = open(record)?;
        let to = NodeId::new(take_u64(&mut input)?);
        let group = take_u32(&mut input)?;
        let call = match take_u8(&mut input)? {
            1 => Call::Append(take_append(&mut input)?),
            2 => Call::Vote(take_vote_request(&mut input)?),
            3 => Call::PreVote(take_vote_request(&mut input)?),
            4 => Call::Transfer(TransferLeaderRequest::new(
                take_vote(&mut input)?,
                take_u64(&mut input)?,
                take_option(&mut input, take_log_id)?,
            )),
            5 => Call::Part(Part {
                vote: take_vote(&mut input)?,
                snapshot: SnapshotId {
                    applied: take_log_id(&mut input)?,
                    bytes: take_u64(&mut input)?,
                    sum: take_u64(&mut input)?,
                },
                offset: take_u64(&mut input)?,
                bytes: take_bytes(&mut input)?,
            }),
            tag => return Err(CodecError::Tag(tag)),
        };
        finish(&input)?;
        Ok(Self { to, group, call })
    }
}

impl Call {
    /// About how many bytes it takes.
    fn size(&self) -> usize {
        match self {
            Self::Append(append) => append.entries.iter().map(super::log::size).sum(),
            Self::Part(part) => part.bytes.len(),
            Self::Vote(_) | Self::PreVote(_) | Self::Transfer(_) => 0,
        }
    }
}

impl Response {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        match self {
            Self::Append(AppendEntriesResponse::Success) => out.push(1),
            Self::Append(AppendEntriesResponse::PartialSuccess(upto)) => {
                out.push(2);
                put_option(&mut out, upto.as_ref(), put_log_id);
            }
            Self::Append(AppendEntriesResponse::Conflict) => out.push(3),
            Self::Append(AppendEntriesResponse::HigherVote(vote)) => {
                out.push(4);
                put_vote(&mut out, vote);
            }
            Self::Vote(answer) => {
                out.push(5);
                put_vote(&mut out, &answer.vote);
                out.push(u8::from(answer.vote_granted));
                put_option(&mut out, answer.last_log_id.as_ref(), put_log_id);
            }
            Self::Transfer(Ok(())) => out.push(6),
            Self::Transfer(Err(TransferLeaderError::VoteChanged { expected, actual })) => {
                out.push(7);
                put_vote(&mut out, expected);
                put_vote(&mut out, actual);
            }
            Self::Transfer(Err(TransferLeaderError::LogNotFlushed { expected, actual })) => {
                out.push(8);
                put_option(&mut out, expected.as_ref(), put_log_id);
                put_option(&mut out, actual.as_ref(), put_log_id);
            }
            Self::Part(Progress::Next(offset)) => {
                out.push(9);
                out.extend(offset.to_be_bytes());
            }
            Self::Part(Progress::Busy) => out.push(10),
            Self::Part(Progress::Installing) => out.push(11),
            Self::Part(Progress::Installed(vote)) => {
                out.push(12);
                put_vote(&mut out, vote);
            }
            Self::Part(Progress::Failed) => out.push(13),
            Self::Refused(refusal) => {
                out.push(14);
                out.push(refusal.tag());
            }
        }
        seal(out).into()
    }

    pub(crate) fn decode(record: Bytes) -> Result<Self, CodecError> {
        let mut input = open(record)?;
        let answer = match take_u8(&mut input)? {
            1 => Self::Append(AppendEntriesResponse::Success),
            2 => Self::Append(AppendEntriesResponse::PartialSuccess(take_option(
                &mut input,
                take_log_id,
            )?)),
            3 => Self::Append(AppendEntriesResponse::Conflict),
            4 => Self::Append(AppendEntriesResponse::HigherVote(take_vote(&mut input)?)),
            5 => Self::Vote(VoteResponse {
                vote: take_vote(&mut input)?,
                vote_granted: take_flag(&mut input)?,
                last_log_id: take_option(&mut input, take_log_id)?,
            }),
            6 => Self::Transfer(Ok(())),
            7 => Self::Transfer(Err(TransferLeaderError::VoteChanged {
                expected: take_vote(&mut input)?,
                actual: take_vote(&mut input)?,
            })),
            8 => Self::Transfer(Err(TransferLeaderError::LogNotFlushed {
                expected: take_option(&mut input, take_log_id)?,
                actual: take_option(&mut input, take_log_id)?,
            })),
            9 => Self::Part(Progress::Next(take_u64(&mut input)?)),
            10 => Self::Part(Progress::Busy),
            11 => Self::Part(Progress::Installing),
            12 => Self::Part(Progress::Installed(take_vote(&mut input)?)),
            13 => Self::Part(Progress::Failed),
            14 => Self::Refused(Refusal::of(take_u8(&mut input)?)?),
            tag => return Err(CodecError::Tag(tag)),
        };
        finish(&input)?;
        Ok(answer)
    }
}

impl Refusal {
    fn tag(self) -> u8 {
        match self {
            Self::Unreadable => 1,
            Self::Misdirected => 2,
            Self::UnknownGroup => 3,
            Self::NoVote => 4,
            Self::Stopping => 5,
            Self::LostLog => 6,
        }
    }

    fn of(tag: u8) -> Result<Self, CodecError> {
        Ok(match tag {
            1 => Self::Unreadable,
            2 => Self::Misdirected,
            3 => Self::UnknownGroup,
            4 => Self::NoVote,
            5 => Self::Stopping,
            6 => Self::LostLog,
            tag => return Err(CodecError::Tag(tag)),
        })
    }
}

fn open(record: Bytes) -> Result<Bytes, CodecError> {
    let mut record = unseal(record)?;
    match take_u8(&mut record)? {
        VERSION => Ok(record),
        version => Err(CodecError::Version(version)),
    }
}

fn put_append(out: &mut Vec<u8>, append: &AppendEntriesRequest<Types>) {
    put_vote(out, &append.vote);
    put_option(out, append.prev_log_id.as_ref(), put_log_id);
    put_option(out, append.leader_commit.as_ref(), put_log_id);
    put_count(out, append.entries.len());
    for entry in &append.entries {
        put_bytes(out, &codec::entry(entry));
    }
}

fn take_append(input: &mut Bytes) -> Result<AppendEntriesRequest<Types>, CodecError> {
    let vote = take_vote(input)?;
    let prev_log_id = take_option(input, take_log_id)?;
    let leader_commit = take_option(input, take_log_id)?;
    let count = take_u32(input)?;
    let entries = (0..count)
        .map(|_| codec::read_entry(take_bytes(input)?))
        .collect::<Result<_, _>>()?;
    Ok(AppendEntriesRequest {
        vote,
        prev_log_id,
        entries,
        leader_commit,
    })
}

fn put_vote_request(out: &mut Vec<u8>, request: &VoteRequest<Types>) {
    put_vote(out, &request.vote);
    put_option(out, request.last_log_id.as_ref(), put_log_id);
    out.push(u8::from(request.leadership_transfer));
}

fn take_vote_request(input: &mut Bytes) -> Result<VoteRequest<Types>, CodecError> {
    let mut request = VoteRequest::new(take_vote(input)?, take_option(input, take_log_id)?);
    request.leadership_transfer = take_flag(input)?;
    Ok(request)
}

fn put_vote(out: &mut Vec<u8>, vote: &Vote) {
    put_leader(out, &vote.leader_id);
    out.push(u8::from(vote.committed));
}

fn take_vote(input: &mut Bytes) -> Result<Vote, CodecError> {
    Ok(Vote {
        leader_id: take_leader(input)?,
        committed: take_flag(input)?,
    })
}
