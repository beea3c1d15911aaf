//! A message is listed, and its handler is forgotten.
//~ `Door` has no handler for the message `Open`
//~ `Open` is not handled by `Door`
//~ add `impl Handler<Open> for Door` and list `.on::<Open>()` in its `interface`

use cluster::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, Message)]
#[message(name = "door.open", reply = bool)]
pub struct Open;

pub struct Door;

impl VirtualActor for Door {
    const CLASS: &'static str = "door";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Open>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}
