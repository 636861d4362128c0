//! The two-person rule: a site may ask that others than who applies a plan have signed it.
use crate::audit::Entered;
use crate::error::Failure;
use crate::view;
use incline_audit::{Approval, Person};
use incline_model::estate::Estate;
use incline_model::inventory::Approver;
use incline_model::plan::{FORMAT, Plan, Step};
use incline_model::site::Site;
use incline_ssh::Signer;
use std::path::{Path, PathBuf};

/// What a plan's signatures are for (`ssh-keygen -Y sign -n`): a signature of anything else approves nothing.
pub(crate) const NAMESPACE: &str = "plan@incline";

/// A plan as it was saved: signatures are of these bytes.
pub(crate) struct Saved {
    path: PathBuf,
    pub(crate) text: String,
    pub(crate) plan: Plan,
}

impl Saved {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(Failure::file("read", path))?;
        let broken = |why: String| Failure::Other {
            cause: format!("{} is no plan that this incline made: {why}", path.display()),
            hint: Some("make it anew with `incline plan --out`".to_owned()),
        };
        let plan: Plan = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
        if plan.format != FORMAT {
            return Err(broken(format!("its format is {}, and this incline's is {FORMAT}", plan.format)));
        }
        Ok(Self { path: path.to_path_buf(), text, plan })
    }

    /// What it is known by: the SHA-256 of its file.
    pub(crate) fn digest(&self) -> String {
        incline_plan::digest(&self.text)
    }

    /// Where somebody's signature of it lies.
    pub(crate) fn signature_of(&self, user: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{user}.sig"));
        path.into()
    }

    /// Who of these has signed it: by their own file beside it, or by the one that `ssh-keygen -Y sign` writes.
    fn approvals(&self, approvers: &[Approver]) -> Result<Vec<Approval>, Failure> {
        let mut plain = self.path.clone().into_os_string();
        plain.push(".sig");
        let plain = PathBuf::from(plain);
        let mut approvals = Vec::new();
        for approver in approvers {
            let signer = signer(approver)?;
            let files = [self.signature_of(approver.user.as_str()), plain.clone()];
            let signatures = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
            if signatures.into_iter().any(|text| signer.has_signed(NAMESPACE, self.text.as_bytes(), &text)) {
                approvals.push(Approval { by: approver.user.to_string(), key: signer.fingerprint() });
            }
        }
        Ok(approvals)
    }
}

/// The key of somebody who may approve.
pub(crate) fn signer(approver: &Approver) -> Result<Signer, Failure> {
    Signer::new(approver.key.as_str()).map_err(|cause| Failure::Other { cause, hint: None })
}

/// Who approved what is about to be carried out; refuses a plan that too few did.
pub(crate) fn of(
    estate: &Estate,
    entered: Entered<'_>,
    plan: &Plan,
    saved: Option<&Saved>,
) -> Result<Vec<Approval>, Failure> {
    let who = Person::here();
    let mut all = Vec::new();
    for site in plan.sites.iter().filter(|site| !site.steps.is_empty()) {
        let name = &site.site;
        let asks = estate.site(name).and_then(Site::approvals);
        let Some(asks) = asks else { continue };
        let Some(saved) = saved else {
            return Err(Failure::Other {
                cause: format!("{name} asks for {} of its plan; nothing was changed", approvals(asks.needed)),
                hint: Some(
                    "`incline plan --out FILE`, `incline approve FILE` by somebody else, and `incline apply --plan FILE`"
                        .to_owned(),
                ),
            });
        };
        let approved = |step: &&Step| saved.plan.sites.iter().flat_map(|site| &site.steps).any(|was| covers(was, step));
        if let Some(other) = site.steps.iter().find(|step| !approved(step)) {
            return Err(Failure::Other {
                cause: format!(
                    "{} would be changed in another way than was approved; nothing was changed",
                    other.target
                ),
                hint: Some("plan again, without other options, and have that plan approved".to_owned()),
            });
        }
        let own_keys = entered.onprem.map(|onprem| onprem.hosts.keys_of(name)).unwrap_or_default();
        let is_own = |approval: &Approval| {
            approval.by == who.user || who.acting_as.as_ref() == Some(&approval.by) || own_keys.contains(&approval.key)
        };
        let (own, others): (Vec<_>, Vec<_>) = saved.approvals(&asks.approvers)?.into_iter().partition(is_own);
        if others.len() < usize::from(asks.needed) {
            let own: String = own
                .iter()
                .map(|own| format!("; {}'s does not count, since it is {} who applies", own.by, own.by))
                .collect();
            let have = match others.len() {
                0 => "nobody has approved this plan".to_owned(),
                _ => format!(
                    "only {} has approved this plan",
                    others.iter().map(|other| other.by.as_str()).collect::<Vec<_>>().join(", ")
                ),
            };
            let may: Vec<&str> = asks.approvers.iter().map(|approver| approver.user.as_str()).collect();
            return Err(Failure::Other {
                cause: format!("{name} asks for {}, and {have}{own}; nothing was changed", approvals(asks.needed)),
                hint: Some(format!("`incline approve {}`, by one of {}", saved.path.display(), may.join(", "))),
            });
        }
        all.extend(others);
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// Whether what is left of a step is within what was approved: the same, or of a host's items some that are not done yet.
fn covers(approved: &Step, left: &Step) -> bool {
    let same = |a: &Step, b: &Step| {
        (a.verb, &a.mend, &a.release, &a.settings, &a.roll) == (b.verb, &b.mend, &b.release, &b.settings, &b.roll)
    };
    approved.target == left.target
        && same(approved, left)
        && left.changes.iter().all(|change| approved.changes.contains(change))
        && left.files.iter().all(|file| approved.files.contains(file))
}

/// Refuses what no plan can be saved of, where a site asks for approvals.
pub(crate) fn none_needed(site: &Site) -> Result<(), Failure> {
    match site.approvals() {
        None => Ok(()),
        Some(_) => Err(Failure::Other {
            cause: format!(
                "{} asks for approvals, and its removal cannot be approved; nothing was removed",
                site.name()
            ),
            hint: Some(
                "take `approvals` out of its inventory first: who reviews the inventory sees it coming".to_owned(),
            ),
        }),
    }
}

fn approvals(number: u8) -> String {
    view::count(usize::from(number), "approval")
}
