//! The audit trail, for people.
use super::{count, style};
use crate::audit::copies::Said;
use crate::error::Failure;
use incline_audit::{Access, Checked, Record, Trail, What};
use incline_model::drift::NOT_CHECKED;
use incline_model::event::{Event, Outcome};
use std::collections::BTreeMap;

/// Whether a trail is whole, and what its copies say.
pub(crate) fn verdict(trail: &Trail, checked: &Checked, said: &[Said]) -> String {
    let mut text = String::new();
    for flaw in &checked.flaws {
        text.push_str(&format!("  {} line {}: {}\n", style::red("broken"), flaw.line, flaw.why));
    }
    for said in said {
        for why in &said.against {
            text.push_str(&format!("  {} {}: {why}\n", style::red("broken"), said.site));
        }
        for why in &said.unknown {
            text.push_str(&format!("  {} {}: {why}\n", style::yellow("not seen"), said.site));
        }
        let others = match said.others.len() {
            0 => String::new(),
            others => format!("; it keeps {} of other machines, too", count(others, "trail")),
        };
        let line = match said.agree {
            0 => "keeps no copy of this trail".to_owned(),
            agree => format!(
                "{} of it, up to record {}, and all agree",
                count(agree, "copy").replace("copys", "copies"),
                said.last
            ),
        };
        text.push_str(&format!("  {}: {line}{others}\n", said.site));
    }
    let place = trail.path().display();
    let records = count(checked.records.len(), "record");
    let is_against = !checked.flaws.is_empty() || said.iter().any(|said| !said.against.is_empty());
    let head = if is_against { style::red("Not whole:") } else { style::green("Whole:") };
    let only = if said.is_empty() {
        "; name sites to ask for their copies, which tell whether its end was cut off"
    } else {
        ""
    };
    match checked.records.first().zip(checked.records.last()) {
        Some(((first, _), (last, _))) => {
            text.push_str(&format!(
                "{} {records} in {place}, from {} to {}{only}.\n",
                style::bold(&head),
                first.time,
                last.time
            ));
        }
        None => text.push_str(&format!("{} {records} in {place}.\n", style::bold(&head))),
    }
    text
}

/// The records themselves.
pub(crate) fn lines(checked: &Checked, site: Option<&str>, run: Option<u64>) -> Result<String, Failure> {
    let mut text = String::new();
    for record in chosen(checked, site, run) {
        let line = serde_json::to_string(record);
        let line = line.map_err(|error| Failure::Other { cause: error.to_string(), hint: None })?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// Who did what: a line a command; or all that one command did.
pub(crate) fn text(checked: &Checked, site: Option<&str>, run: Option<u64>) -> String {
    let mut text = String::new();
    let ends: BTreeMap<u64, &What> = checked
        .records
        .iter()
        .filter(|(record, _)| matches!(record.what, What::Ended { .. }))
        .filter_map(|(record, _)| Some((record.run?, &record.what)))
        .collect();
    for record in chosen(checked, site, run) {
        let line = if run.is_some() { whole(record) } else { short(record, &ends) };
        if let Some(line) = line {
            text.push_str(&format!(
                "{:>6}  {}  {line}\n",
                record.sequence,
                style::dim(record.time.get(..19).unwrap_or(&record.time))
            ));
        }
    }
    for flaw in &checked.flaws {
        text.push_str(&format!("{} line {}: {}\n", style::red("broken"), flaw.line, flaw.why));
    }
    text
}

/// The records about a site, or of a run.
fn chosen<'a>(checked: &'a Checked, site: Option<&'a str>, run: Option<u64>) -> impl Iterator<Item = &'a Record> {
    let runs: Vec<u64> = checked
        .records
        .iter()
        .filter(|(record, _)| site.is_some_and(|site| record.what.is_about(site)))
        .map(|(record, _)| record.sequence)
        .collect();
    checked.records.iter().map(|(record, _)| record).filter(move |record| match (site, run) {
        (Some(_), _) => runs.contains(&record.sequence) || record.run.is_some_and(|run| runs.contains(&run)),
        (_, Some(run)) => record.run == Some(run) || record.sequence == run,
        _ => true,
    })
}

fn sites<'a>(accesses: impl IntoIterator<Item = &'a Access>) -> String {
    accesses.into_iter().map(|access| access.site.as_str()).collect::<Vec<_>>().join(", ")
}

/// A command in one line.
fn short(record: &Record, ends: &BTreeMap<u64, &What>) -> Option<String> {
    Some(match &record.what {
        What::Began { command, who, sites: at, plan, doing, approvals } => {
            let what = match plan {
                Some(plan) => count(plan.steps.len(), "step"),
                None => doing.join("; "),
            };
            let end = match ends.get(&record.sequence) {
                Some(What::Ended { success: true, .. }) => style::green("done"),
                Some(What::Ended { why: Some(why), .. }) => style::red(&format!("failed: {why}")),
                Some(_) => style::red("failed"),
                None => style::yellow("never came to its end"),
            };
            let by: Vec<&str> = approvals.iter().map(|approval| approval.by.as_str()).collect();
            let by = if by.is_empty() { String::new() } else { format!(", approved by {}", by.join(", ")) };
            format!("{who}  {command} {}: {what}{by}; {end}", sites(at))
        }
        What::Looked { who, sites: at } => {
            let found = |class: &str| at.iter().filter_map(|look| look.findings.get(class)).sum::<usize>();
            format!(
                "{who}  drift {}: {} drifted, {} not checked",
                sites(at.iter().map(|look| &look.access)),
                found("drifted"),
                // `error` in records of older versions.
                found(NOT_CHECKED) + found("error")
            )
        }
        What::Approved { who, sites, plan, approval } => {
            format!(
                "{who}  {} approves a plan of {} ({})",
                approval.by,
                sites.join(", "),
                plan.get(..12).unwrap_or(plan)
            )
        }
        What::Mended { bytes } => format!("a record was cut off by a crash ({bytes} bytes)"),
        What::Opened => format!("the trail {} begins", record.trail),
        What::Step { .. } | What::Ended { .. } => return None,
    })
}

/// A record of a run.
fn whole(record: &Record) -> Option<String> {
    Some(match &record.what {
        What::Step { event } => match event {
            Event::Started { target, resources, .. } => format!("{target}  starts ({})", count(*resources, "change")),
            Event::Sent { target, what } => format!("{target}  sent {what}"),
            Event::Finished { target, outcome } => {
                let how = match outcome {
                    Outcome::Done => style::green("done"),
                    Outcome::AlreadyDone => "was done before".to_owned(),
                    Outcome::Failed(trouble) => style::red(&format!("failed: {}", trouble.cause)),
                    Outcome::Skipped { because } => format!("skipped, because of {because}"),
                    Outcome::Interrupted(trouble) => format!("left under way: {}", trouble.cause),
                };
                format!("{target}  {how}")
            }
            Event::Resource { .. } | Event::Progress { .. } => return None,
        },
        What::Began { command, who, sites: at, plan, doing, approvals } => {
            let mut text = format!("{command} {}, by {who}", sites(at));
            let mut line = |what: &str, value: &str| text.push_str(&format!("\n{:30}{what:<10}{value}", ""));
            for (what, value) in [("from", &who.from), ("as", &who.acting_as)] {
                value.iter().for_each(|value| line(what, value));
            }
            for access in at {
                access.caller.iter().for_each(|caller| line("AWS", caller));
                access.ssh_keys.iter().for_each(|key| line("SSH", key));
                access.f5_user.iter().for_each(|user| line("F5", user));
            }
            plan.iter().for_each(|plan| line("plan", &plan.digest));
            doing.iter().for_each(|doing| line("does", doing));
            approvals.iter().for_each(|approval| line("approved", &format!("{} {}", approval.by, approval.key)));
            text
        }
        What::Ended { success, why } => match (success, why) {
            (true, _) => style::green("done"),
            (false, why) => {
                style::red(&format!("failed{}", why.iter().map(|why| format!(": {why}")).collect::<String>()))
            }
        },
        other => return short(&Record { what: other.clone(), ..record.clone() }, &BTreeMap::new()),
    })
}
