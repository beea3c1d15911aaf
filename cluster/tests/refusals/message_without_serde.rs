//! The message itself cannot be encoded.
//~ the trait bound `Open: serde::Deserialize<'de>` is not satisfied
//~ consider adding `#[derive(serde::Deserialize)]` to your `Open` type
//~ the trait bound `Open: serde::Serialize` is not satisfied
//~ consider adding `#[derive(serde::Serialize)]` to your `Open` type

use cluster::prelude::*;

#[derive(Message)]
#[message(name = "door.open")]
pub struct Open;
