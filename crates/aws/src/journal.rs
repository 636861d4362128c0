//! Every request that incline makes of AWS, noted before it is sent; and what may not be sent at all.
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use std::sync::{Arc, Mutex};

/// What a command may ask of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only what changes nothing.
    Look,
    /// That, and change sets, which are made and removed but not carried out.
    Judge,
    /// Everything.
    Act,
}

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The service, as requests are signed for it.
    pub service: String,
    /// The operation.
    pub operation: String,
}

impl Call {
    /// Whether it changes nothing. What is not known to change nothing is taken to change something.
    pub fn is_reading(&self) -> bool {
        let operation = self.operation.as_str();
        // Drift detection reads; AssumeRole gives credentials.
        ["Describe", "Get", "List", "Head", "Detect", "AssumeRole"].iter().any(|verb| operation.starts_with(verb))
    }

    /// Whether it makes or removes change sets. A change set for a new stack makes an empty stack, which goes with it.
    fn is_judging(&self) -> bool {
        self.service == "cloudformation"
            && matches!(self.operation.as_str(), "CreateChangeSet" | "DeleteChangeSet" | "DeleteStack")
    }
}

/// The requests of one run, in the order in which they were made.
#[derive(Debug, Clone)]
pub struct Journal {
    mode: Mode,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Journal {
    /// An empty journal.
    pub fn new(mode: Mode) -> Self {
        Self { mode, calls: Arc::default() }
    }

    /// Notes a request that is about to be made, or refuses it.
    ///
    /// # Errors
    /// The mode does not allow it.
    pub(crate) fn note(&self, service: &str, operation: &str) -> Result<(), Refused> {
        let call = Call { service: service.to_owned(), operation: operation.to_owned() };
        let allowed = match self.mode {
            Mode::Act => true,
            Mode::Judge => call.is_reading() || call.is_judging(),
            Mode::Look => call.is_reading(),
        };
        tracing::debug!(service, operation, allowed, "request");
        if !allowed {
            return Err(Refused(call));
        }
        if let Ok(mut calls) = self.calls.lock() {
            calls.push(call);
        }
        Ok(())
    }

    /// What was asked, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().map(|calls| calls.clone()).unwrap_or_default()
    }
}

/// A request that the mode does not allow. It is a mistake in incline, and is stopped before it leaves.
#[derive(Debug, thiserror::Error)]
#[error("{} {} would change something, and this command only looks", .0.service, .0.operation)]
pub(crate) struct Refused(Call);

/// Notes the requests of AWS's own clients.
#[derive(Debug)]
pub(crate) struct Noting {
    pub(crate) journal: Journal,
    pub(crate) service: &'static str,
}

impl Intercept for Noting {
    fn name(&self) -> &'static str {
        "journal"
    }

    // Once a request, however often it is tried.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("unknown", Metadata::name);
        Ok(self.journal.note(self.service, operation)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_sends_nothing_that_changes() {
        let (look, judge, act) = (Journal::new(Mode::Look), Journal::new(Mode::Judge), Journal::new(Mode::Act));
        for (service, operation, [looks, judges]) in [
            ("cloudformation", "DescribeStacks", [true, true]),
            ("cloudformation", "DetectStackDrift", [true, true]),
            ("cloudformation", "CreateChangeSet", [false, true]),
            ("cloudformation", "ExecuteChangeSet", [false, false]),
            ("cloudformation", "SetStackPolicy", [false, false]),
            ("autoscaling", "StartInstanceRefresh", [false, false]),
            ("s3", "PutObject", [false, false]),
            ("s3", "HeadObject", [true, true]),
            ("ec2", "CreateSnapshot", [false, false]),
            ("elasticloadbalancing", "DeleteChangeSet", [false, false]),
        ] {
            assert_eq!(look.note(service, operation).is_ok(), looks, "{operation}");
            assert_eq!(judge.note(service, operation).is_ok(), judges, "{operation}");
            assert!(act.note(service, operation).is_ok());
        }
        assert!(look.calls().iter().all(Call::is_reading));
    }
}
