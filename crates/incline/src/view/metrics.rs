//! A drift report as metrics, in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/):
//! for node_exporter's textfile collector, and for a push gateway.
use incline_model::drift::{CLASSES, Drift, SiteDrift};
use std::collections::BTreeMap;

/// One number of a family, with its labels.
type Sample = (Vec<(&'static str, String)>, f64);

/// The metrics of a report.
pub(crate) fn text(drift: &Drift) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, samples: Vec<Sample>| {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for (labels, value) in samples {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            text.push_str(&format!("{name}{labels} {value}\n"));
        }
    };
    let site = |site: &SiteDrift| vec![("site", site.site.clone())];
    let each = |number: &dyn Fn(&SiteDrift) -> Option<f64>| -> Vec<Sample> {
        drift.sites.iter().filter_map(|one| Some((site(one), number(one)?))).collect()
    };
    family(
        "incline_drift_look_timestamp_seconds",
        "When the site was last looked at.",
        each(&|site| seconds(&site.at)),
    );
    family(
        "incline_drift_whole_look_timestamp_seconds",
        "When the site was last looked at and all that is covered was checked.",
        each(&|site| site.trend.iter().rev().find(|point| point.not_checked == 0).and_then(|point| seconds(&point.at))),
    );
    family(
        "incline_drift_look_duration_seconds",
        "How long the last look took.",
        each(&|site| Some(site.milliseconds as f64 / 1000.0)),
    );
    family("incline_drift_aws_requests", "How many requests AWS was sent.", each(&|site| Some(site.requests as f64)));
    family("incline_drift_in_sync", "Resources that are as they must be.", each(&|site| Some(site.in_sync as f64)));
    let mut findings = Vec::new();
    for one in &drift.sites {
        let mut numbers: BTreeMap<(&str, &str), usize> = CLASSES.iter().map(|class| ((*class, ""), 0)).collect();
        for finding in &one.findings {
            *numbers.entry((finding.state.class(), &finding.kind)).or_default() += 1;
        }
        findings.extend(numbers.into_iter().map(|((class, kind), number)| {
            let labels = [("class", class.to_owned()), ("kind", kind.to_owned())];
            (site(one).into_iter().chain(labels).collect(), number as f64)
        }));
    }
    family("incline_drift_findings", "What is not in sync, by class and by kind of resource.", findings);
    family(
        "incline_drift_run_timestamp_seconds",
        "When the run began.",
        vec![(Vec::new(), seconds(&drift.at).unwrap_or(0.0))],
    );
    family(
        "incline_drift_run_duration_seconds",
        "How long the run took.",
        vec![(Vec::new(), drift.milliseconds as f64 / 1000.0)],
    );
    family("incline_drift_sites", "How many sites were looked at.", vec![(Vec::new(), drift.sites.len() as f64)]);
    text
}

/// Seconds since 1970.
fn seconds(time: &str) -> Option<f64> {
    let time = humantime::parse_rfc3339(time).ok()?;
    Some(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs() as f64)
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
