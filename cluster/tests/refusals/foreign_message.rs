//! An actor is asked what its class has no handler for.
//~ `Door` has no handler for the message `Open`
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
        i
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

pub async fn ask(door: ActorRef<Door>) -> Result<bool> {
    door.ask(Open).await
}
