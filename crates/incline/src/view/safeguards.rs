//! Safeguards, for people.
use super::{count, style};
use incline_safeguards::{Assessment, Rule};
use std::collections::BTreeSet;

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
pub(crate) fn summary(assessment: &Assessment, rules: usize) -> String {
    let broken = |borne: bool| {
        let findings = assessment.findings.iter().filter(|finding| finding.is_excepted() == borne);
        findings.map(|finding| &finding.rule).collect::<BTreeSet<_>>().len()
    };
    let idle = match assessment.idle.len() {
        0 => String::new(),
        idle => format!(
            "; {} nothing",
            if idle == 1 { "1 exception excepts".to_owned() } else { format!("{idle} exceptions except") }
        ),
    };
    format!(
        "{}: {rules} rules over {}: {}, {} excepted{idle}.\n",
        assessment.site,
        count(assessment.documents, "document"),
        match broken(false) {
            0 => "all hold".to_owned(),
            1 => "1 does not hold".to_owned(),
            open => format!("{open} do not hold"),
        },
        broken(true)
    )
}
