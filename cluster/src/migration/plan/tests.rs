use super::*;
use crate::{
    Timestamp,
    id::ClassUid,
    migration::{Fate, Renamed, Transferred},
};

fn migration(tag: &str) -> Migration {
    Migration {
        tag: tag.into(),
        ..Migration::default()
    }
}

fn new(tag: &str, classes: &[&str]) -> Migration {
    Migration {
        new_classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        ..migration(tag)
    }
}

fn delete(tag: &str, class: &str) -> Migration {
    Migration {
        deleted_classes: vec![class.into()],
        ..migration(tag)
    }
}

fn rename(tag: &str, pairs: &[(&str, &str)]) -> Migration {
    let renamed = |(from, to): &(&str, &str)| Renamed {
        from: (*from).into(),
        to: (*to).into(),
    };
    Migration {
        renamed_classes: pairs.iter().map(renamed).collect(),
        ..migration(tag)
    }
}

fn transfer(tag: &str, application: &str, from: &str, to: &str) -> Migration {
    Migration {
        transferred_classes: vec![Transferred {
            from_application: application.into(),
            from: from.into(),
            to: to.into(),
        }],
        ..migration(tag)
    }
}

fn main_of(list: &[Migration]) -> Migrations {
    Migrations::new("main", list.to_vec())
}

/// Applies everything, one after another as a node does, onto what was applied before.
fn apply_onto(
    applied: &mut Vec<AppliedMigration>,
    given: &[Migrations],
    registered: &[&str],
) -> Result<Registry, MigrationError> {
    loop {
        let Plan { next, registry } = plan(applied, given, registered)?;
        let Some((application, migration)) = next else {
            return Ok(registry);
        };
        applied.push(AppliedMigration {
            application,
            at: Timestamp::default(),
            checksum: migration.checksum(),
            migration,
        });
    }
}

fn apply(list: &[Migration], registered: &[&str]) -> Result<Registry, MigrationError> {
    apply_onto(&mut Vec::new(), &[main_of(list)], registered)
}

fn uid(registry: &Registry, class: &str) -> ClassUid {
    registry.live()[class].uid
}

/// Guarantee 16.
#[test]
fn what_was_applied_is_not_applied_again() {
    let list = [new("0001_a", &["a"])];
    let mut applied = Vec::new();
    let first = apply_onto(&mut applied, &[main_of(&list)], &["a"]).unwrap();
    assert_eq!(applied.len(), 1);
    let again = apply_onto(&mut applied, &[main_of(&list)], &["a"]).unwrap();
    assert_eq!((applied.len(), again), (1, first));
}

/// Guarantee 16.
#[test]
fn a_renamed_class_keeps_its_identity_and_its_old_name_begins_anew() {
    let list = [
        new("0001_a", &["a", "b"]),
        rename("0002_swap", &[("a", "b"), ("b", "a")]),
    ];
    let before = apply(&list[..1], &["a", "b"]).unwrap();
    let swapped = apply(&list, &["a", "b"]).unwrap();
    assert_eq!(uid(&before, "a"), uid(&swapped, "b"));
    assert_eq!(uid(&before, "b"), uid(&swapped, "a"));

    let list = [
        new("0001_a", &["a"]),
        rename("0002_b", &[("a", "b")]),
        new("0003_a", &["a"]),
    ];
    let renewed = apply(&list, &["a", "b"]).unwrap();
    assert_eq!(uid(&renewed, "b"), uid(&before, "a"));
    assert_ne!(uid(&renewed, "a"), uid(&renewed, "b"));
}

/// Guarantee 16.
#[test]
fn a_deleted_class_and_its_namesake_have_two_identities() {
    let list = [new("0001_a", &["a"]), delete("0002_no-a", "a"), new("0003_a", &["a"])];
    let registry = apply(&list, &["a"]).unwrap();
    let [(name, deleted)] = registry.deleted() else {
        panic!("one class is deleted")
    };
    assert_eq!(name, "a");
    assert_ne!(deleted.uid, uid(&registry, "a"));

    let at_once = Migration {
        new_classes: vec!["a".into()],
        ..delete("0002_again", "a")
    };
    let registry = apply(&[new("0001_a", &["a"]), at_once], &["a"]).unwrap();
    assert_ne!(registry.deleted()[0].1.uid, uid(&registry, "a"));
}

/// Guarantee 16.
#[test]
fn a_transfer_waits_for_the_other_application() {
    let ours = Migrations::new("ours", [transfer("0001_take", "theirs", "a", "b")]);
    let theirs = Migrations::new("theirs", [new("0001_a", &["a"]), new("0002_a", &["a"])]);
    let mut applied = Vec::new();
    let registry = apply_onto(&mut applied, &[ours.clone(), theirs.clone()], &["a", "b"]).unwrap();
    let order: Vec<_> = applied.iter().map(|done| done.application.as_str()).collect();
    assert_eq!(order, ["theirs", "ours", "theirs"]);
    assert_eq!(uid(&registry, "b"), ClassUid::of_name("a", 0));
    assert_eq!(registry.live()["b"].application, "ours");
    assert_ne!(uid(&registry, "a"), uid(&registry, "b"));

    let stuck = Migrations::new("theirs", [new("0001_c", &["c"])]);
    let refused = apply_onto(&mut Vec::new(), &[ours, stuck], &["b", "c"]).unwrap_err();
    assert!(matches!(refused, MigrationError::NoClass { ref class, .. } if class == "a"));
    // A class of another application cannot be had by a rename.
    let theft = [
        main_of(&[rename("0001_b", &[("a", "b")])]),
        Migrations::new("theirs", [new("0001_a", &["a"])]),
    ];
    let refused = apply_onto(&mut Vec::new(), &theft, &["b"]).unwrap_err();
    assert!(matches!(refused, MigrationError::NoClass { ref class, .. } if class == "a"));
}

/// Guarantee 16.
#[test]
fn history_that_was_rewritten_or_lost_is_refused() {
    let list = [new("0001_a", &["a"]), new("0002_b", &["b"])];
    let mut applied = Vec::new();
    apply_onto(&mut applied, &[main_of(&list)], &["a", "b"]).unwrap();
    let against = |list: &[Migration], registered: &[&str]| plan(&applied, &[main_of(list)], registered).unwrap_err();

    let edited = [new("0001_a", &["a", "c"]), list[1].clone()];
    assert_eq!(
        against(&edited, &["a", "b", "c"]).to_string(),
        "migration 0001_a was applied as `new a` and now says `new a, new c`: restore it, and write what is new into a \
         migration of its own"
    );
    let retagged = [new("0001_first", &["a"]), list[1].clone()];
    assert!(
        against(&retagged, &["a", "b"])
            .to_string()
            .contains("`0001_first: new a`")
    );
    let downgrade = MigrationError::Missing {
        application: "main".into(),
        tag: "0002_b".into(),
    };
    assert_eq!(against(&list[..1], &["a"]), downgrade);
    let elsewhere = plan(&applied, &[Migrations::new("other", list.to_vec())], &["a", "b"]);
    assert!(matches!(elsewhere, Err(MigrationError::Missing { ref tag, .. }) if tag == "0001_a"));
}

/// Guarantee 16.
#[test]
fn classes_in_code_and_in_migrations_are_the_same() {
    let list = [new("0001_a", &["a"])];
    let refused = apply(&list, &["a", "b"]).unwrap_err().to_string();
    assert_eq!(
        refused,
        "class b is registered, but there is no such class: write a migration 0002 with `new-classes = [\"b\"]`"
    );
    let refused = apply(&list, &[]).unwrap_err().to_string();
    assert!(refused.contains("write a migration 0002 with"), "{refused}");

    let deleted = [list[0].clone(), delete("0002_no-a", "a")];
    let refused = apply(&deleted, &["a"]).unwrap_err().to_string();
    assert!(refused.contains("0002_no-a deleted it"), "{refused}");
    let renamed = [list[0].clone(), rename("0002_b", &[("a", "b")])];
    let refused = apply(&renamed, &["a"]).unwrap_err();
    let fate = Fate::Renamed {
        tag: "0002_b".into(),
        to: "b".into(),
    };
    assert!(matches!(&refused, MigrationError::Unmigrated { fate: Some(told), .. } if **told == fate));
    assert!(refused.to_string().ends_with("register the class as b"), "{refused}");
}

/// Guarantee 16.
#[test]
fn a_program_that_does_not_fit_applies_nothing() {
    let list = [new("0001_a", &["a"]), delete("0002_no-a", "a")];
    let mut applied = Vec::new();
    apply_onto(&mut applied, &[main_of(&list[..1])], &["a"]).unwrap();
    assert!(apply_onto(&mut applied, &[main_of(&list)], &["a"]).is_err());
    assert_eq!(applied.len(), 1);
}

/// Guarantee 16.
#[test]
fn migrations_that_say_nothing_or_nonsense_are_refused() {
    let first = new("0001_a", &["a"]);
    let with = |second: Migration| apply(&[first.clone(), second], &["a"]).unwrap_err();
    assert_eq!(with(migration("0002_x")), MigrationError::Empty("0002_x".into()));
    assert!(matches!(
        with(new("0002_x", &["a b"])),
        MigrationError::ClassName { .. }
    ));
    assert!(matches!(
        with(new("0002_x", &["c", "c"])),
        MigrationError::Contradiction { .. }
    ));
    assert!(matches!(
        with(rename("0002_x", &[("a", "a")])),
        MigrationError::Contradiction { .. }
    ));
    assert!(matches!(with(new("0002_x", &["a"])), MigrationError::Taken { ref since, .. } if since == "0001_a"));
    assert!(matches!(
        with(delete("0002_x", "z")),
        MigrationError::NoClass { fate: None, .. }
    ));
    let twice = [main_of(&[]), main_of(&[])];
    assert_eq!(plan(&[], &twice, &[]), Err(MigrationError::Application("main".into())));
}
