//! Layers that fit and others.

use super::*;
use crate::config::DEFAULT_FILE;

fn with_file(text: &str) -> (tempfile::TempDir, Layers) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("foundation.toml");
    std::fs::write(&path, text).unwrap();
    (
        directory,
        Layers {
            file: Some(path),
            ..Layers::default()
        },
    )
}

#[test]
fn the_file_in_the_repository_equals_the_defaults() {
    let file: Table = DEFAULT_FILE.parse().unwrap();
    let code = Table::try_from(Config::default()).unwrap();
    assert_eq!(
        leaves(&file),
        leaves(&code),
        "every key stands in config/foundation.toml"
    );
    assert_eq!(file, code, "every value in config/foundation.toml is the default");
}

#[test]
fn every_key_of_the_file_has_a_comment_above_it() {
    let lines: Vec<&str> = DEFAULT_FILE.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let is_key = line.starts_with(|first: char| first.is_ascii_lowercase()) && line.contains('=');
        if is_key {
            assert!(
                index > 0 && lines[index - 1].starts_with('#'),
                "no comment above {line:?}"
            );
        }
    }
}

#[test]
fn an_unknown_key_is_named_with_its_file() {
    let (_directory, layers) = with_file("[server]\nbnd = \"127.0.0.1:1\"\n");
    let error = load(&layers).unwrap_err();
    assert_eq!(error.key(), Some("server.bnd"));
    let text = error.to_string();
    assert!(
        text.contains("foundation.toml") && text.contains("server.bind"),
        "{text}"
    );
}

#[test]
fn an_unknown_section_is_named() {
    let (_directory, layers) = with_file("[sever]\nbind = \"127.0.0.1:1\"\n");
    assert_eq!(load(&layers).unwrap_err().key(), Some("sever"));
}

#[test]
fn a_bad_value_is_named_with_its_file() {
    for text in [
        "[server]\nbind = 7\n",
        "[server]\nbind = \"nowhere\"\n",
        "[server]\nworkers = \"two\"\n",
    ] {
        let (_directory, layers) = with_file(text);
        let error = load(&layers).unwrap_err();
        assert!(matches!(error, ConfigError::BadValue { .. }), "{error}");
        assert!(error.to_string().contains("foundation.toml"), "{error}");
        assert!(error.key().unwrap().starts_with("server."), "{error}");
    }
}

#[test]
fn a_value_out_of_range_is_named_with_its_layer() {
    let (_directory, mut layers) = with_file("[db]\nshards = 12\n");
    let text = load(&layers).unwrap_err().to_string();
    assert!(text.contains("db.shards") && text.contains("foundation.toml"), "{text}");
    layers.environment = vec![("FOUNDATION__DB__SHARDS".to_owned(), "7".to_owned())];
    let text = load(&layers).unwrap_err().to_string();
    assert!(text.contains("FOUNDATION__DB__SHARDS"), "{text}");
}

#[test]
fn broken_toml_names_the_file_and_the_line() {
    let (_directory, layers) = with_file("[server]\nbind = \n");
    let text = load(&layers).unwrap_err().to_string();
    assert!(text.contains("foundation.toml") && text.contains("line 2"), "{text}");
}

#[test]
fn a_named_file_must_exist() {
    let layers = Layers {
        file: Some(PathBuf::from("/nowhere/foundation.toml")),
        ..Layers::default()
    };
    assert!(matches!(load(&layers), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn environment_overrides_the_file_and_flags_override_both() {
    let (_directory, mut layers) = with_file("[server]\nworkers = 1\nbody-limit-bytes = 2048\ndrain-seconds = 5\n");
    layers.environment = vec![
        ("FOUNDATION__SERVER__WORKERS".to_owned(), "2".to_owned()),
        ("FOUNDATION__SERVER__BODY_LIMIT_BYTES".to_owned(), "4096".to_owned()),
        ("FOUNDATION_TOKEN".to_owned(), "not a key".to_owned()),
    ];
    layers.flags = vec![("server.workers".to_owned(), "3".to_owned())];
    let server = load(&layers).unwrap().server;
    assert_eq!(
        (server.workers, server.body_limit_bytes, server.drain_seconds),
        (3, 4096, 5)
    );
}

#[test]
fn issuers_are_tables_in_the_file_and_an_array_in_the_environment() {
    let (_directory, mut layers) = with_file(
        "[auth]\nsession-hours = 1\n[[auth.issuers]]\nissuer = \"https://id.example\"\naudience = \"a\"\ntenant = \"acme\"\n",
    );
    assert_eq!(load(&layers).unwrap().auth.issuers[0].issuer, "https://id.example");
    let shown = toml::to_string(&load(&layers).unwrap()).unwrap();
    let (_again, again) = with_file(&shown);
    assert_eq!(
        load(&again).unwrap(),
        load(&layers).unwrap(),
        "what is shown can be read: {shown}"
    );
    let mut with = |text: &str| {
        layers.environment = vec![("FOUNDATION__AUTH__ISSUERS".to_owned(), text.to_owned())];
        load(&layers)
    };
    let array = "[{ issuer = 'https://other.example', audience = 'a', tenant = 'acme', algorithms = ['ES256'] }]";
    assert_eq!(with(array).unwrap().auth.issuers[0].issuer, "https://other.example");
    assert!(with("[]").unwrap().auth.issuers.is_empty());
    for bad in ["https://id.example", "[{ issuer = 'https://id.example' }]", "[{"] {
        let error = with(bad).unwrap_err();
        assert_eq!(error.key(), Some("auth.issuers"), "{error}");
    }
    let error = with("[{ issuer = 'http://id.example', audience = 'a', tenant = 'acme' }]").unwrap_err();
    assert!(error.to_string().contains("http://id.example"), "{error}");
}

#[test]
fn addresses_in_brackets_are_no_array_of_the_file() {
    assert_eq!(written("[::1]:7802, [::1]:7812"), None);
    assert_eq!(written("[1, 2]"), Some(vec![Value::Integer(1), Value::Integer(2)]));
}

#[test]
fn an_unknown_environment_key_is_an_error() {
    let environment = vec![("FOUNDATION__SERVER__COLOUR".to_owned(), "blue".to_owned())];
    let (_directory, layers) = with_file("");
    let text = load(&Layers { environment, ..layers }).unwrap_err().to_string();
    assert!(
        text.contains("FOUNDATION__SERVER__COLOUR") && text.contains("server.colour"),
        "{text}"
    );
}
