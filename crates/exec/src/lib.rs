//! Plan + System → events. For each step: look, compare with what the plan expects, apply, look again. Steps of a site run
//! in their order, those with the same number side by side up to a bound; a step that fails holds back what comes after
//! it in its own site, and what waits for it elsewhere, and nothing else.
//!
//! What may not live here: knowledge of AWS, SSH or F5, and policy. There are no undos: a step that failed is taken up
//! again by the next run.
mod run;
mod say;

pub use run::run;
pub use say::{Say, Stop, stop};

use incline_model::event::Trouble;
use incline_model::plan::{Expectation, Step};
use std::future::Future;

/// What a step's target looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Whether it is as the step would make it.
    pub is_fulfilled: bool,
    /// What it is, in the words of expectations.
    pub is: Expectation,
}

/// How applying a step ended before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It failed.
    Failed(Trouble),
    /// incline was told to stop; what is under way goes on without it.
    Interrupted(Trouble),
}

impl From<Trouble> for Ended {
    fn from(trouble: Trouble) -> Self {
        Self::Failed(trouble)
    }
}

/// Where steps run side by side, up to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Its name.
    pub name: &'static str,
    /// How many steps run in it at once.
    pub width: usize,
}

/// A system that plans are carried out on. It is dumb: what to do and when is decided by the plan, whether it may be
/// done and whether it was done is seen to by [`run`].
pub trait System: Sync {
    /// Where a step runs.
    fn lane(&self, step: &Step) -> Lane;

    /// Looks at a step's target, without changing anything.
    fn look(&self, step: &Step) -> impl Future<Output = Result<Look, Trouble>> + Send;

    /// Carries a step out, to its end.
    fn apply(&self, step: &Step, say: &Say) -> impl Future<Output = Result<(), Ended>> + Send;
}
