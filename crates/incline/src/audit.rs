//! The audit trail of this machine: what is written before, while and after a command changes something, and the copies that
//! the sites keep of its end.
pub(crate) mod copies;

use crate::arguments::Common;
use crate::error::Failure;
use crate::hosts::OnPremises;
use crate::live::Live;
use crate::look::Looked;
use crate::view;
use incline_audit::{Access, Approval, Person, Planned, PlannedStep, Trail, What, check};
use incline_exec::{Ended, Lane, Look, Say, System};
use incline_model::drift::State;
use incline_model::estate::Estate;
use incline_model::event::{Event, Outcome, Trouble};
use incline_model::plan::{Plan, Step, Verb, is_of_tenant};
use incline_model::site::Site;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Mutex;

/// The trail that this process writes to.
pub(crate) fn trail(common: &Common) -> Result<Trail, Failure> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // https://specifications.freedesktop.org/basedir-spec/latest/
    let state = || folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    let path = common.audit.clone().or_else(|| Some(state()?.join("incline/audit.jsonl")));
    path.map(Trail::at).ok_or_else(|| Failure::Usage {
        cause: "nobody says where the audit trail is, and there is no home folder".to_owned(),
        hint: "`--audit FILE`, or INCLINE_AUDIT".to_owned(),
    })
}

/// The systems that sites are entered by, as far as a command enters any.
#[derive(Clone, Copy, Default)]
pub(crate) struct Entered<'a> {
    pub(crate) live: Option<&'a Live>,
    pub(crate) onprem: Option<&'a OnPremises<'a>>,
}

impl Entered<'_> {
    /// As whom a site was entered.
    pub(crate) fn access(&self, site: &Site, place: &str) -> Access {
        let name = site.name().as_str();
        let part = self.live.and_then(|live| live.parts.get(name));
        Access {
            site: name.to_owned(),
            place: place.to_owned(),
            caller: part.map(|part| part.session.caller.clone()),
            ssh_keys: self.onprem.map(|onprem| onprem.hosts.keys_of(name)).into_iter().flatten().collect(),
            f5_user: match site {
                Site::OnPrem(site) if self.onprem.is_some() => site.typed().f5.as_ref().map(|f5| f5.user.to_string()),
                _ => None,
            },
        }
    }
}

/// What a command is about to do.
pub(crate) struct Intent<'a> {
    pub(crate) command: &'static str,
    pub(crate) estate: &'a Estate,
    pub(crate) entered: Entered<'a>,
    /// The digest of the plan that was saved and is carried out.
    pub(crate) saved: Option<String>,
    pub(crate) approvals: Vec<Approval>,
    /// Whether the sites keep copies: not of what leaves them as they are.
    pub(crate) copied: bool,
}

impl<'a> Intent<'a> {
    pub(crate) fn new(command: &'static str, estate: &'a Estate, entered: Entered<'a>) -> Self {
        Self { command, estate, entered, saved: None, approvals: Vec::new(), copied: true }
    }
}

/// A command that is written down.
pub(crate) struct Run<'a> {
    trail: &'a Trail,
    intent: &'a Intent<'a>,
    /// The sites, and those of their hosts that something is done to.
    sites: BTreeMap<String, BTreeSet<String>>,
    /// Targets of steps that were not done: their hosts may be locked still.
    undone: Mutex<BTreeSet<String>>,
    began: u64,
    /// Why something that happened could not be written down.
    missed: Mutex<Option<incline_audit::Error>>,
}

impl<'a> Run<'a> {
    /// Writes down what is about to be carried out. Nothing may be changed before this is done.
    pub(crate) fn of_plan(trail: &'a Trail, intent: &'a Intent<'a>, plan: &Plan) -> Result<Self, Failure> {
        let at_work = || plan.sites.iter().filter(|site| !site.steps.is_empty());
        let steps = at_work().flat_map(|site| &site.steps);
        let planned = Planned {
            digest: match &intent.saved {
                Some(digest) => digest.clone(),
                None => incline_plan::digest(&view::json(plan)?),
            },
            steps: steps
                .map(|step| PlannedStep {
                    target: step.target.clone(),
                    verb: step.verb,
                    reason: step.reason,
                    changes: step.changes.len(),
                })
                .collect(),
        };
        let sites = at_work().map(|site| {
            // What incline leaves a host with nothing of, it leaves without a copy.
            let kept = site.steps.iter().filter(|step| step.verb != Verb::Remove && !is_of_tenant(&step.target));
            let hosts = kept.filter_map(|step| step.target.split('/').nth(1).map(ToOwned::to_owned));
            (site.site.clone(), site.place.clone(), hosts.collect())
        });
        Self::begin(trail, intent, sites.collect(), Some(planned), Vec::new())
    }

    /// Writes down what is about to be done to a site, in words.
    pub(crate) fn of_words(
        trail: &'a Trail,
        intent: &'a Intent<'a>,
        site: &str,
        hosts: impl IntoIterator<Item = String>,
        doing: Vec<String>,
    ) -> Result<Self, Failure> {
        Self::begin(trail, intent, vec![(site.to_owned(), String::new(), hosts.into_iter().collect())], None, doing)
    }

    fn begin(
        trail: &'a Trail,
        intent: &'a Intent<'a>,
        sites: Vec<(String, String, BTreeSet<String>)>,
        plan: Option<Planned>,
        doing: Vec<String>,
    ) -> Result<Self, Failure> {
        let known = sites.iter().filter_map(|(name, place, _)| Some((intent.estate.site(name)?, place)));
        let what = What::Began {
            command: intent.command.to_owned(),
            who: Person::here(),
            sites: known.map(|(site, place)| intent.entered.access(site, place)).collect(),
            plan,
            doing,
            approvals: intent.approvals.clone(),
        };
        let began = trail.append(None, what).map_err(Failure::Audit)?.sequence;
        let sites = sites.into_iter().map(|(name, _, hosts)| (name, hosts)).collect();
        Ok(Self { trail, intent, sites, undone: Mutex::default(), began, missed: Mutex::default() })
    }

    /// Writes down that something happened. The start of a step is written by [`Audited`], before it starts.
    pub(crate) fn heard(&self, event: &Event) {
        match event {
            Event::Finished { outcome: Outcome::Done | Outcome::AlreadyDone, .. } | Event::Sent { .. } => {}
            Event::Finished { target, .. } => {
                if let Ok(mut undone) = self.undone.lock() {
                    undone.insert(target.clone());
                }
            }
            _ => return,
        }
        if let (Err(error), Ok(mut missed)) = (self.write(event), self.missed.lock()) {
            missed.get_or_insert(error);
        }
    }

    fn write(&self, event: &Event) -> Result<(), incline_audit::Error> {
        self.trail.append(Some(self.began), What::Step { event: event.clone() }).map(drop)
    }

    /// Writes down how it ended, and has the sites keep copies of that.
    pub(crate) async fn end(self, success: bool, why: Option<String>) -> Result<(), Failure> {
        let head = self.trail.append(Some(self.began), What::Ended { success, why }).map_err(Failure::Audit)?;
        if let Some(missed) = self.missed.into_inner().ok().flatten() {
            return Err(Failure::Audit(missed));
        }
        if !self.intent.copied {
            return Ok(());
        }
        let text = self.trail.read().map_err(Failure::Audit)?;
        let undone = self.undone.into_inner().unwrap_or_default();
        let is_left = |site: &str, host: &str| {
            let host = format!("{site}/{host}/");
            undone.iter().any(|target| target.starts_with(&host))
        };
        let sites = self.sites.iter().map(|(name, hosts)| {
            let hosts: BTreeSet<String> = hosts.iter().filter(|host| !is_left(name, host)).cloned().collect();
            (name, hosts)
        });
        let (intent, text, checked, head) = (self.intent, &text, &check(&text, true), &head);
        let copies = sites.map(|(name, hosts)| async move {
            let site = intent.estate.site(name)?;
            let kept = copies::keep(&intent.entered, site, &hosts, (text, checked), head).await;
            kept.err().map(|why| format!("{name} keeps no copy of the audit trail: {why}"))
        });
        for warning in futures_util::future::join_all(copies).await.into_iter().flatten() {
            view::warn(&warning);
        }
        Ok(())
    }

    /// Does what was written down, and writes down how it ended.
    pub(crate) async fn around<T>(self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let done = work.await;
        self.end(done.is_ok(), done.as_ref().err().map(ToString::to_string)).await?;
        done
    }
}

/// A system whose steps are written down before they start.
pub(crate) struct Audited<'a, S> {
    pub(crate) system: &'a S,
    pub(crate) run: &'a Run<'a>,
}

impl<S: System> System for Audited<'_, S> {
    fn lane(&self, step: &Step) -> Lane {
        self.system.lane(step)
    }

    async fn look(&self, step: &Step) -> Result<Look, Trouble> {
        self.system.look(step).await
    }

    async fn apply(&self, step: &Step, say: &Say) -> Result<(), Ended> {
        self.run.write(&Event::started(step)).map_err(|error| {
            Trouble::new(format!("nothing was changed: {error}"))
                .hint("a change without its record is none that incline makes; `--audit FILE` names another trail")
        })?;
        self.system.apply(step, say).await
    }
}

/// Writes down what looks for drift found.
pub(crate) fn looked<'a>(trail: &Trail, looks: impl IntoIterator<Item = &'a Looked>) -> Result<(), Failure> {
    let sites = looks.into_iter().map(|looked| {
        let found = &looked.drift;
        let mut findings: BTreeMap<String, usize> = BTreeMap::new();
        for finding in &found.findings {
            *findings.entry(finding.state.class().to_owned()).or_default() += 1;
        }
        let drifted = found.findings.iter().filter_map(|finding| match &finding.state {
            State::Drifted { property, .. } => {
                Some(format!("{} {} {property}", finding.target, finding.resource).trim_end().to_owned())
            }
            _ => None,
        });
        let drifted = drifted.collect();
        incline_audit::Look { access: looked.access.clone(), in_sync: found.in_sync, findings, drifted }
    });
    let what = What::Looked { who: Person::here(), sites: sites.collect() };
    trail.append(None, what).map(drop).map_err(Failure::Audit)
}
