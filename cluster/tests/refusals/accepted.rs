//! No mistake: if this does not compile, the refusals of the other files mean nothing.

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

impl Handler<Open> for Door {
    async fn handle(&mut self, _: Open, _: &mut Ctx<Self>) -> Result<bool> {
        Ok(true)
    }
}
