//! `incline restore`
use crate::arguments::{Common, Restore as Options};
use crate::audit::{self, Entered, Intent, Run};
use crate::error::{Exit, Failure};
use crate::hosts::{Doing, FORKS, OnPremises, desired, secret};
use crate::live;
use crate::{estate, view};
use incline_host::{Host, Restore, Secret, Sighting};
use incline_model::event::Trouble;
use incline_model::inventory::SecretSource;
use incline_model::site::OnPrem;
use incline_render::ApiBy;
use std::collections::BTreeMap;

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    live::block_on(work(common, options))
}

async fn work(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let estate = estate::read(common)?.validate()?;
    let templates = estate::templates(common)?;
    let site = live::on_premises(&estate, &options.site)?;
    let name = &options.site;
    let trail = audit::trail(common)?;
    let members: Vec<&str> = site.control_plane().map(|host| host.name.as_str()).collect();
    let wish = |site: &OnPrem| {
        let hosts = desired(site, &templates, ApiBy::Balancer)?;
        Ok(hosts.iter().map(Host::as_node).collect())
    };
    let mut onprem = OnPremises::open(&[site], wish, FORKS, Doing::Work("restore"))?;
    onprem.observe(false).await;
    let target = chosen(&members, options)?;
    let others = others(&onprem, &members, target, options)?;
    let unfit =
        |_| Failure::Usage { cause: "`--identity` names no file".to_owned(), hint: "`--identity FILE`".to_owned() };
    let identity = options.identity.display().to_string().parse().map_err(unfit)?;
    let identity = secret(&SecretSource::File(identity))?;
    let snapshot = match &options.snapshot {
        Some(path) => {
            let bytes = std::fs::metadata(path).map_err(Failure::file("read", path))?.len();
            Some((path.display().to_string(), bytes))
        }
        None => None,
    };
    let is_member = is_member(&onprem, name, target);
    view::say(&text(target, &others, is_member, options))?;
    view::ask::confirmed(name, options.confirm.as_deref(), "gives up what has changed since the snapshot on")?;
    let entered = Entered { live: None, onprem: Some(&onprem) };
    let intent = Intent::new("restore", &estate, entered);
    let doing = text(target, &others, is_member, options).lines().map(|line| line.trim().to_owned()).collect();
    let run = Run::of_words(&trail, &intent, name, [target.to_owned()], doing)?;
    run.around(change(&onprem, target, &others, is_member, identity, snapshot, options)).await
}

/// Carries it out.
async fn change(
    onprem: &OnPremises<'_>,
    target: &str,
    others: &[&str],
    is_member: bool,
    identity: Secret,
    snapshot: Option<(String, u64)>,
    options: &Options,
) -> Result<Exit, Failure> {
    let name = &options.site;
    let step = |host: &str, what: &str, done: Result<(), Trouble>| match done {
        Ok(()) => view::say(&format!("{host}: {what}\n")),
        Err(trouble) => Err(Failure::Other {
            cause: [&[format!("{host}: {}", trouble.cause)], trouble.details.as_slice()].concat().join("\n  "),
            hint: trouble
                .hint
                .or_else(|| Some("run again once its cause is gone: each step may be taken twice".to_owned())),
        }),
    };
    // Only a snapshot that is whole costs anybody anything.
    let unpacked = onprem.hosts.change(name, target, Restore::Unpack { identity, snapshot }.change()).await;
    if !is_member {
        step(target, "it has the keys of the snapshot's cluster", unpacked)?;
        view::say(&format!("`incline apply {name}` founds the cluster with them; restore once more after that.\n"))?;
        return Ok(Exit::Done);
    }
    step(target, "the snapshot can be read, and is whole", unpacked)?;
    for host in others {
        let left = onprem.hosts.change(name, host, Restore::Leave.change()).await;
        step(host, "it has left the control plane", left)?;
    }
    let swapped = onprem.hosts.change(name, target, Restore::Swap.change()).await;
    step(target, "etcd has what the snapshot holds, and the API is ready", swapped)?;
    if !others.is_empty() {
        view::say(&format!("`incline apply {name}` lets {} join again.\n", others.join(", ")))?;
    }
    Ok(Exit::Done)
}

/// The host that takes the snapshot.
fn chosen<'a>(members: &[&'a str], options: &Options) -> Result<&'a str, Failure> {
    let none = || Failure::Usage {
        cause: format!("{} is no control-plane host of {}", options.host.as_deref().unwrap_or("nobody"), options.site),
        hint: format!("these are: {}", members.join(", ")),
    };
    match &options.host {
        Some(host) => members.iter().copied().find(|member| member == host).ok_or_else(none),
        None => members.first().copied().ok_or_else(none),
    }
}

/// The other hosts of the control plane, which must all leave: one that comes back with the old data would answer for it.
fn others<'a>(
    onprem: &OnPremises<'_>,
    members: &[&'a str],
    target: &str,
    options: &Options,
) -> Result<Vec<&'a str>, Failure> {
    let seen: BTreeMap<&str, &Sighting> =
        onprem.sighted(&options.site).map(|(host, sighting)| (host.name.as_str(), sighting)).collect();
    let mut others = Vec::new();
    for member in members {
        if let Some(Sighting::Seen(_)) = seen.get(member) {
            if *member != target {
                others.push(*member);
            }
            continue;
        }
        let why = match seen.get(member) {
            Some(Sighting::Busy(who)) => format!("{who} is at work on it"),
            Some(Sighting::Unreachable { why, .. }) => why.clone(),
            _ => "nobody has looked at it".to_owned(),
        };
        if *member == target || !options.lost.iter().any(|lost| lost == member) {
            return Err(Failure::Other {
                cause: format!("{member}: {why}; nothing was changed"),
                hint: Some(format!(
                    "with its old data it must never come back: if it will not, `--lost {member}`; the host that takes the snapshot must answer"
                )),
            });
        }
    }
    Ok(others)
}

/// Whether a host is a member of the cluster, and not one that is to found it again.
fn is_member(onprem: &OnPremises<'_>, site: &str, target: &str) -> bool {
    let mut sighted = onprem.sighted(site).filter(|(host, _)| host.name == target);
    sighted.any(|(host, sighting)| match sighting {
        Sighting::Seen(answers) => host.membership(answers).is_some_and(|membership| membership.is_member),
        _ => false,
    })
}

/// What will be done.
fn text(target: &str, others: &[&str], is_member: bool, options: &Options) -> String {
    let source = match &options.snapshot {
        Some(path) => path.display().to_string(),
        None => "the newest snapshot on it".to_owned(),
    };
    if !is_member {
        return format!("  {target}  is no member of a cluster: it takes the keys to found one with, from {source}\n");
    }
    let mut text = format!(
        "  {target}  takes {source}, once that is known to be whole; what etcd holds now is kept in /var/lib/etcd/before-restore\n"
    );
    for other in others {
        text.push_str(&format!("  {other}  leaves the control plane; what its etcd holds is gone\n"));
    }
    for lost in &options.lost {
        text.push_str(&format!("  {lost}  must never come back with its old data\n"));
    }
    text
}
