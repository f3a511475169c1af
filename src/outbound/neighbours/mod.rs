//! The other tallycams of the network: those that the configuration names, and those that announce themselves. They
//! are asked for their public state and counts while somebody looks, without any credentials.
//!
//! The operator's names lead anywhere. An announcement leads only to an address in one of this machine's own networks.
//! No redirect is followed. Answers are short and soon, or they count as none.

pub mod mdns;

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::connect::HostLimit;
use super::web::WebClient;
use mdns::AnnouncedCamera;
use tallycam_base::ClockTime;
use tallycam_base::unicode::is_unseen_control;

/// Neighbours that are asked.
pub const MOST: usize = 32;

/// Time limit for all answers of a neighbour.
const WITHIN: Duration = Duration::from_secs(2);

/// Bytes of an answer.
const LONGEST: usize = 64 << 10;

/// Answers serve everybody who looks in this time.
const FRESH: Duration = Duration::from_secs(5);

/// Interval of looking for neighbours while nobody looks at them, but at other pages.
const SELDOM: Duration = Duration::from_secs(300);

/// Characters of a name.
const SHOWN: usize = 100;

/// Status of a request that a tallycam sent to itself.
const OWN: u16 = 508;

/// A neighbour and its answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address: scheme, host and port.
    pub address: String,
    /// The same with its name in `.local`.
    pub local: Option<String>,
    pub name: String,
    /// The identity of its counts.db.
    pub ledger: Option<String>,
    /// The state as one word, and in a few.
    pub state: Option<(String, String)>,
    /// Crossings in and out of all lines today.
    pub counts: Option<(u64, u64)>,
    /// Why something is missing.
    pub problem: Option<String>,
    /// The words of `problem` have names, addresses or errors of this machine's connection.
    pub is_problem_inside: bool,
    /// The moment of its start, in seconds since 1970 by this machine's clock.
    pub started_s: Option<u64>,
}

/// The answers of all neighbours.
#[derive(Debug, Default)]
struct NeighbourAnswers {
    at: Option<Instant>,
    named: Vec<String>,
    found: Vec<Neighbour>,
    /// Open connections, by address.
    clients: HashMap<String, WebClient>,
}

/// Asks the neighbours. Needs a `LocalSet`.
#[derive(Debug, Default)]
pub struct Neighbours {
    /// Locked while they are asked: everybody gets the same answers.
    answers: Arc<Mutex<NeighbourAnswers>>,
    asked: Cell<Option<Instant>>,
    are_found: Rc<Cell<bool>>,
}

/// The parts of a neighbour's state that are shown.
#[derive(Debug, Deserialize)]
struct ToldState {
    name: String,
    state: String,
    headline: String,
    ledger: Option<String>,
    uptime_s: f64,
}

/// The sums of the day; without counts of a time there are none.
#[derive(Debug, Deserialize)]
struct ToldCounts {
    items: Vec<ToldSum>,
}

#[derive(Debug, Deserialize)]
struct ToldSum {
    r#in: Option<u64>,
    out: Option<u64>,
}

/// The end of asking a neighbour early.
enum NotTold {
    /// The neighbour is this tallycam.
    Own,
    /// The reason.
    Why(String),
    /// The connection's fault, in words for operators.
    Fault(String),
}

impl Neighbours {
    /// True if the last look has found a neighbour.
    pub fn are_found(&self) -> bool {
        self.are_found.get()
    }

    /// True if nobody has looked for a while.
    pub fn is_look_due(&self) -> bool {
        self.asked.get().is_none_or(|asked| asked.elapsed() > SELDOM)
    }

    /// The neighbours, those in `named` first.
    pub async fn look(&self, named: &[String]) -> Vec<Neighbour> {
        self.asked.set(Some(Instant::now()));
        let answers = self.answers.clone().lock_owned().await;
        if answers.at.is_some_and(|at| at.elapsed() < FRESH) && answers.named == named {
            return answers.found.clone();
        }
        // In a task of its own, because a reader that goes away ends no round: the next one would begin at once.
        let (named, are_found) = (named.to_vec(), self.are_found.clone());
        let round = spawn_local(async move {
            let found = ask_all(answers, named).await;
            are_found.set(!found.is_empty());
            found
        });
        round.await.unwrap_or_default()
    }
}

/// Looks for neighbours and asks all of them.
async fn ask_all(mut answers: OwnedMutexGuard<NeighbourAnswers>, named: Vec<String>) -> Vec<Neighbour> {
    let mut clients = std::mem::take(&mut answers.clients);
    let asked: Vec<_> = beginnings(&named, mdns::browse().await)
        .into_iter()
        .map(|neighbour| {
            let client = clients.remove(&neighbour.address).unwrap_or_default();
            spawn_local(ask(client, neighbour))
        })
        .collect();
    let mut found: Vec<Neighbour> = Vec::new();
    for task in asked {
        let Ok((client, Some(neighbour))) = task.await else { continue };
        answers.clients.insert(neighbour.address.clone(), client);
        found.push(neighbour);
    }
    (answers.at, answers.named) = (Some(Instant::now()), named);
    answers.found.clone_from(&found);
    found
}

/// All neighbours before they are asked, at most [`MOST`].
fn beginnings(named: &[String], announced: Vec<AnnouncedCamera>) -> Vec<Neighbour> {
    let of_name = |address: &String| Neighbour {
        name: address.split_once("://").map_or(address.as_str(), |(_, host)| host).to_owned(),
        address: address.clone(),
        ..Neighbour::default()
    };
    let mut all: Vec<Neighbour> = named.iter().take(MOST).map(of_name).collect();
    for AnnouncedCamera { address, host, id, name } in announced {
        if all.len() == MOST {
            break;
        }
        let origin = |host: &str| match address.port() {
            80 => format!("http://{host}"),
            port => format!("http://{host}:{port}"),
        };
        let (address, local) = (origin(&address.ip().to_string()), origin(&host));
        if all.iter().any(|known| known.address == address || known.address == local) {
            continue;
        }
        let name = name.unwrap_or_else(|| host.trim_end_matches(".local").to_owned());
        all.push(Neighbour { address, local: Some(local), name, ledger: id, ..Neighbour::default() });
    }
    all
}

/// Asks a neighbour; `None` if it is this tallycam.
async fn ask(mut client: WebClient, mut neighbour: Neighbour) -> (WebClient, Option<Neighbour>) {
    match timeout(WITHIN, tell(&mut client, &mut neighbour)).await {
        Ok(Ok(())) => {}
        Ok(Err(NotTold::Own)) => return (client, None),
        Ok(Err(NotTold::Why(why))) => neighbour.problem = Some(why),
        Ok(Err(NotTold::Fault(what))) => {
            (neighbour.problem, neighbour.is_problem_inside) = (Some(what), true);
        }
        Err(_) => neighbour.problem = Some(String::from("it does not answer")),
    }
    (client, Some(neighbour))
}

async fn tell(client: &mut WebClient, neighbour: &mut Neighbour) -> Result<(), NotTold> {
    let state: ToldState = get(client, &neighbour.address, "/api/v1/state").await?;
    let name = shown(&state.name);
    if !name.is_empty() {
        neighbour.name = name;
    }
    neighbour.state = Some((shown(&state.state), shown(&state.headline)));
    neighbour.ledger = state.ledger.map(|ledger| shown(&ledger));
    neighbour.started_s = Some(start_s(state.uptime_s));
    let today = "/api/v1/counts?from=today&to=now&bucket=total";
    let counts: ToldCounts = get(client, &neighbour.address, today).await?;
    let sum = |count: fn(&ToldSum) -> Option<u64>| {
        counts.items.iter().filter_map(count).fold(0, u64::saturating_add)
    };
    neighbour.counts = Some((sum(|row| row.r#in), sum(|row| row.out)));
    Ok(())
}

/// The moment at which a program started that runs for `uptime_s`, in seconds since 1970.
pub fn start_s(uptime_s: f64) -> u64 {
    let uptime_us = (uptime_s * 1e6).clamp(0.0, 1e18) as u64;
    ClockTime::now().wall_us.saturating_sub(uptime_us) / 1_000_000
}

async fn get<T: DeserializeOwned>(client: &mut WebClient, address: &str, path: &str) -> Result<T, NotTold> {
    let answer = client.get(&format!("{address}{path}"), &HostLimit::Anywhere, LONGEST).await;
    let (status, body) = answer.map_err(|fault| NotTold::Fault(fault.what))?;
    let why = match status {
        200 => {
            return serde_json::from_slice(&body)
                .map_err(|_| NotTold::Why(String::from("it answers, but not as a tallycam does")));
        }
        OWN => return Err(NotTold::Own),
        300..=399 => {
            String::from("it leads elsewhere: `http.neighbours` should name the address that it leads to")
        }
        401 | 403 => String::from("sign in there to see it"),
        421 => String::from("it does not answer to this name: `http.names` there adds one"),
        status => format!("it answers {status}"),
    };
    Err(NotTold::Why(why))
}

/// A foreign text without invisible characters, shortened.
fn shown(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !is_unseen_control(*c)).take(SHOWN).collect();
    visible.trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpListener};
    use tokio::task::LocalSet;

    /// Serves these answers in turn, each as it is; the address. An empty one is never given.
    fn serving(answers: Vec<Vec<u8>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for answer in answers {
                let (mut client, _) = listener.accept().unwrap();
                let _ = client.read(&mut [0; 4096]);
                client.write_all(&answer).unwrap();
                if answer.is_empty() {
                    // It stays open until the asker has given up.
                    let _ = client.read(&mut [0; 1]);
                }
                let _ = client.shutdown(Shutdown::Write);
            }
        });
        address
    }

    fn answer(status: &str, body: &str) -> Vec<u8> {
        let head =
            format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        (head + body).into_bytes()
    }

    async fn asked(answers: Vec<Vec<u8>>) -> Option<Neighbour> {
        let address = serving(answers);
        let neighbour = beginnings(&[address], Vec::new()).remove(0);
        ask(WebClient::default(), neighbour).await.1
    }

    const STATE: &str =
        r#"{"name":"<b>Door\u202e\n","state":"live","headline":"Live","ledger":"4f","uptime_s":1}"#;

    #[tokio::test]
    async fn a_neighbour_tells_name_state_and_sums_or_why_not() {
        let counts = r#"{"items":[{"in":3,"out":3,"x":"a"},{"in":18446744073709551615,"out":null}]}"#;
        let long = format!("{{\"name\":\"{}\"}}", "x".repeat(LONGEST));
        LocalSet::new()
            .run_until(async {
                let told = asked(vec![answer("200 OK", STATE), answer("200 OK", counts)]).await.unwrap();
                assert_eq!((told.name.as_str(), told.ledger.as_deref()), ("<b>Door", Some("4f")));
                assert_eq!(
                    (told.state, told.counts),
                    (Some(("live".into(), "Live".into())), Some((u64::MAX, 3)))
                );
                assert_eq!(told.problem, None);
                for (given, why) in [
                    (vec![answer("401 Unauthorized", "")], "sign in there to see it"),
                    (vec![answer("200 OK", STATE), answer("403 Forbidden", "")], "sign in there to see it"),
                    (vec![answer("302 Found\r\nlocation: http://127.0.0.1:1/", "")], "it leads elsewhere"),
                    (vec![answer("200 OK", "[1]")], "it answers, but not as a tallycam does"),
                    (vec![answer("500 Broken", "")], "it answers 500"),
                    (vec![answer("200 OK", &long)], "the answer has more than 65536 bytes"),
                    (vec![Vec::new()], "it does not answer"),
                    (vec![b"nonsense\r\n\r\n".to_vec()], "127.0.0.1 gives no proper answer"),
                ] {
                    let told = asked(given).await.unwrap();
                    let said = told.problem.unwrap();
                    assert!(said.starts_with(why) && told.counts.is_none(), "{said}");
                }
                assert_eq!(asked(vec![answer("508 Loop Detected", "")]).await, None);
            })
            .await;
    }

    #[test]
    fn an_announced_neighbour_that_is_named_comes_once_and_all_are_few() {
        let announced = |last: u8, host: &str, name: Option<&str>| AnnouncedCamera {
            address: format!("10.0.0.{last}:8080").parse().unwrap(),
            host: host.into(),
            id: None,
            name: name.map(str::to_owned),
        };
        let named = [String::from("http://door.local:8080"), String::from("http://10.0.0.3:8080")];
        let found = vec![
            announced(2, "door.local", None),
            announced(3, "gate.local", None),
            announced(4, "hall.local", None),
            announced(5, "yard.local", Some("Yard")),
        ];
        let all = beginnings(&named, found);
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["door.local:8080", "10.0.0.3:8080", "hall", "Yard"]);
        assert_eq!(all[3].address, "http://10.0.0.5:8080");
        assert_eq!(all[3].local.as_deref(), Some("http://yard.local:8080"));
        let many: Vec<String> = (0..100).map(|n| format!("http://c{n}.lan")).collect();
        assert_eq!(beginnings(&many, Vec::new()).len(), MOST);
    }
}
