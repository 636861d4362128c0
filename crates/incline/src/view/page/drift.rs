//! The estate in the morning: what drifted where, since when, and how the last nights were.
use super::{moment, number, whole};
use crate::view::count;
use incline_model::drift::{CLASSES, Drift, Finding, NOT_CHECKED, News, Point, SiteDrift, State, class_name};
use maud::{Markup, html};
use std::collections::BTreeMap;

const SCRIPT: &str = include_str!("filter.js");

/// The page of a report.
pub(crate) fn page(drift: &Drift) -> String {
    let is_new = |finding: &Finding| finding.age.as_ref().is_some_and(|age| age.news == News::New);
    let news = drift.sites.iter().flat_map(|site| &site.findings).filter(|finding| is_new(finding)).count();
    let gone: usize = drift.sites.iter().map(|site| site.gone.len()).sum();
    let in_sync: usize = drift.sites.iter().map(|site| site.in_sync).sum();
    // What is grave comes first: the page is read before the first coffee.
    let mut sites: Vec<&SiteDrift> = drift.sites.iter().collect();
    sites.sort_by_key(|site| GRAVITY.iter().position(|class| site.count(class) > 0).unwrap_or(GRAVITY.len()));
    let scope = match &drift.shard {
        Some(shard) => format!("shard {shard} of the estate"),
        None if drift.whole => "the whole estate".to_owned(),
        None => "a part of the estate".to_owned(),
    };
    let body = html! {
        header {
            h1 { "Drift" }
            p.dim {
                (moment(&drift.at)) ", " (scope) ", " (count(drift.sites.len(), "site")) " in "
                (duration(drift.milliseconds))
            }
            dl.numbers {
                (number("drifted", drift.count("drifted"), "drifted"))
                (number("not checked", drift.count(NOT_CHECKED), "error"))
                (number("new", news, "news"))
                (number("gone", gone, "good"))
                (number("in sync", in_sync, "good"))
            }
        }
        nav aria-label="Sites" {
            ul.glance {
                @for site in &sites {
                    li { a class=(class_of(site)) href={ "#" (site.site) } { (site.site) span.dim { " " (gist(site)) } } }
                }
            }
        }
        form #filter hidden role="search" {
            label for="words" { "Find " }
            input #words type="search" placeholder="a stack, a host, a property …  ( / )" autocomplete="off";
            fieldset {
                legend.hidden { "Show" }
                @for class in CLASSES {
                    label.chip { input type="checkbox" name="class" value=(class) checked[class != "notCovered"]; (class_name(class)) }
                }
                label.chip { input #only-news type="checkbox"; "only news" }
            }
            p #shown.dim role="status" {}
        }
        main {
            @for site in &sites { (card(site)) }
        }
        footer.dim { "incline " (env!("CARGO_PKG_VERSION")) "; the same as JSON: report.json" }
    };
    whole("incline: drift", &body, Some(SCRIPT))
}

/// The classes that a site is marked by.
const GRAVITY: [&str; 3] = [NOT_CHECKED, "drifted", "warning"];

/// The gravest class of a site.
fn class_of(site: &SiteDrift) -> &'static str {
    GRAVITY.into_iter().find(|class| site.count(class) > 0).unwrap_or("good")
}

fn gist(site: &SiteDrift) -> String {
    let parts: Vec<String> = ["drifted", NOT_CHECKED]
        .into_iter()
        .filter(|class| site.count(class) > 0)
        .map(|class| format!("{} {}", site.count(class), class_name(class)))
        .collect();
    if parts.is_empty() { "in sync".to_owned() } else { parts.join(", ") }
}

fn card(site: &SiteDrift) -> Markup {
    let grave: Vec<&Finding> = site.findings.iter().filter(|finding| finding.state.class() != "notCovered").collect();
    let mut not_covered: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in site.findings.iter().filter(|finding| finding.state.class() == "notCovered") {
        not_covered.entry(&finding.kind).or_default().push(finding);
    }
    html! {
        section id=(site.site) class={ "card " (class_of(site)) } {
            h2 { (site.site) " " span.gist { (gist(site)) } }
            p.dim {
                (site.place) "; looked at " (moment(&site.at)) " in " (duration(site.milliseconds)) "; "
                (count(site.in_sync, "resource")) " in sync"
            }
            (trend(&site.trend))
            @if !site.gone.is_empty() {
                p { "Gone since the last look:" }
                ul.gone { @for gone in &site.gone { li { (gone.what) span.dim { ", known since " (moment(&gone.since)) } } } }
            }
            @for class in CLASSES {
                @for finding in grave.iter().filter(|finding| finding.state.class() == class) { (entry(finding)) }
            }
            @if !not_covered.is_empty() {
                details.finding data-class="notCovered" data-news="" {
                    summary {
                        span.class { "not covered" } " " (count(not_covered.values().map(Vec::len).sum(), "resource"))
                        " that no API shows incline"
                    }
                    dl {
                        @for (kind, findings) in &not_covered {
                            dt { (kind) }
                            dd { @for finding in findings { code { (finding.what()) } " " } }
                        }
                    }
                }
            }
        }
    }
}

fn entry(finding: &Finding) -> Markup {
    let class = finding.state.class();
    let news = finding.age.as_ref().map_or("", |age| match age.news {
        News::New => "new",
        News::Known => "known",
        News::Flapping => "flapping",
    });
    html! {
        details.finding data-class=(class) data-news=(news) {
            summary {
                span class={ "class " (class) } { (class_name(class)) } " "
                @if news == "new" { span.tag { "new" } " " }
                @if news == "flapping" { span.tag { "comes and goes" } " " }
                code { (finding.what()) }
            }
            dl {
                @if !finding.kind.is_empty() { dt { "Kind" } dd { (finding.kind) } }
                @if !finding.physical.is_empty() { dt { "Id" } dd { code { (finding.physical) } } }
                @match &finding.state {
                    State::Drifted { expected, actual, .. } => { (change(expected, actual)) }
                    State::Ignored { expected, actual, reason, until, .. } => {
                        (change(expected, actual))
                        dt { "Borne" } dd { "until " (until) ": " (reason) }
                    }
                    State::NotChecked { why } | State::NotCovered { why } => { dt { "Why" } dd { (why) } }
                    State::Pending { what } | State::Warning { what } => { dt { "What" } dd { (what) } }
                }
                @if let Some(age) = &finding.age { dt { "Since" } dd { (moment(&age.since)) } }
            }
        }
    }
}

fn change(expected: &str, actual: &str) -> Markup {
    html! {
        dt { "Applied" } dd { pre.before { (expected) } }
        dt { "Is" } dd { pre.after { (actual) } }
    }
}

/// The last nights as bars: how much had drifted, and where nobody could look.
fn trend(points: &[Point]) -> Markup {
    let most = points.iter().map(|point| point.drifted).max().unwrap_or(0).max(1);
    let height = |drifted: usize| (drifted * 28).div_ceil(most).max(1);
    let text = |point: &Point| {
        let errors = if point.not_checked > 0 { format!(", {} not checked", point.not_checked) } else { String::new() };
        format!("{}: {} drifted{errors}", moment(&point.at), point.drifted)
    };
    let told = points.last().map(text).unwrap_or_default();
    html! {
        @if points.len() > 1 {
            svg.trend viewBox={ "0 0 " (points.len() * 8) " 30" } width=(points.len() * 8) height="30" role="img"
                aria-label={ (count(points.len(), "night")) "; " (told) } {
                @for (index, point) in points.iter().enumerate() {
                    rect x=(index * 8) y=(30 - height(point.drifted)) width="6" height=(height(point.drifted))
                        class=(if point.not_checked > 0 { "error" } else if point.drifted > 0 { "drifted" } else { "good" }) {
                        title { (text(point)) }
                    }
                }
            }
        }
    }
}

fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..120_000 => format!("{} s", milliseconds / 1000),
        _ => format!("{} min", milliseconds / 60_000),
    }
}
