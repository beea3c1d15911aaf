//! What groups of several members promise.

use std::time::Duration;

use openraft::raft::VoteRequest;

use super::nodes::*;
use super::*;
use crate::consensus::config::{GUARD, LEASE};
use crate::consensus::membership::ChangeError;
use crate::consensus::rpc::{Call, Refusal, Request, Response};
use crate::consensus::types::{LeaderId, Vote};
use crate::peers::Lane;
use crate::testing::Weather;

/// Grows to three and to five nodes and back to one, while it is written to.
#[tokio::test(start_paused = true)]
async fn a_cluster_grows_and_shrinks_while_it_is_written_to() {
    let mut nodes = Nodes::found(1, 1).await;
    for number in 2..=5 {
        nodes.start(node(number), false).await.unwrap();
    }
    for (step, count) in [3, 5, 3, 1].into_iter().enumerate() {
        for group in nodes.groups() {
            nodes.write(group, &format!("before-{step}"), "1").await;
            nodes.change(group, self::nodes(1..=count)).await;
            nodes.write(group, &format!("after-{step}"), "1").await;
            nodes.agree(group).await;
            assert_eq!(nodes.group(node(1), group).standing().voters, self::nodes(1..=count));
        }
    }
    nodes.shutdown().await;
}

/// Guarantee 17.
#[tokio::test(start_paused = true)]
async fn another_node_leads_when_the_leader_dies_and_nothing_is_lost() {
    let mut nodes = Nodes::of(2, 3, 2).await;
    for group in nodes.groups() {
        nodes.write(group, "a", "1").await;
    }
    nodes.crash(node(1)).await;
    let died = tokio::time::Instant::now();
    for group in nodes.groups() {
        nodes.leader(group).await;
    }
    assert!(died.elapsed() < Duration::from_secs(3), "{:?}", died.elapsed());
    for group in nodes.groups() {
        nodes.write(group, "b", "2").await;
    }
    nodes.start(node(1), false).await.unwrap();
    for group in nodes.groups() {
        nodes.agree(group).await;
    }
    nodes.shutdown().await;
}

/// Guarantee 3.
#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_commits_nothing_and_loses_its_tail() {
    let mut nodes = Nodes::of(3, 3, 1).await;
    nodes.write(SHARD, "a", "1").await;
    let former = nodes.leader(SHARD).await;
    nodes.isolate(former);
    // Its lease still holds, so it takes the write into its log.
    assert_eq!(nodes.write_on(former, SHARD, "a", "lost").await, None);
    let rest = nodes.running().into_iter().filter(|id| *id != former).collect();
    let next = nodes.leader_of(SHARD, &rest).await;
    assert!(matches!(
        nodes.write_on(next, SHARD, "a", "2").await,
        Some(Outcome::Committed { .. })
    ));
    assert!(!matches!(
        nodes.write_on(former, SHARD, "b", "lost").await,
        Some(Outcome::Committed { .. })
    ));
    nodes.network.heal();
    nodes.agree(SHARD).await;
    assert_eq!(
        nodes.group(former, SHARD).get(&key("a")).unwrap(),
        Some(Bytes::from("2"))
    );
    assert_eq!(nodes.group(former, SHARD).get(&key("b")).unwrap(), None);
    nodes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn one_way_cuts_do_not_stop_a_majority() {
    for (seed, is_deaf, is_written_to) in [(4, true, false), (4, true, true), (5, false, true)] {
        let mut nodes = Nodes::of(seed, 3, 1).await;
        let leader = nodes.leader(SHARD).await;
        for other in nodes.running() {
            if other != leader && is_deaf {
                nodes.network.cut(other, leader);
            } else if other != leader {
                nodes.network.cut(leader, other);
            }
        }
        if is_written_to {
            let group = Arc::clone(nodes.group(leader, SHARD));
            drop(propose(&*group, epoch(&*group), vec![put("lost", "1")]));
        }
        let rest = nodes.running().into_iter().filter(|id| *id != leader).collect();
        let next = nodes.leader_of(SHARD, &rest).await;
        assert!(matches!(
            nodes.write_on(next, SHARD, "a", "1").await,
            Some(Outcome::Committed { .. })
        ));
        nodes.network.heal();
        nodes.agree(SHARD).await;
        nodes.shutdown().await;
    }
}

/// It asks before it elects: nobody's term grows because of it.
#[tokio::test(start_paused = true)]
async fn a_member_that_was_cut_off_deposes_nobody_when_it_comes_back() {
    let mut nodes = Nodes::of(6, 3, 1).await;
    let leader = nodes.leader(SHARD).await;
    let epoch = *nodes.group(leader, SHARD).ownership().borrow();
    let away = nodes.running().into_iter().find(|id| *id != leader).unwrap();
    nodes.isolate(away);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let term = nodes.group(leader, SHARD).standing().term;
    assert_eq!(nodes.group(away, SHARD).standing().term, term);
    nodes.network.heal();
    nodes.write(SHARD, "a", "1").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(*nodes.group(leader, SHARD).ownership().borrow(), epoch);
    nodes.agree(SHARD).await;
    nodes.shutdown().await;
}

/// Asks one node for its vote in the name of another.
async fn ask_for_vote(nodes: &Nodes, from: NodeId, to: NodeId, pre: bool) -> Response {
    let group = nodes.group(to, SHARD);
    let vote = Vote {
        leader_id: LeaderId {
            term: group.standing().term + 1,
            node_id: from.get(),
        },
        committed: false,
    };
    let request = VoteRequest::new(vote, group.log().last());
    let call = if pre {
        Call::PreVote(request)
    } else {
        Call::Vote(request)
    };
    let request = Request { to, group: SHARD, call };
    let service = nodes.engine(to).service();
    let answer = service.serve(from, Lane::Heartbeat, request.encode()).await;
    Response::decode(answer).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_voter_that_restarts_elects_nobody_while_a_lease_may_last() {
    let mut nodes = Nodes::of(7, 3, 8).await;
    let groups = nodes.groups();
    for group in groups.clone() {
        nodes.write(group, "a", "1").await;
    }
    let cut = tokio::time::Instant::now();
    nodes.isolate(node(1));
    nodes.restart(node(2)).await;
    nodes.restart(node(3)).await;
    tokio::time::sleep_until(cut + LEASE - Duration::from_millis(1)).await;
    for group in groups.clone() {
        for id in [2, 3] {
            let standing = nodes.group(node(id), group).standing();
            assert_eq!(standing.leader, Some(node(1)), "group {group}");
        }
    }
    for pre in [true, false] {
        let answer = ask_for_vote(&nodes, node(3), node(2), pre).await;
        assert_eq!(answer, Response::Refused(Refusal::NoVote));
    }
    let rest = self::nodes([2, 3]);
    for group in groups {
        nodes.leader_of(group, &rest).await;
    }
    assert!(cut.elapsed() > GUARD);
    nodes.network.heal();
    nodes.agree(SHARD).await;
    nodes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn leadership_is_handed_over_and_no_outcome_is_unknown() {
    let nodes = Nodes::of(8, 3, 1).await;
    for turn in 0..6_u64 {
        let to = node(turn % 3 + 1);
        let leader = nodes.leader(SHARD).await;
        let group = Arc::clone(nodes.group(leader, SHARD));
        let epoch = epoch(&*group);
        let early = propose(&*group, epoch, vec![put("early", turn.to_string())]);
        let began = tokio::time::Instant::now();
        group.transfer_leader(to).await.unwrap();
        nodes.leader_of(SHARD, &self::nodes([to.get()])).await;
        assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
        assert!(!matches!(early.await.unwrap(), Outcome::Unknown));
        if leader != to {
            assert_eq!(
                propose(&*group, epoch, vec![put("late", "1")]).await.unwrap(),
                Outcome::NotProposed
            );
        }
    }
    nodes.agree(SHARD).await;
    nodes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn members_are_changed_only_by_the_leader_and_only_into_what_can_work() {
    let mut nodes = Nodes::of(9, 3, 1).await;
    let leader = nodes.leader(SHARD).await;
    let group = nodes.group(leader, SHARD);
    let other = nodes.running().into_iter().find(|id| *id != leader).unwrap();
    let follower = nodes.group(other, SHARD);
    let not_leader = ChangeError::NotLeader { leader: Some(leader) };
    let all = self::nodes(1..=3);
    assert_eq!(follower.add_learner(node(4)).await, Err(not_leader.clone()));
    assert_eq!(follower.change_voters(&all).await, Err(not_leader.clone()));
    assert_eq!(follower.remove(leader).await, Err(not_leader.clone()));
    assert_eq!(follower.transfer_leader(leader).await, Err(not_leader));
    assert_eq!(follower.lag(), None);
    assert_eq!(group.change_voters(&self::nodes([])).await, Err(ChangeError::NoVoter));
    assert_eq!(
        group.change_voters(&self::nodes([leader.get(), 9])).await,
        Err(ChangeError::NotMember(node(9)))
    );
    assert_eq!(
        group.change_voters(&self::nodes([other.get()])).await,
        Err(ChangeError::Leads(leader))
    );
    assert_eq!(group.remove(leader).await, Err(ChangeError::Leads(leader)));
    assert_eq!(
        group.transfer_leader(node(9)).await,
        Err(ChangeError::NotMember(node(9)))
    );
    assert_eq!(group.lag().unwrap().len(), 2);
    nodes.write(SHARD, "a", "1").await;
    nodes.agree(SHARD).await;
    nodes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_lost_repeated_and_overtaken_change_nothing() {
    for seed in 10..14 {
        let mut nodes = Nodes::of(seed, 3, 1).await;
        nodes.network.set_weather(Weather {
            delay: Duration::from_micros(50)..=Duration::from_millis(40),
            loss: 0.05,
            repeat: 0.3,
        });
        for n in 0..60 {
            nodes.write(SHARD, &format!("{}", n % 7), &n.to_string()).await;
        }
        nodes.agree(SHARD).await;
        nodes.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_for_another_node_or_an_unknown_group_is_refused() {
    let nodes = Nodes::of(15, 2, 1).await;
    let peers = nodes.network.peers(node(1));
    let ask = |to, group, leader| {
        let vote = Vote {
            leader_id: LeaderId {
                term: 100,
                node_id: leader,
            },
            committed: false,
        };
        let call = Call::Vote(VoteRequest::new(vote, None));
        let request = Request { to, group, call }.encode();
        let answered = peers.call(node(2), Lane::Heartbeat, request, Duration::from_secs(1));
        async { Response::decode(answered.await.unwrap()).unwrap() }
    };
    assert_eq!(ask(node(3), SHARD, 1).await, Response::Refused(Refusal::Misdirected));
    assert_eq!(ask(node(2), SHARD, 3).await, Response::Refused(Refusal::Misdirected));
    assert_eq!(ask(node(2), 99, 1).await, Response::Refused(Refusal::UnknownGroup));
    let answered = peers.call(node(2), Lane::Log, Bytes::from_static(b"?"), Duration::from_secs(1));
    let answer = Response::decode(answered.await.unwrap()).unwrap();
    assert_eq!(answer, Response::Refused(Refusal::Unreadable));
    nodes.shutdown().await;
}

/// A node that lost its disk under the same id: it elects nobody, and stops as soon as a leader tells it what it had.
#[tokio::test(start_paused = true)]
async fn a_voter_that_lost_its_log_is_refused() {
    let mut nodes = Nodes::of(16, 3, 1).await;
    nodes.write(SHARD, "a", "1").await;
    nodes.agree(SHARD).await;
    let leader = nodes.leader(SHARD).await;
    let lost = nodes.running().into_iter().find(|id| *id != leader).unwrap();
    nodes.crash(lost).await;
    nodes.wipe(lost);
    nodes.isolate(lost);
    nodes.start(lost, false).await.unwrap();
    tokio::time::sleep(GUARD * 2).await;
    let answer = ask_for_vote(&nodes, leader, lost, false).await;
    assert_eq!(answer, Response::Refused(Refusal::NoVote));
    nodes.network.heal();
    let reason = nodes
        .until("the node to refuse", || {
            nodes.fatal().into_iter().find(|(id, _)| *id == lost)
        })
        .await;
    assert!(reason.1.contains("must rejoin under a new id"), "{reason:?}");
    nodes.crash(lost).await;
    // The others go on.
    nodes.write(SHARD, "b", "1").await;
    assert_eq!(nodes.leader(SHARD).await, leader);
    assert!(nodes.fatal().iter().all(|(id, _)| *id == lost), "{:?}", nodes.fatal());
}
