//! A host as it must be, and as it was seen.
use crate::ask::{Answers, Asks};
use crate::kind::path::digest;
use crate::kind::{Identity, Item, Judgement};
use crate::mark::{Mark, StageMark, Undo};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::ticket::Entrance;
use crate::words::UnitName;
use incline_model::desired::Stage;
use incline_model::plan::PropertyChange;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A host as it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// What it must have, stage by stage, in the order in which it is made so.
    pub stages: Vec<(Stage, Vec<Entry>)>,
    /// The subjects of items whose data is given up: they go, where nobody wishes for them any more.
    pub released: BTreeSet<String>,
}

/// An item, and the units that are told when it has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Entry {
    /// The item.
    #[serde(flatten)]
    pub item: Item,
    /// Units that are restarted, once, at the end of the stage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restart: Vec<UnitName>,
    /// Units that are reloaded, once, at the end of the stage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reload: Vec<UnitName>,
    /// The digest by which a mark knows the item again.
    #[serde(skip)]
    digest: String,
}

impl TryFrom<Map<String, Value>> for Entry {
    type Error = String;
    fn try_from(mut map: Map<String, Value>) -> Result<Self, String> {
        let mut units = |key: &str| -> Result<Vec<UnitName>, String> {
            let list = map.remove(key).map(serde_json::from_value).transpose();
            list.map(Option::unwrap_or_default).map_err(|error| format!("{key}: {error}"))
        };
        let (restart, reload) = (units("restart")?, units("reload")?);
        if map.len() != 1 {
            let keys: Vec<&str> = map.keys().map(String::as_str).collect();
            return Err(format!(
                "an item has one kind, and perhaps `restart` and `reload`; here stand: {}",
                keys.join(", ")
            ));
        }
        let kind = map.keys().next().cloned().unwrap_or_default();
        let item: Item = serde_json::from_value(Value::Object(map)).map_err(|error| format!("{kind}: {error}"))?;
        let digest = digest(serde_json::to_string(&item).unwrap_or_default().as_bytes());
        Ok(Self { item, restart, reload, digest })
    }
}

impl Entry {
    /// What is done at the end of the stage when the item has changed.
    pub(crate) fn handlers(&self) -> impl Iterator<Item = String> {
        let restart = self.restart.iter().map(|unit| format!("restart {unit}"));
        restart.chain(self.reload.iter().map(|unit| format!("reload {unit}")))
    }
}

/// What one look at a host gave.
#[derive(Debug, Clone)]
pub enum Sighting {
    /// It answered.
    Seen(Box<Answers>),
    /// Somebody is at work on it: who, since when.
    Busy(String),
    /// It could not be looked at.
    Unreachable {
        /// Why.
        why: String,
        /// The way out.
        hint: Option<String>,
    },
}

/// What a host is to its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Whether it founds the cluster.
    pub founds: bool,
    /// Whether it is a whole member now.
    pub is_member: bool,
}

/// How a stage of a host is.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Each item in order, and how it is.
    pub items: Vec<Seen>,
    /// What incline made and nobody wishes for any more: its name, and what takes it away.
    pub unwanted: Vec<(String, Item)>,
    /// What incline made, nobody wishes for any more, and stays: its names.
    pub left: Vec<String>,
    /// Handlers that an interrupted run still owes.
    pub pending: Vec<String>,
    /// Whether the mark says what is wished for.
    pub marked: bool,
}

/// How an item is.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// How it is.
    pub judgement: Judgement,
    /// What the mark says of it.
    pub mark: Marked,
    /// Whether it may come to be as it must without incline; a plan does not depend on it then.
    pub by_itself: bool,
}

/// What a mark says of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// Nothing: it was never applied.
    Never,
    /// It was applied as it is wished for.
    Same,
    /// It was applied, and the wish has changed.
    Other,
}

impl View {
    /// Whether all is as it must be.
    pub fn is_fulfilled(&self) -> bool {
        self.marked
            && self.unwanted.is_empty()
            && self.pending.is_empty()
            && self.items.iter().all(|seen| matches!(seen.judgement, Judgement::Same | Judgement::Beyond(_)))
    }

    /// The digest by which a plan knows again what it was made against: two looks that give the same one found the same
    /// differences.
    pub fn fingerprint(&self) -> String {
        let items: Vec<Value> = self
            .items
            .iter()
            .map(|seen| match &seen.judgement {
                // What no step changes is no part of a plan.
                Judgement::Same | Judgement::Beyond(_) => Value::Null,
                Judgement::Differs(_) if seen.by_itself => Value::Null,
                Judgement::Differs(difference) => {
                    let texts = difference.texts.iter().map(|text| Value::from(text.before.clone())).collect();
                    Value::Array(vec![
                        serde_json::to_value(&difference.properties).unwrap_or_default(),
                        Value::Array(texts),
                    ])
                }
                Judgement::Unknown(why) => why.as_str().into(),
                Judgement::Refused { cause, .. } => cause.as_str().into(),
            })
            .collect();
        let unwanted: Vec<&String> = self.unwanted.iter().map(|(id, _)| id).collect();
        let all = serde_json::json!([items, unwanted, self.pending, self.marked]);
        digest(all.to_string().as_bytes())
    }
}

/// Handlers, without the reloads that a restart makes needless.
pub(crate) fn needed(handlers: BTreeSet<String>) -> Vec<String> {
    let needless = |handler: &String| {
        handler.strip_prefix("reload ").is_some_and(|unit| handlers.contains(&format!("restart {unit}")))
    };
    handlers.iter().filter(|handler| !needless(handler)).cloned().collect()
}

impl Host {
    /// All that must be asked to know how it is.
    pub fn asks(&self, site: &str) -> Asks {
        self.asks_for(site, self.all())
    }

    /// What must be asked to know how one stage is.
    pub fn asks_of(&self, site: &str, stage: Stage) -> Asks {
        self.asks_for(site, self.entries(stage))
    }

    fn asks_for<'a>(&self, site: &str, entries: impl IntoIterator<Item = &'a Entry>) -> Asks {
        let mut asks = Asks::default();
        self.mark(site).ask(&mut asks);
        for entry in entries {
            entry.item.ask(&mut asks);
        }
        asks
    }

    /// The items of all stages.
    fn all(&self) -> impl Iterator<Item = &Entry> {
        self.stages.iter().flat_map(|(_, entries)| entries)
    }

    /// A stage's items.
    pub fn entries(&self, stage: Stage) -> &[Entry] {
        self.stages.iter().find(|(is, _)| *is == stage).map_or(&[], |(_, entries)| entries)
    }

    /// Where secrets come from that are needed.
    pub fn secrets(&self) -> impl Iterator<Item = &incline_model::inventory::SecretSource> {
        self.all().filter_map(|entry| entry.item.secret())
    }

    /// Files on the machine that runs incline that may be sent.
    pub fn local(&self) -> impl Iterator<Item = &str> {
        self.all().filter_map(|entry| entry.item.local())
    }

    /// What the host needs of another in this stage, if it does so now.
    pub fn entrance(&self, stage: Stage, view: &View) -> Option<Entrance> {
        let mut items = self.entries(stage).iter().zip(&view.items);
        items.find_map(|(entry, seen)| match &seen.judgement {
            Judgement::Differs(difference) => Entrance::of(&entry.item, Some(difference)),
            _ => None,
        })
    }

    /// The hosts that this one needs in a stage: by whose leave it enters.
    pub fn needs(&self, stage: Stage) -> BTreeSet<String> {
        self.entries(stage)
            .iter()
            .filter_map(|entry| Entrance::of(&entry.item, None))
            .flat_map(|entrance| entrance.by)
            .collect()
    }

    /// Whether the host would found a cluster; and, given what it answered, whether it is a whole member of one.
    pub fn membership(&self, seen: &Answers) -> Option<Membership> {
        self.all().find_map(|entry| match &entry.item {
            Item::Node(node) => {
                node.is_member(seen).ok().map(|is_member| Membership { founds: node.by.is_empty(), is_member })
            }
            _ => None,
        })
    }

    /// What holds data that incline made here, as its mark says: the subjects of those items.
    ///
    /// # Errors
    /// The mark cannot be read.
    pub fn data(&self, site: &str, seen: &Answers) -> Result<BTreeSet<String>, String> {
        let mark = self.mark(site).read(seen)?;
        let all = mark.stages.into_values().flat_map(|stage| stage.items.into_values());
        Ok(all.filter(|undo| undo.data).filter_map(|undo| undo.undo.map(|item| item.subject())).collect())
    }

    /// The same host of which nothing is wished for any more, but for the data of what is not named.
    pub fn without_anything(&self, released: BTreeSet<String>) -> Self {
        // Also what it had by roles that are no longer its own.
        let stages = Stage::ALL.map(|stage| (stage, Vec::new())).to_vec();
        Self { name: self.name.clone(), stages, released }
    }

    /// The same host, asked for nothing but what it is to its cluster.
    pub fn as_node(&self) -> Self {
        let of_node = |entry: &&Entry| matches!(entry.item, Item::Node(_));
        let stages = self.stages.iter();
        let stages =
            stages.map(|(stage, entries)| (*stage, entries.iter().filter(of_node).cloned().collect())).collect();
        Self { name: self.name.clone(), stages, released: BTreeSet::new() }
    }

    /// What sets the machine apart from others, where that matters.
    pub fn identity(&self, seen: &Answers) -> Option<Identity> {
        self.all().find_map(|entry| match &entry.item {
            Item::Machine(machine) => machine.identity(seen),
            _ => None,
        })
    }

    /// What of a stage is not as it must be, a line an item.
    pub fn differing(&self, stage: Stage, view: &View) -> Vec<String> {
        let shown = |change: &PropertyChange| {
            let value = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), ToString::to_string);
            format!("{} is {}, not {}", change.path, value(&change.before), value(&change.after))
        };
        let items = self.entries(stage).iter().zip(&view.items).filter_map(|(entry, seen)| {
            let how = match &seen.judgement {
                Judgement::Same | Judgement::Beyond(_) => return None,
                Judgement::Differs(difference) => {
                    difference.properties.iter().map(shown).collect::<Vec<_>>().join(", ")
                }
                Judgement::Unknown(why) => why.clone(),
                Judgement::Refused { cause, .. } => cause.clone(),
            };
            Some(format!("{}: {how}", entry.item.id()))
        });
        items.collect()
    }

    /// Two items that are about the same thing, if there are any: both can never hold.
    pub fn clash(&self) -> Option<String> {
        let mut seen = BTreeSet::new();
        let mut ids = self.all().map(|entry| {
            let subject = entry.item.subject();
            // What stands at a path stands there alone, whatever kind it is.
            let place = matches!(
                entry.item,
                Item::File(_)
                    | Item::SecretFile(_)
                    | Item::Directory(_)
                    | Item::Symlink(_)
                    | Item::Absent(_)
                    | Item::Artifact(_)
            );
            if place { subject } else { format!("{} {subject}", entry.item.name()) }
        });
        ids.find(|id| !seen.insert(id.clone()))
    }

    /// How a stage is.
    ///
    /// # Errors
    /// The mark cannot be read.
    pub fn view(&self, site: &str, stage: Stage, seen: &Answers, secrets: &Secrets) -> Result<View, String> {
        let expected = self.mark(site);
        let known = expected.read(seen)?.stages.remove(stage.name()).unwrap_or_default();
        let entries = self.entries(stage);
        let items = entries
            .iter()
            .map(|entry| Seen {
                by_itself: entry.item.may_come_by_itself(),
                judgement: match entry.item.judge(seen, secrets) {
                    Judgement::Differs(difference)
                        if known.items.contains_key(&entry.item.id()) && !known.unfinished =>
                    {
                        entry.item.made_before(difference)
                    }
                    judgement => judgement,
                },
                mark: match known.items.get(&entry.item.id()) {
                    None => Marked::Never,
                    // What an interrupted run did not come to was never applied, whatever its mark says.
                    Some(undo) if undo.digest == entry.digest && !known.unfinished => Marked::Same,
                    Some(_) => Marked::Other,
                },
            })
            .collect();
        let wished: BTreeSet<String> = self.all().map(|entry| entry.item.id()).collect();
        // What takes something away must not take away what another item wishes for at the same place.
        let places: BTreeSet<String> = self.all().map(|entry| entry.item.subject()).collect();
        let (mut unwanted, mut left) = (Vec::new(), Vec::new());
        let mut gone: Vec<_> = known.items.iter().filter(|(id, _)| !wished.contains(*id)).collect();
        gone.sort_by_key(|(_, undo)| core::cmp::Reverse(undo.at));
        for (id, undo) in gone {
            match &undo.undo {
                Some(item) if undo.data && !self.released.contains(&item.subject()) => left.push(id.clone()),
                Some(item) if !places.contains(&item.subject()) => unwanted.push((id.clone(), (**item).clone())),
                Some(_) => {}
                None if undo.stays => left.push(id.clone()),
                None => {}
            }
        }
        Ok(View {
            items,
            unwanted,
            left,
            marked: expected.stages.get(stage.name()).is_some_and(|stage| stage.items == known.items)
                && !known.unfinished,
            pending: known.pending,
        })
    }

    /// The mark of a host that is as it must be.
    pub(crate) fn mark(&self, site: &str) -> Mark {
        let stages = self.stages.iter().map(|(stage, _)| {
            (stage.name().to_owned(), StageMark { items: self.marks(*stage), pending: Vec::new(), unfinished: false })
        });
        Mark::of(site, &self.name, stages.collect())
    }

    /// What a mark says of a stage that is as it must be.
    fn marks(&self, stage: Stage) -> BTreeMap<String, Undo> {
        let entries = self.entries(stage).iter().enumerate();
        entries
            .map(|(at, entry)| {
                let undo = entry.item.undo().map(Box::new);
                let stays = undo.is_none() && entry.item.stays();
                let data = undo.is_some() && entry.item.holds_data();
                (entry.item.id(), Undo { digest: entry.digest.clone(), at, undo, data, stays })
            })
            .collect()
    }

    /// The handlers of a stage: those that are owed, and those of what differs.
    pub(crate) fn handlers(&self, stage: Stage, view: &View) -> Vec<String> {
        let differs = self
            .entries(stage)
            .iter()
            .zip(&view.items)
            .filter(|(_, seen)| !matches!(seen.judgement, Judgement::Same | Judgement::Beyond(_)));
        let all: BTreeSet<String> =
            view.pending.iter().cloned().chain(differs.flat_map(|(entry, _)| entry.handlers())).collect();
        needed(all)
    }

    /// The stage's mark before a change (what is owed, and what is still to be taken away), and after it.
    pub(crate) fn stage_marks(&self, stage: Stage, old: &Mark, view: &View) -> (StageMark, StageMark) {
        let items = self.marks(stage);
        let after = StageMark { items: items.clone(), pending: Vec::new(), unfinished: false };
        let mut before = StageMark { items, pending: self.handlers(stage, view), unfinished: true };
        for (id, undo) in old.stages.get(stage.name()).into_iter().flat_map(|stage| &stage.items) {
            if view.unwanted.iter().any(|(unwanted, _)| unwanted == id) {
                before.items.entry(id.clone()).or_insert_with(|| undo.clone());
            }
        }
        (before, after)
    }
}
