//! Crashes at random moments: what is finished never happens again, and everything is finished in the end.

use std::time::Duration;

use cluster::RequestId;

use super::script::{Bench, Notes, Op, event, failing, note, quick, sleep, slow};
use crate::workflows::{Create, Restart, SendEvent, Status};

const SEEDS: u64 = 200;

/// A small generator of numbers, so that a seed is all there is to know of a failure.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A script whose step names sort in their order.
fn script(dice: &mut Dice) -> Vec<Op> {
    let op = |index: u64, dice: &mut Dice| {
        let name = format!("step {index:02}");
        match dice.roll(6) {
            0 => note(&name),
            1 => slow(&name, dice.roll(5)),
            2 => sleep(&name, dice.roll(90)),
            3 => event(&name, "go", 3600),
            4 => failing(&name, 1 + u32::try_from(dice.roll(3)).unwrap(), quick(5)),
            _ => failing(&name, 0, quick(5)),
        }
    };
    (0..12).map(|index| op(index, dice)).collect()
}

#[tokio::test(start_paused = true)]
async fn no_finished_step_runs_again_wherever_a_crash_happens() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let ops = script(&mut dice);
        let mut bench = Bench::start(seed, &ops).await;
        for op in &ops {
            if matches!(op, Op::Event { .. }) {
                let go = SendEvent {
                    event_type: "go".to_owned(),
                    payload: "\"go\"".to_owned(),
                };
                bench.ask(go).await.unwrap();
            }
        }
        for _ in 0..1 + dice.roll(4) {
            bench.cluster.advance(Duration::from_millis(dice.roll(20_000))).await;
            if dice.roll(4) == 0 {
                bench.cluster.passivate_all().await;
            } else {
                bench.cluster.crash_and_restart().await;
            }
        }
        let results = bench.complete().await;
        assert_eq!(results.len(), ops.len(), "seed {seed}");
        let names = bench.probe.names();
        // A step begins only after the one before it was finished, so any step out of order ran after it was finished.
        assert!(names.is_sorted(), "seed {seed}: {names:?}");
        let notes: Vec<String> = bench.ask(Notes).await.unwrap();
        let expected = ops.iter().filter_map(|op| {
            if let Op::Note { note, .. } = op {
                Some(note.clone())
            } else {
                None
            }
        });
        assert_eq!(
            notes,
            expected.collect::<Vec<_>>(),
            "seed {seed}: effects happen once and in order"
        );
        assert_eq!(bench.status().await.status, Status::Complete);
    }
}

#[tokio::test(start_paused = true)]
async fn steps_are_part_of_the_request_that_created_the_instance_also_after_a_crash() {
    let ops = [slow("first", 5), slow("second", 5)];
    let mut bench = Bench::empty(1).await;
    let create = Create {
        params: serde_json::to_string(&ops).unwrap(),
    };
    RequestId::new("r1").scope(bench.ask(create)).await.unwrap();
    bench.cluster.advance(Duration::from_secs(1)).await;
    bench.cluster.crash_and_restart().await;
    bench.complete().await;
    assert!(bench.probe.names().len() > ops.len(), "the crash met a step");
    for request in bench.probe.requests() {
        assert_eq!(request, Some(RequestId::new("r1")));
    }

    bench.ask(Restart).await.unwrap();
    bench.complete().await;
    assert_eq!(
        bench.probe.requests().last(),
        Some(&None),
        "a restart is a request of its own"
    );
}
