//! The reply cannot be encoded.
//~ the trait bound `Sight: serde::Deserialize<'de>` is not satisfied
//~ consider adding `#[derive(serde::Deserialize)]` to your `Sight` type
//~ the trait bound `Sight: serde::Serialize` is not satisfied
//~ consider adding `#[derive(serde::Serialize)]` to your `Sight` type

use cluster::prelude::*;

pub struct Sight;

#[derive(serde::Serialize, serde::Deserialize, Message)]
#[message(name = "door.look", reply = Sight)]
pub struct Look;
