//! What the runtime must reach.

use crate::{
    asks, cold, durable,
    figures::{Figures, Spread},
    live, nodes, start,
};

/// A bound on a figure, or on a ratio of two.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    measure: Measure,
    bound: Bound,
    unit: Unit,
}

enum Measure {
    Case(&'static str),
    Ratio(&'static str, &'static str),
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// No round may have more.
    Never(f64),
}

#[derive(Clone, Copy)]
enum Unit {
    Percent,
    Times,
    Plain(&'static str, usize),
}

/// All targets, in the order of the parts.
pub(crate) fn all() -> Vec<Target> {
    let ratio = |name, case, base, bound, unit| Target {
        name,
        measure: Measure::Ratio(case, base),
        bound,
        unit,
    };
    let case = |name, case, bound, unit, digits| Target {
        name,
        measure: Measure::Case(case),
        bound,
        unit: Unit::Plain(unit, digits),
    };
    let worst = |name, case, bound, unit| Target {
        name,
        measure: Measure::Case(case),
        bound: Bound::Never(bound),
        unit: Unit::Plain(unit, 0),
    };
    let least = Bound::AtLeast;
    let most = Bound::AtMost;
    vec![
        ratio(
            "ask over 10,000 actors, of raw ractor",
            asks::ASK_MANY,
            asks::RAW_MANY,
            least(0.6),
            Unit::Percent,
        ),
        ratio(
            "ask on one hot actor, of raw ractor",
            asks::ASK_HOT,
            asks::RAW_HOT,
            least(0.6),
            Unit::Percent,
        ),
        ratio(
            "uncontended ask, p50, of raw ractor",
            asks::ASK_ONE,
            asks::RAW_ONE,
            most(3.0),
            Unit::Times,
        ),
        ratio(
            "uncontended ask through a gatekeeper with one HMAC-SHA256, p50, of one without",
            asks::ADMITTED_ONE,
            asks::ASK_ONE,
            most(2.0),
            Unit::Times,
        ),
        ratio(
            "uncontended durable turn, p50, of append + fdatasync",
            durable::TURN_ONE,
            durable::APPEND_ONE,
            most(1.5),
            Unit::Times,
        ),
        ratio(
            "durable turns of one actor, of fjall alone",
            durable::TURN_HOT,
            durable::FJALL_64,
            least(0.6),
            Unit::Percent,
        ),
        ratio(
            "durable turns of 1,000 actors, 8 shards, of fjall alone",
            durable::TURN_8,
            durable::FJALL_256,
            least(0.4),
            Unit::Percent,
        ),
        ratio(
            "durable turns of 1,000 actors, 32 shards, of fjall alone",
            durable::TURN_32,
            durable::FJALL_256,
            least(0.25),
            Unit::Percent,
        ),
        case("fsyncs per write, 8 shards", durable::SYNCS_8, most(0.05), "", 3),
        case("fsyncs per write, 32 shards", durable::SYNCS_32, most(0.05), "", 3),
        case("cold activation, p50", cold::COLD, most(100.0), " us", 0),
        case(
            "resident memory with 10,000 live actors",
            live::RESIDENT,
            most(200.0),
            " MB",
            0,
        ),
        case("start with 100,000 stored actors", start::START, most(1000.0), " ms", 0),
        case("replay of the log", start::REPLAY, least(200_000.0), " entries/s", 0),
        ratio(
            "durable turns of 3 nodes on this machine, of 1 node",
            nodes::THREE,
            nodes::ONE,
            least(0.15),
            Unit::Percent,
        ),
        case(
            "processor of an idle node of 3",
            nodes::IDLE,
            most(5.0),
            " % of a core",
            1,
        ),
        worst("longest wait while a node drains", nodes::DRAIN[1], 200.0, " ms"),
        worst(
            "longest wait while a node stops in good order",
            nodes::STOP[1],
            200.0,
            " ms",
        ),
        worst("calls that fail while nodes drain and stop", nodes::FAILED, 0.0, ""),
        worst(
            "calls that fail while a fourth node takes its share",
            nodes::JOIN_FAILED,
            0.0,
            "",
        ),
    ]
}

impl Target {
    pub(crate) fn reached(&self, figures: &Figures) -> Option<Spread> {
        match self.measure {
            Measure::Case(case) => figures.spread(case),
            Measure::Ratio(case, base) => figures.ratio(case, base),
        }
    }

    pub(crate) fn is_met(&self, reached: Spread) -> bool {
        match self.bound {
            Bound::AtLeast(least) => reached.median >= least,
            Bound::AtMost(most) => reached.median <= most,
            Bound::Never(most) => reached.most <= most,
        }
    }

    /// The bound as text.
    pub(crate) fn wanted(&self) -> String {
        match self.bound {
            Bound::AtLeast(least) => format!("at least {}", self.unit.show(least)),
            Bound::AtMost(most) => format!("at most {}", self.unit.show(most)),
            Bound::Never(most) => format!("never over {}", self.unit.show(most)),
        }
    }

    /// A figure as text.
    pub(crate) fn show(&self, figure: f64) -> String {
        self.unit.show(figure)
    }
}

impl Unit {
    fn show(self, figure: f64) -> String {
        match self {
            Self::Percent => format!("{:.0} %", 100.0 * figure),
            Self::Times => format!("{figure:.2} x"),
            Self::Plain("", digits) => format!("{figure:.digits$}"),
            Self::Plain(unit, digits) => format!("{figure:.digits$}{unit}"),
        }
    }
}
