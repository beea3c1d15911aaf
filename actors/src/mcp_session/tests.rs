//! The rules of the sessions of MCP clients.

use std::time::Duration;

use cluster::prelude::{ActorId, Handler, Message, Result};

use super::{
    AgreeMcpSession, AppendMcpEvents, BeatMcpStream, EndMcpSession, HandMcpMessage, MarkMcpSubscription, McpSession,
    OpenMcpSession, ReplayMcpStream, SetMcpLevel, ShowMcpSession, SubscribeMcp,
};
use crate::scene::{DAY, Scene, acme, code};

const NAME: &str = "a session";

async fn ask<M: Message>(scene: &Scene, message: M) -> Result<M::Reply>
where
    McpSession: Handler<M>,
{
    let id = ActorId::from_name::<McpSession>(&acme(), NAME);
    scene.actor::<McpSession>(id).ask(message).await
}

fn open() -> OpenMcpSession {
    OpenMcpSession {
        user: "ann".to_owned(),
        endpoint: "/mcp".to_owned(),
        initialize: "{}".to_owned(),
    }
}

fn show(user: &str, endpoint: &str) -> ShowMcpSession {
    ShowMcpSession {
        user: user.to_owned(),
        endpoint: endpoint.to_owned(),
    }
}

fn append(stream: &str, at: u64, events: &[&str], ends: bool) -> AppendMcpEvents {
    AppendMcpEvents {
        at,
        stream: stream.to_owned(),
        request: "1".to_owned(),
        events: events.iter().map(|&text| text.to_owned()).collect(),
        ends,
    }
}

fn replay(stream: &str, after: u64) -> ReplayMcpStream {
    ReplayMcpStream {
        stream: stream.to_owned(),
        after,
    }
}

fn beat(read: u64) -> BeatMcpStream {
    BeatMcpStream {
        stream: "s".to_owned(),
        request: "1".to_owned(),
        read,
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_there_for_who_opened_it_and_for_nobody_else() {
    let mut scene = Scene::start(1).await;
    assert_eq!(code(ask(&scene, show("ann", "/mcp")).await), "mcp.session");
    ask(&scene, open()).await.unwrap();
    ask(&scene, open()).await.unwrap();
    ask(
        &scene,
        SetMcpLevel {
            level: "error".to_owned(),
        },
    )
    .await
    .unwrap();
    scene.test.crash_and_restart().await;
    let view = ask(&scene, show("ann", "/mcp")).await.unwrap();
    assert_eq!((view.initialize.as_str(), view.level.as_deref()), ("{}", Some("error")));
    assert_eq!(code(ask(&scene, show("bob", "/mcp")).await), "mcp.session");
    assert_eq!(code(ask(&scene, show("ann", "/agents/a/b/mcp")).await), "mcp.session");
    ask(&scene, EndMcpSession).await.unwrap();
    assert_eq!(code(ask(&scene, show("ann", "/mcp")).await), "mcp.session");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_uses_for_a_day_is_gone() {
    let scene = Scene::start(2).await;
    ask(&scene, open()).await.unwrap();
    for _ in 0..3 {
        scene.test.advance(DAY - Duration::from_secs(1)).await;
        ask(&scene, show("ann", "/mcp")).await.unwrap();
    }
    scene.test.advance(DAY + Duration::from_secs(1)).await;
    assert_eq!(code(ask(&scene, show("ann", "/mcp")).await), "mcp.session");
    assert_eq!(scene.stored(&ActorId::from_name::<McpSession>(&acme(), NAME)).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_read_on_where_it_was_left_also_after_a_crash() {
    let mut scene = Scene::start(3).await;
    ask(&scene, open()).await.unwrap();
    assert_eq!(ask(&scene, append("s", 0, &["a", "b"], false)).await.unwrap(), 1);
    let again = append("s", 0, &["a", "b"], false);
    assert_eq!(ask(&scene, again).await.unwrap(), 1, "it is there already");
    assert_eq!(ask(&scene, append("other", 0, &["x"], true)).await.unwrap(), 3);
    scene.test.crash_and_restart().await;
    let part = ask(&scene, replay("s", 1)).await.unwrap();
    let texts =
        |part: &super::ReplayedMcpStream| part.events.iter().map(|event| event.text.clone()).collect::<Vec<_>>();
    assert_eq!((texts(&part), part.is_over), (vec!["b".to_owned()], false));
    assert_eq!(ask(&scene, append("s", 2, &["c"], true)).await.unwrap(), 4);
    let part = ask(&scene, replay("s", 0)).await.unwrap();
    assert_eq!(texts(&part), ["a", "b", "c"]);
    assert!(part.is_over);
    assert_eq!(code(ask(&scene, append("s", 3, &["d"], true)).await), "mcp.stream-over");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_node_is_gone_is_answered_with_an_error() {
    let scene = Scene::start(4).await;
    ask(&scene, open()).await.unwrap();
    ask(&scene, append("s", 0, &["a"], false)).await.unwrap();
    scene.test.advance(Duration::from_secs(15)).await;
    ask(&scene, beat(0)).await.unwrap();
    scene.test.advance(Duration::from_secs(15)).await;
    assert!(!ask(&scene, replay("s", 0)).await.unwrap().is_over);
    scene.test.advance(Duration::from_secs(15)).await;
    let part = ask(&scene, replay("s", 1)).await.unwrap();
    assert!(part.is_over && part.events[0].text.contains("mcp.lost"), "{part:?}");
    assert_eq!(
        code(ask(&scene, append("s", 1, &["late"], true)).await),
        "mcp.stream-over"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_client_sends_to_a_request_arrives_once() {
    let mut scene = Scene::start(5).await;
    ask(&scene, open()).await.unwrap();
    for (to, text) in [("s", "answer"), ("1", "cancel"), ("2", "of another")] {
        let hand = HandMcpMessage {
            to: to.to_owned(),
            text: text.to_owned(),
        };
        ask(&scene, hand).await.unwrap();
    }
    scene.test.crash_and_restart().await;
    let handed = ask(&scene, beat(0)).await.unwrap();
    let texts: Vec<_> = handed.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["answer", "cancel"]);
    assert_eq!(ask(&scene, beat(handed[1].number)).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn of_two_who_see_a_change_one_tells_the_client() {
    let scene = Scene::start(6).await;
    ask(&scene, open()).await.unwrap();
    let subscribe = SubscribeMcp {
        uri: "run://1".to_owned(),
        mark: "1".to_owned(),
    };
    ask(&scene, subscribe).await.unwrap();
    let mark = MarkMcpSubscription {
        uri: "run://1".to_owned(),
        before: "1".to_owned(),
        now: "2".to_owned(),
        stream: "get".to_owned(),
        text: "changed".to_owned(),
    };
    assert_eq!(ask(&scene, mark.clone()).await.unwrap(), Some(1));
    assert_eq!(ask(&scene, mark).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_up_to_their_bounds() {
    let scene = Scene::start(7).await;
    ask(&scene, open()).await.unwrap();
    let text = "x".repeat(100_000);
    for at in 0..60 {
        ask(&scene, append("s", at, &[&text], false)).await.unwrap();
    }
    ask(&scene, append("s", 60, &["end"], true)).await.unwrap();
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let part = ask(&scene, replay("s", after)).await.unwrap();
        seen.extend(part.events.iter().map(|event| event.number));
        after = *seen.last().unwrap();
        if part.is_over {
            break;
        }
    }
    assert_eq!((seen.len(), after), (42, 61), "the newest four MiB");
    scene.test.advance(Duration::from_hours(2)).await;
    assert_eq!(ask(&scene, replay("s", 0)).await.unwrap().events, []);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_says_when_it_comes_may_follow_and_stays() {
    let mut scene = Scene::start(8).await;
    let agree = |text: &str| AgreeMcpSession {
        initialize: text.to_owned(),
    };
    assert_eq!(code(ask(&scene, agree("{}")).await), "mcp.session");
    let silent = OpenMcpSession {
        initialize: String::new(),
        ..open()
    };
    ask(&scene, silent).await.unwrap();
    assert_eq!(ask(&scene, show("ann", "/mcp")).await.unwrap().initialize, "");
    ask(&scene, agree("{}")).await.unwrap();
    scene.test.crash_and_restart().await;
    ask(&scene, agree("{}")).await.unwrap();
    assert_eq!(code(ask(&scene, agree("[]")).await), "mcp.initialized");
    assert_eq!(ask(&scene, show("ann", "/mcp")).await.unwrap().initialize, "{}");
}

#[tokio::test(start_paused = true)]
async fn streams_with_a_common_name_are_heard_together_and_each_ends_by_itself() {
    let scene = Scene::start(9).await;
    ask(&scene, open()).await.unwrap();
    ask(&scene, append("all.1", 0, &["a"], false)).await.unwrap();
    ask(&scene, append("all.2", 0, &["b"], true)).await.unwrap();
    ask(&scene, append("allother", 0, &["x"], true)).await.unwrap();
    let part = ask(&scene, replay("all", 0)).await.unwrap();
    let texts: Vec<_> = part.events.iter().map(|event| event.text.as_str()).collect();
    assert_eq!((texts, part.is_over), (vec!["a", "b"], false));
    assert_eq!(
        code(ask(&scene, append("all.2", 1, &["c"], true)).await),
        "mcp.stream-over"
    );
    // Nobody works on the first one any more.
    scene.test.advance(Duration::from_secs(21)).await;
    let part = ask(&scene, replay("all", part.events[1].number)).await.unwrap();
    assert!(part.is_over && part.events.len() == 1, "{part:?}");
    assert!(part.events[0].text.contains("mcp.lost"), "{part:?}");
}
