//! `incline approve`
use crate::approvals::{NAMESPACE, Saved, signer};
use crate::arguments::{Approve as Options, Common};
use crate::audit;
use crate::error::{Exit, Failure};
use crate::planner::digests;
use crate::{estate, live, view};
use incline_audit::{Approval, Person, What};
use incline_model::inventory::Approver;
use incline_model::site::Site;
use incline_ssh::Keys;

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    live::block_on(work(common, options))
}

async fn work(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let source = estate::read(common)?;
    let (digests, _) = digests(&source);
    let estate = source.validate()?;
    let trail = audit::trail(common)?;
    let saved = Saved::read(&options.plan)?;
    // Who may approve is read from the inventories that the plan was made from, and not from others.
    for site in &saved.plan.sites {
        if site.inputs.get("inventory") != digests.get(&site.site) {
            return Err(Failure::Other {
                cause: format!("{}'s inventory is another one than the plan was made from", site.site),
                hint: Some("plan again, and approve that one".to_owned()),
            });
        }
    }
    let sites = saved.plan.sites.iter().filter_map(|site| estate.site(&site.site));
    let approvers: Vec<&Approver> =
        sites.filter_map(Site::approvals).flat_map(|approvals| &approvals.approvers).collect();
    if approvers.is_empty() {
        return Err(Failure::Usage {
            cause: "no site of this plan asks for approvals".to_owned(),
            hint: "`safeguards: {approvals: {approvers: […]}}` in an inventory says who may approve".to_owned(),
        });
    }
    view::say(&view::plan::text(&saved.plan, false, view::width()))?;
    if !options.yes {
        if !view::ask::is_possible() {
            return Err(Failure::Usage {
                cause: "nothing was signed: there is nobody to ask".to_owned(),
                hint: "`--yes` signs without asking".to_owned(),
            });
        }
        if !view::ask::yes("Approve it?") {
            return Err(Failure::Other { cause: "nothing was signed".to_owned(), hint: None });
        }
    }
    let (approver, signature) = sign(&saved, &approvers, options).await?;
    let approval = Approval { by: approver.user.to_string(), key: signer(approver)?.fingerprint() };
    let what = What::Approved {
        who: Person::here(),
        sites: saved.plan.sites.iter().map(|site| site.site.clone()).collect(),
        plan: saved.digest(),
        approval: approval.clone(),
    };
    trail.append(None, what).map_err(Failure::Audit)?;
    let path = saved.signature_of(&approval.by);
    std::fs::write(&path, signature).map_err(Failure::file("write", &path))?;
    view::say(&format!("{} approves it, by {}: {}\n", approval.by, approval.key, path.display()))?;
    Ok(Exit::Done)
}

/// Signs a plan by a key that an inventory names: the one in the file, or the first that the agent holds.
async fn sign<'a>(
    saved: &Saved,
    approvers: &[&'a Approver],
    options: &Options,
) -> Result<(&'a Approver, String), Failure> {
    let message = saved.text.as_bytes();
    let names = || approvers.iter().map(|approver| approver.user.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(path) = &options.key {
        let unusable = |error: incline_ssh::Error| Failure::Other { cause: error.to_string(), hint: error.hint() };
        let (by, signature) = Keys::new(view::ask::hidden).sign(path, NAMESPACE, message).await.map_err(unusable)?;
        let found = approvers
            .iter()
            .find(|approver| signer(approver).is_ok_and(|known| known.fingerprint() == by.fingerprint()));
        return found.map(|approver| (*approver, signature)).ok_or_else(|| Failure::Other {
            cause: format!("{} ({}) is nobody's who may approve", path.display(), by.fingerprint()),
            hint: Some(format!("the inventories name the keys of {}", names())),
        });
    }
    let mut why = String::new();
    for approver in approvers {
        match signer(approver)?.sign_by_agent(NAMESPACE, message).await {
            Ok(signature) => return Ok((approver, signature)),
            Err(error) => why = error.to_string(),
        }
    }
    Err(Failure::Other {
        cause: format!("the agent holds no key of {}: {why}", names()),
        hint: Some("`--key FILE` names one".to_owned()),
    })
}
