//! `incline trust`
use crate::arguments::{Common, Trust as Options};
use crate::audit::{self, Entered, Intent, Run};
use crate::error::{Exit, Failure};
use crate::hosts::{Doing, OnPremises, desired};
use crate::live;
use crate::view::style;
use crate::{estate, view};
use incline_model::fault::{Path, Place};
use incline_model::site::OnPrem;
use incline_render::ApiBy;
use serde_json::json;
use std::collections::BTreeMap;

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    live::block_on(work(common, options))
}

/// What a host shows, beside what its inventory says.
struct Shown<'a> {
    host: &'a str,
    address: String,
    pinned: Option<&'a str>,
    key: Result<String, incline_ssh::Error>,
}

impl Shown<'_> {
    fn state(&self) -> &'static str {
        match (&self.key, self.pinned) {
            (Err(_), _) => "unreachable",
            (Ok(_), None) => "new",
            (Ok(key), Some(pinned)) if key == pinned => "pinned",
            (Ok(_), Some(_)) => "changed",
        }
    }
}

async fn work(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let source = estate::read(common)?;
    let texts = source.texts.clone();
    let trail = audit::trail(common)?;
    let estate = source.validate()?;
    let templates = estate::templates(common)?;
    let chosen = live::chosen(&estate, std::slice::from_ref(&options.site))?;
    let Some(site) = chosen.onprem.first().copied() else {
        return Err(Failure::Usage {
            cause: format!("{} is in AWS", options.site),
            hint: "its nodes are trusted through AWS; only hosts on premises have keys to look at".to_owned(),
        });
    };
    let wish = |site: &_| desired(site, &templates, ApiBy::Balancer);
    let onprem = OnPremises::open(&chosen.onprem, wish, options.forks.forks, Doing::Nothing)?;
    let mut keys = onprem.hosts.fingerprints().await;
    let shown: Vec<Shown<'_>> = site
        .typed()
        .hosts
        .iter()
        .filter_map(|host| {
            let key = keys.remove(&(options.site.clone(), host.name.to_string()))?;
            let pinned = host.host_key.as_ref().map(|pin| pin.as_str());
            Some(Shown { host: host.name.as_str(), address: host.address.to_string(), pinned, key })
        })
        .collect();
    if options.json {
        let hosts = shown.iter().map(|shown| {
            json!({ "host": shown.host, "address": shown.address, "state": shown.state(), "pinned": shown.pinned,
                "key": shown.key.as_ref().ok(), "error": shown.key.as_ref().err().map(ToString::to_string) })
        });
        let hosts: Vec<_> = hosts.collect();
        view::say(&format!("{:#}\n", json!({ "format": 1, "site": options.site, "hosts": hosts })))?;
    } else {
        view::say(&text(&shown))?;
    }
    let changed = shown.iter().filter(|shown| shown.state() == "changed").count();
    let missed = shown.iter().any(|shown| shown.key.is_err());
    if changed > 0 {
        return Err(Failure::Other {
            cause: format!("{} another key than the inventory pins; nothing was written", if changed == 1 { "a host shows".to_owned() } else { format!("{changed} hosts show") }),
            hint: Some("the host was installed anew, or somebody stands in between: once you know which, remove its `hostKey` and run this again".to_owned()),
        });
    }
    let new: Vec<(&str, &str)> = shown
        .iter()
        .filter(|shown| shown.state() == "new")
        .filter_map(|shown| Some((shown.host, shown.key.as_deref().ok()?)))
        .collect();
    if !new.is_empty() && !options.json {
        if !options.yes {
            if !view::ask::is_possible() {
                return Err(Failure::Usage {
                    cause: "nothing was written: there is nobody to ask".to_owned(),
                    hint: "compare the keys with what the hosts' consoles say (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`); `--yes` writes them".to_owned(),
                });
            }
            let question = format!("Do the consoles of {} say the same?", view::count(new.len(), "new host"));
            if !view::ask::yes(&question) {
                return Err(Failure::Other { cause: "nothing was written".to_owned(), hint: None });
            }
        }
        let intent = Intent::new("trust", &estate, Entered::default());
        let doing = new.iter().map(|(host, key)| format!("pin {host} to {key}")).collect();
        let file =
            Run::of_words(&trail, &intent, &options.site, [], doing)?.around(async { pin(&texts, site, &new) }).await?;
        view::say(&format!("{} written into {file}\n", view::count(new.len(), "key")))?;
    }
    Ok(if missed { Exit::Failed } else { Exit::Done })
}

fn text(shown: &[Shown<'_>]) -> String {
    let widest = |of: fn(&Shown<'_>) -> usize| shown.iter().map(of).max().unwrap_or(0);
    let (names, addresses) = (widest(|s| s.host.chars().count()), widest(|s| s.address.chars().count()));
    let mut text = String::new();
    for one in shown {
        let state = match one.state() {
            "pinned" => style::green("pinned"),
            "new" => style::yellow("new   "),
            "changed" => style::red("CHANGED"),
            _ => style::red("no answer"),
        };
        let key = match (&one.key, one.pinned) {
            (Ok(key), Some(pinned)) if key != pinned => {
                format!("{key}  {}", style::dim(&format!("the inventory says {pinned}")))
            }
            (Ok(key), _) => key.clone(),
            (Err(error), _) => error.to_string(),
        };
        text.push_str(&format!("  {:names$}  {:addresses$}  {state}  {key}\n", one.host, one.address));
    }
    text
}

/// Writes keys into the inventory, each on a line of its host's own, and touches nothing else: comments and order stay.
fn pin(texts: &BTreeMap<String, String>, site: &OnPrem, new: &[(&str, &str)]) -> Result<String, Failure> {
    let wanted = site.typed().name.as_str();
    let broken = |cause: &str| Failure::Other {
        cause: format!("the inventory of {wanted} cannot be written to: {cause}"),
        hint: Some("add `hostKey` to the hosts by hand".to_owned()),
    };
    let parsed =
        texts.iter().filter_map(|(file, text)| Some((file, text, incline_model::yaml::parse(file, text).ok()?)));
    let (file, text, tree) = parsed
        .into_iter()
        .find(|(_, _, tree)| tree.get("name").is_some_and(|name| name.value() == wanted))
        .ok_or_else(|| broken("its file was not found"))?;
    let hosts = Path::root().at("hosts");
    let mut places: Vec<(Place, &str)> = Vec::new();
    for (index, host) in site.typed().hosts.iter().enumerate() {
        if let Some((_, key)) = new.iter().find(|(name, _)| *name == host.name.as_str()) {
            places.push((tree.place_of(&hosts.at(index).at("name")), key));
        }
    }
    // From the end, so that earlier places stay where they are.
    places.sort_by_key(|(place, _)| std::cmp::Reverse(place.offset));
    let mut text = text.clone();
    for (place, key) in places {
        let end = place.offset + place.length;
        let line = text.get(..place.offset).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let before = text.get(line..place.offset).unwrap_or_default();
        let flow = before.contains('{');
        // The key's column is where `name:` begins.
        let column = before.find("name").unwrap_or(before.len());
        let pinned =
            if flow { format!(", hostKey: \"{key}\"") } else { format!("\n{}hostKey: {key}", " ".repeat(column)) };
        text.insert_str(end, &pinned);
    }
    // What is written must say what was meant, and must be a valid inventory still.
    let again = incline_model::inventory::Parser::default().parse(file, text.as_bytes());
    if again.is_err() {
        return Err(broken("the result would not be valid"));
    }
    std::fs::write(file, text).map_err(Failure::file("write", file))?;
    Ok(file.clone())
}
