//! Snapshots on their way to another node.

use std::ops::Bound;
use std::time::Duration;

use super::nodes::*;
use super::*;
use crate::consensus::group::Group;
use crate::consensus::reception::IDLE;
use crate::consensus::rpc::{Call, Part, Progress, Request, Response, SnapshotId};
use crate::consensus::types::{LeaderId, Vote};
use crate::peers::Lane;
use crate::shard::Extent;
use crate::store::{Image, ImageSource, Images};
use crate::testing::Weather;

async fn fill(nodes: &mut Nodes, from: u32, to: u32) {
    for n in from..to {
        nodes.write(SHARD, &format!("{n:03}"), &"x".repeat(100_000)).await;
    }
}

fn bad_weather(nodes: &Nodes) {
    nodes.network.set_weather(Weather {
        delay: Duration::from_micros(50)..=Duration::from_millis(10),
        loss: 0.1,
        repeat: 0.2,
    });
}

fn was_installed(nodes: &Nodes, id: NodeId) -> bool {
    let group = nodes.group(id, SHARD);
    group.snapshot_applied().is_some() && group.log().purged().is_some()
}

#[tokio::test(start_paused = true)]
async fn a_new_member_receives_a_snapshot_although_pieces_are_lost() {
    let mut nodes = Nodes::forgetful(20, 1).await;
    fill(&mut nodes, 0, 60).await;
    nodes.snapshot(node(1)).await;
    bad_weather(&nodes);
    let nodes = nodes.grown(2).await;
    assert!(was_installed(&nodes, node(2)));
    nodes.agree(SHARD).await;
    nodes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_away_for_long_receives_a_snapshot() {
    let mut nodes = Nodes::forgetful(21, 1).await.grown(3).await;
    let leader = nodes.leader(SHARD).await;
    let away = nodes.running().into_iter().find(|id| *id != leader).unwrap();
    nodes.crash(away).await;
    fill(&mut nodes, 0, 40).await;
    nodes.snapshot(leader).await;
    fill(&mut nodes, 40, 50).await;
    bad_weather(&nodes);
    nodes.start(away, false).await.unwrap();
    nodes.agree(SHARD).await;
    assert!(was_installed(&nodes, away));
    // What was received is durable.
    nodes.restart(away).await;
    nodes.agree(SHARD).await;
    nodes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_has_come_as_far_as_its_owner_when_a_snapshot_is_in_place() {
    let mut nodes = Nodes::forgetful(24, 1).await.grown(3).await;
    let leader = nodes.leader(SHARD).await;
    let away = nodes.running().into_iter().find(|id| *id != leader).unwrap();
    nodes.crash(away).await;
    fill(&mut nodes, 0, 40).await;
    nodes.snapshot(leader).await;
    let owner = Arc::clone(nodes.group(leader, SHARD));
    let Extent { applied, logged, .. } = owner.extent().unwrap();
    assert_eq!(Some((applied, logged)), owner.status().applied.zip(owner.status().last));
    bad_weather(&nodes);
    nodes.start(away, false).await.unwrap();
    let copy = nodes.group(away, SHARD);
    let edition = copy.state().edition();
    assert!(copy.extent().is_none_or(|extent| extent.applied < applied));
    let reached = async {
        loop {
            // It may not have heard of a leader yet.
            match copy.reached(applied).await {
                Some(extent) => return extent,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(60), reached).await.unwrap();
    assert!(reached.applied >= applied && edition.is_some() && Some(reached.edition) != edition);
    let rows = |group: &Group| {
        let everything = (Bound::Included(Bytes::from_static(&[1])), Bound::Unbounded);
        group.scan(everything, false, usize::MAX).unwrap()
    };
    assert_eq!(rows(copy), rows(&owner));
    assert_eq!(copy.extent().map(|extent| extent.edition), Some(reached.edition));
    nodes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_was_removed_is_not_waited_for() {
    let mut nodes = Nodes::of(25, 3, 1).await;
    let leader = nodes.leader(SHARD).await;
    nodes.write(SHARD, "a", "1").await;
    let copies = nodes.running().into_iter().filter(|id| *id != leader);
    let copies: Vec<_> = copies.map(|id| Arc::clone(nodes.group(id, SHARD))).collect();
    nodes.change(SHARD, self::nodes([leader.get()])).await;
    nodes.write(SHARD, "b", "1").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let Extent { applied, .. } = nodes.group(leader, SHARD).extent().unwrap();
    for copy in &copies {
        let extent = copy.extent().unwrap();
        assert!(extent.applied < applied);
        assert_eq!(copy.reached(applied).await, None);
        assert_eq!(
            copy.reached(extent.applied).await,
            Some(extent),
            "it is still what it was"
        );
    }
    nodes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_short_absence_needs_no_snapshot() {
    let mut nodes = Nodes::of(22, 3, 1).await;
    let leader = nodes.leader(SHARD).await;
    let away = nodes.running().into_iter().find(|id| *id != leader).unwrap();
    nodes.crash(away).await;
    fill(&mut nodes, 0, 40).await;
    nodes.snapshot(leader).await;
    assert!(nodes.group(leader, SHARD).log_bytes() > 3_000_000);
    nodes.start(away, false).await.unwrap();
    nodes.agree(SHARD).await;
    assert!(!was_installed(&nodes, away));
    nodes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_log_that_is_kept_for_others_is_bounded_and_goes_with_them() {
    let mut nodes = Nodes::of(23, 3, 1).await;
    let leader = nodes.leader(SHARD).await;
    fill(&mut nodes, 0, 150).await;
    nodes.snapshot(leader).await;
    let kept = nodes.group(leader, SHARD).log_bytes();
    assert!((6 << 20..9 << 20).contains(&kept), "{kept}");
    for group in nodes.groups() {
        let leader = nodes.leader(group).await;
        nodes.change(group, self::nodes([leader.get()])).await;
    }
    nodes.write(SHARD, "alone", "1").await;
    nodes.snapshot(leader).await;
    let kept = nodes.group(leader, SHARD).log_bytes();
    assert_eq!(kept, 0);
    nodes.shutdown().await;
}

/// A node with a snapshot of several pieces, and another one that waits for it.
struct Passage {
    nodes: Nodes,
    source: ImageSource,
    part: Part,
}

impl Passage {
    async fn of(seed: u64) -> Self {
        let mut nodes = Nodes::forgetful(seed, 1).await;
        fill(&mut nodes, 0, 35).await;
        nodes.snapshot(node(1)).await;
        nodes.start(node(2), false).await.unwrap();
        let image = nodes.image(node(1), SHARD);
        let source = ImageSource::open(&image).await.unwrap();
        let part = Part {
            vote: Vote {
                leader_id: LeaderId { term: 1, node_id: 1 },
                committed: true,
            },
            snapshot: SnapshotId {
                applied: nodes.group(node(1), SHARD).snapshot_applied().unwrap(),
                bytes: source.bytes(),
                sum: source.sum(),
            },
            offset: 0,
            bytes: Bytes::new(),
        };
        Self { nodes, source, part }
    }

    async fn send(&self, part: Part) -> Progress {
        let request = Request {
            to: node(2),
            group: SHARD,
            call: Call::Part(part),
        };
        let service = self.nodes.engine(node(2)).service();
        let answer = service.serve(node(1), Lane::Snapshot, request.encode()).await;
        match Response::decode(answer).unwrap() {
            Response::Part(progress) => progress,
            other => panic!("an answer to something else: {other:?}"),
        }
    }

    async fn piece(&mut self, offset: u64, length: usize) -> Part {
        Part {
            offset,
            bytes: self.source.part(offset, length).await.unwrap(),
            ..self.part.clone()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_goes_on_where_it_was_cut_off() {
    let mut passage = Passage::of(24).await;
    let whole = passage.part.snapshot.bytes;
    assert_eq!(passage.send(passage.part.clone()).await, Progress::Next(0));
    let first = passage.piece(0, 1 << 20).await;
    assert_eq!(passage.send(first.clone()).await, Progress::Next(1 << 20));
    // Repeated, overtaken, and asked anew.
    assert_eq!(passage.send(first).await, Progress::Next(1 << 20));
    let third = passage.piece(2 << 20, 1 << 20).await;
    assert_eq!(passage.send(third).await, Progress::Next(1 << 20));
    assert_eq!(passage.send(passage.part.clone()).await, Progress::Next(1 << 20));
    let rest = passage.piece(1 << 20, usize::MAX).await;
    assert_eq!(passage.send(rest).await, Progress::Installing);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(matches!(
        passage.send(passage.part.clone()).await,
        Progress::Installed(_)
    ));
    assert_eq!(passage.nodes.rows(node(2), SHARD), passage.nodes.rows(node(1), SHARD));
    assert!(whole > 3 << 20);
    assert!(!passage.nodes.engine(node(2)).is_receiving().await);
    passage.nodes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_snapshot_is_not_installed_and_can_be_sent_again() {
    let mut passage = Passage::of(25).await;
    passage.send(passage.part.clone()).await;
    let mut damaged = passage.piece(0, usize::MAX).await;
    let mut bytes = damaged.bytes.to_vec();
    bytes[2_000_000] ^= 1;
    damaged.bytes = bytes.into();
    assert_eq!(passage.send(damaged).await, Progress::Installing);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(passage.send(passage.part.clone()).await, Progress::Failed);
    assert_eq!(passage.nodes.rows(node(2), SHARD), []);
    assert_eq!(passage.send(passage.part.clone()).await, Progress::Next(0));
    let whole = passage.piece(0, usize::MAX).await;
    assert_eq!(passage.send(whole).await, Progress::Installing);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(passage.nodes.rows(node(2), SHARD), passage.nodes.rows(node(1), SHARD));
    passage.nodes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn one_snapshot_is_received_at_a_time_and_one_that_stops_is_dropped() {
    let mut passage = Passage::of(26).await;
    passage.send(passage.part.clone()).await;
    let first = passage.piece(0, 1 << 20).await;
    passage.send(first).await;
    let meta = Request {
        to: node(2),
        group: 0,
        call: Call::Part(passage.part.clone()),
    };
    let service = passage.nodes.engine(node(2)).service();
    let answer = service.serve(node(1), Lane::Snapshot, meta.encode()).await;
    assert_eq!(Response::decode(answer).unwrap(), Response::Part(Progress::Busy));
    tokio::time::sleep(IDLE * 2).await;
    assert!(!passage.nodes.engine(node(2)).is_receiving().await);
    assert_eq!(passage.send(passage.part.clone()).await, Progress::Next(0));
    passage.nodes.shutdown().await;
}

#[tokio::test]
async fn a_snapshot_in_files_is_read_and_received_in_pieces() {
    let directory = tempfile::tempdir().unwrap();
    let images = Images::Disk(directory.path().to_owned());
    let path = directory.path().join("00007");
    let bytes = (0..100_000_u32).flat_map(u32::to_be_bytes).collect::<Vec<_>>();
    std::fs::write(&path, &bytes).unwrap();
    let mut source = ImageSource::open(&Image::File(path.clone())).await.unwrap();
    // Another one takes its place meanwhile.
    std::fs::write(directory.path().join("new"), b"other").unwrap();
    std::fs::rename(directory.path().join("new"), &path).unwrap();
    let mut draft = images.draft(8).await.unwrap();
    for offset in (0..source.bytes()).step_by(70_000) {
        draft = draft.push(source.part(offset, 70_000).await.unwrap()).await.unwrap();
    }
    let Image::File(received) = draft.finish().await.unwrap() else {
        panic!("not a file")
    };
    assert!(std::fs::read(&received).unwrap() == bytes);
    images.draft(9).await.unwrap();
    images.drop_draft(8).await;
    assert!(!received.exists());
    images.drop_drafts().unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
