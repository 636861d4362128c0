//! `incline lock`
use crate::arguments::{Common, Lock as Options, Pin};
use crate::error::{Exit, Failure};
use crate::{estate, view};
use incline_model::fault::Fault;
use incline_model::inventory::{Content, FormatVersion};
use incline_model::lock::{Ami, Artifact, FILE_NAME, Image, Lock};
use sha2::{Digest, Sha512};
use std::io::Read;
use std::path::Path;

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let path = common.inventories.join(FILE_NAME);
    let mut lock = load(&path)?;
    match &options.what {
        Pin::Status => return status(common, &lock),
        Pin::Artifact { name, kubernetes, file, source } => {
            let (size, sha512) = hash(file)?;
            let artifact = Artifact {
                name: name.parse()?,
                kubernetes: kubernetes.parse()?,
                source: source.parse()?,
                file: file.file_name().and_then(|name| name.to_str()).unwrap_or_default().parse()?,
                size: u32::try_from(size).map_err(|_| Failure::Other {
                    cause: format!("{} is larger than 4 GiB", file.display()),
                    hint: None,
                })?,
                sha512: sha512.parse()?,
            };
            lock.artifacts.retain(|other| (&other.name, &other.kubernetes) != (&artifact.name, &artifact.kubernetes));
            lock.artifacts.push(artifact);
        }
        Pin::Image { name, tag, digest, kubernetes, source } => {
            let image = Image {
                name: name.parse()?,
                tag: tag.parse()?,
                kubernetes: kubernetes.parse()?,
                source: source.parse()?,
                digest: digest.parse()?,
            };
            lock.images.retain(|other| (&other.name, &other.kubernetes) != (&image.name, &image.kubernetes));
            lock.images.push(image);
        }
        Pin::Ami { region, id, release } => {
            let ami = Ami { region: region.parse()?, id: id.parse()?, release: release.parse()? };
            lock.amis.retain(|other| other.region != ami.region);
            lock.amis.push(ami);
        }
    }
    // Beside, then over: a full disk never leaves half a lock file.
    let beside = path.with_extension("lock.new");
    std::fs::write(&beside, lock.to_text()).map_err(Failure::file("write", &beside))?;
    std::fs::rename(&beside, &path).map_err(Failure::file("write", &path))?;
    view::say(&format!("{} written. Review the change and commit it.\n", path.display()))?;
    Ok(Exit::Done)
}

fn load(path: &Path) -> Result<Lock, Failure> {
    if !path.exists() {
        return Ok(Lock { version: FormatVersion::V1, artifacts: Vec::new(), images: Vec::new(), amis: Vec::new() });
    }
    let text = std::fs::read_to_string(path).map_err(Failure::file("read", path))?;
    let name = path.display().to_string();
    Lock::parse(&name, &text).map_err(|faults: Vec<Fault>| estate::failure(faults, [(name, text)].into()))
}

fn hash(path: &Path) -> Result<(u64, String), Failure> {
    let mut file = std::fs::File::open(path).map_err(Failure::file("read", path))?;
    let (mut hasher, mut size, mut buffer) = (Sha512::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer).map_err(Failure::file("read", path))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
    Ok((size, incline_model::hex(&hasher.finalize())))
}

fn status(common: &Common, lock: &Lock) -> Result<Exit, Failure> {
    let source = estate::read(common)?;
    let mut missing = 0;
    let mut text = String::new();
    for inventory in &source.inventories {
        let pinned = match &inventory.content {
            Content::Aws(site) => lock
                .pins(&site.kubernetes.version, &site.region)
                .map(|pins| format!("Kubernetes {} and {} are", site.kubernetes.version, pins.ami.id.as_str())),
            Content::OnPrem(site) => lock
                .host_pins(&site.kubernetes.version, site.nfs.is_some())
                .map(|_| format!("Kubernetes {} is", site.kubernetes.version)),
        };
        let name = inventory.content.name();
        match pinned {
            Ok(what) => text.push_str(&format!("{name}: {what} pinned\n")),
            Err(unpinned) => {
                missing += unpinned.len();
                for thing in unpinned {
                    text.push_str(&format!("{name}: {}\n", thing.cause));
                    text.push_str(&thing.hint.map_or(String::new(), |hint| format!("    {hint}\n")));
                }
            }
        }
    }
    view::say(&text)?;
    Ok(if missing == 0 { Exit::Done } else { Exit::Failed })
}
