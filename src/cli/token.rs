//! `foundation token`: lets a program or a person in, on the word of whoever can read the data directory.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{client::Client, command::CliError, output::Output};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Make a link that signs a person in once, instead of a token.
    #[arg(long)]
    link: bool,
    /// Name of the user [default: admin].
    #[arg(long)]
    user: Option<String>,
    /// Tenant [default: the caller's].
    #[arg(long)]
    tenant: Option<String>,
    /// Role within the tenant; an admin of the home tenant looks after the server too [default: admin].
    #[arg(long, value_parser = ["operator", "supervisor", "admin"])]
    role: Option<String>,
    /// Life of the token in hours.
    #[arg(long, conflicts_with = "link")]
    hours: Option<u64>,
}

pub(super) async fn run(arguments: &Arguments, client: &Client, output: &Output) -> Result<(), CliError> {
    let mut body = Map::new();
    for (name, value) in [
        ("user", &arguments.user),
        ("tenant", &arguments.tenant),
        ("role", &arguments.role),
    ] {
        if let Some(value) = value {
            body.insert(name.to_owned(), json!(value));
        }
    }
    if let Some(hours) = arguments.hours {
        body.insert("hours".to_owned(), json!(hours));
    }
    let (path, field) = if arguments.link {
        ("/api/auth/sign-in-links", "url")
    } else {
        ("/api/auth/tokens", "token")
    };
    let answer = client.post(path, &Value::Object(body)).await?;
    output.result(&answer, || answer[field].as_str().unwrap_or_default().to_owned());
    Ok(())
}
