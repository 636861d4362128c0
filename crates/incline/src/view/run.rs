//! What is seen while a plan is carried out: a row a stack on a terminal, plain lines elsewhere, JSON lines for machines; then
//! how it ended, reasons first.
use super::{count, style};
use incline_model::desired::Stage;
use incline_model::event::{Event, FORMAT, Outcome, Report, Trouble};
use incline_model::plan::{Blocked, Plan, Verb, is_of_tenant, is_on_premises};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::time::{Duration, Instant, SystemTime};

/// What shows events.
pub(crate) struct Screen {
    kind: Kind,
    began: Instant,
    rows: BTreeMap<String, Row>,
    steps: usize,
    /// What the steps are: `stack`, `host stage`, or `step` where both are.
    noun: &'static str,
    /// How the stages of hosts went, by stage.
    stages: BTreeMap<Stage, Went>,
    finished: usize,
    failed: usize,
}

enum Kind {
    Terminal { all: MultiProgress, total: ProgressBar },
    Plain,
    Json,
}

/// How a stage of hosts went.
struct Went {
    began: Instant,
    /// When the last of its hosts ended.
    ended: Instant,
    hosts: usize,
    failed: usize,
    /// The host that took longest, and how long.
    slowest: (String, Duration),
}

/// A stack or host under way.
struct Row {
    began: Instant,
    resources: usize,
    busy: BTreeSet<String>,
    done: BTreeSet<String>,
    bar: Option<ProgressBar>,
}

impl Screen {
    /// A screen for the steps of a plan.
    pub(crate) fn of(plan: &Plan, json: bool) -> Self {
        let targets: Vec<&str> =
            plan.sites.iter().flat_map(|site| &site.steps).map(|step| step.target.as_str()).collect();
        let noun = noun(&targets);
        Self { noun, ..Self::new(targets.len(), json) }
    }

    /// A screen for so many stacks.
    pub(crate) fn new(steps: usize, json: bool) -> Self {
        let kind = if json {
            Kind::Json
        } else if std::io::stderr().is_terminal() {
            let all = MultiProgress::new();
            let total = all.add(ProgressBar::new_spinner());
            total.enable_steady_tick(Duration::from_millis(120));
            total.set_style(look("{wide_msg}"));
            Kind::Terminal { all, total }
        } else {
            Kind::Plain
        };
        Self {
            kind,
            began: Instant::now(),
            rows: BTreeMap::new(),
            steps,
            noun: "stack",
            stages: BTreeMap::new(),
            finished: 0,
            failed: 0,
        }
    }

    /// Shows an event.
    pub(crate) fn show(&mut self, event: &Event) {
        if let Kind::Json = self.kind {
            let at = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
            let mut line = serde_json::to_value(event).unwrap_or_default();
            line["format"] = FORMAT.into();
            line["at"] = at.into();
            let _ = super::say(&format!("{line}\n"));
        }
        match event {
            Event::Started { target, verb, resources } => self.started(target, *verb, *resources),
            Event::Sent { target, what } => self.line(target, &style::dim(&format!("→ {what}"))),
            Event::Progress { target, what } => match self.rows.get(target).and_then(|row| row.bar.as_ref()) {
                Some(bar) => bar.set_message(row_line(target, self.rows.get(target), what)),
                None => self.line(target, &style::dim(what)),
            },
            Event::Resource { target, resource, kind, status, reason } => {
                self.resource(target, resource, kind, status, reason)
            }
            Event::Finished { target, outcome } => self.finished(target, outcome),
        }
        if let Kind::Terminal { total, .. } = &self.kind {
            let failed =
                if self.failed == 0 { String::new() } else { style::red(&format!(", {} failed", self.failed)) };
            total.set_message(painted(&format!(
                "{} of {}{failed}  {}",
                self.finished,
                count(self.steps, self.noun),
                style::dim(&elapsed(self.began))
            )));
        }
    }

    /// Takes the rows away.
    pub(crate) fn close(self) {
        for (stage, went) in &self.stages {
            let failed =
                if went.failed == 0 { String::new() } else { style::red(&format!(", {} failed", went.failed)) };
            let slowest = format!("slowest {} {}", went.slowest.0, seconds(went.slowest.1));
            let took = seconds(went.ended.duration_since(went.began));
            self.print(
                stage.name(),
                &style::dim(&format!("{}{failed} in {took}, {slowest}", count(went.hosts, "host"))),
            );
        }
        if let Kind::Terminal { all, total } = self.kind {
            total.finish_and_clear();
            let _ = all.clear();
        }
    }

    fn started(&mut self, target: &str, verb: Verb, resources: usize) {
        let bar = match &self.kind {
            Kind::Terminal { all, total } => {
                let bar = all.insert_before(total, ProgressBar::new_spinner());
                bar.set_style(look("{spinner:.yellow} {wide_msg}"));
                bar.enable_steady_tick(Duration::from_millis(120));
                Some(bar)
            }
            _ => None,
        };
        let row = Row { began: Instant::now(), resources, busy: BTreeSet::new(), done: BTreeSet::new(), bar };
        self.rows.insert(target.to_owned(), row);
        let doing = match verb {
            Verb::Create => "create",
            Verb::Update | Verb::Replace => "change",
            Verb::Remove => "remove",
        };
        match self.rows.get(target).and_then(|row| row.bar.as_ref()) {
            Some(bar) => bar.set_message(row_line(target, self.rows.get(target), doing)),
            None => self.line(
                target,
                &format!("{doing} {}", count(resources, if is_on_premises(target) { "item" } else { "resource" })),
            ),
        }
    }

    fn resource(&mut self, target: &str, resource: &str, kind: &str, status: &str, reason: &str) {
        if let Some(row) = self.rows.get_mut(target)
            && resource != target
        {
            if status.ends_with("_IN_PROGRESS") {
                row.busy.insert(resource.to_owned());
            } else {
                row.busy.remove(resource);
                row.done.insert(resource.to_owned());
            }
            if let Some(bar) = &row.bar {
                let now = format!(
                    "{} {}",
                    named(target, kind, resource),
                    style::dim(&status.to_lowercase().replace('_', " "))
                );
                bar.set_message(row_line(target, Some(row), &now));
            }
        }
        // A reason that only says that another failure ended it is noise.
        let cancelled = reason.to_ascii_lowercase().contains("cancelled");
        // A host's first failed item ends it, and is told then.
        if status.ends_with("_FAILED")
            && !cancelled
            && !reason.is_empty()
            && resource != target
            && !is_on_premises(target)
        {
            self.print(target, &style::red(&format!("✗ {resource} ({kind}): {reason}")));
        } else if matches!(self.kind, Kind::Plain) && !status.ends_with("_IN_PROGRESS") && resource != target {
            self.line(target, &format!("{} {}", named(target, kind, resource), style::dim(status)));
        }
    }

    fn finished(&mut self, target: &str, outcome: &Outcome) {
        self.finished += 1;
        let row = self.rows.remove(target);
        if let Some(bar) = row.as_ref().and_then(|row| row.bar.as_ref()) {
            bar.finish_and_clear();
        }
        if let (Some(row), true) = (&row, is_on_premises(target)) {
            self.went(target, row.began, matches!(outcome, Outcome::Failed(_)));
        }
        let took = row.map_or(String::new(), |row| style::dim(&format!("  {}", elapsed(row.began))));
        match outcome {
            Outcome::Done => self.print(target, &format!("{} done{took}", style::green("✓"))),
            Outcome::AlreadyDone => self.print(target, &format!("{} was so already", style::green("✓"))),
            Outcome::Failed(trouble) => {
                self.failed += 1;
                self.print(target, &style::red(&format!("✗ failed: {}", trouble.cause)));
            }
            Outcome::Interrupted(trouble) => self.print(target, &style::yellow(&format!("… {}", trouble.cause))),
            Outcome::Skipped { because } => self.print(target, &style::dim(&format!("– not begun: {because}"))),
        }
    }

    /// Counts a host's stage that has ended.
    fn went(&mut self, target: &str, began: Instant, failed: bool) {
        let Some((host, stage)) = target.rsplit_once('/') else { return };
        let Some(stage) = Stage::ALL.into_iter().find(|known| known.name() == stage) else { return };
        let now = Instant::now();
        let slowest = (String::new(), Duration::ZERO);
        let went = self.stages.entry(stage).or_insert(Went { began, ended: now, hosts: 0, failed: 0, slowest });
        went.began = went.began.min(began);
        went.ended = now;
        went.hosts += 1;
        went.failed += usize::from(failed);
        if now - began >= went.slowest.1 {
            went.slowest = (host.to_owned(), now - began);
        }
    }

    /// A line that only a reader without rows needs.
    fn line(&self, target: &str, text: &str) {
        if matches!(self.kind, Kind::Plain) {
            self.print(target, text);
        }
    }

    fn print(&self, target: &str, text: &str) {
        match &self.kind {
            Kind::Terminal { all, .. } => {
                let _ = all.println(painted(&format!("  {target}  {text}")));
            }
            Kind::Plain => anstream::eprintln!("{} {target}  {text}", style::dim(&format!("+{}", elapsed(self.began)))),
            Kind::Json => {}
        }
    }
}

/// How a row looks.
pub(super) fn look(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn row_line(target: &str, row: Option<&Row>, now: &str) -> String {
    let Some(row) = row else { return painted(&format!("{target}  {now}")) };
    let (done, busy) = (row.done.len(), row.busy.len());
    let pending = row.resources.saturating_sub(done + busy);
    let counts = style::dim(&format!("{done} done, {busy} under way, {pending} to go  {}", elapsed(row.began)));
    painted(&format!("{target}  {counts}  {now}"))
}

/// A text with its colours, where they are wanted: what indicatif prints goes past the stream that takes them out.
fn painted(text: &str) -> String {
    match anstream::AutoStream::choice(&std::io::stderr()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        _ => text.to_owned(),
    }
}

/// A resource's name; an item's with its kind, since a user and a group may have the same.
fn named(target: &str, kind: &str, resource: &str) -> String {
    if is_on_premises(target) { format!("{kind} {resource}") } else { resource.to_owned() }
}

/// A short time, in seconds.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// What targets are.
fn noun(targets: &[&str]) -> &'static str {
    let all = |is: fn(&str) -> bool| targets.iter().all(|target| is(target));
    if all(|target| !is_on_premises(target)) {
        "stack"
    } else if all(is_of_tenant) {
        "tenant"
    } else if all(|target| is_on_premises(target) && !is_of_tenant(target)) {
        "host stage"
    } else {
        "step"
    }
}

fn elapsed(since: Instant) -> String {
    let seconds = since.elapsed().as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// A host or a refused site that is left out, as a JSON line.
pub(crate) fn left_out(blocked: &Blocked) -> String {
    let line = serde_json::json!({
        "event": "leftOut", "format": FORMAT, "target": blocked.target, "cause": blocked.cause, "details": blocked.details,
        "hint": blocked.hint, "refused": blocked.refused,
    });
    format!("{line}\n")
}

/// How a run ended: what failed and why, what was left, and the totals last.
pub(crate) fn report(report: &Report, plan: &Plan) -> String {
    let mut text = String::new();
    let order = plan.sites.iter().flat_map(|site| &site.steps).map(|step| step.target.as_str());
    for target in order {
        match report.outcomes.get(target) {
            Some(Outcome::Failed(trouble)) => trouble_text(&mut text, &style::red("✗"), target, trouble),
            Some(Outcome::Interrupted(trouble)) => trouble_text(&mut text, &style::yellow("…"), target, trouble),
            _ => {}
        }
    }
    let number = |which: fn(&Outcome) -> bool| report.outcomes.values().filter(|outcome| which(outcome)).count();
    let done = number(|outcome| matches!(outcome, Outcome::Done));
    let already = number(|outcome| matches!(outcome, Outcome::AlreadyDone));
    let failed = number(|outcome| matches!(outcome, Outcome::Failed(_)));
    let left = number(|outcome| matches!(outcome, Outcome::Interrupted(_)));
    let skipped = number(|outcome| matches!(outcome, Outcome::Skipped { .. }));
    let targets: Vec<&str> = report.outcomes.keys().map(String::as_str).collect();
    let mut parts = vec![format!("{} done", count(done, noun(&targets)))];
    for (number, what) in [(already, "was so already"), (failed, "failed"), (left, "under way"), (skipped, "not begun")]
    {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let head = if report.is_success() { "Applied:" } else { "Not all applied:" };
    text.push_str(&format!("{} {}.\n", style::bold(head), parts.join(", ")));
    text
}

fn trouble_text(text: &mut String, sign: &str, target: &str, trouble: &Trouble) {
    text.push_str(&format!("{sign} {}: {}\n", style::bold(target), trouble.cause));
    for detail in &trouble.details {
        text.push_str(&format!("    {detail}\n"));
    }
    if let Some(hint) = &trouble.hint {
        text.push_str(&format!("    {}{hint}\n", style::yellow("hint: ")));
    }
    text.push('\n');
}
