//! The file that holds a trail.
use crate::chain::{Head, NOTHING, opened, sealed};
use crate::record::{FORMAT, Record, What};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A trail on disk. Several processes may write to it.
#[derive(Debug, Clone)]
pub struct Trail {
    path: PathBuf,
}

/// Why nothing could be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be used.
    #[error("the audit trail {} cannot be {verb}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its last record is not as it was written.
    #[error("the last record of the audit trail {} is not to be trusted: {why}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// How much of a file is read at once, from its end, in search of its last line. Most records are shorter.
const PIECE: u64 = 16 << 10;

impl Trail {
    /// The trail in this file, which need not be there yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of it, as it stands on disk; nothing where it is not there yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self) -> Result<Vec<u8>, Error> {
        match std::fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(self.failed("read")),
        }
    }

    /// Whether records can be written. Nothing is, but the file is made where there is none.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn is_writable(&self) -> Result<(), Error> {
        self.open().map(drop)
    }

    /// Writes a record, and gives the trail's new end once that is on the disk. A record that a crash cut off is taken away
    /// before, which is recorded, too.
    ///
    /// # Errors
    /// The file cannot be written, or its last record was changed.
    pub fn append(&self, run: Option<u64>, what: What) -> Result<Head, Error> {
        let mut file = self.open()?;
        file.lock().map_err(self.failed("locked"))?;
        let (end, torn) = self.end(&mut file)?;
        let mut lines = String::new();
        let mut head = match end {
            Some(line) => {
                let changed = |why| Error::Changed { path: self.path.clone(), why };
                let (record, digest) = opened(&line).map_err(changed)?;
                Head { trail: record.trail, sequence: record.sequence, digest }
            }
            None => Head { trail: self.new_id()?, sequence: 0, digest: NOTHING.to_owned() },
        };
        if head.sequence == 0 {
            self.link(&mut head, &mut lines, None, What::Opened)?;
        }
        if torn > 0 {
            self.link(&mut head, &mut lines, None, What::Mended { bytes: torn })?;
        }
        // A run is named by the record that begins it.
        let run = run.or_else(|| matches!(what, What::Began { .. }).then_some(head.sequence + 1));
        self.link(&mut head, &mut lines, run, what)?;
        let written = (|| {
            if torn > 0 {
                let whole = file.seek(SeekFrom::End(0))?.saturating_sub(torn);
                file.set_len(whole)?;
            }
            file.seek(SeekFrom::End(0))?;
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        })();
        written.map_err(self.failed("written"))?;
        Ok(head)
    }

    /// Adds a record to the end of a trail.
    fn link(&self, head: &mut Head, lines: &mut String, run: Option<u64>, what: What) -> Result<(), Error> {
        let record = Record {
            format: FORMAT,
            trail: head.trail.clone(),
            sequence: head.sequence + 1,
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            previous: head.digest.clone(),
            run,
            what,
        };
        let (line, digest) = sealed(&record).map_err(io::Error::other).map_err(self.failed("written"))?;
        lines.push_str(&line);
        lines.push('\n');
        head.sequence = record.sequence;
        head.digest = digest;
        Ok(())
    }

    fn open(&self) -> Result<File, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        match options.open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.unwrap_or_else(|| Path::new("."));
                let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
                // A file that a power cut takes with its folder's entry was never there.
                let made = made.and_then(|()| options.create(true).truncate(false).open(&self.path));
                made.and_then(|file| File::open(folder)?.sync_all().map(|()| file)).map_err(self.failed("made"))
            }
            opened => opened.map_err(self.failed("opened")),
        }
    }

    /// The last whole line, and how many bytes follow it.
    fn end(&self, file: &mut File) -> Result<(Option<String>, u64), Error> {
        let failed = || self.failed("read");
        let length = file.seek(SeekFrom::End(0)).map_err(failed())?;
        let (mut start, mut tail) = (length, Vec::new());
        loop {
            let mut ends = tail.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
            let (last, before) = (ends.next(), ends.next());
            if let (Some(last), true) = (last, before.is_some() || start == 0) {
                let from = before.map_or(0, |at| at + 1);
                let line = tail.get(from..last).unwrap_or_default();
                let line = std::str::from_utf8(line)
                    .map_err(|_| Error::Changed { path: self.path.clone(), why: "it is no text".to_owned() })?;
                return Ok((Some(line.to_owned()), (tail.len() - last - 1) as u64));
            }
            if start == 0 {
                return Ok((None, length));
            }
            let from = start.saturating_sub(PIECE);
            let mut piece = vec![0; usize::try_from(start - from).unwrap_or_default()];
            file.seek(SeekFrom::Start(from)).map_err(failed())?;
            file.read_exact(&mut piece).map_err(failed())?;
            piece.append(&mut tail);
            (start, tail) = (from, piece);
        }
    }

    fn new_id(&self) -> Result<String, Error> {
        let random = getrandom::u64().map_err(|error| self.failed("begun")(io::Error::other(error.to_string())))?;
        Ok(format!("{random:016x}"))
    }

    fn failed(&self, verb: &'static str) -> impl FnOnce(io::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| Error::File { verb, path, source }
    }
}
