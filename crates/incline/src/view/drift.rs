//! What no longer holds, as text: what is the matter first, what was passed over last.
use super::{count, style};
use incline_model::drift::{CLASSES, Drift, Finding, NOT_CHECKED, News, SiteDrift, State, class_name};
use incline_model::plan::is_on_premises;

/// The report. `full` lists what is not covered, one by one.
pub(crate) fn text(drift: &Drift, full: bool) -> String {
    let mut text = String::new();
    for site in &drift.sites {
        site_text(&mut text, site, full);
    }
    text.push_str(&summary(drift));
    text
}

fn site_text(text: &mut String, site: &SiteDrift, full: bool) {
    text.push_str(&format!("{}  {}\n", style::bold(&site.site), style::dim(&site.place)));
    for (class, title) in [
        ("drifted", style::red("drifted")),
        (NOT_CHECKED, style::red("not checked")),
        ("warning", style::yellow("to know")),
        ("pending", style::yellow("pending: the inventory is ahead")),
        ("ignored", style::dim("ignored")),
        ("notCovered", style::dim("not covered")),
    ] {
        let of_class = || site.findings.iter().filter(|finding| finding.state.class() == class);
        if of_class().next().is_none() {
            continue;
        }
        if class == "notCovered" && !full {
            let kinds: std::collections::BTreeSet<&str> = of_class().map(kind).collect();
            let kinds: Vec<&str> = kinds.into_iter().collect();
            let line = format!(
                "not covered: {} ({}); --full lists them",
                count(of_class().count(), "resource"),
                kinds.join(", ")
            );
            text.push_str(&format!("\n  {}\n", style::dim(&line)));
            continue;
        }
        text.push_str(&format!("\n  {title}\n"));
        for finding in of_class() {
            finding_text(text, finding);
        }
    }
    if !site.gone.is_empty() {
        text.push_str(&format!("\n  {}\n", style::green("gone since the last look")));
        for gone in &site.gone {
            text.push_str(&format!("    {}  {}\n", gone.what, style::dim(&format!("since {}", day(&gone.since)))));
        }
    }
    text.push_str(&format!("\n  {}\n\n", style::dim(&format!("in sync: {}", count(site.in_sync, "resource")))));
}

fn kind(finding: &Finding) -> &str {
    finding.kind.strip_prefix("AWS::").unwrap_or(&finding.kind)
}

fn finding_text(text: &mut String, finding: &Finding) {
    let place = if finding.resource.is_empty() {
        finding.target.clone()
    } else {
        // A host's items are paths: a slash between would read as part of them.
        let between = if is_on_premises(&finding.target) { "  " } else { "/" };
        let what = format!("{} {}", kind(finding), finding.physical);
        format!("{}{between}{}  {}", finding.target, finding.resource, style::dim(what.trim_end()))
    };
    text.push_str(&format!("    {place}{}\n", news(finding)));
    match &finding.state {
        State::Drifted { property, expected, actual } => change_text(text, property, expected, actual),
        State::Ignored { property, expected, actual, reason, until } => {
            change_text(text, property, expected, actual);
            text.push_str(&format!("        {}\n", style::dim(&format!("until {until}: {reason}"))));
        }
        State::Pending { what } | State::Warning { what } => text.push_str(&format!("        {what}\n")),
        State::NotCovered { why } | State::NotChecked { why } => text.push_str(&format!("        {why}\n")),
    }
}

/// What a history knows of a finding.
fn news(finding: &Finding) -> String {
    match &finding.age {
        None => String::new(),
        Some(age) => match age.news {
            News::New => format!("  {}", style::yellow("new")),
            News::Known => format!("  {}", style::dim(&format!("since {}", day(&age.since)))),
            News::Flapping => format!("  {}", style::dim(&format!("comes and goes since {}", day(&age.since)))),
        },
    }
}

fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

fn change_text(text: &mut String, property: &str, expected: &str, actual: &str) {
    if property.is_empty() {
        text.push_str(&format!("        {} {} {}\n", style::green(expected), style::dim("→"), style::red(actual)));
        return;
    }
    let name = style::dim(&format!("{property}:"));
    if expected.chars().count() + actual.chars().count() > 80 {
        text.push_str(&format!(
            "        {name}\n          {}\n          {}\n",
            style::green(&format!("- {expected}")),
            style::red(&format!("+ {actual}"))
        ));
    } else {
        text.push_str(&format!(
            "        {name} {} {} {}\n",
            style::green(expected),
            style::dim("→"),
            style::red(actual)
        ));
    }
}

fn summary(drift: &Drift) -> String {
    let in_sync: usize = drift.sites.iter().map(|site| site.in_sync).sum();
    let mut parts = vec![format!("{} in sync", count(in_sync, "resource"))];
    for class in CLASSES {
        let number = drift.count(class);
        if number > 0 {
            parts.push(format!("{number} {}", class_name(class)));
        }
    }
    let is_new = |finding: &&Finding| finding.age.as_ref().is_some_and(|age| age.news == News::New);
    let new = drift.sites.iter().flat_map(|site| &site.findings).filter(is_new).count();
    let gone: usize = drift.sites.iter().map(|site| site.gone.len()).sum();
    parts.extend(
        [(new, "new"), (gone, "gone")].into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")),
    );
    let head = if drift.count("drifted") > 0 {
        style::red("Drift:")
    } else if drift.count(NOT_CHECKED) > 0 {
        style::red("Not all checked:")
    } else {
        style::green("No drift:")
    };
    format!("{} {}.\n", style::bold(&head), parts.join(", "))
}
