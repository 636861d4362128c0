//! Carries plans out.
use crate::{Ended, Say, Stop, System};
use futures_util::stream::{FuturesUnordered, StreamExt};
use incline_model::event::{Event, Outcome, Report, Trouble};
use incline_model::plan::{Expectation, SitePlan, Step, Verb};
use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Done,
    NotDone,
}

/// A step's place among all.
struct Place<'a> {
    site: usize,
    step: &'a Step,
}

/// Carries out the plans of some sites, in each lane at most as many steps at once as it is wide.
pub async fn run<S: System>(plans: &[SitePlan], system: &S, stop: &Stop, say: &Say) -> Report {
    let places: Vec<Place<'_>> = plans
        .iter()
        .enumerate()
        .flat_map(|(site, plan)| plan.steps.iter().map(move |step| Place { site, step }))
        .collect();
    let by_target: BTreeMap<&str, usize> =
        places.iter().enumerate().map(|(index, place)| (place.step.target.as_str(), index)).collect();
    let mut states = vec![State::Waiting; places.len()];
    let mut report = Report::default();
    let mut running = FuturesUnordered::new();
    let mut lanes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut end = |index: usize, outcome: Outcome, states: &mut Vec<State>| {
        let Some(place) = places.get(index) else { return };
        let done = matches!(outcome, Outcome::Done | Outcome::AlreadyDone);
        if let Some(state) = states.get_mut(index) {
            *state = if done { State::Done } else { State::NotDone };
        }
        say.finished(&place.step.target, outcome.clone());
        report.fold(&Event::Finished { target: place.step.target.clone(), outcome });
    };
    loop {
        for (index, place) in places.iter().enumerate() {
            if states.get(index) != Some(&State::Waiting) {
                continue;
            }
            match ready(index, place, &places, &by_target, &states) {
                Ready::Never(because) => end(index, Outcome::Skipped { because }, &mut states),
                Ready::Now if !stop.is_said() => {
                    let lane = system.lane(place.step);
                    let busy = lanes.entry(lane.name).or_default();
                    if *busy >= lane.width {
                        continue;
                    }
                    *busy += 1;
                    if let Some(state) = states.get_mut(index) {
                        *state = State::Running;
                    }
                    running.push(async move { (index, lane.name, step(place.step, system, say).await) });
                }
                Ready::Now | Ready::Later => {}
            }
        }
        match running.next().await {
            Some((index, lane, outcome)) => {
                lanes.entry(lane).and_modify(|busy| *busy = busy.saturating_sub(1));
                end(index, outcome, &mut states);
            }
            None => break,
        }
    }
    // Only a stop leaves steps waiting.
    for index in 0..places.len() {
        if states.get(index) == Some(&State::Waiting) {
            end(index, Outcome::Skipped { because: "incline was told to stop".to_owned() }, &mut states);
        }
    }
    report
}

enum Ready {
    Now,
    Later,
    Never(String),
}

/// Whether a step can begin: all of its site that come earlier are done, and what it needs of other sites.
fn ready(
    index: usize,
    place: &Place<'_>,
    places: &[Place<'_>],
    by_target: &BTreeMap<&str, usize>,
    states: &[State],
) -> Ready {
    let earlier = places
        .iter()
        .enumerate()
        .filter(|(_, other)| other.site == place.site && other.step.order < place.step.order)
        .map(|(index, _)| index);
    let needed = place.step.needs.iter().filter_map(|target| by_target.get(target.as_str()).copied());
    let mut answer = Ready::Now;
    for before in earlier.chain(needed).filter(|before| *before != index) {
        match states.get(before) {
            Some(State::NotDone) => {
                return Ready::Never(places.get(before).map_or(String::new(), |other| other.step.target.clone()));
            }
            Some(State::Waiting | State::Running) => answer = Ready::Later,
            _ => {}
        }
    }
    answer
}

/// One step: look, compare, apply, look again.
async fn step<S: System>(step: &Step, system: &S, say: &Say) -> Outcome {
    let before = match system.look(step).await {
        Ok(look) => look,
        Err(trouble) => return Outcome::Failed(trouble),
    };
    if before.is_fulfilled {
        return Outcome::AlreadyDone;
    }
    if before.is != step.expectation {
        return Outcome::Failed(stale(step, &before.is));
    }
    say.event(Event::started(step));
    match system.apply(step, say).await {
        Ok(()) => {}
        Err(Ended::Failed(trouble)) => return Outcome::Failed(trouble),
        Err(Ended::Interrupted(trouble)) => return Outcome::Interrupted(trouble),
    }
    match system.look(step).await {
        Ok(look) if look.is_fulfilled => Outcome::Done,
        Ok(_) => Outcome::Failed(
            Trouble::new("it was applied without an error, and still is not as the plan says")
                .hint("`incline plan` shows what differs"),
        ),
        Err(trouble) => Outcome::Failed(trouble),
    }
}

/// The target is not what the plan was made against.
fn stale(step: &Step, is: &Expectation) -> Trouble {
    let how = match (&step.expectation, is) {
        (Expectation::Absent, _) => "it is there now, and was not when the plan was made",
        (_, Expectation::Absent) if step.verb != Verb::Remove => "it is gone, and was there when the plan was made",
        _ => "it has changed since the plan was made",
    };
    Trouble::new(how).hint("plan again, and look at what is different")
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
