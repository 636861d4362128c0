//! `incline evidence`
use crate::arguments::{Common, Evidence as Options};
use crate::error::{Exit, Failure};
use crate::evidence::{Evidence, Known, Standing, as_deployed};
use crate::look::{Looked, Looker, place};
use crate::planner::digests;
use crate::{audit, estate, live, safeguards, view};
use incline_audit::check;
use incline_model::drift::State;
use incline_model::site::Site;
use incline_render::ApiBy;
use incline_safeguards::{Assessment, of_aws};
use std::collections::BTreeMap;

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    live::block_on(work(common, options))
}

async fn work(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let source = estate::read(common)?;
    let estate = source.validate()?;
    let templates = estate::templates(common)?;
    let catalogue = safeguards::catalogue()?;
    let trail = audit::trail(common)?;
    let chosen = estate::select(&estate, std::slice::from_ref(&options.site))?;
    let Some((site, held_to)) = chosen.first().and_then(|site| Some((*site, site.safeguards()?))) else {
        return Err(Failure::Usage {
            cause: format!("{} is held to no safeguards", options.site),
            hint: "`safeguards: {profile: hipaa}` in its inventory holds it to HIPAA's".to_owned(),
        });
    };
    let at = view::now();
    let looked = if options.offline {
        None
    } else {
        let looker = Looker::new(&source, &estate, &templates, ApiBy::Balancer, options.forks.forks)?;
        let looked = looker.look(site, false).await?;
        audit::looked(&trail, [&looked])?;
        Some(looked)
    };
    let mut assessment = safeguards::assessment(&catalogue, site, &safeguards::documents(site, &estate, &templates)?);
    // What is deployed is judged, too: the inventory may be ahead of it.
    if let (Site::Aws(aws), Some(assessment), Some(Looked { observed: Some(observed), .. })) =
        (site, assessment.as_mut(), &looked)
    {
        let deployed = as_deployed(&estate::desired(aws, &estate, &templates)?, observed);
        take_in(assessment, safeguards::assessment(&catalogue, site, &of_aws(aws, &deployed)));
    }
    let Some(assessment) = assessment else { return Ok(Exit::Failed) };
    let (inventories, lock) = digests(&source);
    let inventory = inventories.get(&options.site).cloned().unwrap_or_default();
    let inputs = [("inventory", inventory), ("lock", lock), ("templates", templates.digest())];
    let text = trail.read().map_err(Failure::Audit)?;
    let evidence = Evidence::new(
        &catalogue,
        &Known {
            held_to,
            assessment: &assessment,
            looked: looked.as_ref(),
            place: place(site),
            inputs: inputs.into_iter().map(|(name, digest)| (name.to_owned(), digest)).collect::<BTreeMap<_, _>>(),
            at,
            trail: &check(&text, true),
        },
    );
    std::fs::create_dir_all(&options.out).map_err(Failure::file("make the folder", &options.out))?;
    for (kind, text) in [("json", view::json(&evidence)?), ("html", view::page::evidence(&evidence))] {
        let path = options.out.join(format!("{}.{kind}", options.site));
        std::fs::write(&path, text).map_err(Failure::file("write", &path))?;
        view::say(&format!("{}\n", path.display()))?;
    }
    let count = |standings: &[Standing]| standings.iter().map(|standing| evidence.count(*standing)).sum::<usize>();
    let is_seen = evidence.drift.iter().all(|finding| !matches!(finding.state, State::NotChecked { .. }));
    Ok(match count(&[Standing::Broken, Standing::Drifted, Standing::Pending]) {
        // As for `drift`: what was not checked comes first.
        _ if !is_seen || count(&[Standing::NotChecked]) > 0 => Exit::Failed,
        0 => Exit::Done,
        _ => Exit::Differences,
    })
}

/// Adds what is true of what is deployed to what is true of what is asked for.
fn take_in(assessment: &mut Assessment, deployed: Option<Assessment>) {
    for finding in deployed.into_iter().flat_map(|deployed| deployed.findings) {
        if !assessment.findings.contains(&finding) {
            assessment.findings.push(finding);
        }
    }
}
