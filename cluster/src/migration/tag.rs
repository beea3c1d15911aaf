//! Tags: how migrations are numbered.

use super::{Migration, MigrationError, Migrations};

/// Number of a tag, `None` if it is not one.
pub(super) fn number(tag: &str) -> Option<u16> {
    let (digits, word) = tag.split_once('_')?;
    let is_number = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
    let lawful = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    let is_word = !word.is_empty() && word.bytes().all(lawful);
    (is_number && is_word).then(|| digits.parse().ok()).flatten()
}

/// The migrations of an application in the order of their numbers, which begin at 1 and have no gap.
pub(super) fn in_order(migrations: &Migrations) -> Result<Vec<&Migration>, MigrationError> {
    let mut numbered = Vec::with_capacity(migrations.list.len());
    for migration in &migrations.list {
        let number = number(&migration.tag).ok_or_else(|| MigrationError::Tag(migration.tag.clone()))?;
        numbered.push((number, migration));
    }
    numbered.sort_by_key(|(number, _)| *number);
    for pair in numbered.windows(2) {
        if pair[0].0 == pair[1].0 {
            return Err(MigrationError::Twice {
                first: pair[0].1.tag.clone(),
                second: pair[1].1.tag.clone(),
            });
        }
    }
    for (expected, (number, migration)) in (1..).zip(&numbered) {
        if *number != expected {
            return Err(MigrationError::Gap {
                missing: expected,
                next: migration.tag.clone(),
            });
        }
    }
    Ok(numbered.into_iter().map(|(_, migration)| migration).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read() {
        assert_eq!(number("0001_first"), Some(1));
        assert_eq!(number("0420_a-b_2"), Some(420));
        for bad in ["", "0001", "0001_", "1_a", "00001_a", "0001-a", "+001_a", "0001_A"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }

    /// Guarantee 16.
    #[test]
    fn gaps_and_repeated_numbers_are_refused() {
        let tagged = |tags: &[&str]| {
            let of = |tag: &&str| Migration {
                tag: (*tag).to_owned(),
                ..Migration::default()
            };
            Migrations::new("main", tags.iter().map(of))
        };
        let tags = |migrations: &Migrations| {
            in_order(migrations).map(|list| list.iter().map(|m| m.tag.clone()).collect::<Vec<_>>())
        };
        assert_eq!(tags(&tagged(&["0002_b", "0001_a"])).unwrap(), ["0001_a", "0002_b"]);
        let gap = MigrationError::Gap {
            missing: 2,
            next: "0003_c".into(),
        };
        assert_eq!(tags(&tagged(&["0001_a", "0003_c"])), Err(gap));
        let twice = MigrationError::Twice {
            first: "0001_a".into(),
            second: "0001_b".into(),
        };
        assert_eq!(tags(&tagged(&["0001_a", "0001_b"])), Err(twice));
        assert_eq!(tags(&tagged(&["first"])), Err(MigrationError::Tag("first".into())));
    }
}
