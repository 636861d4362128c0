//! What the testbed builds, kept outside the clone, so that another clone on the same machine finds it.
//!
//! Each entry is a folder that is named by the digest of its recipe. `target/testbed/NAME` links to the entry in use.
use crate::{Outcome, root, run};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// The file of an entry that is written last: an entry without one was interrupted, and is made again. Its time is that of the
/// entry's last use.
const MADE: &str = ".made";

/// How long an entry stays after its last use.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// The cache: `INCLINE_TESTBED_CACHE`, by default `incline/testbed` below `$XDG_CACHE_HOME` or `~/.cache`.
pub(crate) fn folder() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("INCLINE_TESTBED_CACHE").unwrap_or_else(|| {
        let caches = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
        caches.unwrap_or_else(std::env::temp_dir).join("incline/testbed")
    })
}

/// Where the tests look for an entry.
pub(crate) fn link(name: &str) -> PathBuf {
    root().join("target/testbed").join(name)
}

/// Whether an entry of this recipe has been made.
pub(crate) fn has(name: &str, recipe: &str) -> bool {
    place(name, recipe).join(MADE).exists()
}

/// Makes an entry unless it is there, and links `target/testbed/NAME` to it.
///
/// `make` gets the entry's folder, which is empty. Two clones that want the same entry wait for one another.
pub(crate) fn entry(name: &str, recipe: &str, make: impl FnOnce(&Path) -> Outcome) -> Result<PathBuf, String> {
    let place = place(name, recipe);
    let failed = |error: std::io::Error| format!("{}: {error}", place.display());
    let _turn = turn(&place.file_name().unwrap_or_default().to_string_lossy())?;
    let made = place.join(MADE);
    match File::options().append(true).open(&made) {
        Ok(mark) => mark.set_modified(SystemTime::now()).map_err(failed)?,
        Err(_) => {
            println!("testbed: making {name}");
            remove(&place)?;
            std::fs::create_dir_all(&place).map_err(failed)?;
            make(&place)?;
            std::fs::write(&made, recipe).map_err(failed)?;
        }
    }
    point(&link(name), &place)?;
    Ok(place)
}

/// Waits until no other process is at work on what has this name; others wait until the answer is dropped.
pub(crate) fn turn(name: &str) -> Result<File, String> {
    let path = folder().join(format!("{name}.lock"));
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(folder()).map_err(failed)?;
    let lock = File::create(&path).map_err(failed)?;
    lock.lock().map_err(failed)?;
    Ok(lock)
}

/// Removes entries that no clone has used for a month.
pub(crate) fn sweep() {
    for entry in std::fs::read_dir(folder()).into_iter().flatten().flatten() {
        let place = entry.path();
        let used = std::fs::metadata(place.join(MADE)).and_then(|mark| mark.modified());
        if place.is_dir() && used.is_ok_and(|used| used.elapsed().is_ok_and(|age| age > KEPT)) {
            let _ = remove(&place);
            let _ = std::fs::remove_file(place.with_extension("lock"));
        }
    }
}

fn place(name: &str, recipe: &str) -> PathBuf {
    let digest = Sha256::digest(recipe);
    let digest: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    folder().join(format!("{name}-{digest}"))
}

/// Removes a folder, but nothing that is mounted in it.
fn remove(place: &Path) -> Outcome {
    run(Command::new("rm").args(["-rf", "--one-file-system"]).arg(place))
}

/// Makes a link lead to a place, at once.
fn point(link: &Path, place: &Path) -> Outcome {
    if std::fs::read_link(link).is_ok_and(|now| now == place) {
        return Ok(());
    }
    let failed = |error: std::io::Error| format!("{}: {error}", link.display());
    if let Some(folder) = link.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // What an older clone made there was a folder.
    if link.symlink_metadata().is_ok_and(|there| there.is_dir()) {
        remove(link)?;
    }
    let next = link.with_extension(format!("next-{}", std::process::id()));
    let _ = std::fs::remove_file(&next);
    std::os::unix::fs::symlink(place, &next).map_err(failed)?;
    std::fs::rename(&next, link).map_err(failed)
}
