//! The counters as actors behind actix-web: the same work as in `counter.js`.

use std::path::Path;

use actix_web::{App, HttpResponse, HttpServer, web};
use cluster::{ClusterConfig, Stores, prelude::*};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "counter.add", reply = u64)]
struct Add;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "counter.store", reply = u64)]
struct Store;

const COUNT: Key<u64> = Key::new("count");

struct Counter {
    count: u64,
    stored: u64,
}

impl VirtualActor for Counter {
    const CLASS: &'static str = "counter";
    type Env = ();

    fn interface(interface: Interface<Self>) -> Interface<Self> {
        interface.on::<Add>().on::<Store>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            count: 0,
            stored: ctx.storage().get(&COUNT).await?.unwrap_or_default(),
        })
    }
}

impl Handler<Add> for Counter {
    async fn handle(&mut self, _: Add, _: &mut Ctx<Self>) -> Result<u64> {
        self.count += 1;
        Ok(self.count)
    }
}

impl Handler<Store> for Counter {
    async fn handle(&mut self, _: Store, ctx: &mut Ctx<Self>) -> Result<u64> {
        self.stored += 1;
        ctx.storage().put(&COUNT, &self.stored)?;
        Ok(self.stored)
    }
}

async fn call<M>(cluster: &Cluster, name: &str, message: M) -> HttpResponse
where
    M: Message<Reply = u64>,
    Counter: Handler<M>,
{
    let answer = async {
        let tenant = TenantId::new("bench")?;
        let id = ActorId::from_name::<Counter>(&tenant, name);
        cluster.get::<Counter>(id).ask(message).await
    };
    match answer.await {
        Ok(count) => HttpResponse::Ok().body(count.to_string()),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

async fn add(cluster: web::Data<Cluster>, name: web::Path<String>) -> HttpResponse {
    call(&cluster, &name, Add).await
}

async fn store(cluster: web::Data<Cluster>, name: web::Path<String>) -> HttpResponse {
    call(&cluster, &name, Store).await
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be made")
}

/// Serves until the process is killed; prints its address first.
pub(crate) fn serve(directory: &Path) {
    let (actors, raft) = (runtime(), runtime());
    let config = ClusterConfig::new(actors.handle().clone(), raft.handle().clone());
    let cluster = actors
        .block_on(
            Cluster::builder(config)
                .actor::<Counter>(())
                .open(Stores::disk(directory)),
        )
        .expect("a new node opens");
    let data = web::Data::new(cluster);
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route("/add/{name}", web::get().to(add))
                .route("/store/{name}", web::get().to(store))
        })
        .workers(1)
        .bind(("127.0.0.1", 0))
        .expect("there is a free port");
        println!("{}", server.addrs()[0]);
        server.run().await.expect("the server runs until it is killed");
    });
}
