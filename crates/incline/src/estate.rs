//! Files on disk → inventories, lock file, templates. The only reading that commands do.
use crate::arguments::Common;
use crate::error::Failure;
use incline_model::desired::Desired;
use incline_model::estate::Estate;
use incline_model::fault::{Fault, did_you_mean};
use incline_model::inventory::{self, Inventory, Parser};
use incline_model::lock::{self, Lock, Need};
use incline_model::site::{Aws, Site};
use incline_render::Templates;
use include_dir::{Dir, include_dir};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../templates");
static IGNITION: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../ignition");

/// A starter inventory.
pub(crate) fn starter(file: &str) -> &'static str {
    TEMPLATES.get_file(format!("init/{file}")).and_then(|file| file.contents_utf8()).unwrap_or_default()
}

/// Everything read from the inventories' folder, before validation.
pub(crate) struct Source {
    pub(crate) inventories: Vec<Inventory>,
    pub(crate) lock: Option<(String, Lock)>,
    /// Texts by file name, for snippets.
    pub(crate) texts: BTreeMap<String, String>,
}

/// Reads and parses all inventories and the lock file.
pub(crate) fn read(common: &Common) -> Result<Source, Failure> {
    let folder = &common.inventories;
    let paths = paths(folder)?;
    if paths.is_empty() {
        return Err(Failure::NoInventories(folder.clone()));
    }
    let parser = Parser::default();
    let (mut inventories, mut faults, mut texts) = (Vec::new(), Vec::new(), BTreeMap::new());
    for path in paths {
        let bytes = read_limited(&path)?;
        let name = path.display().to_string();
        match parser.parse(&name, &bytes) {
            Ok(inventory) => inventories.push(inventory),
            Err(found) => faults.extend(found),
        }
        if bytes.len() <= inventory::MAX_BYTES {
            texts.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    let path = folder.join(lock::FILE_NAME);
    let mut lock = None;
    if path.exists() {
        let text = String::from_utf8_lossy(&read_limited(&path)?).into_owned();
        let name = path.display().to_string();
        match Lock::parse(&name, &text) {
            Ok(parsed) => lock = Some((text.clone(), parsed)),
            Err(found) => faults.extend(found),
        }
        texts.insert(name, text);
    }
    if !faults.is_empty() {
        // Sites that do parse are checked too: all faults in one go.
        faults.extend(Estate::faults_of_part(&inventories));
        return Err(failure(faults, texts));
    }
    Ok(Source { inventories, lock, texts })
}

/// The inventories' files.
fn paths(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(Failure::file("read the folder", folder))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"))
        .collect();
    paths.sort();
    Ok(paths)
}

/// What the sites of a folder need pinned.
#[derive(Default)]
pub(crate) struct Wanted {
    /// The needs of each site whose inventory can be read.
    pub(crate) sites: BTreeMap<String, Vec<Need>>,
    /// The inventories that cannot be read: what their sites need is not known.
    pub(crate) unread: Vec<PathBuf>,
}

impl Wanted {
    /// Reads what can be read: a fault in one inventory holds up no pin of the others.
    pub(crate) fn read(common: &Common) -> Result<Self, Failure> {
        let mut wanted = Self::default();
        if !common.inventories.exists() {
            return Ok(wanted);
        }
        let parser = Parser::default();
        for path in paths(&common.inventories)? {
            match parser.parse(&path.display().to_string(), &read_limited(&path)?) {
                Ok(inventory) => {
                    let needs = wanted.sites.entry(inventory.content.name().to_string()).or_default();
                    needs.extend(Need::all(&inventory.content));
                }
                Err(_) => wanted.unread.push(path),
            }
        }
        Ok(wanted)
    }

    /// All needs.
    pub(crate) fn needs(&self) -> impl Iterator<Item = &Need> {
        self.sites.values().flatten()
    }
}

/// Reads a file, but never more than one byte beyond what an inventory may have.
fn read_limited(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = inventory::MAX_BYTES as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(Failure::file("read", path))?;
    Ok(bytes)
}

pub(crate) fn failure(mut faults: Vec<Fault>, texts: BTreeMap<String, String>) -> Failure {
    faults.sort();
    faults.dedup();
    Failure::Faults { faults, texts }
}

impl Source {
    /// Validates what was read.
    pub(crate) fn validate(&self) -> Result<Estate, Failure> {
        Estate::new(&self.inventories, self.lock.as_ref().map(|(_, lock)| lock))
            .map_err(|faults| failure(faults, self.texts.clone()))
    }
}

/// The sites named, or all.
pub(crate) fn select<'a>(estate: &'a Estate, names: &[String]) -> Result<Vec<&'a Site>, Failure> {
    if names.is_empty() {
        return Ok(estate.sites().collect());
    }
    let mut sites = Vec::new();
    for name in names {
        let site = estate.site(name).ok_or_else(|| {
            let known: Vec<&str> = estate.sites().map(|site| site.name().as_str()).collect();
            Failure::NoSite { name: name.clone(), hint: did_you_mean(name, known) }
        })?;
        sites.push(site);
    }
    sites.sort_by_key(|site| site.name());
    sites.dedup_by_key(|site| site.name());
    Ok(sites)
}

/// incline's own templates, with those of `--templates` in their place.
pub(crate) fn templates(common: &Common) -> Result<Templates, Failure> {
    let mut files = BTreeMap::new();
    embedded(&TEMPLATES, "", &mut files);
    embedded(&IGNITION, "ignition/", &mut files);
    files.retain(|name, _| !name.starts_with("init/"));
    if let Some(folder) = &common.templates {
        override_from(folder, folder, &mut files)?;
    }
    Templates::new(files).map_err(Failure::Templates)
}

/// What a site must be.
pub(crate) fn desired(site: &Aws, estate: &Estate, templates: &Templates) -> Result<Desired, Failure> {
    incline_render::render(site, estate, templates)
        .map_err(|source| Failure::Render { site: site.typed().name.to_string(), source })
}

fn embedded(dir: &Dir<'_>, prefix: &str, files: &mut BTreeMap<String, String>) {
    for file in dir.files() {
        if let Some(text) = file.contents_utf8() {
            files.insert(format!("{prefix}{}", file.path().display()), text.to_owned());
        }
    }
    for below in dir.dirs() {
        embedded(below, prefix, files);
    }
}

fn override_from(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(Failure::file("read the folder", folder))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            override_from(root, &path, files)?;
            continue;
        }
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        if !files.contains_key(&name) {
            let known: Vec<&str> = files.keys().map(String::as_str).collect();
            let hint = incline_model::fault::nearest(&name, known).map(|word| format!("did you mean `{word}`?"));
            return Err(Failure::Other {
                cause: format!("{} replaces no template of incline's", path.display()),
                hint,
            });
        }
        let text = std::fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
        files.insert(name, text);
    }
    Ok(())
}
