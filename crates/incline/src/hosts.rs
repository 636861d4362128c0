//! Asking what stands on premises, hosts and BIG-IPs: the ways to them, the secrets that they need, looking at what is there.
use crate::error::Failure;
use crate::view;
use incline_audit::Person;
use incline_f5::{Device, Tenants};
use incline_host::{Host, Secret, Secrets, Sighting};
use incline_model::drift::SiteDrift;
use incline_model::inventory::SecretSource;
use incline_model::plan::SitePlan;
use incline_model::site::OnPrem;
use incline_model::tenant::{Presence, Tenant};
use incline_render::{ApiBy, Templates, render_hosts, render_tenants};
use incline_ssh::{Config, Connections, Hosts, Keys, Part};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

/// How many hosts are worked on side by side, if nobody says otherwise: fifty at once take 25 MB, and sshd's
/// default MaxStartups of a jump host (10:30:100) begins to drop what comes in faster.
pub(crate) const FORKS: u16 = 64;

/// What hosts are opened for.
#[derive(Clone, Copy)]
pub(crate) enum Doing {
    /// They are not asked.
    Nothing,
    /// This command asks them.
    Work(&'static str),
}

/// On-prem sites, and the connections to their hosts.
pub(crate) struct OnPremises<'a> {
    sites: Vec<&'a OnPrem>,
    /// The hosts.
    pub(crate) hosts: Hosts,
    /// The BIG-IPs in front of them.
    pub(crate) tenants: Tenants,
    seen: BTreeMap<String, BTreeMap<String, Sighting>>,
    seen_tenants: BTreeMap<String, Presence>,
    doing: Doing,
}

impl<'a> OnPremises<'a> {
    /// Takes the hosts of some sites as they must be, and finds the secrets that looking at them needs. Nothing is connected to yet.
    pub(crate) fn open(
        sites: &[&'a OnPrem],
        wish: impl Fn(&OnPrem) -> Result<Vec<Host>, Failure>,
        forks: u16,
        doing: Doing,
    ) -> Result<Self, Failure> {
        let config = Config::read().map_err(|cause| Failure::Other { cause, hint: None })?;
        let mut parts = Vec::new();
        for site in sites {
            let typed = site.typed();
            let hosts = wish(site)?;
            parts.extend(typed.hosts.iter().zip(hosts).map(|(host, wish)| Part {
                site: typed.name.to_string(),
                route: config.route(typed, host),
                host: wish,
            }));
        }
        let (secrets, local) = match doing {
            Doing::Nothing => (Secrets::new(), BTreeMap::new()),
            Doing::Work(_) => (secrets(&parts)?, local(&parts)?),
        };
        let connections = Connections::new(Keys::new(view::ask::hidden));
        let hosts = Hosts::new(parts, connections, secrets, local, who(doing), usize::from(forks));
        let (seen, seen_tenants) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { sites: sites.to_vec(), hosts, tenants: Tenants::default(), seen, seen_tenants, doing })
    }

    /// The same, with the BIG-IPs in front of the hosts.
    pub(crate) fn with_tenants(self) -> Result<Self, Failure> {
        let tenants = tenants(&self.sites, self.doing)?;
        Ok(Self { tenants, ..self })
    }

    /// Looks at all hosts, side by side.
    pub(crate) async fn observe(&mut self, json: bool) {
        let count = self.hosts.parts().count();
        if count == 0 {
            return;
        }
        let looking = view::looking::Looking::new(count, json);
        let hosts = self.hosts.observe(|sighting| looking.told(sighting));
        let (seen, tenants) = tokio::join!(hosts, self.tenants.observe());
        // Who goes on to change something signs in anew.
        self.tenants.close().await;
        looking.close();
        self.seen_tenants = tenants;
        for ((site, host), sighting) in seen {
            self.seen.entry(site).or_default().insert(host, sighting);
        }
    }

    /// The plans of the sites, by what was seen; or, where nobody looked, as if nothing were there.
    pub(crate) fn plan(&self) -> Vec<SitePlan> {
        self.each(|site, hosts, seen| {
            let name = site.typed().name.as_str();
            let mut plan = incline_plan::plan_hosts(name, hosts, seen, self.hosts.secrets());
            let addresses: Vec<(&str, String)> =
                site.typed().hosts.iter().map(|host| (host.name.as_str(), host.address.to_string())).collect();
            let tenants: Vec<&Tenant> = self.tenants.of(name).collect();
            incline_plan::plan_tenants(name, &addresses, &tenants, &self.seen_tenants, &mut plan);
            SitePlan { place: place(site), ..plan }
        })
    }

    /// The plan that removes what incline made on the hosts of a site, given what they would be.
    pub(crate) fn removal(&self, wished: &[Host]) -> Option<SitePlan> {
        let wished: Vec<&Host> = wished.iter().collect();
        let plans = self.each(|site, bare, seen| {
            let name = site.typed().name.as_str();
            let mut plan = incline_plan::remove_hosts(name, &wished, bare, seen, self.hosts.secrets());
            incline_plan::remove_tenants(name, self.tenants.of(name), &self.seen_tenants, &mut plan);
            SitePlan { place: place(site), ..plan }
        });
        plans.into_iter().next()
    }

    /// A site's hosts that were looked at, as they must be and as they were seen.
    pub(crate) fn sighted(&self, site: &str) -> impl Iterator<Item = (&Host, &Sighting)> {
        let parts = self.hosts.parts().filter(move |part| part.site == site);
        parts.filter_map(move |part| Some((&part.host, self.seen.get(site)?.get(&part.host.name)?)))
    }

    /// What no longer holds.
    pub(crate) fn drift(&self) -> Vec<SiteDrift> {
        self.each(|site, hosts, seen| {
            let name = site.typed().name.as_str();
            let mut drift = incline_plan::drift_hosts(name, hosts, seen, self.hosts.secrets());
            let (in_sync, findings) = incline_plan::drift_tenants(name, self.tenants.of(name), &self.seen_tenants);
            drift.in_sync += in_sync;
            drift.findings.extend(findings);
            drift.findings.sort();
            SiteDrift { place: place(site), ..drift }
        })
    }

    fn each<T>(&self, work: impl Fn(&OnPrem, &[&Host], &BTreeMap<String, Sighting>) -> T) -> Vec<T> {
        let nothing = BTreeMap::new();
        let one = |site: &&OnPrem| {
            let name = site.typed().name.as_str();
            let hosts: Vec<&Host> =
                self.hosts.parts().filter(|part| part.site == name).map(|part| &part.host).collect();
            work(site, &hosts, self.seen.get(name).unwrap_or(&nothing))
        };
        self.sites.iter().map(one).collect()
    }
}

/// What the hosts of a site must have.
pub(crate) fn desired(site: &OnPrem, templates: &Templates, api: ApiBy) -> Result<Vec<Host>, Failure> {
    render_hosts(site, templates, api).map_err(|source| Failure::Render { site: site.typed().name.to_string(), source })
}

/// The BIG-IPs of some sites.
fn tenants(sites: &[&OnPrem], doing: Doing) -> Result<Tenants, Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut devices = Vec::new();
    for site in sites {
        let typed = site.typed();
        let Some(f5) = &typed.f5 else { continue };
        let tenants = render_tenants(site);
        let password = match doing {
            Doing::Nothing => Secret::new(Vec::new()),
            Doing::Work(_) => secret(&f5.password)?,
        };
        let hosts = typed.hosts.iter().map(|host| (host.name.to_string(), host.address.to_string())).collect();
        let site = typed.name.as_str();
        devices.push(Device::new(site, f5, hosts, password, tenants, &who(doing), incline_ssh::local));
    }
    Ok(Tenants::new(devices, now))
}

/// Where a site stands, for the eye.
pub(crate) fn place(site: &OnPrem) -> String {
    format!("on premises, {}", view::count(site.typed().hosts.len(), "host"))
}

/// Who is at work, for whoever finds a host locked: `incline apply of anna@ops-1 (4711) since 2026-11-24T03:12:00Z`.
fn who(doing: Doing) -> String {
    let doing = match doing {
        Doing::Nothing => "",
        Doing::Work(command) => command,
    };
    let since = humantime::format_rfc3339_seconds(SystemTime::now());
    format!("incline {doing} of {} since {since}", Person::here())
}

/// Finds the secrets that are needed, each once.
fn secrets(parts: &[Part]) -> Result<Secrets, Failure> {
    let sources: BTreeSet<&SecretSource> = parts.iter().flat_map(Part::secrets).collect();
    sources.into_iter().map(|source| Ok((source.clone(), secret(source)?))).collect()
}

pub(crate) fn secret(source: &SecretSource) -> Result<Secret, Failure> {
    let missing = |cause: String, hint: &str| Failure::Other { cause, hint: Some(hint.to_owned()) };
    let bytes = match source {
        SecretSource::Env(name) => std::env::var(name.as_str()).map(String::into_bytes).map_err(|_| {
            missing(format!("the secret in ${name} is not set"), "set the environment variable for this run")
        })?,
        SecretSource::Prompt => view::ask::hidden("Password for root's rights on the hosts: ")
            .map(|text| text.as_bytes().to_vec())
            .ok_or_else(|| {
                missing(
                    "a secret is needed, and there is nobody to ask for it".to_owned(),
                    "give it by `env` or `file`",
                )
            })?,
        SecretSource::File(path) => {
            let path = incline_ssh::local(path);
            let mode = std::fs::metadata(&path).map_err(Failure::file("read", &path))?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(missing(
                    format!("{} is a secret that others may read (mode {:04o})", path.display(), mode & 0o7777),
                    "chmod 600",
                ));
            }
            let mut bytes = std::fs::read(&path).map_err(Failure::file("read", &path))?;
            // Editors end a file with a newline; a password has none.
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            bytes
        }
    };
    Ok(Secret::new(bytes))
}

/// The lengths of files that may be sent.
fn local(parts: &[Part]) -> Result<BTreeMap<String, u64>, Failure> {
    let files: BTreeSet<&str> = parts.iter().flat_map(|part| part.host.local()).collect();
    let length = |file: &str| {
        let facts = std::fs::metadata(Path::new(file)).map_err(Failure::file("read", file))?;
        Ok((file.to_owned(), facts.len()))
    };
    files.into_iter().map(length).collect()
}
