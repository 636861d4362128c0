//! What sites lack in the lock file: who only looks is told, and what would be applied is refused.
use crate::error::Failure;
use crate::view::count;
use incline_model::estate::Estate;
use incline_model::lock::{FILE_NAME, NOT_PINNED, Need, in_words};
use incline_model::plan::Plan;
use incline_model::site::Site;
use std::collections::{BTreeMap, BTreeSet};

/// Refuses sites that lack pins: nodes boot from nothing that is not named by its digest.
pub(crate) fn required<'a>(sites: impl IntoIterator<Item = &'a Site>) -> Result<(), Failure> {
    let mut missing: BTreeMap<Need, Vec<String>> = BTreeMap::new();
    for site in sites {
        for need in site.lacking() {
            missing.entry(need.clone()).or_default().push(site.name().to_string());
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Failure::NotPinned { missing }) }
}

/// What is refused: the missing pins, each with the sites that need it and the command that pins it.
pub(crate) fn refusal(missing: &BTreeMap<Need, Vec<String>>) -> String {
    let list =
        missing.iter().map(|(need, sites)| format!("\n  {}: {need}\n      {}", sites.join(", "), need.command()));
    format!("{}; nothing was changed{}", are_missing(missing.len()), list.collect::<String>())
}

fn are_missing(pins: usize) -> String {
    format!("{} {} missing in {FILE_NAME}", count(pins, "pin"), if pins == 1 { "is" } else { "are" })
}

/// Notes in a plan what its sites lack.
pub(crate) fn note(plan: &mut Plan, estate: &Estate) {
    for planned in &mut plan.sites {
        let lacking = estate.site(&planned.site).map(Site::lacking).unwrap_or_default();
        planned.notes.extend(told(lacking));
    }
}

/// What a site lacks, in one sentence; nothing where it lacks nothing.
pub(crate) fn told(lacking: &[Need]) -> Option<String> {
    if lacking.is_empty() {
        return None;
    }
    Some(format!(
        "{NOT_PINNED}: {}; `incline lock status` lists the command for each, and until then the site cannot be applied",
        in_words(lacking)
    ))
}

/// Why a site without a lock file is not judged whole.
pub(crate) fn unlocked(site: &Site) -> Option<String> {
    let lacking = site.lacking();
    (!lacking.is_empty()).then(|| format!("there is no {FILE_NAME}; {NOT_PINNED}: {}", in_words(lacking)))
}

/// How many pins some sites lack, with what shows them; nothing where they lack none.
pub(crate) fn counted<'a>(sites: impl IntoIterator<Item = &'a Site>) -> Option<String> {
    let lacking: BTreeSet<&Need> = sites.into_iter().flat_map(Site::lacking).collect();
    if lacking.is_empty() {
        return None;
    }
    Some(format!(
        "{}, shown as {NOT_PINNED}; `incline lock status` lists the command for each",
        are_missing(lacking.len())
    ))
}
