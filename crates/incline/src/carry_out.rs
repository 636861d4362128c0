//! A plan and a system → what is seen while it is carried out, and how it ended. What `apply` and `destroy` share.
use crate::audit::{Audited, Intent, Run};
use crate::error::{Exit, Failure};
use crate::hosts::OnPremises;
use crate::live::Live;
use crate::view;
use incline_audit::Trail;
use incline_aws::Stacks;
use incline_exec::{Ended, Lane, Look, Say, Stop, System};
use incline_model::event::Trouble;
use incline_model::plan::{Plan, Step, is_of_tenant, is_on_premises};
use incline_plan::Table;
use tokio::sync::watch;

/// Follows whatever CloudFormation is at work on, until the sites are still, and gives their plan.
pub(crate) async fn settled(
    live: &mut Live,
    table: &Table,
    json: bool,
    stop: &Stop,
    plan: impl Fn(&Live) -> Result<Plan, Failure>,
) -> Result<Plan, Failure> {
    loop {
        live.observe().await?;
        let made = plan(live)?;
        let busy: Vec<String> = made.blocked().filter(|b| b.busy).map(|b| b.target.clone()).collect();
        if busy.is_empty() {
            return Ok(made);
        }
        let system = live.system(table, 1, stop.clone());
        let (say, mut hear) = Say::new();
        let mut screen = view::run::Screen::new(busy.len(), json);
        let watch = async {
            while let Some(event) = hear.recv().await {
                screen.show(&event);
            }
            screen.close();
        };
        let follow = async {
            for target in &busy {
                say.progress(target, "CloudFormation is at work on it: following it to its end");
            }
            let ends = futures_util::future::join_all(busy.iter().map(|target| system.attach(target, &say))).await;
            drop(say);
            ends
        };
        let (ends, ()) = tokio::join!(follow, watch);
        for end in ends {
            if let Err(Ended::Failed(trouble) | Ended::Interrupted(trouble)) = end {
                return Err(Failure::Other { cause: trouble.cause, hint: trouble.hint });
            }
        }
    }
}

/// Stacks and what stands on premises, as one system: a step's target says which it is.
pub(crate) struct Systems<'a> {
    pub(crate) stacks: Stacks<'a>,
    pub(crate) onprem: &'a OnPremises<'a>,
}

impl System for Systems<'_> {
    fn lane(&self, step: &Step) -> Lane {
        if is_on_premises(&step.target) { self.onprem.lane(step) } else { self.stacks.lane(step) }
    }

    async fn look(&self, step: &Step) -> Result<Look, Trouble> {
        if is_on_premises(&step.target) { self.onprem.look(step).await } else { self.stacks.look(step).await }
    }

    async fn apply(&self, step: &Step, say: &Say) -> Result<(), Ended> {
        if is_on_premises(&step.target) {
            self.onprem.apply(step, say).await
        } else {
            self.stacks.apply(step, say).await
        }
    }
}

/// Hosts and the BIG-IPs in front of them.
impl System for OnPremises<'_> {
    fn lane(&self, step: &Step) -> Lane {
        if is_of_tenant(&step.target) { self.tenants.lane(step) } else { self.hosts.lane(step) }
    }

    async fn look(&self, step: &Step) -> Result<Look, Trouble> {
        if is_of_tenant(&step.target) { self.tenants.look(step).await } else { self.hosts.look(step).await }
    }

    async fn apply(&self, step: &Step, say: &Say) -> Result<(), Ended> {
        if is_of_tenant(&step.target) { self.tenants.apply(step, say).await } else { self.hosts.apply(step, say).await }
    }
}

/// Carries a plan out, writes down and shows what happens, and says how it ended.
pub(crate) async fn carry_out(
    system: &impl System,
    plan: &Plan,
    trail: &Trail,
    intent: &Intent<'_>,
    json: bool,
    stop: &Stop,
) -> Result<Exit, Failure> {
    let written = Run::of_plan(trail, intent, plan)?;
    let (say, mut hear) = Say::new();
    let mut screen = view::run::Screen::of(plan, json);
    let watch = async {
        while let Some(event) = hear.recv().await {
            written.heard(&event);
            screen.show(&event);
        }
        screen.close();
    };
    let run = async {
        let system = Audited { system, run: &written };
        let report = incline_exec::run(&plan.sites, &system, stop, &say).await;
        drop(say);
        report
    };
    let (report, ()) = tokio::join!(run, watch);
    let recorded = written.end(report.is_success(), None).await;
    if json {
        let line = serde_json::json!({ "event": "report", "format": incline_model::event::FORMAT, "success": report.is_success(), "outcomes": report.outcomes });
        view::say(&format!("{line}\n"))?;
    } else {
        view::say(&view::run::report(&report, plan))?;
    }
    recorded?;
    Ok(if report.is_success() { Exit::Done } else { Exit::Failed })
}

/// Listens for Ctrl-C and SIGTERM: at the first, nothing new is begun and what is under way is left to AWS; at the second,
/// incline ends at once.
pub(crate) fn listen(sender: watch::Sender<bool>) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |source| Failure::Other { cause: format!("cannot listen for signals: {source}"), hint: None };
    let mut interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut ends = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::spawn(async move {
        for time in 1.. {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = ends.recv() => {}
            }
            if time > 1 {
                std::process::exit(1);
            }
            anstream::eprintln!("stopping: nothing new is begun. Once more ends incline at once.");
            let _ = sender.send(true);
        }
    });
    Ok(())
}
