//! What several tests share: processes that run beside the tests, started before them.
use crate::root;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How the names of fixtures begin. A fixture is an ignored test of the integration binary that lasts until its standard input is
/// closed.
pub(super) const PREFIX: &str = "fixtures::";

/// Each fixture, and how the names of the tests begin that share it.
const FIXTURES: [(&str, &str); 1] = [("cluster", "hosts::cluster::shared::")];

/// How long a fixture may take to take down what it has set up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The fixtures of a run. They end with it.
pub(super) struct Fixtures {
    running: Vec<(&'static str, Child)>,
    /// Whether what they have set up stays.
    keep: bool,
}

fn folder() -> PathBuf {
    root().join("target/fixtures")
}

impl Fixtures {
    /// Starts what these tests share; the program is the integration binary.
    pub(super) fn start(tests: &[String], program: &Path, keep: bool) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("a fixture cannot be started: {error}");
        let _ = std::fs::remove_dir_all(folder());
        std::fs::create_dir_all(folder()).map_err(failed)?;
        let mut fixtures = Self { running: Vec::new(), keep };
        for (name, beginning) in FIXTURES {
            if !tests.iter().any(|test| test.starts_with(beginning)) {
                continue;
            }
            let log = File::create(folder().join(format!("{name}.log"))).map_err(failed)?;
            let mut command = Command::new(program);
            command.arg(format!("{PREFIX}{name}")).args(["--exact", "--ignored", "--nocapture"]);
            if keep {
                command.env("INCLINE_KEEP", "1");
            }
            let streams = (Stdio::from(log.try_clone().map_err(failed)?), Stdio::from(log));
            let child = command.current_dir(root()).stdin(Stdio::piped()).stdout(streams.0).stderr(streams.1).spawn();
            fixtures.running.push((name, child.map_err(failed)?));
        }
        Ok(fixtures)
    }
}

impl Drop for Fixtures {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            drop(child.stdin.take());
        }
        let end = Instant::now() + PATIENCE;
        for (name, child) in &mut self.running {
            while child.try_wait().is_ok_and(|status| status.is_none()) {
                if Instant::now() > end {
                    let _ = child.kill();
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            if self.keep {
                // How to enter, and how to end it.
                let log = std::fs::read_to_string(folder().join(format!("{name}.log"))).unwrap_or_default();
                log.lines().skip_while(|line| !line.contains("kept: ")).for_each(|line| println!("{line}"));
            }
        }
    }
}
