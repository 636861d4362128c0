//! A site's history: one line a look, with what came and what went. What a look found + the lines before → what is new, what is
//! known, what has gone, what comes and goes.
use crate::prelude::*;
use incline_model::drift::{Age, Gone, NOT_CHECKED, News, Point, SiteDrift, State};
use serde::{Deserialize, Serialize};

/// How many looks a report shows, and flapping is judged by.
const NIGHTS: usize = 30;

/// As often as something has come within those nights, it flaps: twice may be a repair that did not last.
const FLAPS: usize = 3;

/// One look, as its line of the history says it: small, whatever the site's size, where nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Night {
    /// When.
    pub at: String,
    /// How many properties had drifted.
    pub drifted: usize,
    /// How much was not checked. `errors` in lines that were written before format 3 of the report.
    #[serde(alias = "errors")]
    pub not_checked: usize,
    /// What was found that had not been there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub came: Vec<String>,
    /// What was found no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub went: Vec<String>,
}

/// Tells of each finding since when it is known and whether that is news, and of what has gone; gives the line that this look
/// adds to the history.
pub fn remember(history: &[Night], drift: &mut SiteDrift) -> Night {
    let mut open: BTreeMap<&str, &str> = BTreeMap::new();
    for night in history {
        for what in &night.went {
            open.remove(what.as_str());
        }
        open.extend(night.came.iter().map(|what| (what.as_str(), night.at.as_str())));
    }
    let recent = history.get(history.len().saturating_sub(NIGHTS - 1)..).unwrap_or_default();
    let comings = |what: &str| recent.iter().flat_map(|night| &night.came).filter(|came| *came == what).count();
    let mut came = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for finding in drift.findings.iter_mut().filter(|finding| is_remembered(&finding.state)) {
        let what = finding.what();
        let known = open.get(what.as_str());
        let flaps = comings(&what) + usize::from(known.is_none()) >= FLAPS;
        finding.age = Some(Age {
            since: known.map_or_else(|| drift.at.clone(), ToString::to_string),
            news: match known {
                _ if flaps => News::Flapping,
                Some(_) => News::Known,
                None => News::New,
            },
        });
        if known.is_none() {
            came.insert(what.clone());
        }
        seen.insert(what);
    }
    // What nobody could look at has not gone.
    let blind: Vec<&str> = drift
        .findings
        .iter()
        .filter(|finding| matches!(finding.state, State::NotChecked { .. }))
        .map(|finding| finding.target.as_str())
        .collect();
    let is_hidden = |what: &str| {
        let of = |target: &str| {
            what.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '/']))
        };
        blind.iter().any(|target| *target == drift.site || of(target))
    };
    let went: Vec<(&str, &str)> =
        open.into_iter().filter(|(what, _)| !seen.contains(*what) && !is_hidden(what)).collect();
    drift.gone = went
        .iter()
        .filter(|(what, _)| comings(what) < FLAPS)
        .map(|(what, since)| Gone { what: (*what).to_owned(), since: (*since).to_owned() })
        .collect();
    let night = Night {
        at: drift.at.clone(),
        drifted: drift.count("drifted"),
        not_checked: drift.count(NOT_CHECKED),
        came: came.into_iter().collect(),
        went: went.into_iter().map(|(what, _)| what.to_owned()).collect(),
    };
    drift.trend = recent
        .iter()
        .chain([&night])
        .map(|night| Point { at: night.at.clone(), drifted: night.drifted, not_checked: night.not_checked })
        .collect();
    night
}

/// What is not as it must be, or what somebody should know; what nobody ever checks is no event.
fn is_remembered(state: &State) -> bool {
    matches!(state, State::Drifted { .. } | State::NotChecked { .. } | State::Warning { .. } | State::Pending { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use incline_model::drift::Finding;

    fn finding(target: &str, state: State) -> Finding {
        Finding {
            target: target.to_owned(),
            resource: String::new(),
            kind: String::new(),
            physical: String::new(),
            state,
            age: None,
        }
    }

    fn drifted(target: &str, actual: usize) -> Finding {
        let state =
            State::Drifted { property: "Size".to_owned(), expected: "1".to_owned(), actual: actual.to_string() };
        finding(target, state)
    }

    fn error(target: &str) -> Finding {
        finding(target, State::NotChecked { why: "no answer".to_owned() })
    }

    /// A look at a site, remembered.
    fn look(history: &mut Vec<Night>, findings: Vec<Finding>) -> SiteDrift {
        let at = format!("2026-11-{:02}", history.len() + 1);
        let mut drift = SiteDrift { site: "site".to_owned(), at, findings, ..SiteDrift::default() };
        let night = remember(history, &mut drift);
        history.push(night);
        drift
    }

    fn news(drift: &SiteDrift) -> Vec<(String, News, String)> {
        let ages = drift.findings.iter().filter_map(|one| Some((one.target.clone(), one.age.clone()?)));
        ages.map(|(target, age)| (target, age.news, age.since)).collect()
    }

    #[test]
    fn what_is_new_is_known_the_next_night_and_told_once_when_it_goes() {
        let mut history = Vec::new();
        let one = |drift: &SiteDrift| news(drift)[0].clone();
        assert_eq!(
            one(&look(&mut history, vec![drifted("a", 2)])),
            ("a".to_owned(), News::New, "2026-11-01".to_owned())
        );
        // Another value is no other finding.
        let again = look(&mut history, vec![drifted("a", 3)]);
        assert_eq!(one(&again), ("a".to_owned(), News::Known, "2026-11-01".to_owned()));
        let gone = look(&mut history, vec![]);
        assert_eq!(gone.gone, [Gone { what: "a Size".to_owned(), since: "2026-11-01".to_owned() }]);
        assert!(look(&mut history, vec![]).gone.is_empty());
        assert_eq!(gone.trend.iter().map(|point| point.drifted).collect::<Vec<_>>(), [1, 1, 0]);
        assert_eq!(history[1].came.len() + history[1].went.len(), 0, "a night without news is a short line");
    }

    #[test]
    fn what_nobody_could_look_at_has_not_gone() {
        let mut history = Vec::new();
        look(&mut history, vec![drifted("site-a", 2), drifted("site/host-1/base", 2), drifted("site/host-10/base", 2)]);
        let blind = look(&mut history, vec![error("site/host-1"), drifted("site-a", 2)]);
        assert_eq!(blind.gone.iter().map(|gone| gone.what.as_str()).collect::<Vec<_>>(), ["site/host-10/base Size"]);
        assert!(look(&mut history, vec![error("site")]).gone.iter().all(|gone| gone.what == "site/host-1"));
        let back = look(&mut history, vec![drifted("site-a", 2), drifted("site/host-1/base", 2)]);
        assert!(news(&back).iter().all(|(_, news, since)| *news == News::Known && since == "2026-11-01"), "{back:?}");
    }

    #[test]
    fn what_comes_and_goes_is_announced_no_more() {
        let mut history = Vec::new();
        let mut told = Vec::new();
        for night in 0..10 {
            let drift = look(&mut history, if night % 2 == 0 { vec![drifted("a", 2)] } else { vec![] });
            told.push((news(&drift).first().map(|(_, news, _)| *news), drift.gone.len()));
        }
        assert_eq!(
            told[..5],
            [(Some(News::New), 0), (None, 1), (Some(News::New), 0), (None, 1), (Some(News::Flapping), 0)]
        );
        assert!(told[5..].iter().all(|told| *told == (None, 0) || *told == (Some(News::Flapping), 0)), "{told:?}");
    }
}
