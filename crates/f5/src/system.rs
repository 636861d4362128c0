//! Tenants of sites, as a system that plans are carried out on.
use crate::client::Session;
use crate::error::Error;
use crate::propose::{Proposal, propose};
use crate::read::{self, COLLECTIONS, Collected};
use crate::trust;
use futures_util::future::join_all;
use incline_exec::{Ended, Lane, Look, Say, System};
use incline_host::Secret;
use incline_model::event::Trouble;
use incline_model::inventory::onprem::F5;
use incline_model::plan::{Expectation, Step, Verb};
use incline_model::scalar::LocalPath;
use incline_model::tenant::{Objects, Presence, Tenant, is_member};
use incline_plan::{DRAIN, REJOIN, tenant_fingerprint, tenant_target};
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

/// How long AS3 may work on one declaration. A partition of a thousand virtual servers takes minutes.
const LONGEST: Duration = Duration::from_secs(1800);
/// A certificate that ends within so many days is told.
const DAYS_LEFT: u64 = 30;

/// The device of a site, and what it must hold.
pub struct Device {
    site: String,
    f5: F5,
    password: Secret,
    /// Finds a file that the inventory names.
    local: fn(&LocalPath) -> PathBuf,
    tenants: Vec<Tenant>,
    /// The addresses of the site's hosts.
    hosts: BTreeMap<String, String>,
    /// Who is at work, for the device's own log.
    who: String,
    session: Mutex<Option<Session>>,
}

/// The devices of some sites.
#[derive(Default)]
pub struct Tenants {
    devices: Vec<Device>,
    /// Seconds since 1970, by which certificates end.
    now: u64,
}

impl Device {
    /// A device that nobody has asked yet. `local` finds a file of the inventory's.
    pub fn new(
        site: &str,
        f5: &F5,
        hosts: BTreeMap<String, String>,
        password: Secret,
        tenants: Vec<Tenant>,
        who: &str,
        local: fn(&LocalPath) -> PathBuf,
    ) -> Self {
        // What AS3 takes as the id of a declaration.
        let fits = |c: char| c.is_ascii_alphanumeric() || "@.:-_".contains(c);
        let who = who.chars().map(|c| if fits(c) { c } else { '-' }).take(200).collect();
        let (site, f5) = (site.to_owned(), f5.clone());
        Self { site, f5, password, local, tenants, hosts, who, session: Mutex::default() }
    }

    /// The session with the unit that is active; a new one where there is none, or none any more.
    async fn session(&self) -> Result<MappedMutexGuard<'_, Session>, Error> {
        let mut session = self.session.lock().await;
        let new = match session.take() {
            Some(open) => open,
            None => self.sign_in().await?,
        };
        Ok(MutexGuard::map(session, |session| session.insert(new)))
    }

    async fn sign_in(&self) -> Result<Session, Error> {
        let tls = trust::config(&self.f5.trust, self.local)?;
        let mut others = Vec::new();
        for unit in &self.f5.units {
            let user = self.f5.user.as_str();
            let mut session = Session::new(unit.as_str(), user, self.password.clone(), tls.clone())?;
            let is_active = self.f5.units.len() == 1 || {
                match session.get("/mgmt/tm/cm/failover-status").await {
                    Ok(status) => failover(&status) == "ACTIVE",
                    // One of a pair may be dead; that is what there are two for.
                    Err(error) => {
                        others.push(error.to_string());
                        continue;
                    }
                }
            };
            if is_active {
                self.is_fit(&mut session).await?;
                return Ok(session);
            }
            others.push(format!("{unit} stands by"));
            session.close().await;
        }
        Err(Error::NoneActive(others.join("; ")))
    }

    /// Whether the unit can do what is asked of it.
    async fn is_fit(&self, session: &mut Session) -> Result<(), Error> {
        let unit = session.unit.clone();
        let unfit = |why: String| Error::Unfit { unit: unit.clone(), why };
        let info = session.find("/mgmt/shared/appsvcs/info").await?;
        let Some(version) = info.as_ref().and_then(|info| info["version"].as_str()) else {
            return Err(unfit("AS3 is not installed".to_owned()));
        };
        let parts =
            |version: &str| version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok()).collect::<Vec<_>>();
        let least = incline_model::tenant::SCHEMA_VERSION;
        if parts(version) < parts(least) {
            return Err(unfit(format!("it has AS3 {version}, and {least} is the least")));
        }
        let has_waf = self.tenants.iter().any(|tenant| tenant.declaration.to_string().contains("\"policyWAF\""));
        for module in ["ltm"].into_iter().chain(has_waf.then_some("asm")) {
            let provisioned = session.get(&format!("/mgmt/tm/sys/provision/{module}")).await?;
            if matches!(provisioned["level"].as_str(), None | Some("none")) {
                return Err(unfit(format!("{module} is not provisioned")));
            }
        }
        Ok(())
    }

    /// Looks at a tenant.
    async fn look(&self, tenant: &Tenant, now: u64) -> Presence {
        match self.read(tenant, now).await {
            Ok(presence) => presence,
            Err(error) => Presence::Unreachable { why: error.to_string(), hint: error.hint() },
        }
    }

    async fn read(&self, tenant: &Tenant, now: u64) -> Result<Presence, Error> {
        let mut session = self.session().await?;
        if session.find(&format!("/mgmt/tm/auth/partition/{}", tenant.name)).await?.is_none() {
            return Ok(Presence::Absent);
        }
        let declared = session.find(&format!("/mgmt/shared/appsvcs/declare/{}?show=base", tenant.name)).await?;
        let body = declared.as_ref().map(|declared| {
            let whole = if declared["class"] == "AS3" { &declared["declaration"] } else { declared };
            &whole[tenant.name.as_str()]
        });
        let said = |key: &str| body.and_then(|body| body[key].as_str()).map(ToOwned::to_owned);
        let (label, remark) = (said("label"), said("remark"));
        let collected = collect(&mut session, &tenant.name).await?;
        let objects = read::objects(&collected);
        let warnings = warnings(&mut session, &tenant.objects, now).await?;
        Ok(Presence::Present { label, declared: remark, objects, warnings })
    }

    /// Reads a partition that somebody else made, and says what an inventory would say of it.
    ///
    /// # Errors
    /// The device does not answer, or has no such partition.
    pub async fn import(&self, partition: &str) -> Result<Proposal, Error> {
        let mut session = self.session().await?;
        session.get(&format!("/mgmt/tm/auth/partition/{partition}")).await?;
        Ok(propose(&collect(&mut session, partition).await?))
    }

    fn request(&self, tenant: &Tenant) -> Value {
        tenant.request(&self.who, self.f5.sync_to.as_ref().map(|group| group.as_str()))
    }

    /// Whether a host is disabled in all pools that it is a member of.
    async fn is_drained(&self, address: &str, now: u64) -> Result<bool, Error> {
        for tenant in self.tenants.iter().filter(|tenant| tenant.has_member(address)) {
            let Presence::Present { objects, .. } = self.read(tenant, now).await? else { return Ok(false) };
            let mut mine = objects.iter().filter(|(id, _)| is_member(id, address));
            if mine.any(|(_, member)| member.get("enabled") != Some(&false.into())) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lets a host take nothing new and waits until its connections have come to their end, or for as long as the inventory bears;
    /// or brings it back.
    async fn drain(&self, address: &str, is_back: bool) -> Result<(), Trouble> {
        for tenant in self.tenants.iter().filter(|tenant| tenant.has_member(address)) {
            let request = if is_back { self.request(tenant) } else { self.request(&tenant.drained(address)) };
            self.declare(tenant, Method::POST, Some(request)).await?;
        }
        if is_back {
            return Ok(());
        }
        let begun = tokio::time::Instant::now();
        let longest = Duration::from_secs(self.f5.drain_seconds.into());
        while self.connections(address).await? > 0 {
            if begun.elapsed() >= longest {
                tracing::warn!(site = self.site, address, "connections are left; the work begins all the same");
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// How many connections a host has through the site's pools.
    async fn connections(&self, address: &str) -> Result<u64, Error> {
        let mut session = self.session().await?;
        let mut sum = 0;
        for tenant in self.tenants.iter().filter(|tenant| tenant.has_member(address)) {
            for pool in read::pools(tenant) {
                let path = format!("/mgmt/tm/ltm/pool/{}/members/stats", read::tilde(&pool));
                if let Some(stats) = session.find(&path).await? {
                    sum += read::connections(&stats, address);
                }
            }
        }
        Ok(sum)
    }

    /// Declares a tenant, or takes it away, and follows that to its end.
    async fn declare(&self, tenant: &Tenant, method: Method, request: Option<Value>) -> Result<(), Trouble> {
        let mut session = self.session().await?;
        let path = format!("/mgmt/shared/appsvcs/declare/{}?async=true", tenant.name);
        let mut answer = session.ask(method, &path, request.as_ref()).await?;
        let begun = tokio::time::Instant::now();
        let mut wait = Duration::from_millis(200);
        loop {
            match read::results(&answer.body) {
                read::Result::Done if answer.status < 300 => return Ok(()),
                read::Result::Failed(said) => {
                    let (first, rest) = said.split_first().map_or(("it says nothing of why", &[][..]), |(a, b)| (a, b));
                    return Err(Trouble::new(format!("{}: {first}", session.unit)).details(rest.to_vec()));
                }
                read::Result::Done => return Err(Trouble::new(format!("{} answered {}", session.unit, answer.status))),
                read::Result::Working => {}
            }
            // The host in selfLink is the device's own idea of itself.
            let Some(task) = answer.body["id"].as_str().map(ToOwned::to_owned) else {
                return Err(Error::Strange { unit: session.unit.clone(), what: "the number of a task" }.into());
            };
            if begun.elapsed() > LONGEST {
                return Err(Trouble::new(format!("{} has not ended after half an hour", session.unit))
                    .hint("it goes on there; look at it, and plan again once it is still"));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
            answer = session.ask(Method::GET, &format!("/mgmt/shared/appsvcs/task/{task}"), None).await?;
            if answer.status == 404 {
                return Err(Trouble::new(format!("{} has forgotten what it was at work on", session.unit))
                    .hint("it has started anew meanwhile: plan again"));
            }
        }
    }
}

/// All that a partition holds of what we know.
async fn collect(session: &mut Session, partition: &str) -> Result<Collected, Error> {
    let mut collected = Collected::new();
    for (name, path) in COLLECTIONS {
        let answer = session.find(&read::collection(path, partition)).await?;
        let items = answer.and_then(|answer| answer["items"].as_array().cloned()).unwrap_or_default();
        collected.insert(name, items);
    }
    Ok(collected)
}

/// Whether a unit of a pair is the active one, in its own word.
fn failover(status: &Value) -> String {
    let entries = status["entries"].as_object().into_iter().flatten();
    let mut states = entries.filter_map(|(_, entry)| {
        entry["nestedStats"]["entries"]["status"]["description"].as_str().map(ToOwned::to_owned)
    });
    states.next().unwrap_or_default()
}

/// The certificates on the device that a tenant needs, and that end soon or are not there.
async fn warnings(session: &mut Session, wished: &Objects, now: u64) -> Result<Vec<String>, Error> {
    let mut warnings = Vec::new();
    for path in read::certificates(wished) {
        let found = session.find(&format!("/mgmt/tm/sys/file/ssl-cert/{}", read::tilde(path))).await?;
        match found.and_then(|found| found["expirationDate"].as_u64()) {
            None => warnings.push(format!("{path} is not on the device")),
            Some(end) if end <= now => warnings.push(format!("{path} has ended")),
            Some(end) if end - now < DAYS_LEFT * 86_400 => {
                warnings.push(format!("{path} ends in {} days", (end - now) / 86_400));
            }
            Some(_) => {}
        }
    }
    warnings.sort();
    warnings.dedup();
    Ok(warnings)
}

impl Tenants {
    /// The devices of some sites, at a moment (seconds since 1970).
    pub fn new(devices: Vec<Device>, now: u64) -> Self {
        Self { devices, now }
    }

    /// What the devices of a site must hold.
    pub fn of(&self, site: &str) -> impl Iterator<Item = &Tenant> {
        self.devices.iter().filter(move |device| device.site == site).flat_map(|device| &device.tenants)
    }

    /// The devices.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter()
    }

    /// Looks at all tenants, devices side by side; by target.
    pub async fn observe(&self) -> BTreeMap<String, Presence> {
        let looks = self.devices.iter().map(|device| async move {
            let mut seen = Vec::new();
            for tenant in &device.tenants {
                seen.push((tenant_target(&device.site, tenant), device.look(tenant, self.now).await));
            }
            seen
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    /// Gives all tokens back.
    pub async fn close(&self) {
        for device in &self.devices {
            if let Some(mut session) = device.session.lock().await.take() {
                session.close().await;
            }
        }
    }

    /// The device, the host's address, and whether it is brought back, where a target is about draining one.
    fn drain(&self, target: &str) -> Option<(&Device, &str, bool)> {
        let mut words = target.split('/');
        let (site, what, host) = (words.next()?, words.next()?, words.next()?);
        let device = self.devices.iter().find(|device| device.site == site)?;
        let is_back = match what {
            DRAIN => false,
            REJOIN => true,
            _ => return None,
        };
        Some((device, device.hosts.get(host)?.as_str(), is_back))
    }

    fn place(&self, target: &str) -> Result<(&Device, &Tenant), Trouble> {
        let all = self.devices.iter().flat_map(|device| device.tenants.iter().map(move |tenant| (device, tenant)));
        let mut found = all.filter(|(device, tenant)| tenant_target(&device.site, tenant) == target);
        found.next().ok_or_else(|| Trouble::new("there is no such tenant"))
    }
}

impl System for Tenants {
    fn lane(&self, _: &Step) -> Lane {
        Lane { name: "tenants", width: 8 }
    }

    async fn look(&self, step: &Step) -> Result<Look, Trouble> {
        if let Some((device, address, is_back)) = self.drain(&step.target) {
            let is_fulfilled = device.is_drained(address, self.now).await? != is_back;
            return Ok(Look { is_fulfilled, is: Expectation::Absent });
        }
        let (device, tenant) = self.place(&step.target)?;
        let presence = device.read(tenant, self.now).await?;
        Ok(Look {
            is_fulfilled: match step.verb {
                Verb::Remove => presence == Presence::Absent,
                _ => incline_plan::tenant_is_fulfilled(tenant, &presence),
            },
            is: Expectation::Seen(tenant_fingerprint(&presence)),
        })
    }

    async fn apply(&self, step: &Step, _: &Say) -> Result<(), Ended> {
        if let Some((device, address, is_back)) = self.drain(&step.target) {
            return device.drain(address, is_back).await.map_err(Ended::from);
        }
        let (device, tenant) = self.place(&step.target)?;
        let (method, request) = match step.verb {
            Verb::Remove => (Method::DELETE, None),
            _ => (Method::POST, Some(device.request(tenant))),
        };
        device.declare(tenant, method, request).await.map_err(Ended::from)
    }
}
