//! Safeguards, for people.
use super::{count, style};
use crate::safeguards::NotJudged;
use incline_safeguards::{Assessment, Rule};
use std::collections::{BTreeMap, BTreeSet};

/// All rules, a line each.
pub(crate) fn list(rules: &[&Rule]) -> String {
    let width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    rules.iter().map(|rule| format!("{:<width$}  {:<6}  {}\n", rule.id, rule.severity.name(), rule.title)).collect()
}

/// A rule, whole.
pub(crate) fn whole(rule: &Rule) -> String {
    let place = rule.inventory.as_ref().map(|path| format!("inventory   {path}\n")).unwrap_or_default();
    format!(
        "{}\n\nrule        {}\nseverity    {}\n45 CFR      {}\nprotects    {}\n{place}to mend     {}\n",
        style::bold(&rule.title),
        rule.id,
        rule.severity.name(),
        rule.paragraphs.join(", "),
        rule.protects,
        rule.fix
    )
}

/// How a site stands, in one line.
pub(crate) fn summary(assessment: &Assessment) -> String {
    let broken = |borne: bool| {
        let findings = assessment.findings.iter().filter(|finding| finding.is_excepted() == borne);
        findings.map(|finding| &finding.rule).collect::<BTreeSet<_>>().len()
    };
    let open_or_borne: BTreeSet<&String> = assessment.findings.iter().map(|finding| &finding.rule).collect();
    let holding = assessment.held.keys().filter(|rule| !open_or_borne.contains(rule)).count();
    let mut parts = vec![format!("{} hold over {}", count(holding, "rule"), count(assessment.documents, "document"))];
    match broken(false) {
        0 => {}
        1 => parts.push("1 does not hold".to_owned()),
        open => parts.push(format!("{open} do not hold")),
    }
    if broken(true) > 0 {
        parts.push(format!("{} excepted", broken(true)));
    }
    if !assessment.not_applicable.is_empty() {
        parts.push(not_applicable(assessment));
    }
    if !assessment.idle.is_empty() {
        let verb = if assessment.idle.len() == 1 { "excepts" } else { "except" };
        parts.push(format!("{} {verb} nothing", count(assessment.idle.len(), "exception")));
    }
    format!("{}: {}.\n", assessment.site, parts.join(", "))
}

/// How many rules said nothing, by the reason.
fn not_applicable(assessment: &Assessment) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for why in assessment.not_applicable.values() {
        *reasons.entry(why).or_default() += 1;
    }
    let reasons: Vec<String> = reasons.into_iter().map(|(why, number)| format!("{number}: {why}")).collect();
    format!("{} not applicable ({})", assessment.not_applicable.len(), reasons.join("; "))
}

/// A site that was not judged, in one line, and the way out.
pub(crate) fn not_judged(one: &NotJudged) -> String {
    let hint = one.hint.as_ref().map(|hint| format!("\n  {}{hint}", style::yellow("hint: "))).unwrap_or_default();
    format!("{}: {}: {}{hint}\n", one.site, style::red("not judged"), one.why)
}
