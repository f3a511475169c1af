//! `tallycam user`, `tallycam token`, `tallycam link`: through the running service.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::access::{Role, Scope};
use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::common::table::format_columns;
use crate::cli::people::password::read_password;
use crate::cli::{ConfigArgs, Failure, print_stdout};
use tallycam_base::unicode::percent_encoded;

/// List, add or remove users with their own passwords and roles
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// List users and their roles.
    List,
    /// Add a user, or change the password or the role of a user.
    ///
    /// The password is prompted for twice, or read as one line if standard input is no terminal. The password of the
    /// user `viewer` also works without a name.
    Add {
        /// Letters, digits, dots, dashes and underscores
        name: String,
        /// viewer (watches), operator (records, draws lines, lights, pauses) or admin; default for a new user: viewer
        #[arg(long, value_parser = parse_role)]
        role: Option<Role>,
    },
    /// Remove a user, and end the user's sessions.
    Remove {
        /// The user's name
        name: String,
    },
}

/// List, create or revoke tokens for programs
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// List tokens: number, name, scopes, end and last use.
    List,
    /// Create a token and print it. It is shown only once.
    ///
    /// Programs send it as `?token=` in a URL, as `Authorization: Bearer`, or as the password of any user name.
    Add {
        /// Its name
        name: String,
        /// Its scopes: stream, snapshot, counts, metrics or control; may be repeated, or separated by commas
        #[arg(long = "scope", value_name = "stream|snapshot|counts|metrics|control")]
        #[arg(value_parser = scope, value_delimiter = ',', required = true)]
        scopes: Vec<Scope>,
        /// Days until it ends; default: never
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3660))]
        days: Option<u64>,
    },
    /// Revoke a token.
    Revoke {
        /// Its number
        number: u64,
    },
}

/// Sign an address, which then works without a password until it ends
///
/// For one stream, image, clip or page: stream?fps=5, api/v1/media/7/content, or ./ for the live page. The output is
/// relative to the camera's address. A change of the admin's password ends it early.
#[derive(Debug, Args)]
pub struct LinkArgs {
    /// The address
    address: String,
    /// Hours until it ends
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8784))]
    hours: u64,
}

fn parse_role(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| String::from("viewer, operator or admin"))
}

fn scope(word: &str) -> Result<Scope, String> {
    Scope::parse(word).ok_or_else(|| format!("one of {}", Scope::ALL.map(Scope::as_str).join(", ")))
}

const UNDONE: &str = "nothing was changed";

fn fetch_items(daemon: &Daemon, path: &str) -> Result<Vec<Value>, Failure> {
    let list: Value = daemon.json("GET", path, RequestBody::Nothing, "the service does not answer that")?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

fn text_field<'a>(item: &'a Value, key: &str) -> &'a str {
    item[key].as_str().unwrap_or("-")
}

impl UserCommand {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = Daemon::require(&given.load()?.config, "this")?;
        match self {
            UserCommand::List => {
                let users = fetch_items(&daemon, "/api/v1/users")?;
                print_list(&["name", "role"], &users)
            }
            UserCommand::Add { name, role } => {
                let mut sent = json!({"password": read_password()?});
                if let Some(role) = role {
                    sent["role"] = json!(role.as_str());
                }
                let _: Value = daemon.json("PUT", &user_path(name), RequestBody::Json(&sent), UNDONE)?;
                print_stdout(&format!("{name} can sign in.\n"))
            }
            UserCommand::Remove { name } => {
                daemon.request("DELETE", &user_path(name), RequestBody::Nothing)?.expect_success(UNDONE)?;
                print_stdout(&format!("{name} cannot sign in any more.\n"))
            }
        }
    }
}

fn user_path(name: &str) -> String {
    format!("/api/v1/users/{}", percent_encoded(name))
}

impl TokenCommand {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = Daemon::require(&given.load()?.config, "this")?;
        match self {
            TokenCommand::List => {
                let tokens = fetch_items(&daemon, "/api/v1/tokens")?;
                print_list(&["id", "name", "scopes", "until", "used"], &tokens)
            }
            TokenCommand::Add { name, scopes, days } => {
                let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
                let sent = json!({"name": name, "scopes": words, "days": days});
                let made: Value = daemon.json("POST", "/api/v1/tokens", RequestBody::Json(&sent), UNDONE)?;
                print_stdout(&format!("{}\n", text_field(&made, "token")))
            }
            TokenCommand::Revoke { number } => {
                daemon
                    .request("DELETE", &format!("/api/v1/tokens/{number}"), RequestBody::Nothing)?
                    .expect_success(UNDONE)?;
                print_stdout(&format!("Token {number} is revoked.\n"))
            }
        }
    }
}

/// A table of these keys; what is missing is a dash.
fn print_list(keys: &[&str], items: &[Value]) -> Result<(), Failure> {
    let word = |value: &Value| match value {
        Value::Null => String::from("-"),
        Value::String(text) => text.clone(),
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    let head = keys.iter().map(|key| (*key).to_owned()).collect();
    let row = |item: &Value| keys.iter().map(|key| word(&item[*key])).collect();
    let rows: Vec<Vec<String>> = [vec![head], items.iter().map(row).collect()].concat();
    print_stdout(&format_columns(&rows, |_| false))
}

impl LinkArgs {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = Daemon::require(&given.load()?.config, "this")?;
        let sent = json!({"address": self.address, "hours": self.hours});
        let made: Value =
            daemon.json("POST", "/api/v1/links", RequestBody::Json(&sent), "nothing is signed")?;
        print_stdout(&format!("{}\n", text_field(&made, "link")))
    }
}
