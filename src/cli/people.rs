//! `tallycam user`, `tallycam token`, `tallycam link`: by the daemon where one runs, else in the file itself.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::daemon::{Daemon, Sent};
use super::password::{Place, failure, typed};
use super::{Failure, Given, print};
use crate::access::{Role, Scope, TokenFacts};
use crate::base::clock::{self, rfc3339};
use crate::base::letters::percent_encoded;
use crate::http::sign_link;

/// List, add or remove users, who have passwords and roles of their own
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    List(UserList),
    Add(UserAdd),
    Remove(UserRemove),
}

/// List users and their roles.
#[derive(Debug, Args)]
pub struct UserList {
    #[command(flatten)]
    given: Given,
}

/// Add a user, or change the password and perhaps the role of one.
///
/// The password is asked for twice, or read as one line from standard input where that is no terminal. The password of the
/// user `viewer` counts for whoever gives no name.
#[derive(Debug, Args)]
pub struct UserAdd {
    /// Letters, digits, dots, dashes and underscores
    name: String,
    /// viewer (looks), operator (records, draws lines, lights, pauses) or admin; a new user is a viewer without it
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    #[command(flatten)]
    given: Given,
}

/// Remove a user, and end the user's sessions.
#[derive(Debug, Args)]
pub struct UserRemove {
    /// Whom
    name: String,
    #[command(flatten)]
    given: Given,
}

/// List, make or revoke tokens, with which programs come in without a password
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    List(TokenList),
    Add(TokenAdd),
    Revoke(TokenRevoke),
}

/// List tokens: number, name, what they open, end and last use.
#[derive(Debug, Args)]
pub struct TokenList {
    #[command(flatten)]
    given: Given,
}

/// Make a token, and print it: it is shown this once.
///
/// Programs show it as `?token=` in an address, as `Authorization: Bearer`, or as the password of any user name.
#[derive(Debug, Args)]
pub struct TokenAdd {
    /// What it is for
    name: String,
    /// What it opens: stream, snapshot, counts, metrics or control; may be given more than once
    #[arg(long = "scope", value_parser = scope, required = true)]
    scopes: Vec<Scope>,
    /// Ends after so many days; never without it
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3660))]
    days: Option<u64>,
    #[command(flatten)]
    given: Given,
}

/// Revoke a token: it opens nothing from now on.
#[derive(Debug, Args)]
pub struct TokenRevoke {
    /// Its number
    number: u64,
    #[command(flatten)]
    given: Given,
}

/// Sign an address of this camera, which then needs no password until it ends
///
/// For one stream, picture, clip or page: stream?fps=5, api/v1/media/7/content, or ./ for the live page. What is printed is
/// relative to the camera's own address. It ends early when the admin's password is changed.
#[derive(Debug, Args)]
pub struct Link {
    /// What to link to
    address: String,
    /// Ends after so many hours
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8784))]
    hours: u64,
    #[command(flatten)]
    given: Given,
}

fn role(word: &str) -> Result<Role, String> {
    Role::of(word).ok_or_else(|| String::from("viewer, operator or admin"))
}

fn scope(word: &str) -> Result<Scope, String> {
    Scope::of(word).ok_or_else(|| format!("one of {}", Scope::ALL.map(Scope::word).join(", ")))
}

const UNDONE: &str = "nothing was changed";

fn items(daemon: &Daemon, path: &str) -> Result<Vec<Value>, Failure> {
    let list: Value = daemon.json("GET", path, Sent::Nothing, "the daemon does not tell")?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

fn word<'a>(item: &'a Value, key: &str) -> &'a str {
    item[key].as_str().unwrap_or("-")
}

impl UserCommand {
    /// Does what was asked.
    pub fn run(&self, given: &Given) -> Result<(), Failure> {
        let (UserCommand::List(UserList { given: own })
        | UserCommand::Add(UserAdd { given: own, .. })
        | UserCommand::Remove(UserRemove { given: own, .. })) = self;
        let place = Place::of(&given.and(own).load()?.config);
        match self {
            UserCommand::List(_) => {
                let users: Vec<(String, String)> = match place {
                    Place::Daemon(daemon) => items(&daemon, "/api/v1/users")?
                        .iter()
                        .map(|user| (word(user, "name").to_owned(), word(user, "role").to_owned()))
                        .collect(),
                    Place::File(access) => {
                        let users = access.users().into_iter();
                        users.map(|user| (user.name, user.role.word().to_owned())).collect()
                    }
                };
                print(&users.iter().map(|(name, role)| format!("{name}  {role}\n")).collect::<String>())
            }
            UserCommand::Add(UserAdd { name, role, .. }) => {
                let password = typed()?;
                match place {
                    Place::Daemon(daemon) => {
                        let mut sent = json!({"password": password});
                        if let Some(role) = role {
                            sent["role"] = json!(role.word());
                        }
                        let _: Value = daemon.json("PUT", &user_path(name), Sent::Json(&sent), UNDONE)?;
                    }
                    Place::File(access) => access.set_user(name, *role, Some(&password)).map_err(failure)?,
                }
                print(&format!("{name} can sign in.\n"))
            }
            UserCommand::Remove(UserRemove { name, .. }) => {
                match place {
                    Place::Daemon(daemon) => {
                        daemon.ask("DELETE", &user_path(name), Sent::Nothing)?.done(UNDONE)?;
                    }
                    Place::File(access) => access.remove_user(name).map_err(failure)?,
                }
                print(&format!("{name} cannot sign in any more.\n"))
            }
        }
    }
}

fn user_path(name: &str) -> String {
    format!("/api/v1/users/{}", percent_encoded(name))
}

impl TokenCommand {
    /// Does what was asked.
    pub fn run(&self, given: &Given) -> Result<(), Failure> {
        let (TokenCommand::List(TokenList { given: own })
        | TokenCommand::Add(TokenAdd { given: own, .. })
        | TokenCommand::Revoke(TokenRevoke { given: own, .. })) = self;
        let place = Place::of(&given.and(own).load()?.config);
        match self {
            TokenCommand::List(_) => {
                let lines: Vec<String> = match place {
                    Place::Daemon(daemon) => items(&daemon, "/api/v1/tokens")?.iter().map(told).collect(),
                    Place::File(access) => access.tokens().iter().map(line).collect(),
                };
                print(&lines.concat())
            }
            TokenCommand::Add(TokenAdd { name, scopes, days, .. }) => {
                let token = match place {
                    Place::Daemon(daemon) => {
                        let words: Vec<&str> = scopes.iter().map(|scope| scope.word()).collect();
                        let sent = json!({"name": name, "scopes": words, "days": days});
                        let made: Value = daemon.json("POST", "/api/v1/tokens", Sent::Json(&sent), UNDONE)?;
                        word(&made, "token").to_owned()
                    }
                    Place::File(access) => {
                        let until_s = days.map(|days| clock::wall_s() + days * 86_400);
                        access.add_token(name, scopes, clock::wall_s(), until_s).map_err(failure)?.0
                    }
                };
                print(&format!("{token}\n"))
            }
            TokenCommand::Revoke(TokenRevoke { number, .. }) => {
                match place {
                    Place::Daemon(daemon) => {
                        let path = format!("/api/v1/tokens/{number}");
                        daemon.ask("DELETE", &path, Sent::Nothing)?.done(UNDONE)?;
                    }
                    Place::File(access) => {
                        if !access.revoke_token(*number).map_err(failure)? {
                            let message = format!("{UNDONE}: there is no token {number}");
                            return Err(Failure::Failed { message, hint: None });
                        }
                    }
                }
                print(&format!("Token {number} opens nothing any more.\n"))
            }
        }
    }
}

fn told(token: &Value) -> String {
    let scopes = token["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let scopes: Vec<&str> = scopes.collect();
    let (until, used) = (word(token, "until"), word(token, "used"));
    format!("{}  {}  {}  until {until}  used {used}\n", token["id"], word(token, "name"), scopes.join(","))
}

fn line(token: &TokenFacts) -> String {
    let time = |seconds: Option<u64>| seconds.map_or(String::from("-"), |s| rfc3339(s * 1_000_000));
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.word()).collect();
    let (until, used) = (time(token.until_s), time(token.used_s));
    format!("{}  {}  {}  until {until}  used {used}\n", token.number, token.name, scopes.join(","))
}

impl Link {
    /// Does what was asked.
    pub fn run(&self, given: &Given) -> Result<(), Failure> {
        let link = match Place::of(&given.and(&self.given).load()?.config) {
            Place::Daemon(daemon) => {
                let sent = json!({"address": self.address, "hours": self.hours});
                let made: Value =
                    daemon.json("POST", "/api/v1/links", Sent::Json(&sent), "nothing is signed")?;
                word(&made, "link").to_owned()
            }
            Place::File(access) => {
                if !access.has_password() {
                    return Err(failure(crate::access::AccessError::NoAdmin));
                }
                sign_link(&access, &self.address, clock::wall_s() + self.hours * 3600).map_err(
                    |expected| Failure::Failed {
                        message: format!("the address should be {expected}"),
                        hint: None,
                    },
                )?
            }
        };
        print(&format!("{link}\n"))
    }
}
