//! A handler keeps, over an await, what only one thread may have.
//~ future cannot be sent between threads safely
//~ future returned by `handle` is not `Send`
//~ has type `Rc<i32>` which is not `Send`

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
    async fn handle(&mut self, _: Open, ctx: &mut Ctx<Self>) -> Result<bool> {
        let bell = std::rc::Rc::new(0);
        let open = ctx.storage().get::<bool>(&Key::new("open")).await?;
        Ok(open.unwrap_or(*bell == 0))
    }
}
