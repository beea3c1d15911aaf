//! What is durable, looked at from below, and what must hold when everything has come to rest.

use std::collections::BTreeSet;

use super::{Rows, World, differ};
use crate::{
    cell::{Cell, ROWS, TOKEN, once},
    plan::name,
};

impl World {
    /// Guarantees 3, 6, 7 and 8, looked at from below: what is durable is a version that was proposed, whole, and never an
    /// earlier one than before.
    pub(crate) fn check(&mut self, thorough: bool) {
        self.tally.checks += 1;
        self.rotation += 1;
        self.check_owners();
        for cell in 0..self.ghosts.len() {
            let Some((probe, _)) = self.owner(cell) else { continue };
            let Some(version) = self.durable(cell) else { continue };
            let ghost = &mut self.ghosts[cell];
            let before = ghost.durable;
            ghost.durable = before.max(version);
            let id = &ghost.id;
            let mut fault = None;
            if version < before {
                fault = Some(format!("version {version} is durable after {before}"));
            } else if version < ghost.heard {
                fault = Some(format!(
                    "version {version} is durable, but {} was heard of",
                    ghost.heard
                ));
            } else if thorough || (self.rotation + cell).is_multiple_of(8) {
                let rows = probe.listed::<Cell, u64>(id, &ROWS);
                fault = match ghost.line.get(version) {
                    Some(known) => differ(&known.rows, &rows),
                    None => Some(format!("version {version} is durable, which nobody made")),
                };
            } else {
                let token = probe.stored::<Cell, u64>(id, &ROWS.key(TOKEN)).unwrap_or_default();
                if ghost.line.get(version).is_none_or(|known| known.token != token) {
                    fault = Some(format!("version {version} is durable with a foreign token"));
                }
            }
            if let Some(fault) = fault {
                self.violated(format!("of {} {fault}", name(cell)));
            }
        }
        if thorough || self.rotation.is_multiple_of(8) {
            let faults = self.probes.iter().flatten().filter_map(|probe| probe.audit().err());
            for fault in faults.collect::<Vec<_>>() {
                self.violated(fault);
            }
        }
    }

    /// Guarantee 3: under one epoch, only one node ever owns.
    fn check_owners(&mut self) {
        let mut fault = None;
        for (node, probe) in (0..).zip(&self.probes) {
            let Some(probe) = probe else { continue };
            for (cell, ghost) in self.ghosts.iter_mut().enumerate() {
                let Some(epoch) = probe.epoch::<Cell>(&ghost.id) else {
                    continue;
                };
                let first = *ghost.owners.entry(epoch).or_insert(node);
                if first != node {
                    fault = Some(format!(
                        "nodes {first} and {node} own {} under epoch {epoch}",
                        name(cell)
                    ));
                }
            }
        }
        if let Some(fault) = fault {
            self.violated(fault);
        }
    }

    /// What must hold when everything has come to rest.
    pub(crate) fn conclude(&mut self, dead: usize) {
        let finals: Vec<_> = self
            .ghosts
            .iter()
            .map(|ghost| ghost.line.last().map(|last| &last.rows))
            .collect();
        let mut faults = Vec::new();
        let row = |cell: usize, key: &str| {
            let rows: Option<&Rows> = finals[cell];
            rows.and_then(|rows| rows.get(key)).copied().unwrap_or_default()
        };
        for from in 0..self.ghosts.len() {
            for to in 0..self.ghosts.len() {
                let sent = row(from, &format!("sent/{}", name(to)));
                let taken = row(to, &format!("taken/{}", name(from)));
                if sent != taken {
                    faults.push(format!("{} took {taken} of {sent} sends of {}", name(to), name(from)));
                }
            }
        }
        let unlisted: u64 = (0..self.ghosts.len()).map(|cell| row(cell, "unlisted")).sum();
        if unlisted != dead as u64 {
            faults.push(format!("{dead} dead letters of {unlisted} sends that nobody knows"));
        }
        let kept: BTreeSet<_> = (0..)
            .zip(&self.ghosts)
            .flat_map(|(cell, ghost)| ghost.line.iter().map(move |version| (cell, version.token)))
            .collect();
        for (number, call) in self.calls.iter().enumerate() {
            for proposed in call.proposed.iter().filter(|proposed| kept.contains(proposed)) {
                if let Some(denied) = self.denied(number) {
                    let (cell, _) = proposed;
                    faults.push(format!(
                        "call {denied} was said to have had no effect, but {} wrote for it",
                        name(*cell)
                    ));
                }
            }
        }
        for (number, call) in self.calls.iter().enumerate() {
            let Some(cell) = call.repeats else { continue };
            let times = row(cell, &once(number as u64));
            if times > 1 || (times == 0 && call.answered) {
                faults.push(format!(
                    "{} did call {number}, which was repeated under one key, {times} times",
                    name(cell)
                ));
            }
        }
        for cell in 0..self.ghosts.len() {
            let token = row(cell, "alarm/token");
            if token != 0 && self.rings.get(&token).is_none_or(|ring| ring.failures < 7) {
                faults.push(format!("the alarm of {} never succeeded", name(cell)));
            }
        }
        for fault in faults {
            self.violated(fault);
        }
    }

    /// Number of cells that have written.
    pub(crate) fn written(&self) -> usize {
        self.ghosts.iter().filter(|ghost| ghost.line.len() > 1).count()
    }
}
