//! Bytes that data directories and backups out there hold, as files in `tests/golden`: what an earlier version wrote must be
//! read by this one, and this one must write the same.
//!
//! A line is a name and the bytes in hexadecimal. A line never changes: a new form of bytes gets a line of its own, beside
//! the old one, which stays readable.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Reads a golden file and compares it with what is written today.
pub(crate) fn check(file: &str, written: &[(&str, Bytes)]) -> BTreeMap<String, Bytes> {
    let lines = written.iter().map(|(name, bytes)| {
        let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("{name} {digits}\n")
    });
    let today = lines.collect::<String>();
    assert_eq!(file, today, "today's bytes are other than the golden ones:\n{today}");
    file.lines()
        .map(|line| {
            let (name, digits) = line.split_once(' ').unwrap();
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            (name.to_owned(), (0..digits.len()).step_by(2).map(byte).collect())
        })
        .collect()
}

mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{
        ActorId, Contents, Manifest, TenantId, Timestamp,
        address::{Address, Stored},
        alarm::AlarmRow,
        directory::{Presence, Record},
        id::{ActorHash, ClassUid},
        keyspace::{self, SendId, SocketRow},
        outbox::Envelope,
        peers::NodeId,
        shard::Epoch,
        socket::SocketId,
        storage, wire,
    };

    const CLASS: ClassUid = ClassUid([0xC1; 8]);
    const HASH: ActorHash = ActorHash([0xA5; 16]);
    const SEND: SendId = SendId { index: 258, ordinal: 3 };
    const SOCKET: SocketId = SocketId {
        node: NodeId::new(258),
        instance: 513,
        number: 7,
    };

    fn tenant() -> TenantId {
        TenantId::new("acme").unwrap()
    }

    #[test]
    fn classes_and_actors_keep_their_places() {
        let class = ClassUid::of_name("chat", 0);
        let written = [
            ("class", Bytes::copy_from_slice(&class.0)),
            (
                "actor",
                Bytes::copy_from_slice(&ActorHash::of(class, &tenant(), "general").0),
            ),
        ];
        check(include_str!("../tests/golden/places.txt"), &written);
    }

    #[test]
    fn rows_keep_their_keys() {
        let written = [
            ("state", keyspace::state(HASH, 1, "turns")),
            ("record", keyspace::record(HASH)),
            ("alarm", keyspace::alarm(HASH)),
            ("inbox", keyspace::inbox(HASH, 513)),
            ("due", keyspace::due(1_700_000_000_123, HASH)),
            ("outbox", keyspace::outbox(SEND)),
            ("dead", keyspace::dead(SEND)),
            ("dead-envelope", keyspace::dead_envelope(SEND)),
            ("directory", keyspace::directory(CLASS, &tenant(), "general")),
            ("setting", keyspace::setting("class/chat")),
            ("garbage", keyspace::garbage(HASH, 1)),
            ("dedup", keyspace::dedup(HASH, "key-1")),
            ("dedup-order", keyspace::dedup_order(HASH, 258)),
            ("migration", keyspace::migration(258)),
            ("unlisted", keyspace::unlisted(CLASS, HASH)),
            ("erased", keyspace::erased(CLASS)),
            ("member", keyspace::member(crate::NodeId::new(258))),
            ("format", keyspace::format()),
            ("socket", keyspace::socket(HASH, SocketRow::Record, SOCKET)),
            ("socket-cursor", keyspace::socket(HASH, SocketRow::Cursor, SOCKET)),
            (
                "socket-attachment",
                keyspace::socket(HASH, SocketRow::Attachment, SOCKET),
            ),
            ("auto-response", keyspace::auto_response(HASH)),
            ("socket-index", keyspace::socket_index(SOCKET, HASH)),
            ("sent", keyspace::sent(Epoch(258), HASH)),
            ("left", keyspace::left(Epoch(258))),
        ];
        let golden = check(include_str!("../tests/golden/keys.txt"), &written);
        assert_eq!(keyspace::parse_due(&golden["due"]), Some((1_700_000_000_123, HASH)));
        assert_eq!(keyspace::parse_outbox(&golden["outbox"]), Some(SEND));
        assert_eq!(keyspace::parse_garbage(&golden["garbage"]), Some((HASH, 1)));
        assert_eq!(keyspace::parse_socket(&golden["socket"]), Some(SOCKET));
        assert_eq!(keyspace::parse_socket_index(&golden["socket-index"]), Some(SOCKET));
        assert_eq!(keyspace::parse_sent(&golden["sent"]), Some((Epoch(258), Some(HASH))));
        assert_eq!(keyspace::parse_sent(&golden["left"]), Some((Epoch(258), None)));
        assert_eq!(
            keyspace::parse_directory(&golden["directory"]),
            Some((CLASS, "acme", "general"))
        );
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Point,
        Circle { radius: f64 },
        Path(Vec<(i32, i32)>),
    }

    type Author = (
        bool,
        u8,
        u64,
        i64,
        char,
        String,
        Option<u32>,
        BTreeMap<String, Vec<u8>>,
        Vec<Shape>,
    );

    fn author() -> Author {
        (
            true,
            200,
            u64::MAX,
            -300,
            'ä',
            "text".to_owned(),
            Some(70_000),
            BTreeMap::from([("key".to_owned(), vec![0, 255])]),
            vec![Shape::Point, Shape::Circle { radius: 1.5 }, Shape::Path(vec![(1, -2)])],
        )
    }

    fn address() -> std::sync::Arc<Address> {
        Address::new(CLASS, ActorId::from_parts("chat", tenant(), "general".to_owned()))
    }

    /// What an author stores, and what the runtime stores beside it.
    #[test]
    fn values_keep_their_bytes() {
        let alarm = AlarmRow {
            due: Timestamp::from_millis(1_700_000_000_123),
            scheduled: Timestamp::from_millis(1_700_000_000_000),
            retries: 3,
            doublings: 2,
        };
        let record = Record {
            version: 2,
            generation: 300,
            presence: Presence::Listed,
        };
        let envelope = Envelope {
            target: address().stored(),
            message: "chat.say".to_owned(),
            payload: wire::encode("hello").unwrap(),
        };
        let node_address = |text| crate::NodeAddress::new(text).unwrap();
        let member = crate::Member {
            id: crate::NodeId::new(258),
            name: crate::NodeName::new("a").unwrap(),
            addresses: crate::Addresses {
                raft: node_address("10.0.0.1:7001"),
                requests: node_address("10.0.0.1:7002"),
                http: Some(node_address("10.0.0.1:80")),
            },
            role: crate::Role::Gateway,
            zone: Some(crate::Zone::new("z").unwrap()),
            state: crate::MemberState::Removing,
            format: 300,
            token: uuid::Uuid::from_bytes([0xA5; 16]),
        };
        let written = [
            ("author", wire::encode(&author()).unwrap()),
            ("record", storage::encoded(&record)),
            ("alarm", storage::encoded(&alarm)),
            ("send-id", storage::encoded(&SEND)),
            ("address", address().encode()),
            ("envelope", envelope.encode()),
            ("member", storage::encoded(&member)),
        ];
        let golden = check(include_str!("../tests/golden/values.txt"), &written);
        assert_eq!(wire::decode::<Author>(&golden["author"]).unwrap(), author());
        assert_eq!(wire::decode::<Record>(&golden["record"]).unwrap(), record);
        assert_eq!(AlarmRow::decode(&golden["alarm"]).unwrap(), alarm);
        assert_eq!(wire::decode::<SendId>(&golden["send-id"]).unwrap(), SEND);
        assert_eq!(wire::decode::<Stored>(&golden["address"]).unwrap().tenant(), &tenant());
        assert_eq!(wire::decode::<crate::Member>(&golden["member"]).unwrap(), member);
        let read = Envelope::decode(&golden["envelope"]).unwrap();
        assert_eq!((read.message.as_str(), read.payload), ("chat.say", envelope.payload));
    }

    /// Written by an earlier version, which did not count doublings.
    #[test]
    fn an_earlier_alarm_is_still_read() {
        #[derive(Serialize)]
        struct Earlier(Timestamp, Timestamp, u32);
        let (due, scheduled) = (
            Timestamp::from_millis(1_700_000_000_123),
            Timestamp::from_millis(1_700_000_000_000),
        );
        let written = [("alarm", wire::encode(&Earlier(due, scheduled, 3)).unwrap())];
        let golden = check(include_str!("../tests/golden/earlier.txt"), &written);
        let read = AlarmRow::decode(&golden["alarm"]).unwrap();
        assert_eq!((read.due, read.scheduled, read.retries), (due, scheduled, 3));
    }

    #[test]
    fn manifests_keep_their_form() {
        let file = include_str!("../tests/golden/manifest.json");
        let manifest = serde_json::from_str::<Manifest>(file).unwrap();
        assert_eq!(manifest.contents, Contents::Tenant(tenant()));
        assert_eq!(manifest.created, Timestamp::from_millis(1_700_000_000_123));
        assert_eq!((manifest.files[0].shard, manifest.files[0].rows), (Some(0), 5));
        assert_eq!(serde_json::to_string_pretty(&manifest).unwrap() + "\n", file);
    }
}
