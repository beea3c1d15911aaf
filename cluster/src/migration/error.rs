//! Why classes, migrations and stored actors do not fit together.

use std::fmt;

/// Why the classes of a program, its migrations and what is stored do not fit together. Each text says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// Two lists of migrations have the same application.
    #[error("the migrations of application {0} are listed twice: put them into one list")]
    Application(String),
    /// A tag is not one.
    #[error(
        "{0:?} is no tag of a migration: write four digits, `_` and a word of a-z, 0-9, `_` and `-`, as in 0002_drafts"
    )]
    Tag(String),
    /// Two migrations have one number.
    #[error(
        "migrations {first} and {second} have the same number: give the one that was never applied the next free one"
    )]
    Twice {
        /// One of them.
        first: String,
        /// The other one.
        second: String,
    },
    /// A number is missing.
    #[error("there is migration {next}, but none numbered {missing:04}: numbers begin at 0001 and have no gaps")]
    Gap {
        /// The missing number.
        missing: u16,
        /// The migration behind it.
        next: String,
    },
    /// A migration changes nothing.
    #[error("migration {0} changes no class: say what it is for, or remove it")]
    Empty(String),
    /// A name cannot be the name of a class.
    #[error(
        "migration {tag} names a class {class:?}: a class name has 1 to 64 characters of a-z, A-Z, 0-9, `.`, `_` and `-`"
    )]
    ClassName {
        /// The migration.
        tag: String,
        /// The name.
        class: String,
    },
    /// A migration says two things about one class.
    #[error("migration {tag} says two things about class {class}: split it into two migrations, or remove one")]
    Contradiction {
        /// The migration.
        tag: String,
        /// The class.
        class: String,
    },
    /// A name is taken.
    #[error(
        "migration {tag} wants a class {class}, but there is one since {since}: choose another name, or rename or delete that class"
    )]
    Taken {
        /// The migration.
        tag: String,
        /// The name.
        class: String,
        /// The migration that gave the name away.
        since: String,
    },
    /// A class that is to be changed does not exist.
    #[error("migration {tag} changes class {class} of application {application}, which does not exist{}", told(.fate))]
    NoClass {
        /// The migration.
        tag: String,
        /// The application.
        application: String,
        /// The class.
        class: String,
        /// What became of it.
        fate: Option<Box<Fate>>,
    },
    /// An applied migration does not say what it said.
    #[error(
        "migration {tag} was applied as `{applied}` and now says `{given}`: restore it, and write what is new into a migration of its own"
    )]
    Changed {
        /// The migration.
        tag: String,
        /// What it said.
        applied: String,
        /// What it says.
        given: String,
    },
    /// An applied migration is not listed.
    #[error(
        "migration {tag} of application {application} was applied to this data, and this program does not have it: start a program that has it, at least as new as the last one"
    )]
    Missing {
        /// The application.
        application: String,
        /// The migration.
        tag: String,
    },
    /// A registered class comes from no migration.
    #[error("class {class} is registered, but there is no such class{}: {}", told(.fate), advice(.class, .next, .fate))]
    Unmigrated {
        /// The class.
        class: String,
        /// Number of the next migration.
        next: u16,
        /// What became of an earlier class of the name.
        fate: Option<Box<Fate>>,
    },
    /// A class has actors and no code.
    #[error(
        "class {class} of application {application} exists since {since}, but is not registered: register it, or write a migration {next:04} with `renamed-classes`, or with `deleted-classes = [\"{class}\"]`, which removes all its actors"
    )]
    Unregistered {
        /// The class.
        class: String,
        /// Its application.
        application: String,
        /// The migration that made it.
        since: String,
        /// Number of the next migration.
        next: u16,
    },
}

/// What became of the class that had a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was deleted.
    Deleted {
        /// By which migration.
        tag: String,
    },
    /// It goes on under another name.
    Renamed {
        /// By which migration.
        tag: String,
        /// Its name.
        to: String,
    },
    /// It goes on in another application.
    Transferred {
        /// By which migration.
        tag: String,
        /// The application.
        application: String,
        /// Its name.
        to: String,
    },
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted { tag } => write!(f, "{tag} deleted it"),
            Self::Renamed { tag, to } => write!(f, "{tag} renamed it to {to}"),
            Self::Transferred { tag, application, to } => {
                write!(f, "{tag} transferred it to {to} of application {application}")
            }
        }
    }
}

fn told(fate: &Option<Box<Fate>>) -> String {
    fate.as_ref().map_or_else(String::new, |fate| format!(" ({fate})"))
}

fn advice(class: &str, next: &u16, fate: &Option<Box<Fate>>) -> String {
    match fate.as_deref() {
        None => format!("write a migration {next:04} with `new-classes = [\"{class}\"]`"),
        Some(Fate::Deleted { .. }) => format!(
            "do not register it, or write a migration {next:04} with `new-classes = [\"{class}\"]`, which begins without actors"
        ),
        Some(Fate::Renamed { to, .. } | Fate::Transferred { to, .. }) => {
            format!("register the class as {to}")
        }
    }
}
