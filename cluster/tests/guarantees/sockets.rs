//! Sockets: clients that actors talk to.

use std::{sync::Arc, time::Duration};

use cluster::{
    AutoResponse, Bounds, Cluster, Outgoing, SocketReceiver, SocketSender,
    prelude::*,
    testing::{TestCluster, TestNodes, TestNodesBuilder, Weather},
};
use serde::{Deserialize, Serialize};

use crate::{
    fixture::{Activations, tenant},
    gauges::Readings,
};

const TOTAL: Key<u64> = Key::new("total");
const GAPS: Key<u64> = Key::new("gaps");
const GONE: Keys<u16> = Keys::new("gone/");

/// A room of clients, which adds up what they say.
struct Room {
    /// Frames since the activation.
    frames: u64,
}

/// What a socket is for.
#[derive(Debug, Serialize, Deserialize)]
struct Guest {
    name: String,
}

/// Asks how many clients there are, or those with a tag.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "room.count", reply = usize)]
struct Count(Option<String>);

/// Asks for the total.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "room.total", reply = u64)]
struct Total;

/// Asks for the codes with which sockets were closed.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "room.gone", reply = Vec<u16>)]
struct Gone;

/// Asks how often frames may have been lost.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "room.gaps", reply = u64)]
struct Gaps;

/// Says something to everybody with a tag.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "room.say")]
struct Say(String, String);

/// Changes what gateways answer to "ping".
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "room.answer")]
struct Answer(Option<String>);

/// Asks when automatic responses were last sent, of each socket.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "room.answered", reply = Vec<Option<Timestamp>>)]
struct Answered;

impl VirtualActor for Room {
    const CLASS: &'static str = "room";
    type Env = Activations;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.sockets()
            .on::<Gaps>()
            .on::<Count>()
            .on::<Total>()
            .on::<Gone>()
            .on::<Say>()
            .on::<Answer>()
            .on::<Answered>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        ctx.env().another();
        Ok(Self { frames: 0 })
    }
}

impl SocketActor for Room {
    async fn connect(&mut self, socket: SocketId, opening: Opening, ctx: &mut Ctx<Self>) -> Result<Vec<String>> {
        let tags: Vec<String> = opening.uri.split('/').map(str::to_owned).collect();
        if tags.iter().any(|tag| tag == "stranger") {
            ctx.sockets().send(socket, "you are not welcome")?;
            return Err(ActorError::forbidden("room.stranger", "strangers stay outside"));
        }
        let name = tags[0].clone();
        ctx.sockets().attach(socket, &Guest { name: name.clone() })?;
        if name == "answered" {
            let answer = AutoResponse::new("ping", "at your service")?;
            ctx.sockets().set_auto_response(Some(answer))?;
        }
        ctx.sockets().send(socket, "welcome")?;
        Ok(tags)
    }

    async fn frame(&mut self, socket: SocketId, frame: Frame, ctx: &mut Ctx<Self>) -> Result<()> {
        self.frames += 1;
        let Frame::Text(text) = frame else {
            return ctx.sockets().send(socket, frame);
        };
        match text.split_once(' ').unwrap_or((&text, "")) {
            ("add", number) => {
                let total = ctx.storage().get(&TOTAL).await?.unwrap_or_default() + number.parse::<u64>().unwrap();
                ctx.storage().put(&TOTAL, &total)?;
                ctx.sockets().send(socket, format!("total {total} by {number}"))
            }
            ("echo", rest) => ctx.sockets().send(socket, rest),
            ("frames", _) => ctx.sockets().send(socket, self.frames.to_string()),
            ("who", _) => {
                let guest: Option<Guest> = ctx.sockets().attachment(socket)?;
                let tags = ctx.sockets().tags(socket)?;
                ctx.sockets()
                    .send(socket, format!("{} {}", guest.unwrap().name, tags.join("/")))
            }
            ("bye", _) => ctx.sockets().close(socket, 4001, "as you like"),
            ("much", bytes) => {
                for _ in 0..5 {
                    ctx.sockets()
                        .send(socket, Frame::Binary(vec![7; bytes.parse().unwrap()]))?;
                }
                Ok(())
            }
            ("large", _) => ctx.sockets().attach(socket, &vec![1_u8; 16 * 1024]),
            ("panic", _) => {
                ctx.sockets().send(socket, "this never leaves")?;
                panic!("told to");
            }
            _ => Err(ActorError::invalid("room.what", text)),
        }
    }

    async fn gap(&mut self, socket: SocketId, ctx: &mut Ctx<Self>) -> Result<()> {
        let gaps = ctx.storage().get(&GAPS).await?.unwrap_or_default() + 1;
        ctx.storage().put(&GAPS, &gaps)?;
        ctx.sockets().send(socket, "there may be a gap")
    }

    async fn close(&mut self, socket: SocketId, closing: Closing, ctx: &mut Ctx<Self>) -> Result<()> {
        let guest = ctx.sockets().attachment::<Guest>(socket)?;
        let key = format!("{socket}");
        ctx.storage().put(&GONE.key(&key), &closing.code)?;
        assert_ne!(guest.unwrap().name, "fatal", "told to");
        Ok(())
    }
}

impl Handler<Gaps> for Room {
    async fn handle(&mut self, _: Gaps, ctx: &mut Ctx<Self>) -> Result<u64> {
        Ok(ctx.storage().get(&GAPS).await?.unwrap_or_default())
    }
}

impl Handler<Count> for Room {
    async fn handle(&mut self, Count(tag): Count, ctx: &mut Ctx<Self>) -> Result<usize> {
        let mut sockets = ctx.sockets();
        let found = match tag {
            Some(tag) => sockets.tagged(&tag)?,
            None => sockets.all()?,
        };
        Ok(found.len())
    }
}

impl Handler<Total> for Room {
    async fn handle(&mut self, _: Total, ctx: &mut Ctx<Self>) -> Result<u64> {
        Ok(ctx.storage().get(&TOTAL).await?.unwrap_or_default())
    }
}

impl Handler<Gone> for Room {
    async fn handle(&mut self, _: Gone, ctx: &mut Ctx<Self>) -> Result<Vec<u16>> {
        let gone = ctx.storage().list(&GONE, List::default()).await?;
        Ok(gone.into_iter().map(|(_, code)| code).collect())
    }
}

impl Handler<Say> for Room {
    async fn handle(&mut self, Say(tag, text): Say, ctx: &mut Ctx<Self>) -> Result<()> {
        let sockets = ctx.sockets().tagged(&tag)?;
        ctx.sockets().broadcast(sockets, text)
    }
}

impl Handler<Answer> for Room {
    async fn handle(&mut self, Answer(answer): Answer, ctx: &mut Ctx<Self>) -> Result<()> {
        let answer = answer.map(|answer| AutoResponse::new("ping", &answer)).transpose()?;
        ctx.sockets().set_auto_response(answer)
    }
}

impl Handler<Answered> for Room {
    async fn handle(&mut self, _: Answered, ctx: &mut Ctx<Self>) -> Result<Vec<Option<Timestamp>>> {
        let mut answered = Vec::new();
        for socket in ctx.sockets().all()? {
            answered.push(ctx.sockets().auto_response_timestamp(socket).await?);
        }
        Ok(answered)
    }
}

fn room() -> ActorId {
    ActorId::from_name::<Room>(&tenant(), "lobby")
}

/// A client.
struct Client {
    sender: SocketSender,
    receiver: SocketReceiver,
}

impl Client {
    async fn connect(cluster: &Cluster, uri: &str) -> Result<Self> {
        Self::connect_to(cluster, room(), uri).await
    }

    async fn connect_to(cluster: &Cluster, room: ActorId, uri: &str) -> Result<Self> {
        let opening = Opening {
            uri: uri.to_owned(),
            ..Opening::default()
        };
        let (sender, receiver) = cluster.connect(room, opening, Arc::new(|| None)).await?;
        Ok(Self { sender, receiver })
    }

    /// One that has been welcomed.
    async fn enter(cluster: &Cluster, uri: &str) -> Self {
        let mut client = Self::connect(cluster, uri).await.unwrap();
        assert_eq!(client.text().await, "welcome");
        client
    }

    async fn send(&self, text: &str) {
        self.sender.send(Frame::from(text)).await;
    }

    async fn next(&mut self) -> Outgoing {
        let next = tokio::time::timeout(Duration::from_secs(120), self.receiver.next()).await;
        next.expect("it comes").expect("the socket is open")
    }

    async fn text(&mut self) -> String {
        match self.next().await {
            Outgoing::Frame(Frame::Text(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&mut self, text: &str) -> String {
        self.send(text).await;
        self.text().await
    }

    /// The code with which it is disconnected.
    async fn end(&mut self) -> u16 {
        loop {
            if let Outgoing::Close(closing) = self.next().await {
                assert!(self.receiver.next().await.is_none(), "nothing follows");
                return closing.code;
            }
        }
    }
}

async fn alone(seed: u64, bounds: Bounds) -> (TestCluster, Activations) {
    let activations = Activations::default();
    let builder = TestCluster::builder(seed)
        .actor::<Room>(activations.clone())
        .bounds(bounds);
    (builder.start().await, activations)
}

async fn count(cluster: &Cluster, tag: Option<&str>) -> usize {
    let tag = tag.map(str::to_owned);
    cluster.get::<Room>(room()).ask(Count(tag)).await.unwrap()
}

async fn gone(cluster: &Cluster) -> Vec<u16> {
    cluster.get::<Room>(room()).ask(Gone).await.unwrap()
}

/// Waits until the room has so many clients.
async fn until(cluster: &Cluster, clients: usize) {
    for _ in 0..2_000 {
        // Its owner may have to be found first.
        if cluster.get::<Room>(room()).ask(Count(None)).await == Ok(clients) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there are not {clients} clients");
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn a_socket_outlives_the_activations_of_its_actor() {
    let (test, activations) = alone(1, Bounds::default()).await;
    let cluster = test.cluster();
    let mut ann = Client::enter(&cluster, "ann/red").await;
    let mut bob = Client::enter(&cluster, "bob/red/blue").await;
    assert_eq!(ann.ask("echo hello").await, "hello");
    assert_eq!(ann.ask("frames").await, "2");
    for _ in 0..2 {
        test.passivate_all().await;
        let before = activations.count();
        assert_eq!(bob.ask("who").await, "bob bob/red/blue");
        assert_eq!(bob.ask("frames").await, "2", "fields are lost");
        assert_eq!(activations.count(), before + 1);
    }
    assert_eq!(
        [count(&cluster, None).await, count(&cluster, Some("red")).await],
        [2, 2]
    );
    assert_eq!(count(&cluster, Some("blue")).await, 1);
    test.passivate_all().await;
    cluster
        .get::<Room>(room())
        .ask(Say("blue".to_owned(), "only you".to_owned()))
        .await
        .unwrap();
    assert_eq!(bob.text().await, "only you");
    ann.sender.send(Frame::Binary(vec![1, 2])).await;
    assert_eq!(ann.next().await, Outgoing::Frame(Frame::Binary(vec![1, 2])));
    assert_eq!(test.fatal(), [""; 0]);
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn an_automatic_response_wakes_nobody() {
    let (test, activations) = alone(2, Bounds::default()).await;
    let cluster = test.cluster();
    let mut early = Client::enter(&cluster, "early").await;
    cluster
        .get::<Room>(room())
        .ask(Answer(Some("pong".to_owned())))
        .await
        .unwrap();
    test.passivate_all().await;
    let mut late = Client::enter(&cluster, "late").await;
    test.passivate_all().await;
    let before = activations.count();
    for client in [&mut early, &mut late] {
        for _ in 0..1000 {
            assert_eq!(client.ask("ping").await, "pong");
        }
    }
    assert_eq!(activations.count(), before);
    cluster.get::<Room>(room()).ask(Answer(None)).await.unwrap();
    late.send("ping").await;
    assert_eq!(late.ask("frames").await, "2");
}

/// Guarantees 7 and 11.
#[tokio::test(start_paused = true)]
async fn a_frame_leaves_when_its_turn_is_durable_or_never() {
    let slow = Duration::from_millis(700)..=Duration::from_millis(700);
    let builder = TestCluster::builder(3)
        .actor::<Room>(Activations::default())
        .syncs(slow);
    let test = builder.start().await;
    let cluster = test.cluster();
    let mut client = Client::enter(&cluster, "ann").await;
    let began = tokio::time::Instant::now();
    assert_eq!(client.ask("add 3").await, "total 3 by 3");
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
    client.send("panic").await;
    assert_eq!(client.end().await, 1011);
    let error = cluster.get::<Room>(room()).ask(Total).await;
    assert_eq!(error, Ok(3));
}

/// Guarantees 11 and 14.
#[tokio::test(start_paused = true)]
async fn sockets_tags_and_attachments_have_bounds() {
    let bounds = Bounds {
        sockets: 2,
        ..Bounds::default()
    };
    let (test, _) = alone(4, bounds).await;
    let cluster = test.cluster();
    let code = async |uri: &str| {
        Client::connect(&cluster, uri)
            .await
            .err()
            .map(|error| error.code().to_owned())
    };
    assert_eq!(code("0/1/2/3/4/5/6/7/8/9/10").await.as_deref(), Some("socket.tags"));
    assert_eq!(code(&"x".repeat(257)).await.as_deref(), Some("socket.tags"));
    assert_eq!(code("ann/stranger").await.as_deref(), Some("room.stranger"));
    assert_eq!(
        count(&cluster, None).await,
        0,
        "nothing is left of those who were refused"
    );
    let mut one = Client::enter(&cluster, &"ä".repeat(256)).await;
    let _two = Client::enter(&cluster, "0/1/2/3/4/5/6/7/8/9/9/9").await;
    assert_eq!(code("three").await.as_deref(), Some("socket.too-many"));
    one.send("large").await;
    assert_eq!(one.ask("who").await.split(' ').next().unwrap().chars().count(), 256);
    drop(one);
    until(&cluster, 1).await;
    assert_eq!(code("three").await, None);
    let other = cluster.connect(
        ActorId::from_name::<Room>(&tenant(), ""),
        Opening::default(),
        Arc::new(|| None),
    );
    assert_eq!(other.await.unwrap_err().code(), "actor.name");
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn an_actor_is_told_once_how_its_sockets_ended() {
    let (test, _) = alone(5, Bounds::default()).await;
    let cluster = test.cluster();
    let rows = test.rows();
    let mut ann = Client::enter(&cluster, "ann").await;
    ann.send("bye").await;
    assert_eq!(ann.end().await, 4001);
    assert_eq!(count(&cluster, None).await, 1, "until the client has gone");
    ann.sender.close(Closing {
        code: 4001,
        reason: String::new(),
        is_clean: true,
    });
    until(&cluster, 0).await;
    let bob = Client::enter(&cluster, "bob").await;
    bob.send("add 1").await;
    bob.send("add 1").await;
    // What was sent before is handled before.
    drop(bob);
    until(&cluster, 0).await;
    assert_eq!(cluster.get::<Room>(room()).ask(Total).await, Ok(2));
    let mut gone = gone(&cluster).await;
    gone.sort_unstable();
    assert_eq!(gone, [1006, 4001]);
    test.advance(Duration::from_millis(1)).await;
    assert_eq!(cluster.sockets(), 0);
    // Its record, an entry in the directory, the total, and two ends.
    assert_eq!(test.rows(), rows + 5);
}

/// Guarantees 11 and 14.
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_disconnected() {
    let (test, _) = alone(6, Bounds::default()).await;
    let cluster = test.cluster();
    let mut slow = Client::enter(&cluster, "slow").await;
    let mut other = Client::enter(&cluster, "other").await;
    slow.send("much 1000000").await;
    assert_eq!(other.ask("echo still here").await, "still here");
    assert_eq!(slow.end().await, 1013);
    drop(slow);
    until(&cluster, 1).await;
    assert_eq!(gone(&cluster).await, [1006]);
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn a_class_without_sockets_takes_no_clients() {
    let builder = TestCluster::builder(7).actor::<crate::fixture::Account>(Activations::default());
    let test = builder.start().await;
    let id = ActorId::from_name::<crate::fixture::Account>(&tenant(), "a");
    let connected = test.cluster().connect(id, Opening::default(), Arc::new(|| None)).await;
    assert_eq!(connected.unwrap_err().code(), "message.unknown");
    assert_eq!(test.cluster().sockets(), 0);
}

fn rooms(seed: u64) -> TestNodesBuilder {
    TestNodes::builder(seed).actor::<Room>(Activations::default()).shards(1)
}

/// Has the owner of the shard give it to another node in good order.
async fn hand_over(test: &TestNodes, to: usize) {
    for _ in 0..200 {
        // One that was elected a moment ago keeps it.
        if test.hand_over(0, to).await.is_ok() {
            return test.move_shard(0, to).await;
        }
        test.advance(Duration::from_millis(20)).await;
    }
    panic!("the shard does not go to node {to}");
}

/// Says numbers, and returns what was answered, in order.
async fn talk(client: &mut Client, numbers: std::ops::RangeInclusive<u64>) -> Vec<(u64, u64)> {
    let mut heard = Vec::new();
    for number in numbers {
        let answer = client.ask(&format!("add {number}")).await;
        heard.push(parsed(&answer));
    }
    heard
}

/// The total and the number in an answer.
fn parsed(answer: &str) -> (u64, u64) {
    let (total, number) = answer.strip_prefix("total ").unwrap().split_once(" by ").unwrap();
    (total.parse().unwrap(), number.parse().unwrap())
}

/// What is answered to the numbers up to one, each added once and in order.
fn sums(numbers: std::ops::RangeInclusive<u64>) -> Vec<(u64, u64)> {
    numbers.map(|number| (number * (number + 1) / 2, number)).collect()
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_doubled_while_the_actor_moves() {
    for seed in 0..6 {
        println!("seed {seed}");
        let test = rooms(seed).engines().start().await;
        test.move_shard(0, 1).await;
        let mut client = Client::enter(&test.node(0), "ann").await;
        let moving = async {
            for to in [2, 0, 1, 2, 0] {
                hand_over(&test, to).await;
                test.advance(Duration::from_millis(40)).await;
            }
        };
        let talking = async {
            let Client { sender, receiver } = &mut client;
            let speak = async {
                for number in 1..=150_u64 {
                    sender.send(Frame::from(format!("add {number}"))).await;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            let hear = async {
                let mut heard = Vec::new();
                while heard.len() < 150 {
                    let Some(Outgoing::Frame(Frame::Text(answer))) = receiver.next().await else {
                        panic!("disconnected after {heard:?}")
                    };
                    heard.push(parsed(&answer));
                }
                heard
            };
            tokio::join!(speak, hear).1
        };
        let (heard, ()) = tokio::join!(talking, moving);
        assert_eq!(heard, sums(1..=150), "seed {seed}");
        assert_eq!(test.fatal(), [""; 0]);
    }
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn what_a_frame_did_durably_happens_once_though_owners_die() {
    for seed in 10..16 {
        println!("seed {seed}");
        let test = rooms(seed).engines().start().await;
        let client = Client::enter(&test.node(0), "ann").await;
        let speak = async {
            for number in 1..=60_u64 {
                client.send(&format!("add {number}")).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let crashes = async {
            for _ in 0..2 {
                test.advance(Duration::from_millis(400)).await;
                // The client stays connected to the first.
                let victim = 1 + test.owner(0) % 2;
                test.move_shard(0, victim).await;
                test.advance(Duration::from_millis(130)).await;
                test.crash(victim).await;
                test.advance(Duration::from_secs(3)).await;
                test.restart(victim).await;
            }
        };
        tokio::join!(speak, crashes);
        let expected = 60 * 61 / 2;
        let room = || test.node(0).get::<Room>(room());
        for _ in 0..400 {
            if room().ask(Total).await == Ok(expected) {
                break;
            }
            test.advance(Duration::from_millis(50)).await;
        }
        // And it stays so: nothing is on its way any more.
        test.advance(Duration::from_secs(20)).await;
        assert_eq!(room().ask(Total).await, Ok(expected), "seed {seed}");
        assert_eq!(test.fatal(), [""; 0]);
    }
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn a_frame_that_was_handled_and_not_answered_does_nothing_again_at_the_next_owner() {
    for seed in 16..19 {
        println!("seed {seed}");
        let test = rooms(seed).start().await;
        test.move_shard(0, 1).await;
        let mut client = Client::enter(&test.node(0), "ann").await;
        assert_eq!(talk(&mut client, 1..=2).await, sums(1..=2));
        test.cut(1, 0);
        client.send("add 3").await;
        let stored = || test.probe(1).stored::<Room, u64>(&room(), &TOTAL);
        for _ in 0..400 {
            if stored() == Some(6) {
                break;
            }
            test.advance(Duration::from_millis(10)).await;
        }
        assert_eq!(stored(), Some(6), "it was handled");
        test.crash(1).await;
        test.heal();
        client.send("echo it came again").await;
        let mut heard = client.text().await;
        assert_eq!(heard, GAP);
        // The former owner has noticed as well that nothing gets through, and tells of it before or after its end.
        while heard == GAP {
            heard = client.text().await;
        }
        assert_eq!(heard, "it came again");
        assert_eq!(test.node(2).get::<Room>(room()).ask(Total).await, Ok(6), "seed {seed}");
    }
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn a_bad_network_neither_loses_nor_doubles_what_clients_say() {
    for seed in 20..24 {
        println!("seed {seed}");
        let test = rooms(seed).start().await;
        test.move_shard(0, 1).await;
        let client = Client::enter(&test.node(0), "ann").await;
        test.set_weather(Weather {
            loss: 0.1,
            repeat: 0.2,
            ..Weather::default()
        });
        for number in 1..=40_u64 {
            client.send(&format!("add {number}")).await;
        }
        drop(client);
        test.advance(Duration::from_secs(300)).await;
        test.set_weather(Weather::default());
        until(&test.node(1), 0).await;
        let total = test.node(1).get::<Room>(room()).ask(Total).await;
        assert_eq!(total, Ok(40 * 41 / 2), "seed {seed}");
    }
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn the_sockets_of_a_gateway_that_died_are_closed() {
    for seed in [30, 31] {
        let test = rooms(seed).start().await;
        test.move_shard(0, 1).await;
        let mut stays = Client::enter(&test.node(2), "stays").await;
        let _goes = [
            Client::enter(&test.node(0), "a").await,
            Client::enter(&test.node(0), "b").await,
        ];
        assert_eq!(count(&test.node(1), None).await, 3);
        test.crash(0).await;
        if seed == 30 {
            test.restart(0).await;
        }
        until(&test.node(1), 1).await;
        assert_eq!(gone(&test.node(1)).await, [1006, 1006]);
        assert_eq!(talk(&mut stays, 1..=3).await, sums(1..=3));
    }
}

/// Guarantee 11. A gateway that comes back after it was given up disconnects its clients, who come again.
#[tokio::test(start_paused = true)]
async fn a_client_whose_connection_was_taken_for_lost_is_disconnected() {
    let test = rooms(40).start().await;
    test.move_shard(0, 1).await;
    let mut client = Client::enter(&test.node(0), "ann").await;
    test.cut(0, 1);
    test.cut(1, 0);
    test.advance(Duration::from_secs(45)).await;
    assert_eq!(count(&test.node(1), None).await, 0);
    test.heal();
    client.send("echo are you there").await;
    assert_eq!(client.end().await, 1012);
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn an_actor_is_told_when_what_it_sent_may_be_lost() {
    let test = rooms(50).start().await;
    test.move_shard(0, 1).await;
    let mut client = Client::enter(&test.node(0), "ann").await;
    let gaps = async || test.node(1).get::<Room>(room()).ask(Gaps).await.unwrap();
    assert_eq!(gaps().await, 0);
    test.cut(1, 0);
    let say = async |text: &str| {
        let said = Say("ann".to_owned(), text.to_owned());
        test.node(1).get::<Room>(room()).ask(said).await.unwrap();
    };
    say("lost").await;
    test.advance(Duration::from_secs(8)).await;
    assert!(
        (1..=8).contains(&gaps().await),
        "it is not told of each failure in a hurry"
    );
    test.heal();
    let mut heard = client.text().await;
    assert_eq!(heard, "there may be a gap");
    assert!(gaps().await >= 1);
    // The socket itself is as good as before.
    say("here again").await;
    while heard == "there may be a gap" {
        heard = client.text().await;
    }
    assert_eq!(heard, "here again");
    assert_eq!(talk(&mut client, 1..=3).await, sums(1..=3));
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn what_several_turns_send_arrives_in_their_order_once() {
    for seed in 60..64 {
        println!("seed {seed}");
        let test = rooms(seed).start().await;
        test.move_shard(0, 1).await;
        let mut client = Client::enter(&test.node(0), "ann").await;
        test.set_weather(Weather {
            repeat: 0.5,
            ..Weather::default()
        });
        let talking = async {
            for number in 1..=100_u64 {
                // Every other turn writes, and has to wait for the disk before it lets anything out.
                let text = if number % 2 == 0 {
                    format!("add {number}")
                } else {
                    format!("echo {number}")
                };
                client.sender.send(Frame::from(text)).await;
            }
        };
        let hearing = async {
            let mut heard = Vec::new();
            while heard.len() < 100 {
                let Some(Outgoing::Frame(Frame::Text(text))) = client.receiver.next().await else {
                    panic!("disconnected after {heard:?}")
                };
                heard.push(text.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
            }
            heard
        };
        let ((), heard) = tokio::join!(talking, hearing);
        assert!(heard.into_iter().eq(1..=100), "seed {seed}");
        test.advance(Duration::from_secs(5)).await;
        assert_eq!(client.ask("echo the end").await, "the end", "nothing came twice");
    }
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn an_automatic_response_that_is_set_while_a_client_connects_holds() {
    let (test, activations) = alone(8, Bounds::default()).await;
    let cluster = test.cluster();
    let mut client = Client::enter(&cluster, "answered").await;
    test.passivate_all().await;
    let before = activations.count();
    assert_eq!(client.ask("ping").await, "at your service");
    assert_eq!(activations.count(), before);
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn an_actor_that_fails_at_the_end_of_a_socket_has_none_any_more() {
    let (test, _) = alone(9, Bounds::default()).await;
    let cluster = test.cluster();
    let client = Client::enter(&cluster, "fatal").await;
    drop(client);
    until(&cluster, 0).await;
    assert_eq!(
        gone(&cluster).await,
        [0_u16; 0],
        "what the failed turn wrote is dropped"
    );
}

async fn gaps(cluster: &Cluster, room: ActorId) -> u64 {
    for _ in 0..400 {
        // Its owner may have to be found first.
        if let Ok(gaps) = cluster.get::<Room>(room.clone()).ask(Gaps).await {
            return gaps;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the room does not answer");
}

const GAP: &str = "there may be a gap";

/// Guarantee 11. The client says nothing, and its actor is told all the same.
#[tokio::test(start_paused = true)]
async fn an_actor_is_told_of_a_gap_when_its_owner_was_lost() {
    for seed in 70..74 {
        println!("seed {seed}");
        let test = if seed % 2 == 0 {
            rooms(seed).engines().start().await
        } else {
            rooms(seed).start().await
        };
        test.move_shard(0, 1).await;
        let mut clients = [
            Client::enter(&test.node(0), "ann").await,
            Client::enter(&test.node(0), "bob").await,
            Client::enter(&test.node(2), "eve").await,
        ];
        for client in &mut clients {
            client.ask("add 1").await;
        }
        test.crash(1).await;
        for client in &mut clients {
            assert_eq!(client.text().await, GAP);
        }
        assert_eq!(gaps(&test.node(0), room()).await, 3, "once for each socket");
        for client in &mut clients {
            assert_eq!(client.ask("echo here").await, "here", "and nothing before or behind it");
        }
        assert_eq!(gaps(&test.node(2), room()).await, 3);
        assert_eq!(test.fatal(), [""; 0]);
    }
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn a_gap_is_told_before_anything_else() {
    for seed in 80..84 {
        println!("seed {seed}");
        let test = rooms(seed).start().await;
        test.move_shard(0, 1).await;
        let mut client = Client::enter(&test.node(0), "ann").await;
        assert_eq!(talk(&mut client, 1..=3).await, sums(1..=3));
        test.crash(1).await;
        for _ in 0..5 {
            client.send("echo behind it").await;
        }
        assert_eq!(client.text().await, GAP);
        for _ in 0..5 {
            assert_eq!(client.text().await, "behind it");
        }
    }
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn an_actor_that_sent_nothing_since_the_shard_was_in_good_order_is_left_alone() {
    let activations = Activations::default();
    let test = TestNodes::builder(90).actor::<Room>(activations.clone()).shards(1);
    let test = test.engines().start().await;
    let quiet = ActorId::from_name::<Room>(&tenant(), "quiet");
    test.move_shard(0, 1).await;
    let mut loud = Client::enter(&test.node(0), "ann").await;
    let mut still = Client::connect_to(&test.node(0), quiet.clone(), "bob").await.unwrap();
    assert_eq!(still.text().await, "welcome");
    let before = activations.count();
    // Twice, so that one owner has to tell what the one before its predecessor left.
    for to in [2, 1] {
        hand_over(&test, to).await;
        test.advance(Duration::from_secs(5)).await;
    }
    assert_eq!(
        activations.count(),
        before,
        "nobody is woken after an owner left in good order"
    );
    assert_eq!(loud.ask("echo something").await, "something");
    test.crash(1).await;
    assert_eq!(loud.text().await, GAP);
    test.advance(Duration::from_secs(5)).await;
    assert_eq!(
        activations.count(),
        before + 2,
        "the loud one, before the crash and after it"
    );
    assert_eq!(gaps(&test.node(0), quiet).await, 0);
    assert_eq!(still.ask("echo still here").await, "still here");
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn an_owner_that_begins_anew_tells_of_a_gap() {
    let (test, _) = alone(91, Bounds::default()).await;
    let cluster = test.cluster();
    let mut client = Client::enter(&cluster, "ann").await;
    (0..4).for_each(|shard| test.depose(shard));
    assert_eq!(client.text().await, GAP);
    assert_eq!(gaps(&cluster, room()).await, 1);
}

/// Guarantee 11. What a node kept itself has ended with it, so there is nobody for whom anything could be missing.
#[tokio::test(start_paused = true)]
async fn a_single_node_that_was_killed_tells_of_ends_and_of_no_gaps() {
    let (mut test, _) = alone(92, Bounds::default()).await;
    let rows = test.rows();
    let mut client = Client::enter(&test.cluster(), "ann").await;
    assert_eq!(client.ask("echo hello").await, "hello");
    test.crash_and_restart().await;
    let cluster = test.cluster();
    until(&cluster, 0).await;
    assert_eq!(gone(&cluster).await, [1006]);
    assert_eq!(gaps(&cluster, room()).await, 0);
    test.advance(Duration::from_secs(5)).await;
    // The record of the actor, its entry in the directory, and one end.
    assert_eq!(test.rows(), rows + 3);
}

/// Guarantee 11. A gateway that is out of reach keeps no shard from leaving, and what it did not get is not forgotten.
#[tokio::test(start_paused = true)]
async fn a_gap_is_told_when_a_shard_left_before_a_gateway_had_everything() {
    let test = rooms(93).engines().start().await;
    test.move_shard(0, 1).await;
    let mut client = Client::enter(&test.node(0), "ann").await;
    test.cut(1, 0);
    let said = Say("ann".to_owned(), "lost".to_owned());
    test.node(1).get::<Room>(room()).ask(said).await.unwrap();
    hand_over(&test, 2).await;
    // So that it cannot tell by itself that it failed.
    test.isolate(1);
    assert_eq!(client.text().await, GAP);
    assert_eq!(client.ask("echo here again").await, "here again");
}

/// Guarantee 11. Nobody says anything, and the client hears all the same that its connection was taken for lost.
#[tokio::test(start_paused = true)]
async fn a_quiet_client_whose_connection_was_taken_for_lost_is_disconnected() {
    for seed in 94..97 {
        println!("seed {seed}");
        let test = rooms(seed).start().await;
        test.move_shard(0, 1).await;
        let mut client = Client::enter(&test.node(0), "ann").await;
        let mut other = Client::enter(&test.node(2), "bob").await;
        test.cut(0, 1);
        test.cut(1, 0);
        test.advance(Duration::from_secs(45)).await;
        assert_eq!(count(&test.node(1), None).await, 1);
        test.heal();
        let healed = tokio::time::Instant::now();
        assert_eq!(client.end().await, 1012);
        assert!(healed.elapsed() < Duration::from_secs(15), "{:?}", healed.elapsed());
        test.advance(Duration::from_secs(120)).await;
        assert_eq!(other.ask("echo still here").await, "still here");
        assert_eq!(gone(&test.node(1)).await, [1006]);
    }
}

/// Guarantee 11. Its gateway goes on, and has nothing of it.
#[tokio::test(start_paused = true)]
async fn a_socket_that_nobody_told_the_actor_the_end_of_is_closed() {
    for seed in 97..100 {
        println!("seed {seed}");
        let test = rooms(seed).start().await;
        test.move_shard(0, 1).await;
        let mut stays = Client::enter(&test.node(0), "ann").await;
        test.set_weather(Weather {
            delay: Duration::from_millis(1)..=Duration::from_secs(2),
            ..Weather::default()
        });
        // Some of them arrive behind the news that their client has gone.
        for _ in 0..40 {
            let opening = Opening {
                uri: "passer-by".to_owned(),
                ..Opening::default()
            };
            let node = test.node(0);
            let connecting = node.connect(room(), opening, Arc::new(|| None));
            let connected = tokio::time::timeout(Duration::from_millis(5), connecting).await;
            assert!(connected.is_err(), "nothing is as fast as that");
        }
        test.advance(Duration::from_secs(10)).await;
        test.set_weather(Weather::default());
        until(&test.node(1), 1).await;
        assert_eq!(stays.ask("echo still here").await, "still here");
    }
}

/// Guarantee 11.
#[tokio::test(start_paused = true)]
async fn an_actor_can_ask_when_an_automatic_response_was_last_sent() {
    let test = rooms(100).start().await;
    test.move_shard(0, 1).await;
    let mut near = Client::enter(&test.node(1), "near").await;
    let mut far = Client::enter(&test.node(0), "far").await;
    let room = || test.node(1).get::<Room>(room());
    room().ask(Answer(Some("pong".to_owned()))).await.unwrap();
    assert_eq!(room().ask(Answered).await, Ok(vec![None, None]));
    // One after the other, so that the gateways know what they answer.
    for client in [&mut far, &mut near] {
        assert_eq!(client.ask("echo first").await, "first");
        assert_eq!(client.ask("ping").await, "pong");
        test.advance(Duration::from_secs(3)).await;
    }
    // In the order of the gateways.
    let answered = room().ask(Answered).await.unwrap();
    let [Some(of_far), Some(of_near)] = answered[..] else {
        panic!("{answered:?}")
    };
    assert!(of_near.since(of_far).as_millis().abs_diff(3_000) < 100, "{answered:?}");
    test.cut(1, 0);
    assert_eq!(room().ask(Answered).await.unwrap_err().code(), "retryable");
}

#[tokio::test(start_paused = true)]
async fn what_goes_through_sockets_is_counted() {
    let readings = Readings::default();
    let _recording = metrics::set_default_local_recorder(&readings);
    let (test, _) = alone(101, Bounds::default()).await;
    let cluster = test.cluster();
    let mut ann = Client::enter(&cluster, "ann").await;
    let mut bob = Client::enter(&cluster, "bob").await;
    assert_eq!(readings.value("cluster_sockets[]"), 2.0);
    assert_eq!(ann.ask("echo hello").await, "hello");
    let frames = |direction| readings.value(&format!("cluster_socket_frames_total[direction={direction}]"));
    assert_eq!((frames("in"), frames("out")), (1.0, 3.0));
    assert_eq!(readings.value("cluster_socket_gaps_total[]"), 0.0);
    (0..4).for_each(|shard| test.depose(shard));
    assert_eq!((ann.text().await.as_str(), bob.text().await.as_str()), (GAP, GAP));
    assert_eq!(readings.value("cluster_socket_gaps_total[]"), 2.0);
    ann.send("bye").await;
    assert_eq!(ann.end().await, 4001);
    drop((ann, bob));
    until(&cluster, 0).await;
    test.advance(Duration::from_millis(1)).await;
    let ended = |code| readings.value(&format!("cluster_socket_disconnects_total[code={code}]"));
    assert_eq!((ended("4000-4999"), ended("1006")), (1.0, 1.0));
    assert_eq!(readings.value("cluster_sockets[]"), 0.0);
}

/// Guarantee 11. What an earlier owner sent is dropped behind what a later one did, and the actor knows that it may be.
#[tokio::test(start_paused = true)]
async fn a_frame_that_the_next_owner_overtakes_is_a_gap() {
    for seed in 102..105 {
        println!("seed {seed}");
        let test = rooms(seed).start().await;
        test.move_shard(0, 1).await;
        let mut client = Client::enter(&test.node(0), "ann").await;
        test.set_weather(Weather {
            delay: Duration::from_secs(3)..=Duration::from_secs(3),
            ..Weather::default()
        });
        let said = Say("ann".to_owned(), "too late".to_owned());
        test.node(1).get::<Room>(room()).ask(said).await.unwrap();
        test.advance(Duration::from_millis(10)).await;
        test.set_weather(Weather::default());
        test.move_shard(0, 2).await;
        assert_eq!(client.text().await, GAP);
        test.advance(Duration::from_secs(10)).await;
        assert_eq!(client.ask("echo in time").await, "in time", "and nothing before it");
    }
}
