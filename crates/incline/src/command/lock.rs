//! `incline lock`
use crate::arguments::{Common, Lock as Options, Pin, Unpin};
use crate::error::{Exit, Failure};
use crate::estate::Wanted;
use crate::{estate, view};
use incline_model::fault::{Fault, did_you_mean};
use incline_model::lock::{self, Ami, Artifact, FILE_NAME, HEAD, Image, Known, Lock, Need, in_words};
use incline_model::scalar::{Region, Version};
use sha2::{Digest, Sha512};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let path = common.inventories.join(FILE_NAME);
    let mut lock = load(&path)?;
    match &options.what {
        Pin::Status => return status(common, &lock),
        Pin::Artifact { name, kubernetes, file, source } => {
            let known = lock::artifact(name).ok_or_else(|| unknown("artifact", name))?;
            let version: Version = kubernetes.parse()?;
            wanted(common, &Need::Artifact(known, version.clone()))?;
            let artifact = artifact(known, version, file, source)?;
            lock.artifacts.retain(|other| (&other.name, &other.kubernetes) != (&artifact.name, &artifact.kubernetes));
            lock.artifacts.push(artifact);
        }
        Pin::Image { name, tag, digest, kubernetes, source } => {
            let known = lock::image(name).ok_or_else(|| unknown("image", name))?;
            let image = Image {
                name: name.parse()?,
                tag: tag.parse()?,
                kubernetes: kubernetes.parse()?,
                source: source.parse()?,
                digest: digest.parse()?,
            };
            if known.tagged_by_version && *tag != format!("v{kubernetes}") {
                return Err(Failure::Other {
                    cause: format!("{name}:{tag} is not of Kubernetes {kubernetes}"),
                    hint: Some(format!("its tag is `v{kubernetes}`")),
                });
            }
            wanted(common, &Need::Image(known, image.kubernetes.clone()))?;
            lock.images.retain(|other| (&other.name, &other.kubernetes) != (&image.name, &image.kubernetes));
            lock.images.push(image);
        }
        Pin::Ami { region, id, release } => {
            let ami = Ami { region: region.parse()?, id: id.parse()?, release: release.parse()? };
            wanted(common, &Need::Ami(ami.region.clone()))?;
            lock.amis.retain(|other| other.region != ami.region);
            lock.amis.push(ami);
        }
        Pin::Remove { what } => remove(&mut lock, what)?,
    }
    // Beside, then over: a full disk never leaves half a lock file.
    let beside = path.with_extension("lock.new");
    std::fs::write(&beside, lock.to_text()).map_err(Failure::file("write", &beside))?;
    std::fs::rename(&beside, &path).map_err(Failure::file("write", &path))?;
    view::say(&format!("{} written. Review the change and commit it.\n", path.display()))?;
    Ok(Exit::Done)
}

fn unknown(kind: &str, name: &str) -> Failure {
    Failure::Usage { cause: format!("there is no {kind} `{name}`"), hint: "`incline lock status` lists all".to_owned() }
}

fn load(path: &Path) -> Result<Lock, Failure> {
    if !path.exists() {
        return Ok(Lock::default());
    }
    let text = std::fs::read_to_string(path).map_err(Failure::file("read", path))?;
    let name = path.display().to_string();
    Lock::parse(&name, &text).map_err(|faults: Vec<Fault>| estate::failure(faults, [(name, text)].into()))
}

/// Refuses what no site needs: a misspelt version or region would be pinned, and never found. While not all inventories can
/// be read, that is not known, and a warning says so.
fn wanted(common: &Common, need: &Need) -> Result<(), Failure> {
    let wanted = Wanted::read(common)?;
    if wanted.needs().any(|other| other == need) {
        return Ok(());
    }
    if let Some(path) = wanted.unread.first() {
        view::warn(&format!("not checked whether a site needs it: {} has faults (`incline check`)", path.display()));
        return Ok(());
    }
    if wanted.sites.is_empty() {
        view::warn(&format!("not checked whether a site needs it: no inventory in {}", common.inventories.display()));
        return Ok(());
    }
    // The same for another version or region.
    let alike: BTreeSet<String> = wanted
        .needs()
        .filter_map(|other| match (need, other) {
            (Need::Artifact(known, _), Need::Artifact(other, version)) if known == other => Some(version.to_string()),
            (Need::Image(known, _), Need::Image(other, version)) if known == other => Some(version.to_string()),
            (Need::Ami(_), Need::Ami(region)) => Some(region.to_string()),
            _ => None,
        })
        .collect();
    let sets = if matches!(need, Need::Ami(_)) { "region" } else { "kubernetes.version" };
    Err(Failure::Other {
        cause: format!("no site of {} needs it: {need}", common.inventories.display()),
        hint: Some(if alike.is_empty() {
            "`incline lock status` lists what sites need".to_owned()
        } else {
            let alike = alike.into_iter().collect::<Vec<_>>().join(", ");
            format!("sites need it for {alike}; set `{sets}` in an inventory before you pin for another")
        }),
    })
}

/// Checks that a file is what it is pinned as.
fn artifact(known: &Known, version: Version, file: &Path, source: &str) -> Result<Artifact, Failure> {
    let read = Read512::of(file, known.says_version.then(|| format!("v{version}")))?;
    known.check(&read.head).map_err(|invalid| Failure::Other {
        cause: format!("{} cannot be pinned: {}", file.display(), invalid.cause),
        hint: invalid.hint,
    })?;
    if !read.says {
        return Err(Failure::Other {
            cause: format!("{} cannot be pinned: it does not say that it is {} v{version}", file.display(), known.name),
            hint: Some("run it with `version` or `--version` to see what it is".to_owned()),
        });
    }
    Ok(Artifact {
        name: known.name.parse()?,
        kubernetes: version,
        source: source.parse()?,
        file: file.file_name().and_then(|name| name.to_str()).unwrap_or_default().parse()?,
        size: u32::try_from(read.size)
            .map_err(|_| Failure::Other { cause: format!("{} is larger than 4 GiB", file.display()), hint: None })?,
        sha512: read.sha512.parse()?,
    })
}

/// A file that was read once, from its beginning to its end.
struct Read512 {
    size: u64,
    sha512: String,
    /// Its first bytes.
    head: Vec<u8>,
    /// Whether it holds the text that was looked for.
    says: bool,
}

impl Read512 {
    /// Reads a file, and looks for a text in it.
    fn of(path: &Path, text: Option<String>) -> Result<Self, Failure> {
        let mut file = std::fs::File::open(path).map_err(Failure::file("read", path))?;
        let (mut hasher, mut buffer) = (Sha512::new(), vec![0; 1 << 16]);
        let (mut size, mut head, mut says) = (0, Vec::new(), text.is_none());
        let text = text.unwrap_or_default().into_bytes();
        // The end of what was read last: the text may lie across.
        let mut window: Vec<u8> = Vec::new();
        loop {
            let count = file.read(&mut buffer).map_err(Failure::file("read", path))?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
            hasher.update(read);
            size += count as u64;
            head.extend(read.iter().take(HEAD.saturating_sub(head.len())));
            if !says {
                window.extend_from_slice(read);
                says = holds(&window, &text);
                window.drain(..window.len().saturating_sub(text.len()));
            }
        }
        Ok(Self { size, sha512: incline_model::hex(&hasher.finalize()), head, says })
    }
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    let Some(first) = text.first() else { return true };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        let found = rest.get(at..).unwrap_or_default();
        // `v1.36.1` is not `v1.36.10`.
        if found.starts_with(text) && !found.get(text.len()).is_some_and(u8::is_ascii_digit) {
            return true;
        }
        rest = found.get(1..).unwrap_or_default();
    }
    false
}

fn remove(lock: &mut Lock, what: &Unpin) -> Result<(), Failure> {
    let before = lock.artifacts.len() + lock.images.len() + lock.amis.len();
    let words = match what {
        Unpin::Artifact { name, kubernetes } => {
            lock.artifacts.retain(|pin| (pin.name.as_str(), pin.kubernetes.as_str()) != (name, kubernetes));
            format!("artifact {name} {kubernetes}")
        }
        Unpin::Image { name, kubernetes } => {
            lock.images.retain(|pin| (pin.name.as_str(), pin.kubernetes.as_str()) != (name, kubernetes));
            format!("image {name} {kubernetes}")
        }
        Unpin::Ami { region } => {
            let region: Region = region.parse()?;
            lock.amis.retain(|pin| pin.region != region);
            format!("ami {region}")
        }
    };
    if lock.artifacts.len() + lock.images.len() + lock.amis.len() < before {
        return Ok(());
    }
    let all = lock.unused(&[]);
    Err(Failure::Other {
        cause: format!("{FILE_NAME} does not pin it: {words}"),
        hint: did_you_mean(&words, all.iter().map(String::as_str)),
    })
}

fn status(common: &Common, lock: &Lock) -> Result<Exit, Failure> {
    let source = estate::read(common)?;
    let mut text = String::new();
    let (mut needs, mut lacking) = (Vec::new(), BTreeSet::new());
    for inventory in &source.inventories {
        let (name, all) = (inventory.content.name(), Need::all(&inventory.content));
        let missing = lock.lacking(&inventory.content);
        text.push_str(&match missing.as_slice() {
            [] => format!("{name}: all pinned: {}\n", in_words(&all)),
            missing => format!("{name}: {} of {} not pinned\n", missing.len(), view::count(all.len(), "pin")),
        });
        for need in &missing {
            text.push_str(&format!("  {need}\n      {}\n      {}\n", need.command(), need.about()));
        }
        lacking.extend(missing);
        needs.extend(all);
    }
    for unused in lock.unused(&needs) {
        text.push_str(&format!("no site needs: {unused}\n      incline lock remove {unused}\n"));
    }
    view::say(&text)?;
    Ok(if lacking.is_empty() { Exit::Done } else { Exit::Failed })
}
