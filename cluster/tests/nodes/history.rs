//! What clients did and heard, and whether one copy of each actor could have answered so.
//!
//! An actor is a list that only grows, and every element is appended once. So the list itself, read in the end, is the order
//! of the appends, and a history is linearizable exactly if that order, with each read put behind the part of the list it
//! saw, can be laid into the times between call and answer.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

/// An element of a list; unique in a history.
pub(crate) type Element = u64;

/// One call of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) actor: u32,
    /// The node that was called, of those that the clients know.
    pub(crate) node: usize,
    pub(crate) what: What,
    /// Since the beginning of the history.
    pub(crate) called: Duration,
    pub(crate) answered: Duration,
}

/// What was called and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// An element was appended at this place.
    Appended { element: Element, place: usize },
    /// The runtime said that the append had no effect.
    Refused { element: Element },
    /// It may have taken effect, at any time since.
    Doubtful { element: Element },
    /// The list had so many elements, with this digest.
    Read { length: usize, digest: u64 },
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// An acknowledged append is not in the list, or not where it was said to be.
    Lost { actor: u32, element: Element },
    /// An element is in the list twice.
    Doubled { actor: u32, element: Element },
    /// An element is in the list although its append was said to have had no effect, or was never called.
    Invented { actor: u32, element: Element },
    /// A read saw what was never the beginning of the list.
    Torn { actor: u32, length: usize },
    /// An answer tells of a moment before the call or after the answer.
    Stale { actor: u32, place: usize },
    /// The effect of an element did not happen exactly once.
    Effect { actor: u32, element: Element, times: usize },
}

/// The digest of an empty list.
const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

/// The digest of a list: FNV-1a over its elements.
pub(crate) fn digest(list: &[Element]) -> u64 {
    list.iter().copied().fold(EMPTY, longer)
}

/// The digest of a list that has one element more.
fn longer(digest: u64, element: Element) -> u64 {
    element.to_be_bytes().into_iter().fold(digest, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Everything that is wrong with a history, given the lists as they are in the end.
pub(crate) fn check(calls: &[Call], lists: &BTreeMap<u32, Vec<Element>>) -> BTreeSet<Violation> {
    let mut by_actor: BTreeMap<u32, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        by_actor.entry(call.actor).or_default().push(call);
    }
    for actor in lists.keys() {
        by_actor.entry(*actor).or_default();
    }
    let nothing = Vec::new();
    by_actor
        .iter()
        .flat_map(|(actor, calls)| one(*actor, calls, lists.get(actor).unwrap_or(&nothing)))
        .collect()
}

/// Whether every element of the lists had its effect once, and nothing else had one.
pub(crate) fn check_effects(
    lists: &BTreeMap<u32, Vec<Element>>,
    effects: &BTreeMap<u32, Vec<Element>>,
) -> BTreeSet<Violation> {
    let mut times: HashMap<(u32, Element), usize> = HashMap::new();
    for (actor, list) in lists {
        times.extend(list.iter().map(|element| ((*actor, *element), 0)));
    }
    for (actor, list) in effects {
        for element in list {
            *times.entry((*actor, *element)).or_default() += 1;
        }
    }
    let mut wrong = BTreeSet::new();
    for ((actor, element), times) in times {
        let is_listed = lists.get(&actor).is_some_and(|list| list.contains(&element));
        if times != usize::from(is_listed) {
            wrong.insert(Violation::Effect { actor, element, times });
        }
    }
    wrong
}

fn one(actor: u32, calls: &[&Call], list: &[Element]) -> BTreeSet<Violation> {
    let mut wrong = BTreeSet::new();
    let mut places = HashMap::new();
    for (place, element) in list.iter().enumerate() {
        if places.insert(*element, place).is_some() {
            wrong.insert(Violation::Doubled {
                actor,
                element: *element,
            });
        }
    }
    // When each element may have been appended, and the reads behind each length.
    let mut appends: Vec<Option<(Duration, Duration)>> = vec![None; list.len()];
    let mut reads: BTreeMap<usize, Vec<(Duration, Duration)>> = BTreeMap::new();
    let digests = prefixes(list);
    for call in calls {
        let span = (call.called, call.answered);
        match call.what {
            What::Appended { element, place } => match places.get(&element) {
                Some(found) if *found == place => appends[place] = Some(span),
                Some(_) | None => {
                    wrong.insert(Violation::Lost { actor, element });
                }
            },
            What::Refused { element } => {
                if places.contains_key(&element) {
                    wrong.insert(Violation::Invented { actor, element });
                }
            }
            What::Doubtful { element } => {
                if let Some(place) = places.get(&element) {
                    appends[*place] = Some((call.called, Duration::MAX));
                }
            }
            What::Read { length, digest } => {
                if digests.get(length) == Some(&digest) {
                    reads.entry(length).or_default().push(span);
                } else {
                    wrong.insert(Violation::Torn { actor, length });
                }
            }
        }
    }
    // The earliest moment at which the list can have had the length that is looked at.
    let mut now = Duration::ZERO;
    let next = appends.into_iter().map(Some).chain([None]);
    for (length, append) in next.enumerate() {
        let since = now;
        for (called, answered) in reads.get(&length).into_iter().flatten() {
            let seen = since.max(*called);
            if seen > *answered {
                wrong.insert(Violation::Stale { actor, place: length });
            }
            now = now.max(seen);
        }
        let (Some(element), Some(append)) = (list.get(length), append) else {
            break;
        };
        match append {
            None => {
                // One that was refused has been reported.
                let was_called = calls
                    .iter()
                    .any(|call| call.what == What::Refused { element: *element });
                if !was_called {
                    wrong.insert(Violation::Invented {
                        actor,
                        element: *element,
                    });
                }
            }
            Some((called, answered)) => {
                now = now.max(called);
                if now > answered {
                    wrong.insert(Violation::Stale { actor, place: length });
                }
            }
        }
    }
    wrong
}

/// Digests of the beginnings of a list, by their length.
fn prefixes(list: &[Element]) -> Vec<u64> {
    let mut digests = vec![EMPTY];
    digests.extend(list.iter().scan(EMPTY, |digest, element| {
        *digest = longer(*digest, *element);
        Some(*digest)
    }));
    digests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(actor: u32, called: u64, answered: u64, what: What) -> Call {
        Call {
            actor,
            node: 0,
            what,
            called: Duration::from_millis(called),
            answered: Duration::from_millis(answered),
        }
    }

    fn append(called: u64, answered: u64, element: Element, place: usize) -> Call {
        at(0, called, answered, What::Appended { element, place })
    }

    fn read(called: u64, answered: u64, seen: &[Element]) -> Call {
        let (length, digest) = (seen.len(), digest(seen));
        at(0, called, answered, What::Read { length, digest })
    }

    fn wrong(calls: &[Call], list: &[Element]) -> Vec<Violation> {
        check(calls, &BTreeMap::from([(0, list.to_vec())]))
            .into_iter()
            .collect()
    }

    #[test]
    fn what_one_copy_could_have_answered_is_accepted() {
        let calls = [
            append(0, 10, 1, 0),
            read(5, 6, &[]),
            read(5, 12, &[1]),
            // Two that overlap, in the order of the list.
            append(20, 40, 3, 2),
            append(25, 45, 2, 1),
            // One in doubt that took effect late, one that never did, one that was refused.
            at(0, 30, 31, What::Doubtful { element: 4 }),
            at(0, 30, 31, What::Doubtful { element: 5 }),
            at(0, 30, 31, What::Refused { element: 6 }),
            read(50, 60, &[1, 2, 3]),
            read(70, 80, &[1, 2, 3, 4]),
        ];
        assert_eq!(wrong(&calls, &[1, 2, 3, 4]), []);
    }

    #[test]
    fn an_acknowledged_append_that_is_gone_or_moved_is_lost() {
        assert_eq!(
            wrong(&[append(0, 1, 1, 0)], &[]),
            [Violation::Lost { actor: 0, element: 1 }]
        );
        let moved = [append(0, 9, 1, 1), append(0, 9, 2, 1)];
        assert!(wrong(&moved, &[1, 2]).contains(&Violation::Lost { actor: 0, element: 1 }));
    }

    #[test]
    fn an_element_that_is_there_twice_or_should_not_be_there_is_reported() {
        let calls = [append(0, 1, 1, 0)];
        assert!(wrong(&calls, &[1, 1]).contains(&Violation::Doubled { actor: 0, element: 1 }));
        assert_eq!(wrong(&calls, &[1, 7]), [Violation::Invented { actor: 0, element: 7 }]);
        let refused = [at(0, 0, 1, What::Refused { element: 1 })];
        assert_eq!(wrong(&refused, &[1]), [Violation::Invented { actor: 0, element: 1 }]);
    }

    #[test]
    fn a_read_of_the_past_is_stale() {
        let calls = [append(0, 10, 1, 0), read(11, 12, &[])];
        assert_eq!(wrong(&calls, &[1]), [Violation::Stale { actor: 0, place: 0 }]);
    }

    #[test]
    fn reads_do_not_go_back_in_time() {
        let calls = [append(0, 100, 1, 0), read(10, 20, &[1]), read(30, 40, &[])];
        assert_eq!(wrong(&calls, &[1]).len(), 1);
        let calls = [append(0, 100, 1, 0), read(10, 20, &[]), read(30, 40, &[1])];
        assert_eq!(wrong(&calls, &[1]), []);
    }

    #[test]
    fn an_append_after_another_is_behind_it() {
        let calls = [append(0, 10, 1, 1), append(20, 30, 2, 0)];
        assert_eq!(wrong(&calls, &[2, 1]), [Violation::Stale { actor: 0, place: 1 }]);
    }

    #[test]
    fn a_read_from_before_its_elements_were_sent_is_impossible() {
        let calls = [read(0, 5, &[1]), append(10, 20, 1, 0)];
        assert_eq!(wrong(&calls, &[1]), [Violation::Stale { actor: 0, place: 1 }]);
    }

    #[test]
    fn a_read_of_another_list_is_torn() {
        let calls = [append(0, 10, 1, 0), append(0, 10, 2, 1), read(20, 30, &[2])];
        assert_eq!(wrong(&calls, &[1, 2]), [Violation::Torn { actor: 0, length: 1 }]);
    }

    #[test]
    fn every_effect_happens_once() {
        let lists = BTreeMap::from([(0, vec![1, 2])]);
        let effects = |list: &[Element]| check_effects(&lists, &BTreeMap::from([(0, list.to_vec())])).len();
        assert_eq!(effects(&[2, 1]), 0);
        assert_eq!(effects(&[1]), 1, "one is missing");
        assert_eq!(effects(&[1, 2, 2]), 1, "one is doubled");
        assert_eq!(effects(&[1, 2, 3]), 1, "one is of nobody");
    }
}
