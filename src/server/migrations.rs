//! The class migrations of this server, compiled in from `migrations/`.

use cluster::{Migration, Migrations};

/// The name under which the classes of this server are migrated.
const APPLICATION: &str = "foundation";

/// Every file, by its name without the ending.
const FILES: &[(&str, &str)] = &[
    (
        "0001_first_classes",
        include_str!("../../migrations/0001_first_classes.toml"),
    ),
    ("0002_vectors", include_str!("../../migrations/0002_vectors.toml")),
    (
        "0003_audit_and_limiter",
        include_str!("../../migrations/0003_audit_and_limiter.toml"),
    ),
    ("0004_accounts", include_str!("../../migrations/0004_accounts.toml")),
    ("0005_mcp", include_str!("../../migrations/0005_mcp.toml")),
    ("0006_agents", include_str!("../../migrations/0006_agents.toml")),
];

/// Every migration, in order.
pub(crate) fn migrations() -> Migrations {
    let list = FILES.iter().map(|(_, text)| {
        toml::from_str::<Migration>(text).expect("the files are compiled in, and a test reads every one")
    });
    Migrations::new(APPLICATION, list)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, env, fs, path::PathBuf};

    use super::*;

    #[test]
    fn every_file_is_compiled_in_and_readable() {
        // Asked at run time: a build that a copy of the project elsewhere has left behind names another place.
        let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("migrations");
        let names = fs::read_dir(directory).unwrap().filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".toml").map(str::to_owned)
        });
        let listed: BTreeSet<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names.collect::<BTreeSet<_>>(), listed);
        for ((name, _), migration) in FILES.iter().zip(migrations().list()) {
            assert_eq!(migration.tag, *name);
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let refused = toml::from_str::<Migration>("tag = \"0002_x\"\nnew-class = [\"a\"]").unwrap_err();
        assert!(refused.to_string().contains("unknown field `new-class`"), "{refused}");
    }

    /// What was released stays as it is.
    #[test]
    fn released_migrations_have_not_changed() {
        let checksums: Vec<_> = migrations()
            .list()
            .iter()
            .map(|migration| migration.checksum().to_string())
            .collect();
        assert_eq!(
            checksums,
            [
                "05c77e98cf3c177c3e79b5da850889564f2c72a2620a1ed2a72adc850794189f",
                "6cb6153a601e4f8db229893be84db44a7f2da1db427c95cb83f423ddac35e652",
                "086b9743ccff7bd6bcdf5f3bcabfcab375da3e9a2ccd4100f72a70cdf12a8472",
                "1566f8ff504c8c6dc002ab4e0b687b28c0de90c84eeca64ace469fe0d12aedb7",
                "0843e2905e058cc59d2e83508ff93709284f0a2b4bc1177db76f1935c80a2500",
                "7ad0a04a1a15898f77de4d84cf6ec1bbd1108ed242e249c602beeba54198bf7b",
            ]
        );
    }
}
