//! A plan and a system → what is seen while it is carried out, and how it ended. What `apply` and `destroy` share.
use crate::error::{Exit, Failure};
use crate::live::Live;
use crate::view;
use incline_exec::{Ended, Say, Stop};
use incline_model::plan::Plan;
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
        let system = live.system(table, stop.clone());
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

/// Carries a plan out, shows what happens, and says how it ended.
pub(crate) async fn carry_out(
    live: &Live,
    plan: &Plan,
    table: &Table,
    parallel: u16,
    json: bool,
    stop: &Stop,
) -> Result<Exit, Failure> {
    let system = live.system(table, stop.clone());
    let (say, mut hear) = Say::new();
    let steps = plan.sites.iter().map(|site| site.steps.len()).sum();
    let mut screen = view::run::Screen::new(steps, json);
    let watch = async {
        while let Some(event) = hear.recv().await {
            screen.show(&event);
        }
        screen.close();
    };
    let run = async {
        let report = incline_exec::run(&plan.sites, &system, usize::from(parallel), stop, &say).await;
        drop(say);
        report
    };
    let (report, ()) = tokio::join!(run, watch);
    if json {
        let line = serde_json::json!({ "event": "report", "format": incline_model::event::FORMAT, "success": report.is_success(), "outcomes": report.outcomes });
        view::say(&format!("{line}\n"))?;
    } else {
        view::say(&view::run::report(&report, plan))?;
    }
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
