//! Looking at one site for drift: alone, so that no other can hold it up or spoil it.
use crate::audit::Entered;
use crate::error::Failure;
use crate::hosts::{self, Doing, OnPremises, desired};
use crate::live::Live;
use crate::planner::{self, Against, Planner, Purpose, digests, table};
use crate::{estate, view};
use incline_audit::Access;
use incline_aws::{Call, Journal, Mode};
use incline_model::drift::{Finding, SiteDrift, State};
use incline_model::estate::Estate;
use incline_model::fetch::Missing;
use incline_model::observed::Observed;
use incline_model::site::{Aws, Site};
use incline_plan::Table;
use incline_render::{ApiBy, Templates};
use std::collections::BTreeMap;

/// What all looks are made with.
pub(crate) struct Looker<'a> {
    estate: &'a Estate,
    templates: &'a Templates,
    table: Table,
    digests: BTreeMap<String, String>,
    lock: String,
    api: ApiBy,
    forks: u16,
}

/// What was seen of a site.
pub(crate) struct Looked {
    /// As whom it was entered.
    pub(crate) access: Access,
    /// What no longer holds.
    pub(crate) drift: SiteDrift,
    /// Its stacks as they are, where it is in AWS.
    pub(crate) observed: Option<Observed>,
    /// What AWS was asked.
    pub(crate) calls: Vec<Call>,
    /// Whether the run came to its deadline before it.
    pub(crate) is_cut: bool,
}

impl<'a> Looker<'a> {
    pub(crate) fn new(
        source: &estate::Source,
        estate: &'a Estate,
        templates: &'a Templates,
        api: ApiBy,
        forks: u16,
    ) -> Result<Self, Failure> {
        let (digests, lock) = digests(source);
        Ok(Self { estate, templates, table: table()?, digests, lock, api, forks })
    }

    /// What machines of a site would fetch and is not there.
    pub(crate) async fn missing(&self, site: &Aws) -> Result<Vec<Missing>, Failure> {
        let live = Live::open(self.estate, self.templates, &[site], Journal::new(Mode::Look)).await?;
        match live.parts.get(site.typed().name.as_str()) {
            Some(part) => Ok(part.session.missing(&part.desired.fetched).await),
            None => Ok(Vec::new()),
        }
    }

    /// Looks at a site. `quiet` shows nothing while hosts are looked at.
    pub(crate) async fn look(&self, site: &Site, quiet: bool) -> Result<Looked, Failure> {
        match site {
            Site::Aws(aws) => {
                let journal = Journal::new(Mode::Look);
                let mut live = Live::open(self.estate, self.templates, &[&**aws], journal.clone()).await?;
                live.observe().await?;
                let planner = Planner {
                    estate: self.estate,
                    templates: self.templates,
                    table: &self.table,
                    against: Against::Live(&live.observed),
                    named: Default::default(),
                    purpose: Purpose::Compare,
                    digests: &self.digests,
                    lock: &self.lock,
                };
                let plan = planner.plan(&[&**aws], false)?;
                let drift = live.drift(&[&**aws], &plan).await.pop().unwrap_or_else(|| empty(site));
                let access = Entered { live: Some(&live), onprem: None }.access(site, &drift.place);
                let observed = live.observed.remove(site.name().as_str());
                Ok(Looked { access, drift, observed, calls: journal.calls(), is_cut: false })
            }
            Site::OnPrem(host) => {
                let wish = |site: &_| desired(site, self.templates, self.api);
                let mut onprem =
                    OnPremises::open(&[&**host], wish, self.forks, Doing::Work("drift"))?.with_tenants()?;
                onprem.observe(quiet).await;
                let drift = onprem.drift().pop().unwrap_or_else(|| empty(site));
                let access = Entered { live: None, onprem: Some(&onprem) }.access(site, &drift.place);
                Ok(Looked { access, drift, observed: None, calls: Vec::new(), is_cut: false })
            }
        }
    }
}

/// Where a site stands, for the eye.
pub(crate) fn place(site: &Site) -> String {
    match site {
        Site::Aws(site) => planner::place(site),
        Site::OnPrem(site) => hosts::place(site),
    }
}

/// A site of which nothing is known yet.
fn empty(site: &Site) -> SiteDrift {
    SiteDrift { site: site.name().to_string(), place: place(site), ..SiteDrift::default() }
}

impl Looked {
    /// A site that could not be looked at, and why.
    pub(crate) fn not(site: &Site, why: String) -> Self {
        let mut drift = empty(site);
        drift.findings.push(Finding {
            target: drift.site.clone(),
            resource: String::new(),
            kind: String::new(),
            physical: String::new(),
            state: State::NotChecked { why },
            age: None,
        });
        let access = Entered::default().access(site, &drift.place);
        Self { access, drift, observed: None, calls: Vec::new(), is_cut: false }
    }

    /// A site that the run's deadline came before.
    pub(crate) fn cut(site: &Site) -> Self {
        Self { is_cut: true, ..Self::not(site, "the run came to its deadline before it".to_owned()) }
    }

    /// The same, by what failed.
    pub(crate) fn failed(site: &Site, failure: &Failure) -> Self {
        Self::not(site, view::failure::line(failure))
    }
}
