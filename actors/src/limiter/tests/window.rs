//! The window against one that remembers every request.

use proptest::prelude::*;

use crate::limiter::{
    messages::Limit,
    window::{ENTRIES, Window},
};

/// Most that any window of this length has of these requests, which are in order.
pub(super) fn most_in_a_window(uses: &[i64], window_ms: u64) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (place, at) in uses.iter().enumerate() {
        while uses[first] <= at - i64::try_from(window_ms).unwrap() {
            first += 1;
        }
        most = most.max(place + 1 - first);
    }
    most
}

#[test]
fn a_window_slides() {
    let limit = Limit {
        window_ms: 1_000,
        max_requests: 3,
    };
    let mut window = Window::default();
    assert_eq!(window.take(0, 1, limit), 1);
    assert_eq!(window.take(400, 5, limit), 2, "as many as are left");
    assert_eq!(window.take(999, 1, limit), 0);
    assert_eq!(window.retry_after_ms(limit), 2, "a slot has two milliseconds");
    assert_eq!(window.take(1_000, 1, limit), 0);
    assert_eq!(
        window.take(1_001, 5, limit),
        1,
        "the first one is gone, the others are not"
    );
    assert_eq!(window.reset_ms(limit), 1_000);
    assert_eq!(window.remaining(limit), 0);
    assert_eq!(window.take(1_401, 5, limit), 2);
}

#[test]
fn nothing_is_allowed_by_a_limit_of_nothing() {
    let limit = Limit {
        window_ms: 1_000,
        max_requests: 0,
    };
    let mut window = Window::default();
    assert_eq!(window.take(0, 1, limit), 0);
    assert_eq!(window.retry_after_ms(limit), 1_000);
}

#[test]
fn a_clock_that_is_set_back_opens_nothing() {
    let limit = Limit::per_minute(2);
    let mut window = Window::default();
    assert_eq!(window.take(1_000_000, 2, limit), 2);
    assert_eq!(window.take(0, 1, limit), 0);
    assert_eq!(window.take(1_059_000, 1, limit), 0);
    assert_eq!(window.take(1_060_100, 1, limit), 1);
}

proptest! {
    /// As the original counted, but for a thousandth of the window.
    #[test]
    fn no_window_has_more_than_the_limit_and_none_is_too_strict(
        window_ms in prop_oneof![1..50_u64, 900..5_000_u64, 60_000..=60_000_u64],
        max_requests in 1..30_u32,
        steps in prop::collection::vec((0..2_000_u64, 1..5_u32), 1..300),
    ) {
        let limit = Limit { window_ms, max_requests };
        let slot = i64::try_from(window_ms.div_ceil(ENTRIES as u64 - 1)).unwrap();
        let mut window = Window::default();
        let (mut now, mut uses) = (0, Vec::new());
        for (pause, want) in steps {
            now += i64::try_from(pause * window_ms / 4_000).unwrap();
            let granted = window.take(now, want, limit);
            let counted = |longer: i64| {
                let begin = now - i64::try_from(window_ms).unwrap() - longer;
                u32::try_from(uses.iter().filter(|at| **at > begin).count()).unwrap()
            };
            prop_assert!(granted >= want.min(max_requests.saturating_sub(counted(slot))), "too strict at {now}");
            prop_assert!(granted <= want.min(max_requests.saturating_sub(counted(0))), "too lax at {now}");
            uses.extend((0..granted).map(|_| now));
            prop_assert!(window.entries() <= ENTRIES);
            if granted < want {
                let retry = i64::try_from(window.retry_after_ms(limit)).unwrap();
                prop_assert!(retry >= 1);
                let mut later = window.clone();
                prop_assert_eq!(later.take(now + retry - 1, 1, limit), 0, "no sooner than it said");
                let mut later = window.clone();
                prop_assert_eq!(later.take(now + retry, 1, limit), 1, "and not later");
            }
            let reset = i64::try_from(window.reset_ms(limit)).unwrap();
            let mut later = window.clone();
            prop_assert_eq!(later.take(now + reset, u32::MAX, limit), max_requests, "all of it is there again");
        }
        prop_assert!(most_in_a_window(&uses, window_ms) <= max_requests as usize);
    }

    #[test]
    fn a_window_whose_length_changes_stays_small(
        steps in prop::collection::vec((0..50_u64, 1..100_000_u64), 1..5_000),
    ) {
        let mut window = Window::default();
        let mut now = 0;
        for (pause, window_ms) in steps {
            now += pause as i64;
            window.take(now, 1, Limit { window_ms, max_requests: 1_000_000 });
            prop_assert!(window.entries() <= ENTRIES);
        }
    }
}
