//! The folder that nightly reports are kept in, and who is told of them.
use crate::arguments::Notify;
use crate::error::Failure;
use crate::view;
use incline_model::drift::{Drift, FORMAT, SiteDrift};
use incline_plan::{Night, remember};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The report itself, beside which all others can be made anew.
const REPORT: &str = "report.json";

/// News that could not be told yet.
const UNTOLD: &str = "untold.json";

/// How long the receiver of a message may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder of reports, and the histories of its sites.
pub(crate) struct Folder {
    path: PathBuf,
    history: PathBuf,
}

/// Reads the report in a folder.
pub(crate) fn read(folder: &Path) -> Result<Drift, Failure> {
    let path = folder.join(REPORT);
    let text = std::fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
    let broken = |why: String| Failure::Other {
        cause: format!("{} is no report of this incline: {why}", path.display()),
        hint: Some("`incline drift --report DIR` writes one".to_owned()),
    };
    let drift: Drift = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
    if drift.format != FORMAT {
        return Err(broken(format!("its format is {}, and not {FORMAT}", drift.format)));
    }
    Ok(drift)
}

impl Folder {
    pub(crate) fn open(path: &Path, history: Option<&Path>) -> Result<Self, Failure> {
        let history = history.map_or_else(|| path.join("history"), Path::to_path_buf);
        for folder in [path, &history] {
            std::fs::create_dir_all(folder).map_err(Failure::file("make the folder", folder))?;
        }
        Ok(Self { path: path.to_path_buf(), history })
    }

    /// Tells of a site's findings what is new in them, and adds this look to its history.
    pub(crate) fn remember(&self, site: &mut SiteDrift) -> Result<(), Failure> {
        let path = self.history.join(format!("{}.jsonl", site.site));
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.map_err(Failure::file("read", &path))?,
        };
        let mut nights: Vec<Night> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            match serde_json::from_str(line) {
                Ok(night) => nights.push(night),
                // A power cut may leave half a line: what it told is told again.
                Err(error) => view::warn(&format!("{} line {}: {error}; passed over", path.display(), number + 1)),
            }
        }
        let night = remember(&nights, site);
        let line = serde_json::to_string(&night);
        let line = line.map_err(|error| Failure::Other { cause: error.to_string(), hint: None })?;
        let start = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let mut file =
            OpenOptions::new().create(true).append(true).open(&path).map_err(Failure::file("open", &path))?;
        let written = file.write_all(format!("{start}{line}\n").as_bytes()).and_then(|()| file.sync_data());
        written.map_err(Failure::file("write", &path))
    }

    /// Writes a report in all its forms, each whole or not at all: who reads one meanwhile reads the last night's.
    pub(crate) fn write(&self, drift: &Drift) -> Result<(), Failure> {
        let files = [
            (REPORT, view::json(drift)?),
            ("index.html", view::page::drift(drift)),
            ("junit.xml", view::junit::drift(drift)?),
            ("incline.prom", view::metrics::text(drift)),
        ];
        files.into_iter().try_for_each(|(name, text)| self.put(name, &text))
    }

    fn put(&self, name: &str, text: &str) -> Result<(), Failure> {
        let (path, beside) = (self.path.join(name), self.path.join(format!(".{name}.new")));
        std::fs::write(&beside, text).map_err(Failure::file("write", &beside))?;
        std::fs::rename(&beside, &path).map_err(Failure::file("write", &path))
    }
}

/// Sends metrics, and tells of news. What could not be told is told the next time, before anything else.
pub(crate) async fn tell(folder: &Folder, drift: &Drift, notify: Option<Notify>, push: bool) -> Result<(), Failure> {
    let address = |name: &str| {
        std::env::var(name).map_err(|_| Failure::Usage {
            cause: format!("the address in ${name} is not set"),
            hint: "addresses that carry a token stand in no file of the estate, and on no command line".to_owned(),
        })
    };
    let mut failed = Vec::new();
    if push {
        let metrics = view::metrics::text(drift);
        let sent = send(&address("INCLINE_PUSH_URL")?, "text/plain; version=0.0.4", metrics).await;
        failed.extend(sent.err().map(|why| format!("the metrics were not sent: {why}")));
    }
    if let Some(form) = notify {
        let address = address("INCLINE_WEBHOOK_URL")?;
        let untold = folder.history.join(UNTOLD);
        let mut waiting: Vec<serde_json::Value> = match std::fs::read_to_string(&untold) {
            Ok(text) => serde_json::from_str(&text).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        if drift.has_news() {
            waiting.push(match form {
                Notify::Json => view::news::json(drift),
                Notify::Slack => view::news::slack(drift),
            });
        }
        let mut told = 0;
        for message in &waiting {
            if let Err(why) = send(&address, "application/json", message.to_string()).await {
                failed.push(format!("the news were not told, and will be the next time: {why}"));
                break;
            }
            told += 1;
        }
        let left = serde_json::json!(waiting.get(told..).unwrap_or_default()).to_string();
        std::fs::write(&untold, left).map_err(Failure::file("write", &untold))?;
    }
    match failed.as_slice() {
        [] => Ok(()),
        failed => Err(Failure::Other { cause: failed.join("; "), hint: None }),
    }
}

/// Posts a text. What is said of a failure never holds the address, which may carry a token.
async fn send(address: &str, kind: &str, text: String) -> Result<(), String> {
    // Whoever installed it before has the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(|error| error.to_string())?;
    let sent = client.post(address).header("content-type", kind).body(text).send().await;
    let answer = sent.map_err(|error| error.without_url().to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("the answer was {}", answer.status())) }
}
