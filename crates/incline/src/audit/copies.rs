//! Copies of an audit trail that its sites keep: pieces of it in S3, the digest of its end on hosts.
use super::Entered;
use incline_audit::{Checked, Head, What, check, pieces};
use incline_host::Anchor;
use incline_model::site::Site;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

/// On how many of a site's hosts the end of a trail is kept: one may be lost, and another may lie.
const HOSTS: usize = 3;

/// The seconds of a year of 365.25 days.
const YEAR: u64 = 31_557_600;

/// Has a site keep a copy of a trail's end: in S3, all records since the last run of the site that came to its end; on hosts, the
/// end's digest.
pub(crate) async fn keep(
    entered: &Entered<'_>,
    site: &Site,
    hosts: &BTreeSet<String>,
    (text, trail): (&[u8], &Checked),
    head: &Head,
) -> Result<(), String> {
    let name = site.name().as_str();
    if let Some(part) = entered.live.and_then(|live| live.parts.get(name)) {
        let Some((bucket, years)) = bucket(entered, site).await? else { return Ok(()) };
        let first = since_last_run(trail, name, head.sequence);
        let until = years.map(|years| SystemTime::now() + Duration::from_secs(u64::from(years) * YEAR));
        let until = until.map(|until| humantime::format_rfc3339_seconds(until).to_string());
        let piece = pieces(text, first..=head.sequence);
        let range = (first, head.sequence);
        let kept = part.session.keep_copy(&bucket, &head.trail, range, until.as_deref(), &piece).await;
        return kept.map_err(|error| error.to_string());
    }
    let Some(onprem) = entered.onprem else { return Ok(()) };
    let line = serde_json::to_string(head).map_err(|error| error.to_string())?;
    for host in hosts.iter().take(HOSTS) {
        let change = Anchor(&head.trail).keep(&line)?;
        let kept = onprem.hosts.change(name, host, change).await;
        kept.map_err(|trouble| format!("{host}: {}", trouble.cause))?;
    }
    Ok(())
}

/// The bucket that keeps a site's copies, and for how many years; nothing where the site has none yet.
async fn bucket(entered: &Entered<'_>, site: &Site) -> Result<Option<(String, Option<u8>)>, String> {
    if let Some(copies) = site.safeguards().and_then(|safeguards| safeguards.audit_copies.as_ref()) {
        return Ok(Some((copies.bucket.to_string(), Some(copies.years))));
    }
    let name = site.name().as_str();
    let Some(part) = entered.live.and_then(|live| live.parts.get(name)) else { return Ok(None) };
    let outputs = part.session.outputs(&format!("{name}-data")).await.map_err(|error| error.to_string())?;
    Ok(outputs.and_then(|outputs| Some((outputs.get("ArtifactBucketName")?.clone(), None))))
}

/// The first record after the last run of a site that came to its end, before this one.
fn since_last_run(trail: &Checked, site: &str, now: u64) -> u64 {
    let runs: BTreeSet<u64> =
        trail.records.iter().filter(|(record, _)| record.what.is_about(site)).map(|(r, _)| r.sequence).collect();
    let ended = trail.records.iter().rev().filter(|(record, _)| {
        matches!(record.what, What::Ended { .. }) && record.run.is_some_and(|run| runs.contains(&run))
    });
    ended.map(|(record, _)| record.sequence).find(|sequence| *sequence < now).map_or(1, |sequence| sequence + 1)
}

/// What a site's copies say of a trail.
#[derive(Debug, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Said {
    /// The site.
    pub(crate) site: String,
    /// How many copies bear the trail out.
    pub(crate) agree: usize,
    /// The last record that a copy knows.
    pub(crate) last: u64,
    /// What is against it, or against the copies themselves.
    pub(crate) against: Vec<String>,
    /// Where nobody could look.
    pub(crate) unknown: Vec<String>,
    /// Other trails that the site keeps copies of, with how many: those of other machines.
    pub(crate) others: BTreeMap<String, usize>,
}

/// Compares a trail with the copies that a site keeps of it.
pub(crate) async fn compare(entered: &Entered<'_>, site: &Site, trail: &Checked) -> Said {
    let name = site.name().as_str();
    let mut said = Said { site: name.to_owned(), ..Said::default() };
    let own = trail.head().map(|head| head.trail).unwrap_or_default();
    if let Some(part) = entered.live.and_then(|live| live.parts.get(name)) {
        let copies = match bucket(entered, site).await {
            Ok(Some((bucket, _))) => part.session.copies(&bucket).await.map_err(|error| error.to_string()),
            Ok(None) => Ok(Vec::new()),
            Err(why) => Err(why),
        };
        match copies {
            Ok(copies) => copies.iter().for_each(|(key, piece)| said.piece(trail, &own, key, piece)),
            Err(why) => said.unknown.push(why),
        }
        return said;
    }
    let Some(onprem) = entered.onprem else { return said };
    let anchor = Anchor(&own);
    let hosts: Vec<&str> =
        onprem.hosts.parts().filter(|part| part.site == name).map(|part| part.host.name.as_str()).collect();
    let asked = hosts.iter().map(|host| async {
        let answers = onprem.hosts.ask(name, host, anchor.asks()).await.map_err(|trouble| trouble.cause)?;
        anchor.kept(&answers)
    });
    for (host, kept) in hosts.iter().zip(futures_util::future::join_all(asked).await) {
        match kept {
            Ok(None) => {}
            Ok(Some(text)) => match serde_json::from_str::<Head>(&text) {
                Ok(head) => said.head(trail, host, &head),
                Err(_) => said.against.push(format!("{host}: what it kept was changed")),
            },
            Err(why) => said.unknown.push(format!("{host}: {why}")),
        }
    }
    said
}

impl Said {
    fn head(&mut self, trail: &Checked, place: &str, head: &Head) {
        match trail.compare(head) {
            None => {
                self.agree += 1;
                self.last = self.last.max(head.sequence);
            }
            Some(why) => self.against.push(format!("{place}: {why}")),
        }
    }

    fn piece(&mut self, trail: &Checked, own: &str, key: &str, piece: &[u8]) {
        let of = key.split('/').nth(1).unwrap_or_default();
        let checked = check(piece, false);
        if let Some(flaw) = checked.flaws.first() {
            self.against.push(format!("{key}: line {}: {}", flaw.line, flaw.why));
        } else if of != own {
            *self.others.entry(of.to_owned()).or_default() += 1;
        } else {
            let heads = checked.records.iter().map(|(record, digest)| Head {
                trail: record.trail.clone(),
                sequence: record.sequence,
                digest: digest.clone(),
            });
            match heads.clone().find_map(|head| trail.compare(&head)) {
                Some(why) => self.against.push(format!("{key}: {why}")),
                None => {
                    self.agree += 1;
                    self.last = self.last.max(heads.map(|head| head.sequence).max().unwrap_or(0));
                }
            }
        }
    }
}
