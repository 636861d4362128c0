//! The executor in a small world: targets are numbers, steps set them.
use super::*;
use crate::{Lane, Look, stop};
use incline_model::desired::Stage;
use incline_model::plan::Reason;
use std::sync::Mutex;
use std::time::Duration;

/// A target is as the step wants it when it is in `done`; what is in `bad` fails.
#[derive(Default)]
struct World {
    done: Mutex<Vec<String>>,
    bad: Vec<&'static str>,
    lies: Vec<&'static str>,
    moved: Vec<&'static str>,
    width: usize,
    now: Mutex<usize>,
    most: Mutex<usize>,
}

impl System for World {
    fn lane(&self, _: &Step) -> Lane {
        Lane { name: "world", width: self.width }
    }

    async fn look(&self, step: &Step) -> Result<Look, Trouble> {
        let is_fulfilled = self.done.lock().unwrap().contains(&step.target);
        let moved = self.moved.contains(&step.target.as_str());
        Ok(Look { is_fulfilled, is: if moved { Expectation::Seen("other".into()) } else { Expectation::Absent } })
    }

    async fn apply(&self, step: &Step, _: &Say) -> Result<(), Ended> {
        {
            let mut now = self.now.lock().unwrap();
            *now += 1;
            let mut most = self.most.lock().unwrap();
            *most = (*most).max(*now);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        *self.now.lock().unwrap() -= 1;
        if self.bad.contains(&step.target.as_str()) {
            return Err(Trouble::new("no").into());
        }
        if !self.lies.contains(&step.target.as_str()) {
            self.done.lock().unwrap().push(step.target.clone());
        }
        Ok(())
    }
}

fn plan(site: &str, steps: &[(&str, u16, &[&str])]) -> SitePlan {
    let steps = steps.iter().map(|(target, order, needs)| {
        let target = format!("{site}-{target}");
        Step {
            order: *order,
            needs: needs.iter().map(ToString::to_string).collect(),
            ..Step::new(target, Stage::Keys, Verb::Create, Reason::Missing, Expectation::Absent)
        }
    });
    SitePlan {
        site: site.into(),
        place: String::new(),
        inputs: BTreeMap::new(),
        steps: steps.collect(),
        unchanged: Vec::new(),
        blocked: Vec::new(),
        seen: BTreeMap::new(),
        notes: Vec::new(),
        missing: Vec::new(),
        drift: None,
    }
}

async fn carried_out(world: &mut World, plans: &[SitePlan], width: usize) -> Report {
    world.width = width;
    let (say, _hear) = Say::new();
    let (_sender, stop) = stop();
    run(plans, &*world, &stop, &say).await
}

#[tokio::test(start_paused = true)]
async fn order_width_and_needs_are_kept() {
    let mut world = World::default();
    let plans = [
        plan("a", &[("keys", 0, &[]), ("x", 1, &[]), ("y", 1, &[]), ("z", 1, &["b-keys"]), ("end", 2, &[])]),
        plan("b", &[("keys", 0, &["a-x"]), ("end", 1, &["a-z"])]),
    ];
    assert!(carried_out(&mut world, &plans, 2).await.is_success());
    let done = world.done.lock().unwrap();
    let at = |name: &str| done.iter().position(|target| target == name).unwrap();
    assert!(
        at("a-keys") < at("a-x") && at("a-x") < at("b-keys") && at("b-keys") < at("a-z") && at("a-z") < at("b-end")
    );
    assert!(at("a-y") < at("a-end") && at("a-z") < at("a-end"));
    assert_eq!(*world.most.lock().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_holds_back_what_stands_on_it_and_nothing_else() {
    let mut world = World { bad: vec!["a-x"], ..World::default() };
    let plans = [
        plan("a", &[("x", 0, &[]), ("y", 0, &[]), ("late", 1, &[])]),
        plan("b", &[("x", 0, &[]), ("y", 1, &["a-late"]), ("z", 1, &[])]),
    ];
    let report = carried_out(&mut world, &plans, 8).await;
    assert_eq!(report.outcomes["a-x"], Outcome::Failed(Trouble::new("no")));
    assert_eq!(report.outcomes["a-y"], Outcome::Done);
    assert_eq!(report.outcomes["a-late"], Outcome::Skipped { because: "a-x".into() });
    assert_eq!(report.outcomes["b-y"], Outcome::Skipped { because: "a-late".into() });
    assert_eq!(report.outcomes["b-z"], Outcome::Done);
    assert!(!report.is_success());
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_not_done_again_and_what_moved_is_refused() {
    let mut world = World { done: Mutex::new(vec!["a-x".into()]), moved: vec!["a-x", "a-y"], ..World::default() };
    let report = carried_out(&mut world, &[plan("a", &[("x", 0, &[]), ("y", 0, &[])])], 8).await;
    assert_eq!(report.outcomes["a-x"], Outcome::AlreadyDone);
    assert!(
        matches!(&report.outcomes["a-y"], Outcome::Failed(trouble) if trouble.cause.contains("was not when the plan was made"))
    );
    assert_eq!(*world.most.lock().unwrap(), 0, "nothing may be applied to a target that has moved");
}

#[tokio::test(start_paused = true)]
async fn a_system_that_says_done_and_is_not_is_caught() {
    let mut world = World { lies: vec!["a-x"], ..World::default() };
    let report = carried_out(&mut world, &[plan("a", &[("x", 0, &[])])], 8).await;
    assert!(matches!(&report.outcomes["a-x"], Outcome::Failed(trouble) if trouble.cause.contains("still is not")));
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_what_runs_end_and_begins_nothing() {
    let world = World { width: 8, ..World::default() };
    let (say, mut hear) = Say::new();
    let (sender, stop) = stop();
    let plans = [plan("a", &[("x", 0, &[]), ("y", 1, &[])])];
    let (report, ()) = tokio::join!(run(&plans, &world, &stop, &say), async {
        while !matches!(hear.recv().await, Some(Event::Started { .. })) {}
        sender.send(true).unwrap();
    });
    assert_eq!(report.outcomes["a-x"], Outcome::Done);
    assert_eq!(report.outcomes["a-y"], Outcome::Skipped { because: "incline was told to stop".into() });
}
