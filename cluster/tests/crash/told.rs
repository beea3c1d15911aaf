//! What clients were told, and whether what is found agrees.

use std::collections::BTreeMap;

/// What is known of every actor with clients.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<String, Steps>);

#[derive(Debug, Default, Clone, Copy)]
struct Steps {
    /// The last step that was acknowledged: it must be found.
    told: u64,
    /// The last step that was sent: none behind it may be found.
    sent: u64,
}

impl Told {
    /// Takes a line of the process in; an error says what must not be.
    pub(crate) fn hear(&mut self, line: &str) -> Result<(), String> {
        let words = line.split(' ').collect::<Vec<_>>();
        let (what, actor, step) = match words[..] {
            [what @ ("sent" | "told" | "found"), class, number, step] => {
                let step = step.parse::<u64>().map_err(|_| format!("not a step: {line}"))?;
                (what, format!("{class} {number}"), step)
            }
            ["wrong", ..] => return Err(line.to_owned()),
            _ => return Ok(()),
        };
        let steps = self.0.entry(actor).or_default();
        match what {
            "sent" => steps.sent = steps.sent.max(step),
            "told" if step == steps.told + 1 => steps.told = step,
            "told" => return Err(format!("{line} after {}", steps.told)),
            _ if (steps.told..=steps.sent).contains(&step) => (steps.told, steps.sent) = (step, step),
            _ => {
                let Steps { told, sent } = *steps;
                return Err(format!("{line}, but {told} steps were acknowledged and {sent} sent"));
            }
        }
        Ok(())
    }

    /// All acknowledged steps.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().map(|steps| steps.told).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_must_be_found_and_nothing_that_was_not_sent() {
        let heard = |lines: &[&str]| {
            let mut told = Told::default();
            lines.iter().try_for_each(|line| told.hear(line)).map(|()| told.total())
        };
        let before = ["found a 1 0", "sent a 1 1", "sent a 1 2", "told a 1 1"];
        assert_eq!(heard(&[&before[..], &["found a 1 1"]].concat()), Ok(1));
        assert_eq!(heard(&[&before[..], &["found a 1 2"]].concat()), Ok(2));
        assert!(heard(&[&before[..], &["found a 1 0"]].concat()).is_err());
        assert!(heard(&[&before[..], &["found a 1 3"]].concat()).is_err());
        assert!(heard(&["wrong a 1: lost"]).is_err());
        assert!(heard(&["sent a 1 1", "told a 1 2"]).is_err());
    }
}
