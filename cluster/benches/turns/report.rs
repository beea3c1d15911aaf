//! What is printed, and what is written for the repository.

use std::fmt::Write;

use crate::{
    figures::{Figures, Spread},
    machine,
    options::Options,
    targets,
};

/// A case, and how its figures read.
struct Line {
    case: &'static str,
    unit: &'static str,
    digits: usize,
}

fn lines() -> Vec<Line> {
    use crate::{asks, cold, durable, live, nodes, start};
    let line = |unit, digits| move |case| Line { case, unit, digits };
    let rate = line("/s", 0);
    let time = line(" us", 2);
    let count = line("", 3);
    let whole = line("", 0);
    let tenth = line("", 1);
    vec![
        rate(asks::RAW_MANY),
        rate(asks::ASK_MANY),
        rate(asks::RAW_HOT),
        rate(asks::ASK_HOT),
        time(asks::RAW_ONE),
        time(asks::ASK_ONE),
        time(durable::APPEND_ONE),
        time(durable::TURN_ONE),
        rate(durable::FJALL_64),
        rate(durable::TURN_HOT),
        rate(durable::FJALL_256),
        rate(durable::TURN_8),
        rate(durable::TURN_32),
        count(durable::SYNCS_HOT),
        count(durable::SYNCS_8),
        count(durable::SYNCS_32),
        time(cold::COLD),
        time(cold::WARM),
        whole(live::EMPTY),
        whole(live::RESIDENT),
        whole(start::START),
        whole(start::REPLAY),
        rate(nodes::ONE),
        rate(nodes::THREE),
        whole(nodes::OWNERS),
        whole(nodes::CONFIRMED),
        whole(nodes::COPIES),
        whole(nodes::OLDEST),
        tenth(nodes::IDLE_ONE),
        tenth(nodes::IDLE),
        tenth(nodes::CALM[0]),
        tenth(nodes::CALM[1]),
        tenth(nodes::DRAIN[0]),
        tenth(nodes::DRAIN[1]),
        tenth(nodes::STOP[0]),
        tenth(nodes::STOP[1]),
        whole(nodes::FAILED),
        tenth(nodes::JOIN[0]),
        tenth(nodes::JOIN[1]),
        whole(nodes::JOIN_FAILED),
        tenth(nodes::JOIN_TIME),
    ]
}

impl Line {
    fn show(&self, figure: f64) -> String {
        format!("{figure:.*}{}", self.digits, self.unit)
    }

    fn processor(&self, figures: &Figures) -> Option<String> {
        Some(format!("{:.2} us", figures.processor(self.case)?))
    }
}

/// What the terminal shows.
pub(crate) fn text(options: &Options, figures: &Figures) -> String {
    let mut text = format!("{}\n{}\n\n", conditions(options), machine::describe());
    for line in lines() {
        if let Some(Spread { median, least, most }) = figures.spread(line.case) {
            let (median, least, most) = (line.show(median), line.show(least), line.show(most));
            // Writing to a string cannot fail.
            let processor = line
                .processor(figures)
                .map_or(String::new(), |time| format!("  {time} of processor time"));
            let _ = writeln!(text, "{:<67} {median:>12}  ({least} - {most}){processor}", line.case);
        }
    }
    text.push('\n');
    for target in targets::all() {
        if let Some(reached) = target.reached(figures) {
            let met = if target.is_met(reached) { "reached" } else { "MISSED" };
            let (wanted, median) = (target.wanted(), target.show(reached.median));
            let (least, most) = (target.show(reached.least), target.show(reached.most));
            let _ = writeln!(
                text,
                "{:<58} {wanted:>24}: {median:>18}  ({least} - {most}) {met}",
                target.name
            );
        }
    }
    text
}

/// What the repository keeps.
pub(crate) fn markdown(options: &Options, figures: &Figures) -> String {
    let mut text = format!(
        "# What a turn costs\n\n`{}` made this page on {}.\n\n{}\n\nMachine: {}.\n",
        options.command(),
        machine::date(),
        conditions(options),
        machine::describe()
    );
    text.push_str("\n| target | wanted | reached | least - most | |\n|---|---|---|---|---|\n");
    for target in targets::all() {
        if let Some(reached) = target.reached(figures) {
            let met = if target.is_met(reached) { "reached" } else { "missed" };
            let (least, most) = (target.show(reached.least), target.show(reached.most));
            let (wanted, median) = (target.wanted(), target.show(reached.median));
            let _ = writeln!(
                text,
                "| {} | {wanted} | {median} | {least} - {most} | {met} |",
                target.name
            );
        }
    }
    text.push_str("\n| case | median | least - most | processor time of a call |\n|---|---|---|---|\n");
    for line in lines() {
        if let Some(Spread { median, least, most }) = figures.spread(line.case) {
            let (median, least, most) = (line.show(median), line.show(least), line.show(most));
            let processor = line.processor(figures).unwrap_or_default();
            let _ = writeln!(text, "| {} | {median} | {least} - {most} | {processor} |", line.case);
        }
    }
    text
}

fn conditions(options: &Options) -> String {
    format!(
        "Medians of {} interleaved rounds after one that warms up, {} ms per case and round; ratios are within the round.",
        options.rounds(),
        options.span().as_millis()
    )
}
