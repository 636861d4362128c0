//! The System of hosts. A step's target is a stage of a host, `SITE/HOST/STAGE`; it is looked at and changed in one exec,
//! under the host's lock, so that nothing can come in between.
use crate::connect::{Connection, Connections};
use crate::error::Error;
use crate::route::{Root, Route};
use crate::talk::{Talk, look};
use futures_util::stream::{self, StreamExt};
use incline_exec::{Ended, Lane, Look, Say, System};
use incline_host::{
    Answers, Asks, Change, Conversation, Entrance, Heard, Host, Secrets, Sighting, Ticket, View, change, hold,
};
use incline_model::desired::Stage;
use incline_model::event::{Event, Trouble};
use incline_model::inventory::SecretSource;
use incline_model::plan::{Expectation, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A host of a site: what it must be, and the way to it.
#[derive(Debug, Clone)]
pub struct Part {
    /// The site's name.
    pub site: String,
    /// What it must be.
    pub host: Host,
    /// The way to it.
    pub route: Route,
}

impl Part {
    /// Where secrets come from that are needed on the way and on the host.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        let password = match &self.route.root {
            Root::Password(source) => Some(source),
            Root::Sudo | Root::Already => None,
        };
        self.host.secrets().chain(password)
    }
}

/// A conversation that holds a host's lock, and what was seen in it.
struct Held {
    talk: Talk,
    answers: Box<Answers>,
    view: View,
}

/// Hosts, and the connections to them.
pub struct Hosts {
    parts: BTreeMap<(String, String), Part>,
    connections: Connections,
    secrets: Secrets,
    /// Lengths in bytes of the files that may be sent.
    local: BTreeMap<String, u64>,
    /// Who is at work, for whoever finds a host locked.
    who: String,
    /// How many hosts are looked at side by side.
    width: usize,
    open: Mutex<BTreeMap<(String, String), Connection>>,
    held: Mutex<BTreeMap<String, Held>>,
    after: Mutex<BTreeMap<String, View>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hosts {
    /// Hosts that nobody has connected to yet.
    pub fn new(
        parts: Vec<Part>,
        connections: Connections,
        secrets: Secrets,
        local: BTreeMap<String, u64>,
        who: String,
        width: usize,
    ) -> Self {
        let parts = parts.into_iter().map(|part| ((part.site.clone(), part.host.name.clone()), part)).collect();
        Self {
            parts,
            connections,
            secrets,
            local,
            who,
            width,
            open: Mutex::default(),
            held: Mutex::default(),
            after: Mutex::default(),
        }
    }

    /// The hosts, by site and name.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.values()
    }

    /// The secrets that are compared and sent.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Looks at all hosts, each in one exec; `told` hears of each when it is done.
    pub async fn observe(&self, told: impl Fn(&Sighting) + Sync) -> BTreeMap<(String, String), Sighting> {
        let told = &told;
        let looks = self.parts.iter().map(|(key, part)| async move {
            let sighting = match self.sight(part, part.host.asks(&part.site)).await {
                Ok(Heard::Asked(answers)) => Sighting::Seen(answers),
                Ok(Heard::Busy(who)) => Sighting::Busy(who),
                Ok(Heard::Refused(why)) => Sighting::Unreachable { why, hint: None },
                Ok(_) => Sighting::Unreachable { why: "the host said nothing of what it is".to_owned(), hint: None },
                Err(error) => Sighting::Unreachable { why: error.to_string(), hint: error.hint() },
            };
            told(&sighting);
            (key.clone(), sighting)
        });
        stream::iter(looks).buffer_unordered(self.width).collect().await
    }

    async fn sight(&self, part: &Part, asks: Asks) -> Result<Heard, Error> {
        let nonce = nonce();
        let program = incline_host::look(&nonce, &self.who, &asks);
        let connection = self.connection(part).await?;
        look(&connection, &part.route, &self.secrets, &nonce, &program, asks).await
    }

    /// Asks a host something beside its items.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn ask(&self, site: &str, host: &str, asks: Asks) -> Result<Box<Answers>, Trouble> {
        let part = self.part(site, host)?;
        asked(self.sight(part, asks).await?)
    }

    /// The fingerprints (SHA-256) of the keys by which a site's hosts, and those on the way to them, let somebody in.
    pub fn keys_of(&self, site: &str) -> BTreeSet<String> {
        let parts = self.parts.values().filter(|part| part.site == site);
        let hops = parts.flat_map(|part| part.route.jump.iter().chain([&part.route.host]));
        hops.filter_map(|hop| self.connections.key_of(hop)).collect()
    }

    fn part(&self, site: &str, host: &str) -> Result<&Part, Trouble> {
        let part = self.parts.get(&(site.to_owned(), host.to_owned()));
        part.ok_or_else(|| Trouble::new(format!("there is no host {site}/{host}")))
    }

    /// The fingerprint of each host's key, unbelieved.
    pub async fn fingerprints(&self) -> BTreeMap<(String, String), Result<String, Error>> {
        let looks = self
            .parts
            .iter()
            .map(|(key, part)| async move { (key.clone(), self.connections.fingerprint(&part.route).await) });
        stream::iter(looks).buffer_unordered(self.width).collect().await
    }

    /// The connection to a host: the one that is open, or a new one.
    async fn connection(&self, part: &Part) -> Result<Connection, Error> {
        let key = (part.site.clone(), part.host.name.clone());
        if let Some(open) = locked(&self.open).get(&key).filter(|connection| !connection.is_closed()) {
            return Ok(open.clone());
        }
        let new = self.connections.open(&part.route).await?;
        locked(&self.open).insert(key, new.clone());
        Ok(new)
    }

    /// The host and the stage that a target names.
    fn place(&self, target: &str) -> Option<(&Part, Stage)> {
        let mut words = target.splitn(3, '/');
        let (site, host, stage) = (words.next()?, words.next()?, words.next()?);
        let part = self.parts.get(&(site.to_owned(), host.to_owned()))?;
        let stage = part.host.stages.iter().map(|(stage, _)| *stage).find(|known| known.name() == stage)?;
        Some((part, stage))
    }

    /// Locks a host and looks at one of its stages.
    async fn hold(&self, part: &Part, stage: Stage) -> Result<Held, Trouble> {
        let (talk, answers) = self.lock(part, part.host.asks_of(&part.site, stage)).await?;
        let view = part.host.view(&part.site, stage, &answers, &self.secrets).map_err(Trouble::new)?;
        Ok(Held { talk, answers, view })
    }

    /// Locks a host and asks it: the conversation that keeps the lock, and what it answered.
    async fn lock(&self, part: &Part, asks: Asks) -> Result<(Talk, Box<Answers>), Trouble> {
        let nonce = nonce();
        let program = hold(&nonce, &self.who, &asks);
        let connection = self.connection(part).await?;
        let conversation = Conversation::new(&nonce, asks);
        let mut talk = Talk::start(&connection, &part.route, &self.secrets, &program, true, conversation).await?;
        let answers = asked(talk.hear().await?)?;
        Ok((talk, answers))
    }
}

impl Hosts {
    /// Has a host give another what it needs: the first of those that may, and answers.
    async fn let_in(&self, part: &Part, entrance: &Entrance) -> Result<(&Part, Ticket), Trouble> {
        let mut reasons = Vec::new();
        for name in &entrance.by {
            let Some(by) = self.parts.get(&(part.site.clone(), name.clone())) else { continue };
            let nonce = nonce();
            match self.errand(by, &nonce, &entrance.program(&nonce, &self.who)).await {
                Ok(Heard::Ticket(ticket)) => return Ok((by, *ticket)),
                Ok(Heard::Failed(_, why)) => reasons.push(format!("{name}: {}", gist(&why).0)),
                Ok(_) => reasons.push(format!("{name}: it said nothing of a ticket")),
                Err(error) => reasons.push(format!("{name}: {error}")),
            }
        }
        Err(Trouble::new(entrance.what()).details(reasons).hint("mend one of them first"))
    }

    /// Takes a ticket back. What cannot be taken back ends by itself, a quarter of an hour after it was made.
    async fn take_back(&self, by: &Part, ticket: &Ticket) {
        let nonce = nonce();
        let Some(program) = ticket.back(&nonce, &self.who) else { return };
        if let Err(error) = self.errand(by, &nonce, &program).await {
            tracing::warn!(host = by.host.name, %error, "a ticket was not taken back");
        }
    }

    /// Runs a program that another host needs; what it said first.
    async fn errand(&self, part: &Part, nonce: &str, program: &str) -> Result<Heard, Error> {
        let connection = self.connection(part).await?;
        let conversation = Conversation::new(nonce, Asks::default());
        let mut talk = Talk::start(&connection, &part.route, &self.secrets, program, true, conversation).await?;
        talk.hear().await
    }
}

impl Hosts {
    /// Carries out a change of a host that is no stage's, under the host's lock.
    ///
    /// # Errors
    /// The host does not answer, somebody else is at work on it, or the change failed.
    pub async fn change(&self, site: &str, host: &str, change: Change) -> Result<(), Trouble> {
        let (mut talk, _) = self.lock(self.part(site, host)?, Asks::default()).await?;
        match talk.change(change, |_| {}).await? {
            Heard::Asked(_) => Ok(()),
            Heard::Failed(_, why) => {
                let (cause, details) = gist(&why);
                Err(Trouble::new(cause).details(details))
            }
            _ => Err(Trouble::new("the host did not say how it ended")),
        }
    }
}

/// What a host answered that was asked.
fn asked(heard: Heard) -> Result<Box<Answers>, Trouble> {
    match heard {
        Heard::Asked(answers) => Ok(answers),
        Heard::Busy(who) => Err(busy(&who)),
        Heard::Refused(why) => Err(Trouble::new(why)),
        _ => Err(Trouble::new("the host said nothing of what it is")),
    }
}

/// Somebody else is at work on a host.
fn busy(who: &str) -> Trouble {
    let who = if who.is_empty() { "somebody" } else { who };
    Trouble::new(format!("{who} is at work on it")).hint("wait until that is done, and run again")
}

fn seen(view: &View) -> Look {
    Look { is_fulfilled: view.is_fulfilled(), is: Expectation::Seen(view.fingerprint()) }
}

impl System for Hosts {
    fn lane(&self, _: &Step) -> Lane {
        Lane { name: "hosts", width: self.width }
    }

    async fn look(&self, step: &Step) -> Result<Look, Trouble> {
        // What was looked at by the exec that changed it is known.
        if let Some(view) = locked(&self.after).remove(&step.target) {
            return Ok(seen(&view));
        }
        let (part, stage) = self.place(&step.target).ok_or_else(|| Trouble::new("there is no such host"))?;
        let held = self.hold(part, stage).await?;
        let look = seen(&held.view);
        // Whoever has nothing to change lets go: the channel's end is the end of the program.
        if !look.is_fulfilled && look.is == step.expectation {
            locked(&self.held).insert(step.target.clone(), held);
        }
        Ok(look)
    }

    async fn apply(&self, step: &Step, say: &Say) -> Result<(), Ended> {
        let (part, stage) = self.place(&step.target).ok_or_else(|| Trouble::new("there is no such host"))?;
        let held = locked(&self.held).remove(&step.target);
        let mut held = held.ok_or_else(|| Trouble::new("nobody has looked at it"))?;
        let pass = match part.host.entrance(stage, &held.view) {
            Some(entrance) => Some(self.let_in(part, &entrance).await?),
            None => None,
        };
        let seen = (&*held.answers, &held.view);
        let ticket = pass.as_ref().map(|(_, ticket)| ticket);
        let change = change(&part.host, &part.site, stage, seen, &self.secrets, ticket, &self.local);
        let change = change.map_err(Trouble::new)?;
        let items = change.items.clone();
        let item = |index: usize| items.get(index).map_or("the mark", String::as_str).to_owned();
        let tell = |index: usize, status: &str, reason: &str| {
            let item = item(index);
            let (kind, resource) = item.split_once(' ').unwrap_or(("", &item));
            say.event(Event::Resource {
                target: step.target.clone(),
                resource: resource.to_owned(),
                kind: kind.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
            });
        };
        let ended = held.talk.change(change, |heard| match heard {
            Heard::Begun(index) => tell(*index, "APPLY_IN_PROGRESS", ""),
            Heard::Done(index) => tell(*index, "APPLY_COMPLETE", ""),
            Heard::Failed(index, why) => tell(*index, "APPLY_FAILED", &gist(why).0),
            _ => {}
        });
        let ended = ended.await;
        if let Some((by, ticket)) = &pass {
            self.take_back(by, ticket).await;
        }
        match ended.map_err(Trouble::from)? {
            Heard::Asked(answers) => {
                let view = part.host.view(&part.site, stage, &answers, &self.secrets).map_err(Trouble::new)?;
                let differing = part.host.differing(stage, &view);
                if !differing.is_empty() {
                    let trouble = Trouble::new("it was applied without an error, and is still not as it must be");
                    return Err(trouble.details(differing).into());
                }
                locked(&self.after).insert(step.target.clone(), view);
                Ok(())
            }
            Heard::Failed(index, why) => {
                let (cause, details) = gist(&why);
                Err(Trouble::new(format!("{}: {cause}", item(index)))
                    .details(details)
                    .hint("what was done before it stays; run again once its cause is gone")
                    .into())
            }
            _ => Err(Trouble::new("the host did not say how it ended").into()),
        }
    }
}

/// Why an item failed: in one sentence, and what a tool said before that. Of what a tool says, the last line tells most.
fn gist(why: &str) -> (String, Vec<String>) {
    let lines: Vec<&str> = why.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [] => ("no reason was given".to_owned(), Vec::new()),
        [only] => ((*only).to_owned(), Vec::new()),
        [first, between @ .., last] => {
            let skip = between.len().saturating_sub(10);
            (format!("{first}: {last}"), between.iter().skip(skip).map(ToString::to_string).collect())
        }
    }
}

/// 128 random bits, in hexadecimal.
fn nonce() -> String {
    let mut bytes = [0_u8; 16];
    // The operating system's source does not fail on a system that has booted; a run without it must not go on.
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "no random numbers");
        std::process::abort();
    }
    incline_model::hex(&bytes)
}
