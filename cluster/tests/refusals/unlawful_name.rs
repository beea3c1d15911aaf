//! A name that is no wire name.
//~ a wire name is 1 to 64 characters of a-z, 0-9, `.`, `-` and `_`

use cluster::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, Message)]
#[message(name = "Door Open")]
pub struct Open;
