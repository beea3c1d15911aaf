//! A message without its name.
//~ a message needs a stable wire name: #[message(name = "noun.verb", reply = Reply)]

use cluster::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, Message)]
pub struct Open;
