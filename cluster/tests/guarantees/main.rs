//! One module per theme; each test cites the guarantee of the crate's documentation that it checks.

mod alarms;
mod bounds;
mod deadlines;
mod directory;
mod errors;
mod fixture;
mod identity;
mod passivation;
mod schedules;
mod sends;
mod storage;
mod turns;
