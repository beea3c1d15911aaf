//! What is still to be applied, or why the program does not fit what is stored.

use super::{AppliedMigration, Migration, MigrationError, Migrations, registry::Registry, tag};

/// What a node does about its migrations.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The next migration to apply, with its application.
    pub(crate) next: Option<(String, Migration)>,
    /// The classes once everything is applied.
    pub(crate) registry: Registry,
}

/// The migrations of one application on their way.
struct Sequence<'a> {
    application: &'a str,
    list: Vec<&'a Migration>,
    applied: usize,
}

impl Sequence<'_> {
    fn next_number(&self) -> u16 {
        u16::try_from(self.list.len() + 1).unwrap_or(u16::MAX)
    }
}

/// Compares what was applied with what a program lists and registers. Nothing is applied unless all of it fits: a
/// migration of a program that cannot start must not delete anything.
pub(crate) fn plan(
    applied: &[AppliedMigration],
    given: &[Migrations],
    registered: &[&str],
) -> Result<Plan, MigrationError> {
    let mut sequences: Vec<Sequence<'_>> = Vec::with_capacity(given.len());
    for migrations in given {
        let application = migrations.application();
        if sequences.iter().any(|sequence| sequence.application == application) {
            return Err(MigrationError::Application(application.to_owned()));
        }
        sequences.push(Sequence {
            application,
            list: tag::in_order(migrations)?,
            applied: 0,
        });
    }

    let mut registry = Registry::default();
    for done in applied {
        let sequence = sequences
            .iter_mut()
            .find(|sequence| sequence.application == done.application);
        let same = sequence.and_then(|sequence| {
            let same = sequence.list.get(sequence.applied).copied();
            sequence.applied += 1;
            same
        });
        let Some(same) = same else {
            return Err(MigrationError::Missing {
                application: done.application.clone(),
                tag: done.migration.tag.clone(),
            });
        };
        if same.checksum() != done.checksum {
            return Err(changed(&done.migration, same));
        }
        registry = registry.after(&done.application, &done.migration)?;
    }

    let mut next = None;
    while let Some((sequence, after)) = advance(&sequences, &registry)? {
        let sequence = &mut sequences[sequence];
        let migration = sequence.list[sequence.applied];
        next.get_or_insert_with(|| (sequence.application.to_owned(), migration.clone()));
        sequence.applied += 1;
        registry = after;
    }
    match_registered(&sequences, &registry, registered)?;
    Ok(Plan { next, registry })
}

/// The first application whose next migration can be applied, and the classes after it. A transfer may have to wait for
/// the other application; if nothing can be applied, the first error says why.
fn advance(sequences: &[Sequence<'_>], registry: &Registry) -> Result<Option<(usize, Registry)>, MigrationError> {
    let mut first_error = None;
    for (index, sequence) in sequences.iter().enumerate() {
        let Some(migration) = sequence.list.get(sequence.applied) else {
            continue;
        };
        match registry.after(sequence.application, migration) {
            Ok(after) => return Ok(Some((index, after))),
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    first_error.map_or(Ok(None), Err)
}

fn match_registered(
    sequences: &[Sequence<'_>],
    registry: &Registry,
    registered: &[&str],
) -> Result<(), MigrationError> {
    for class in registered {
        if !registry.live().contains_key(*class) {
            return Err(MigrationError::Unmigrated {
                class: (*class).to_owned(),
                next: sequences.first().map_or(1, Sequence::next_number),
                fate: registry.fate(class).cloned().map(Box::new),
            });
        }
    }
    for (class, entry) in registry.live() {
        if !registered.contains(&class.as_str()) {
            let sequence = sequences
                .iter()
                .find(|sequence| sequence.application == entry.application);
            return Err(MigrationError::Unregistered {
                class: class.clone(),
                application: entry.application.clone(),
                since: entry.since.clone(),
                next: sequence.map_or(1, Sequence::next_number),
            });
        }
    }
    Ok(())
}

fn changed(applied: &Migration, given: &Migration) -> MigrationError {
    // Two that say the same differ in their tags.
    let say = |migration: &Migration| {
        if applied.tag == given.tag {
            migration.to_string()
        } else {
            format!("{}: {migration}", migration.tag)
        }
    };
    MigrationError::Changed {
        tag: applied.tag.clone(),
        applied: say(applied),
        given: say(given),
    }
}

#[cfg(test)]
mod tests;
