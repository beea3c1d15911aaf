//! The derive of the message is forgotten.
//~ `Open` is not a message
//~ add `#[derive(Message)]` and `#[message(name = "noun.verb", reply = Reply)]` to it

use cluster::prelude::*;

#[derive(serde::Serialize, serde::Deserialize)]
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
    async fn handle(&mut self, _: Open, _: &mut Ctx<Self>) -> Result<()> {
        Ok(())
    }
}
