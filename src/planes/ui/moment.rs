//! Points in time and lengths of time as people read them.
//!
//! The server writes UTC, because it does not know where the reader is; `app.js` rewrites each `<time>` in the reader's
//! zone from its `datetime`.

use jiff::Timestamp;

/// A point in time, ready for a `<time>` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// RFC 3339, for `datetime`.
    pub(super) machine: String,
    /// Exact, for `title`.
    pub(super) exact: String,
    /// Short, for the page.
    pub(super) text: String,
}

impl Moment {
    fn new(seconds: i64, format: &str) -> Self {
        let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            machine: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            exact: at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string(),
            text: at.strftime(format).to_string(),
        }
    }

    /// The time of day to the second, for a list of events.
    pub(super) fn clock(seconds: i64) -> Self {
        Self::new(seconds, "%H:%M:%S")
    }

    /// The time of day to the minute.
    pub(super) fn minute(seconds: i64) -> Self {
        Self::new(seconds, "%H:%M")
    }

    /// Day and time, for a document.
    pub(super) fn day_and_time(seconds: i64) -> Self {
        Self::new(seconds, "%-d %b %Y, %H:%M")
    }

    /// The month, for a date to look again.
    pub(super) fn month(seconds: i64) -> Self {
        Self::new(seconds, "%B %Y")
    }

    /// As near as a list needs it: today with the time, yesterday, the weekday within a week, else the date.
    pub(super) fn near(seconds: i64, now: i64) -> Self {
        const DAY: i64 = 86_400;
        let days = now.div_euclid(DAY) - seconds.div_euclid(DAY);
        match days {
            ..=0 => Self::new(seconds, "today %H:%M"),
            1 => Self::new(seconds, "yesterday"),
            2..=6 => Self::new(seconds, "%A"),
            7.. => Self::new(seconds, "%-d %b %Y"),
        }
    }
}

/// The point in time some months later, by months of 30.44 days: enough for "look again in May 2027".
pub(super) fn months_later(seconds: i64, months: u32) -> i64 {
    seconds.saturating_add(i64::from(months).saturating_mul(2_629_800))
}

/// A duration in a table: `4:50`, `1:02:03`.
pub(super) fn clock_length(milliseconds: u64) -> String {
    let seconds = (milliseconds + 500) / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A duration in a sentence: `14 min 32 s`, `3 h 5 min`, `2 days`.
pub(super) fn spoken_length(milliseconds: u64) -> String {
    let seconds = (milliseconds + 500) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => match (seconds / 60, seconds % 60) {
            (minutes, 0) => format!("{minutes} min"),
            (minutes, rest) => format!("{minutes} min {rest} s"),
        },
        3600..172_800 => match (seconds / 3600, seconds / 60 % 60) {
            (hours, 0) => format!("{hours} h"),
            (hours, rest) => format!("{hours} h {rest} min"),
        },
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A duration that is only an estimate or an age: `less than a minute`, `9 min`, `3 h`, `2 days`.
pub(super) fn rough_length(milliseconds: u64) -> String {
    let minutes = (milliseconds + 30_000) / 60_000;
    match minutes {
        0 => "less than a minute".to_owned(),
        1..90 => format!("{minutes} min"),
        90..2880 => format!("{} h", (minutes + 30) / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

/// Milliseconds between two points in seconds, never below zero.
pub(super) fn between(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_like_the_design_says() {
        assert_eq!(clock_length(290_000), "4:50");
        assert_eq!(clock_length(3_723_000), "1:02:03");
        assert_eq!(spoken_length(872_000), "14 min 32 s");
        assert_eq!(spoken_length(60_000), "1 min");
        assert_eq!(rough_length(540_000), "9 min");
        assert_eq!(rough_length(10_000), "less than a minute");
        assert_eq!(between(10, 5), 0);
    }

    #[test]
    fn a_list_says_the_day_as_near_as_needed() {
        let now = 1_795_000_000;
        assert!(Moment::near(now - 60, now).text.starts_with("today "));
        assert_eq!(Moment::near(now - 86_400, now).text, "yesterday");
        assert!(Moment::near(now - 86_400 * 30, now).text.ends_with("2026"));
        assert_eq!(Moment::near(i64::MAX, now).machine, "1970-01-01T00:00:00Z");
    }
}
