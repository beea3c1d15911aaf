//! How many processor threads the tensor library takes.
//!
//! It has no setting for it but its environment, which it reads once, at its first multiplication. Changing the
//! environment of a running process is not safe, so `main` does it before anything else: when
//! [`thread_environment`] names variables that are not set, it replaces itself by itself with them set.

/// Most threads taken without being told to: more make each other wait.
const MOST: usize = 4;

/// The variables that limit the threads of the embedded models to `threads`, or to half of the cores and at most 4 when
/// `threads` is 0. Half, because its threads wait for each other by spinning: where they share their cores with other
/// work, two of them write a tenth of what one writes, and the rest of the server is such work. `cores` is what this process may use. Empty when the person who started the process set them.
#[must_use]
pub fn thread_environment(
    threads: usize,
    cores: usize,
    environment: impl Fn(&str) -> Option<String>,
) -> Vec<(&'static str, String)> {
    let threads = if threads == 0 {
        (cores / 2).clamp(1, MOST)
    } else {
        threads
    };
    ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"]
        .into_iter()
        .filter(|name| environment(name).is_none())
        .map(|name| (name, threads.to_string()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_cores_up_to_four_are_taken_and_the_setting_wins() {
        let unset = |_: &str| None;
        let count = |threads, cores| thread_environment(threads, cores, unset)[0].1.clone();
        let counts = [count(0, 0), count(0, 2), count(0, 4), count(0, 64), count(7, 2)];
        assert_eq!(counts, ["1", "1", "2", "4", "7"]);
    }

    #[test]
    fn what_was_set_from_outside_stays() {
        let set = |name: &str| (name == "CANDLE_NUM_THREADS").then(|| "3".to_owned());
        assert_eq!(thread_environment(2, 2, set), [("RAYON_NUM_THREADS", "2".to_owned())]);
    }
}
