//! How long to wait before a peer is dialled again.

use std::time::Duration;

use rand::Rng;

use super::RaftPlaneLimits;

/// Pauses that double from failure to failure. Each is cut by up to a half, so that nodes that lost each other at one
/// moment do not come back at one moment.
pub(super) fn pause(failures: u32, limits: &RaftPlaneLimits, random: &mut impl Rng) -> Duration {
    let doubled = limits.pause.saturating_mul(2_u32.saturating_pow(failures));
    doubled.min(limits.pause_max).mul_f64(random.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_are_cut_by_up_to_a_half() {
        let (limits, mut random) = (RaftPlaneLimits::default(), StdRng::seed_from_u64(1));
        for (failures, longest) in [(0, 50), (1, 100), (5, 1600), (6, 2000), (99, 2000)] {
            let longest = Duration::from_millis(longest);
            let drawn = (0..100)
                .map(|_| pause(failures, &limits, &mut random))
                .collect::<Vec<_>>();
            assert!(
                drawn.iter().all(|pause| (longest / 2..=longest).contains(pause)),
                "{drawn:?}"
            );
            assert!(drawn.iter().any(|pause| *pause != drawn[0]));
        }
    }
}
