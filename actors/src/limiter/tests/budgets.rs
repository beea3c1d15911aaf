//! Several nodes with leases of one limiter, without a cluster.

use std::time::Duration;

use proptest::prelude::*;

use super::window::most_in_a_window;
use crate::limiter::{
    budget::{Budgets, LEASED_FROM, Step},
    messages::{Leased, Limit},
    window::Window,
};

/// A limiter, and nodes that ask it. Answers take no time unless a test says so.
struct World {
    limit: Limit,
    window: Window,
    nodes: Vec<Budgets<&'static str>>,
    asked: usize,
}

impl World {
    fn new(nodes: usize, limit: Limit) -> Self {
        Self {
            limit,
            window: Window::default(),
            nodes: (0..nodes).map(|_| Budgets::new(10)).collect(),
            asked: 0,
        }
    }

    fn grant(&mut self, now: i64, want: u32) -> Leased {
        self.asked += 1;
        let granted = self.window.take(now, want, self.limit);
        Leased {
            granted,
            expires_ms: (self.limit.window_ms / 4).min(1_000),
            limit: self.limit,
            remaining: self.window.remaining(self.limit),
            reset_ms: self.window.reset_ms(self.limit),
            retry_after_ms: self.window.retry_after_ms(self.limit),
        }
    }

    /// One request at a node.
    fn check(&mut self, node: usize, now: i64) -> bool {
        let clock = Duration::from_millis(u64::try_from(now).unwrap());
        loop {
            match self.nodes[node].step(&"key", self.limit, clock) {
                Step::Decided(decision) => return decision.allowed,
                Step::Ask { want } => {
                    let leased = self.grant(now, want);
                    self.nodes[node].leased(&"key", leased, clock);
                }
                Step::Silent | Step::Wait(_) => unreachable!("one request at a time"),
            }
        }
    }
}

proptest! {
    /// The bound that the module states.
    #[test]
    fn no_window_has_more_than_the_limit_and_a_lease_of_each_node(
        nodes in 1..6_usize,
        max_requests in prop_oneof![1..LEASED_FROM, LEASED_FROM..5_000],
        window_ms in prop_oneof![Just(1_000_u64), Just(10_000), Just(60_000)],
        bursts in prop::collection::vec((0..6_usize, 0..3_000_u64, 1..400_u32, 0..4_u64), 1..60),
    ) {
        let limit = Limit { window_ms, max_requests };
        let mut world = World::new(nodes, limit);
        let (mut now, mut uses) = (1_000, Vec::new());
        for (node, pause, requests, gap) in bursts {
            now += i64::try_from(pause * window_ms / 10_000).unwrap();
            for request in 0..requests {
                if request % 8 == 7 {
                    now += i64::try_from(gap).unwrap();
                }
                if world.check(node % nodes, now) {
                    uses.push(now);
                }
            }
        }
        let lease = if max_requests < LEASED_FROM { 0 } else { max_requests as usize / 20 };
        let bound = max_requests as usize + nodes * lease;
        let most = most_in_a_window(&uses, window_ms);
        prop_assert!(most <= bound, "{most} in a window, the bound is {bound}");
    }

    #[test]
    fn a_limit_that_is_not_leased_is_exact(max_requests in 1..LEASED_FROM, pauses in prop::collection::vec(0..40_i64, 1..600)) {
        let limit = Limit::per_minute(max_requests);
        let (mut world, mut exact) = (World::new(1, limit), Window::default());
        let mut now = 0;
        for pause in pauses {
            now += pause;
            let refused = exact.take(now, 1, limit) == 0;
            prop_assert_eq!(world.check(0, now), !refused, "at {}", now);
        }
    }
}

#[test]
fn a_stream_costs_few_messages_and_a_slow_key_is_exact() {
    let limit = Limit::per_minute(1_000_000);
    let mut world = World::new(1, limit);
    for request in 0..200_000_i64 {
        assert!(world.check(0, request / 10));
    }
    assert!(
        world.asked < 100,
        "{} messages for 200,000 requests in 20 s",
        world.asked
    );

    let mut world = World::new(1, limit);
    for request in 0..100 {
        assert!(world.check(0, request * 5_000));
        let left = limit.max_requests - world.window.remaining(limit);
        assert!(
            left <= 13,
            "nothing is leased for nobody: {left} are counted of 12 or 13"
        );
    }
}

#[test]
fn a_flood_that_is_refused_costs_a_message_a_second() {
    let mut world = World::new(1, Limit::per_minute(10));
    let allowed = (0..100_000).filter(|request| world.check(0, request / 10)).count();
    assert_eq!(allowed, 10);
    assert!(world.asked <= 10 + 11, "{} messages in 10 s", world.asked);
}

#[test]
fn who_waits_is_asked_for_together() {
    let limit = Limit::per_minute(50);
    let mut world = World::new(1, limit);
    let now = Duration::from_secs(1);
    let Step::Ask { want: 1 } = world.nodes[0].step(&"key", limit, now) else {
        panic!("the first one asks");
    };
    for _ in 0..30 {
        let Step::Wait(done) = world.nodes[0].step(&"key", limit, now) else {
            panic!("the others wait");
        };
        assert!(!done.is_cancelled());
    }
    let Step::Wait(done) = world.nodes[0].step(&"key", limit, now) else {
        panic!("the others wait");
    };
    let leased = world.grant(1_000, 1);
    world.nodes[0].leased(&"key", leased, now);
    assert!(done.is_cancelled());
    assert!(matches!(world.nodes[0].step(&"key", limit, now), Step::Decided(decision) if decision.allowed));
    let Step::Ask { want } = world.nodes[0].step(&"key", limit, now) else {
        panic!("nothing is left");
    };
    assert_eq!(want, 31);
}

#[test]
fn a_limiter_that_does_not_answer_is_left_alone_for_a_moment() {
    let limit = Limit::default();
    let mut budgets = Budgets::new(10);
    let at = Duration::from_millis;
    assert!(matches!(budgets.step(&"key", limit, at(0)), Step::Ask { .. }));
    let Step::Wait(done) = budgets.step(&"key", limit, at(0)) else {
        panic!("the second waits");
    };
    budgets.failed(&"key", at(500));
    assert!(done.is_cancelled());
    assert!(matches!(budgets.step(&"key", limit, at(501)), Step::Silent));
    assert!(matches!(budgets.step(&"key", limit, at(751)), Step::Ask { .. }));
    budgets.abandoned(&"key");
    assert!(
        matches!(budgets.step(&"key", limit, at(752)), Step::Ask { .. }),
        "who asked has gone away"
    );
}

#[test]
fn a_lease_ends() {
    let limit = Limit::per_minute(10_000);
    let mut world = World::new(1, limit);
    // A stream, so that something is leased in advance.
    let mut last = 0;
    for request in 0..1_000_i64 {
        last = request;
        assert!(world.check(0, request));
    }
    let asked = world.asked;
    assert!(world.check(0, last + 5_000));
    assert_eq!(world.asked, asked + 1, "what was left is not used five seconds later");
}

#[test]
fn keys_are_bounded_and_refusals_are_kept_before_what_is_of_no_use() {
    let limit = Limit::per_minute(1);
    let mut budgets = Budgets::new(8);
    let now = Duration::from_secs(1);
    let refused = Leased {
        granted: 0,
        expires_ms: 1_000,
        limit,
        remaining: 0,
        reset_ms: 60_000,
        retry_after_ms: 60_000,
    };
    budgets.step(&0, limit, now);
    budgets.leased(&0, refused, now);
    for key in 1..1_000 {
        budgets.step(&key, limit, now);
        budgets.abandoned(&key);
        assert!(budgets.len() <= 8);
    }
    assert!(matches!(budgets.step(&0, limit, now), Step::Decided(decision) if !decision.allowed));
}
