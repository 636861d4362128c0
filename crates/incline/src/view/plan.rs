//! A plan as text: what happens to what, why, and what that does; the summary last.
use super::{count, style};
use crate::live::Judgements;
use incline_model::desired::Roll;
use incline_model::fetch::lines;
use incline_model::plan::{
    Basis, Blocked, Change, FileChange, Impact, Mend, Orphan, Plan, PropertyChange, Reason, Replaces, SitePlan, Step,
    Totals, Verb, Way, is_of_tenant, is_on_premises,
};
use incline_plan::Judged;
use serde_json::Value;
use std::collections::BTreeSet;

/// Properties that tell a reader most about a new resource, in order of use.
const TELLING: [&str; 17] = [
    "CidrBlock",
    "DestinationCidrBlock",
    "AvailabilityZone",
    "PrivateIpAddress",
    "IpAddress",
    "RepositoryName",
    "BucketName",
    "LoadBalancerName",
    "Scheme",
    "LogGroupName",
    "RoleName",
    "InstanceProfileName",
    "LaunchTemplateName",
    "ServiceName",
    "AliasName",
    "Name",
    "Description",
];

/// The whole plan.
pub(crate) fn text(plan: &Plan, full: bool, width: usize) -> String {
    let mut text = String::new();
    for site in &plan.sites {
        site_text(&mut text, site, full, width);
    }
    for orphan in &plan.orphans {
        orphan_text(&mut text, orphan);
    }
    text.push_str(&summary(plan));
    text
}

/// A site that has stacks and no inventory.
fn orphan_text(text: &mut String, orphan: &Orphan) {
    let (name, stacks) = (&orphan.site, count(orphan.stacks.len(), "stack"));
    text.push_str(&format!("{}  {}\n\n", style::bold(name), style::dim(&orphan.place)));
    text.push_str(&format!(
        "  {} no inventory names this site here, and {stacks} with its tag exist:\n",
        style::yellow("!")
    ));
    text.push_str(&format!("      {}\n", orphan.stacks.join(", ")));
    text.push_str(&format!(
        "      {}a renamed site is a new one: rename it back; \
         or restore its inventory and run `incline destroy {name}`\n\n",
        style::yellow("hint: ")
    ));
}

fn site_text(text: &mut String, site: &SitePlan, full: bool, width: usize) {
    text.push_str(&format!("{}  {}\n", style::bold(&site.site), style::dim(&site.place)));
    let mut stage = None;
    let mut shown: Vec<&Step> = Vec::new();
    for step in &site.steps {
        if shown.iter().any(|other| is_alike(other, step)) {
            continue;
        }
        if stage != Some(step.stage) {
            stage = Some(step.stage);
            text.push_str(&format!("\n  {}\n", style::dim(step.stage.name())));
        }
        // A hundred hosts that change alike are one thing to read.
        let alike: Vec<&str> =
            site.steps.iter().filter(|other| is_alike(other, step)).map(|other| other.target.as_str()).collect();
        step_text(text, step, &alike, full, width);
        shown.push(step);
    }
    if !site.unchanged.is_empty() {
        text.push_str(&format!("\n  {}\n", style::dim(&format!("unchanged: {}", parts(&site.unchanged)))));
    }
    let (refused, unplanned): (Vec<&Blocked>, Vec<&Blocked>) =
        site.blocked.iter().partition(|blocked| blocked.refused.is_some());
    for (heading, blocked) in [("refused", refused), ("cannot be planned", unplanned)] {
        if !blocked.is_empty() {
            text.push_str(&format!("\n  {}\n", style::red(heading)));
        }
        blocked.into_iter().for_each(|blocked| blocked_text(text, blocked));
    }
    if !site.missing.is_empty() {
        text.push_str(&format!("\n  {}\n", style::yellow("to bring, before machines start")));
        for line in lines(&site.missing) {
            text.push_str(&format!("    {line}\n"));
        }
    }
    if let Some(left) = &site.drift {
        for (title, list) in [("drift that cannot be repaired", &left.not_repaired), ("not checked", &left.not_checked)]
        {
            if !list.is_empty() {
                text.push_str(&format!("\n  {}\n", style::red(title)));
                list.iter().for_each(|one| text.push_str(&format!("  {} {}\n", style::red("!"), one.what)));
            }
        }
    }
    if !site.notes.is_empty() && !site.steps.is_empty() {
        text.push_str(&format!("\n  {}\n", style::dim("to know")));
        for note in &site.notes {
            text.push_str(&format!("    {note}\n"));
        }
    }
    text.push('\n');
}

/// How many stacks, hosts' stages and tenants there are among targets.
fn parts(targets: &[String]) -> String {
    let on_premises = targets.iter().filter(|target| is_on_premises(target)).count();
    let tenants = targets.iter().filter(|target| is_of_tenant(target)).count();
    let (stacks, hosts) = (targets.len() - on_premises, on_premises - tenants);
    let counted = [(stacks, "stack"), (hosts, "host stage"), (tenants, "tenant")];
    let counted = counted.into_iter().filter(|(number, _)| *number > 0);
    counted.map(|(number, what)| count(number, what)).collect::<Vec<_>>().join(", ")
}

fn blocked_text(text: &mut String, blocked: &Blocked) {
    // What is refused is refused of the whole site, whose name stands above.
    let of = if blocked.refused.is_some() { String::new() } else { format!("{}: ", blocked.target) };
    text.push_str(&format!("  {} {of}{}\n", style::red("!"), blocked.cause));
    for detail in &blocked.details {
        text.push_str(&format!("      {detail}\n"));
    }
    text.push_str(&format!("      {}{}\n", style::yellow("hint: "), blocked.hint));
}

/// What is done first, to a stack that an earlier operation left unfinished.
fn mend_text(text: &mut String, mend: &Mend) {
    let way = match mend.way {
        Way::DeleteEmpty => "the stack, which holds nothing, is deleted first",
        Way::RollBack => "what failed is rolled back first",
        Way::ContinueRollback => "its rollback is taken up again first",
        Way::FinishDeletion => "its deletion is taken up again first",
    };
    text.push_str(&format!("      {} is {}: {way}\n", style::yellow("!"), mend.state));
    for line in &mend.because {
        text.push_str(&format!("          {line}\n"));
    }
    if !mend.without.is_empty() {
        text.push_str(&format!("          passing over {}\n", mend.without.join(", ")));
    }
}

/// Who replaces the machines, where it is not CloudFormation alone.
fn roll_text(text: &mut String, roll: &Roll) {
    let how = match roll {
        Roll::CloudFormation => return,
        Roll::Refresh(refresh) => {
            format!("instance refresh of {}, at least {} % healthy", refresh.group, refresh.min_healthy_percent)
        }
        Roll::Member(member) => {
            let check = if member.precheck.is_empty() { "" } else { "precheck, " };
            format!("alone, after: all other members answer, {check}snapshot of member {}'s disk", member.name)
        }
    };
    text.push_str(&format!("      {} {how}\n", style::yellow("~")));
}

/// Whether two steps do the same to two hosts.
fn is_alike(a: &Step, b: &Step) -> bool {
    a.target == b.target
        || is_on_premises(&a.target)
            && is_on_premises(&b.target)
            && (a.stage, a.verb, &a.changes, &a.settings, &a.files)
                == (b.stage, b.verb, &b.changes, &b.settings, &b.files)
}

/// What a target is of its site: a stack, a host, what a tenant holds.
fn part_of(target: &str) -> &str {
    let Some((_, part)) = target.split_once('/') else { return target };
    if is_of_tenant(target) { part } else { part.split('/').next().unwrap_or(part) }
}

/// A step, and all that are alike.
fn step_text(text: &mut String, step: &Step, alike: &[&str], full: bool, width: usize) {
    let of_host = is_on_premises(&step.target);
    let name = match alike {
        [only] => part_of(only).to_owned(),
        _ => {
            let hosts: Vec<&str> = alike.iter().map(|target| part_of(target)).collect();
            // As many names as fit beside the counts.
            let fit = hosts
                .iter()
                .scan(0, |used, host| {
                    *used += host.chars().count() + 2;
                    Some(*used)
                })
                .take_while(|used| *used + 40 < width)
                .count()
                .max(1);
            let more = if fit < hosts.len() { format!(" and {} more", hosts.len() - fit) } else { String::new() };
            format!("{}{more}", hosts.get(..fit).unwrap_or(&hosts).join(", "))
        }
    };
    let each = if alike.len() > 1 { " each" } else { "" };
    let mut facts = vec![format!("{}{each}", count(step.changes.len(), if of_host { "item" } else { "resource" }))];
    if step.verb == Verb::Create && step.nodes > 0 {
        facts.push(count(usize::from(step.nodes), "node"));
    }
    if step.impact != Impact::None {
        facts.push(impact(step));
    }
    let left = format!("  {} {name}", sign(step.verb));
    let right = facts.join(", ");
    let gap = width.saturating_sub(2 + 2 + name.chars().count() + right.chars().count()).max(2);
    let right = if step.impact >= Impact::InterruptsTraffic { style::red(&right) } else { right };
    text.push_str(&format!("{left}{}{right}\n", " ".repeat(gap)));
    if let Some(mend) = &step.mend {
        mend_text(text, mend);
    }
    if let Some(roll) = &step.roll {
        roll_text(text, roll);
    }
    let widest =
        |of: fn(&Change) -> &str| step.changes.iter().map(|change| of(change).chars().count()).max().unwrap_or(0);
    let columns = (widest(|change| &change.resource), widest(kind));
    for change in &step.changes {
        // Where the lines that differ are shown, digests tell nothing.
        let in_lines = step.files.iter().any(|file| !file.diff.is_empty() && file.path.ends_with(&change.resource));
        change_text(text, change, columns, (full, of_host && in_lines), width);
    }
    for setting in &step.settings {
        property_text(text, setting, "      ", width);
    }
    for file in &step.files {
        file_text(text, file, of_host);
    }
}

/// A resource's type, without the `AWS::` that all have.
fn kind(change: &Change) -> &str {
    change.kind.strip_prefix("AWS::").unwrap_or(&change.kind)
}

fn change_text(
    text: &mut String,
    change: &Change,
    (names, kinds): (usize, usize),
    (full, in_lines): (bool, bool),
    width: usize,
) {
    let line = format!("      {} {:names$}  {:kinds$}", sign(change.verb), change.resource, kind(change));
    let mut remark = match change.verb {
        Verb::Create => gist(change),
        Verb::Update => reason(change.reason).to_owned(),
        Verb::Remove if change.retained => "kept, no longer managed".to_owned(),
        Verb::Remove => reason(change.reason).to_owned(),
        Verb::Replace => {
            let kept = if change.retained { "made anew, the old one is kept" } else { "made anew" };
            if change.reason == Reason::Follows { format!("{kept}: follows") } else { kept.to_owned() }
        }
    };
    let room = width.saturating_sub("      + ".len() + names + kinds + 4);
    if remark.chars().count() > room {
        remark = remark.chars().take(room.saturating_sub(1)).chain(['…']).collect();
    }
    if remark.is_empty() {
        text.push_str(line.trim_end());
    } else {
        text.push_str(&format!("{line}  {}", style::dim(&remark)));
    }
    text.push('\n');
    if change.verb != Verb::Create || full {
        for property in change.properties.iter().filter(|property| !(in_lines && property.path == "content")) {
            property_text(text, property, "          ", width);
        }
    }
}

/// A property's change in one line, or in three where one would be wider than the terminal.
fn property_text(text: &mut String, property: &PropertyChange, indent: &str, width: usize) {
    let path = style::dim(&format!("{}:", property.path));
    if property.path.ends_with("UserData") && property.before.is_some() && property.after.is_some() {
        text.push_str(&format!("{indent}{path} points to another node configuration\n"));
        return;
    }
    let note = match property.replaces {
        Replaces::Always => "  forces replacement",
        Replaces::Perhaps => "  may force replacement",
        Replaces::Never => "",
    };
    let (before, after) = (property.before.as_ref().map(show), property.after.as_ref().map(show));
    let wide = |value: &Option<String>| value.as_ref().map_or(0, |value| value.chars().count());
    let used = indent.len() + property.path.chars().count() + wide(&before) + wide(&after) + note.len() + 5;
    let note = if property.replaces == Replaces::Always { style::magenta(note) } else { style::dim(note) };
    let line = match (&before, &after) {
        (Some(before), Some(after)) if used > width => {
            format!(
                "{path}{note}\n{indent}  {}\n{indent}  {}",
                style::red(&format!("- {before}")),
                style::green(&format!("+ {after}"))
            )
        }
        (Some(before), Some(after)) => {
            format!("{path} {} {} {}{note}", style::red(before), style::dim("→"), style::green(after))
        }
        (Some(value), None) if used > width => format!("{path}{note}\n{indent}  {}", style::red(&format!("- {value}"))),
        (None, Some(value)) if used > width => {
            format!("{path}{note}\n{indent}  {}", style::green(&format!("+ {value}")))
        }
        (Some(value), None) => format!("{path} {}{note}", style::red(&format!("- {value}"))),
        (None, Some(value)) => format!("{path} {}{note}", style::green(&format!("+ {value}"))),
        (None, None) => path,
    };
    text.push_str(&format!("{indent}{line}\n"));
}

fn file_text(text: &mut String, file: &FileChange, of_host: bool) {
    if of_host && file.diff.is_empty() {
        return;
    }
    let place = if of_host { String::new() } else { format!("  {}", style::dim("on the nodes")) };
    text.push_str(&format!("      {} {}{place}\n", sign(file.verb), file.path));
    for line in file.diff.lines() {
        let line = match line.chars().next() {
            Some('+') => style::green(line),
            Some('-') => style::red(line),
            _ => style::dim(line),
        };
        text.push_str(&format!("          {line}\n"));
    }
}

/// A value in one line; CloudFormation's functions as they read best.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) if text.starts_with('(') => text.clone(),
        Value::Object(map) if map.len() == 1 => match map.iter().next() {
            Some((key, Value::String(to))) if key == "Ref" => to.clone(),
            Some((key, Value::Array(parts))) if key == "Fn::GetAtt" => {
                parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(".")
            }
            Some((key, Value::String(text))) if key == "Fn::Sub" => format!("\"{text}\""),
            _ => value.to_string(),
        },
        _ => value.to_string(),
    }
}

/// What is most telling about a new resource.
fn gist(change: &Change) -> String {
    let find = |name: &str| {
        change.properties.iter().find(|property| property.path == name).and_then(|property| property.after.as_ref())
    };
    if let (Some(Value::String(min)), Some(Value::String(max))) = (find("MinSize"), find("MaxSize")) {
        let desired = find("DesiredCapacity").and_then(Value::as_str).unwrap_or(min);
        return format!("{desired} {} ({min} to {max})", if desired == "1" { "node" } else { "nodes" });
    }
    let texts = TELLING.iter().filter_map(|name| find(name)).filter_map(Value::as_str);
    texts.take(2).collect::<Vec<_>>().join(" ")
}

fn sign(verb: Verb) -> String {
    match verb {
        Verb::Create => style::green("+"),
        Verb::Update => style::yellow("~"),
        Verb::Replace => style::magenta("±"),
        Verb::Remove => style::red("-"),
    }
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Missing => "is missing",
        Reason::Changed => "",
        Reason::Follows => "follows",
        Reason::Unwanted => "is no longer in the inventory",
        Reason::Outdated => "runs from what was before",
        Reason::Drifted => "back to what was applied",
    }
}

fn impact(step: &Step) -> String {
    match step.impact {
        Impact::None => "unnoticed".to_owned(),
        Impact::InPlace => "in place".to_owned(),
        Impact::RollsNodes if step.verb == Verb::Remove => {
            format!("removes {}", count(usize::from(step.nodes), "node"))
        }
        Impact::RollsNodes => format!("rolls {}", count(usize::from(step.nodes), "node")),
        Impact::InterruptsTraffic => "interrupts traffic".to_owned(),
        Impact::LosesData => "loses data".to_owned(),
    }
}

/// What is left of drift after all steps of a plan, in a line each.
pub(crate) fn left(plan: &Plan) -> String {
    let mut text = String::new();
    for (number, what) in [
        (plan.not_repaired().count(), "Drift is left that incline cannot repair"),
        (plan.not_checked().count(), "Not checked"),
    ] {
        if number > 0 {
            text.push_str(&format!("{} {}.\n", style::red(&format!("{what}:")), count(number, "finding")));
        }
    }
    text
}

/// The summary of a plan without steps. That there is nothing to do is said only where all that is covered was looked
/// at.
fn nothing_planned(plan: &Plan) -> String {
    let blocked = plan.blocked().count();
    if blocked > 0 {
        let seen: usize = plan.sites.iter().map(|site| site.unchanged.len()).sum();
        let rest = match seen {
            0 => "nothing else was seen".to_owned(),
            _ => format!("{seen} others are as the inventories say"),
        };
        return format!(
            "{} {} cannot be planned; {rest}.\n{}",
            style::red("Not checked:"),
            count(blocked, "target"),
            left(plan)
        );
    }
    let left = left(plan);
    if !left.is_empty() {
        return left;
    }
    let is_one = plan.sites.len() == 1;
    if plan.basis == Basis::Live && plan.sites.iter().any(|site| site.drift.is_none()) {
        return format!(
            "{} The stacks are as the {}. Whether somebody changed their resources was not checked: `incline drift` does.\n",
            style::bold("No changes."),
            if is_one { "inventory says" } else { "inventories say" }
        );
    }
    format!(
        "{} {} as the inventories say.\n",
        style::bold("Nothing to do."),
        if is_one { "The site is" } else { "All sites are" }
    )
}

fn summary(plan: &Plan) -> String {
    let refused = refused(plan);
    if plan.is_empty() {
        if !refused.is_empty() {
            return refused;
        }
        return nothing_planned(plan);
    }
    let totals: Vec<Totals> = plan.sites.iter().map(SitePlan::totals).collect();
    let sum = |field: fn(&Totals) -> usize| totals.iter().map(field).sum::<usize>();
    let worst = worst(plan);
    let basis = match plan.basis {
        Basis::Nothing => "Offline: as if nothing existed.\n",
        Basis::Folder | Basis::Live => "",
    };
    let changed = [(sum(|t| t.stacks), "stack"), (sum(|t| t.hosts), "host"), (sum(|t| t.tenants), "tenant")];
    let changed = changed.into_iter().filter(|(number, _)| *number > 0);
    let changed: Vec<String> = changed.map(|(number, what)| count(number, what)).collect();
    let changed = match changed.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => changed.concat(),
    };
    format!(
        "{refused}{worst}{basis}{} {} in {}: {} to create, {} to change, {} to replace, {} to remove.\n",
        style::bold("Plan:"),
        changed,
        count(plan.sites.iter().filter(|site| !site.steps.is_empty()).count(), "site"),
        count(sum(|t| t.create), if sum(|t| t.stacks) == 0 { "item" } else { "resource" }),
        sum(|t| t.update),
        sum(|t| t.replace),
        sum(|t| t.remove),
    )
}

/// How much is refused.
fn refused(plan: &Plan) -> String {
    let sites: BTreeSet<&str> = plan.refused().map(|blocked| blocked.target.as_str()).collect();
    if sites.is_empty() {
        return String::new();
    }
    let changes = count(plan.refused().count(), "change");
    format!("{} {changes} in {}; nothing of it is applied.\n", style::bold("Refused:"), count(sites.len(), "site"))
}

/// The worst that a plan does: by impact, then by how many machines all such steps touch; removed machines come before
/// replaced ones.
fn worst(plan: &Plan) -> String {
    let rank = |step: &Step| (step.impact, step.verb == Verb::Remove && step.impact == Impact::RollsNodes);
    let steps = || plan.sites.iter().flat_map(|site| &site.steps).filter(|step| step.impact > Impact::InPlace);
    let Some(top) = steps().map(rank).max() else { return String::new() };
    let mut steps: Vec<&Step> = steps().filter(|step| rank(step) == top).collect();
    steps.sort_by(|a, b| (b.nodes, &a.target).cmp(&(a.nodes, &b.target)));
    let Some((first, more)) = steps.split_first() else { return String::new() };
    let nodes = steps.iter().map(|step| step.nodes).fold(0, u16::saturating_add);
    let what = impact(&Step { nodes, ..(*first).clone() });
    let by = match more.len() {
        0 => first.target.clone(),
        number => format!("{} and {number} more", first.target),
    };
    format!("Worst: {what}, by {by}.\n")
}

/// What CloudFormation itself would do, where it was asked.
pub(crate) fn judged(judgements: &Judgements) -> String {
    if judgements.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", style::bold("What CloudFormation would do"));
    for (target, judgement) in judgements {
        match judgement {
            Err(why) => text.push_str(&format!("  {target}  {}\n", style::dim(&format!("not asked: {why}")))),
            Ok((surprises, judged)) => {
                text.push_str(&format!("  {target}  {}\n", count(judged.len(), "resource")));
                for change in judged {
                    judged_text(&mut text, change);
                }
                for surprise in surprises {
                    text.push_str(&format!(
                        "      {}\n",
                        style::red(&format!("! {surprise}, which the plan does not name"))
                    ));
                }
            }
        }
    }
    text
}

fn judged_text(text: &mut String, change: &Judged) {
    let note = match change.replaces {
        Replaces::Always => style::magenta("  made anew"),
        Replaces::Perhaps => style::dim("  perhaps made anew"),
        Replaces::Never => String::new(),
    };
    let kind = change.kind.strip_prefix("AWS::").unwrap_or(&change.kind);
    text.push_str(&format!("      {} {}  {}{note}\n", sign(change.verb), change.resource, style::dim(kind)));
    for (path, before, after) in &change.properties {
        let values = match (before, after) {
            (None, None) => String::new(),
            (before, after) => {
                format!(": {} → {}", before.as_deref().unwrap_or("nothing"), after.as_deref().unwrap_or("nothing"))
            }
        };
        text.push_str(&format!("          {}\n", style::dim(&format!("{path}{values}"))));
    }
}
