//! What is new and what is gone, as messages.
use super::count;
use incline_model::drift::{Drift, Finding, NOT_CHECKED, News, SiteDrift, class_name};
use serde_json::{Value, json};

/// As many findings of a site are named in a message as are read; the report has all.
const NAMED: usize = 5;

fn new(site: &SiteDrift) -> impl Iterator<Item = &Finding> {
    site.findings.iter().filter(|finding| finding.age.as_ref().is_some_and(|age| age.news == News::New))
}

/// The news as JSON: `{"format": 1, "at": …, "sites": [{"site", "new": [findings], "gone": […]}], "counts": {…}}`.
pub(crate) fn json(drift: &Drift) -> Value {
    let sites = drift.sites.iter().filter(|site| !site.gone.is_empty() || new(site).next().is_some());
    let sites: Vec<Value> = sites
        .map(|site| json!({ "site": site.site, "new": new(site).collect::<Vec<_>>(), "gone": site.gone }))
        .collect();
    json!({ "format": 1, "at": drift.at, "counts": drift.counts, "sites": sites })
}

/// The news as a message for Slack (https://docs.slack.dev/messaging/formatting-message-text/).
pub(crate) fn slack(drift: &Drift) -> Value {
    let mut lines =
        vec![format!("*incline*: {} drifted, {} not checked", drift.count("drifted"), drift.count(NOT_CHECKED))];
    for site in &drift.sites {
        let found: Vec<&Finding> = new(site).collect();
        for finding in found.iter().take(NAMED) {
            lines.push(format!("• new, {}: `{}`", class_name(finding.state.class()), escaped(&finding.what())));
        }
        if found.len() > NAMED {
            lines.push(format!("• and {} more that are new at {}", found.len() - NAMED, escaped(&site.site)));
        }
        match site.gone.as_slice() {
            [] => {}
            [gone] => lines.push(format!("• gone: `{}`", escaped(&gone.what))),
            gone => lines.push(format!("• {} of {} are gone", count(gone.len(), "finding"), escaped(&site.site))),
        }
    }
    json!({ "text": lines.join("\n") })
}

/// Slack's three letters of markup, and the quotes that names stand in.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('`', "'")
}
