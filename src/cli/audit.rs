//! `foundation audit`: checks an exported audit chain, without a server.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use actors::audit::{ExportFault, ExportVerifier, Exported, PublicKey};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, output::Output};
use crate::planes::observability::ClusterKey;

/// Longest line that is read: a record with the longest payload, if all of it has to be escaped.
const LINE_BYTES: u64 = 256 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check an exported chain: that no record was changed, removed, moved or added, up to its signed end.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The export; - for standard input.
    file: PathBuf,
    /// Public key of the cluster, in hexadecimal digits. Without it whoever wrote the whole file anew is not found out.
    #[arg(long, value_name = "HEX", value_parser = key)]
    key: Option<PublicKey>,
}

fn key(text: &str) -> Result<PublicKey, String> {
    PublicKey::parse(text).ok_or_else(|| "must be 64 lowercase hexadecimal digits".to_owned())
}

pub(super) fn run(command: &Command, output: &Output) -> Result<(), CliError> {
    let Command::Verify(Verify { file, key }) = command;
    let checked = if file == Path::new("-") {
        check(io::stdin().lock(), *key)
    } else {
        File::open(file).and_then(|file| check(BufReader::new(file), *key))
    };
    let checked = checked.map_err(|source| CliError::File {
        path: file.clone(),
        source,
    })?;
    match checked {
        Ok(exported) => {
            let result = json!({
                "tenantId": exported.tenant,
                "chainValid": true,
                "firstSeq": exported.first_seq,
                "length": exported.length,
                "headHash": exported.head_hash,
                "publicKey": exported.public_key,
            });
            output.result(&result, || told(&exported, key.is_some()));
            Ok(())
        }
        Err(fault) => {
            if output.is_json() {
                output.json(&json!({ "chainValid": false, "firstBadSeq": fault.first_bad_seq() }));
            }
            Err(CliError::Audit(fault))
        }
    }
}

fn told(exported: &Exported, is_known: bool) -> String {
    let Exported {
        tenant,
        first_seq,
        length,
        head_hash,
        public_key,
    } = exported;
    let records = match (length + 1).saturating_sub(*first_seq) {
        0 => "no records".to_owned(),
        1 => format!("record {length}"),
        _ => format!("records {first_seq} to {length}"),
    };
    let signed = if is_known {
        "signed with"
    } else {
        "signed with a key that you should compare,"
    };
    format!("the audit chain of {tenant} is whole: {records}\nend: {head_hash}\n{signed} {public_key}")
}

/// Checks an export line by line; memory is for one line.
fn check(mut file: impl BufRead, key: Option<PublicKey>) -> io::Result<Result<Exported, ExportFault>> {
    let signer = ClusterKey::default();
    let mut verifier = ExportVerifier::new(&signer, key);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if file.by_ref().take(LINE_BYTES).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(verifier.finish());
        }
        // What is no text is no line of an export either.
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        if let Err(fault) = verifier.line(std::str::from_utf8(line).unwrap_or_default()) {
            return Ok(Err(fault));
        }
    }
}

#[cfg(test)]
mod tests {
    use actors::{
        audit::{AuditRecord, Checkpoint, GENESIS, head_line, record_line},
        ports::Signer,
    };

    use super::*;

    fn cluster() -> ClusterKey {
        let key = ClusterKey::default();
        key.set(&[7; 32]).unwrap();
        key
    }

    /// An export of three records.
    fn export() -> Vec<String> {
        let (mut lines, mut last) = (Vec::new(), GENESIS);
        for seq in 0..3 {
            let payload = format!(r#"{{"actor":"u-1","request_id":null,"number":{seq}}}"#);
            let record = AuditRecord::following(seq, last, "something_done".into(), payload, 1_767_225_600);
            last = record.hash;
            lines.push(record_line("acme", record));
        }
        let end = Checkpoint::sign(&cluster(), "acme", 3, last, 1_767_225_601).unwrap();
        lines.push(head_line("acme", &end));
        lines
    }

    fn checked(lines: &[String], key: Option<PublicKey>) -> Result<Exported, ExportFault> {
        let file = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        check(file.as_bytes(), key).unwrap()
    }

    #[test]
    fn an_export_is_checked_with_and_without_the_key() {
        let ours = cluster()
            .public_key()
            .map(|bytes| PublicKey::parse(&actors::audit::Hex(bytes).to_string()).unwrap());
        for key in [None, ours] {
            let exported = checked(&export(), key).unwrap();
            assert_eq!(
                (exported.tenant.as_str(), exported.first_seq, exported.length),
                ("acme", 1, 3)
            );
            assert!(told(&exported, key.is_some()).starts_with("the audit chain of acme is whole: records 1 to 3\n"));
        }
        let another = PublicKey::parse(&"0f".repeat(32)).unwrap();
        assert!(matches!(
            checked(&export(), Some(another)),
            Err(ExportFault::Key { .. })
        ));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut changed = export();
        changed[1] = changed[1].replace("u-1", "u-2");
        assert_eq!(checked(&changed, None).unwrap_err().first_bad_seq(), 2);
        assert_eq!(checked(&export()[..3], None).unwrap_err().first_bad_seq(), 4);
        let mut endless = export();
        endless[2] = "x".repeat(LINE_BYTES as usize * 2);
        assert_eq!(checked(&endless, None).unwrap_err().first_bad_seq(), 3);
        let mut garbled = export().join("\n").into_bytes();
        garbled[3] = 0xff;
        assert_eq!(check(garbled.as_slice(), None).unwrap().unwrap_err().first_bad_seq(), 1);
    }
}
