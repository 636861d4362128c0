//! What AWS answers instead of an answer.
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use incline_model::event::Trouble;

/// A request that failed, after all that may be tried again was tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service} {operation}: {message}")]
pub struct Error {
    /// The service, as requests are signed for it.
    pub service: String,
    /// The operation.
    pub operation: String,
    /// AWS's error code, or a word of incline's for what is not AWS's: `Transport`, `ReadOnly`.
    pub code: String,
    /// AWS's message.
    pub message: String,
}

/// The code of a request that could not be signed: there are no credentials, or they could not be had.
pub(crate) const CREDENTIALS: &str = "Credentials";

/// The code of an answer that never came.
pub(crate) const TRANSPORT: &str = "Transport";

impl Error {
    pub(crate) fn new(service: &str, operation: &str, code: &str, message: impl Into<String>) -> Self {
        Self {
            service: service.to_owned(),
            operation: operation.to_owned(),
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// From an error of one of AWS's own clients.
    pub(crate) fn from_sdk<E, R>(service: &str, operation: &str) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        move |error| {
            let unsigned = lacks_credentials(std::error::Error::source(&error));
            let code = match &error {
                SdkError::ServiceError(failed) => failed.err().code().unwrap_or("Unknown").to_owned(),
                _ if unsigned.is_some() => CREDENTIALS.to_owned(),
                _ => TRANSPORT.to_owned(),
            };
            let message = match error.as_service_error().and_then(ProvideErrorMetadata::message) {
                Some(message) => message.to_owned(),
                None if code == CREDENTIALS => {
                    format!("there are no credentials that could be used: {}", unsigned.unwrap_or_default())
                }
                None if code != TRANSPORT => code.clone(),
                None => DisplayErrorContext(&error).to_string().split(" (").next().unwrap_or_default().to_owned(),
            };
            Self::new(service, operation, &code, message)
        }
    }

    /// Whether the credentials are no longer, or not yet, good.
    pub fn is_expired(&self) -> bool {
        matches!(
            self.code.as_str(),
            "ExpiredToken"
                | "ExpiredTokenException"
                | "RequestExpired"
                | "InvalidClientTokenId"
                | "UnrecognizedClientException"
                | "InvalidToken"
        )
    }

    /// Whether the caller lacks the right.
    pub fn is_denied(&self) -> bool {
        matches!(
            self.code.as_str(),
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "Forbidden" | "403"
        )
    }

    /// Whether what was asked for is not there. CloudFormation has no code of its own for that.
    pub fn is_missing(&self) -> bool {
        self.message.contains("does not exist") || self.code.contains("NotFound") || self.code.starts_with("NoSuch")
    }

    /// Whether a whole bucket is not there, and not only a part of its settings.
    pub(crate) fn is_no_bucket(&self) -> bool {
        self.code == "NoSuchBucket"
    }

    /// Whether the same request may be answered later: throttled, a fault of AWS's, or a connection that broke.
    pub(crate) fn is_transient(&self) -> bool {
        self.code == TRANSPORT || is_throttled(&self.code) || is_fault(&self.code)
    }

    /// The way out, where there is one.
    pub fn hint(&self) -> Option<String> {
        if self.is_expired() {
            Some(
                "sign in again (for SSO: `aws sso login`), then run the same command: it takes up what is under way"
                    .to_owned(),
            )
        } else if self.code == CREDENTIALS {
            Some(
                "name a profile that has credentials by AWS_PROFILE, or by `access: {profile: …}` in the inventory, \
                 and sign in to it (for SSO: `aws sso login --profile PROFILE`); `aws sts get-caller-identity` shows who you are"
                    .to_owned(),
            )
        } else if self.is_denied() {
            Some("`incline iam-policy SITE` prints the rights that each command needs".to_owned())
        } else if self.is_transient() {
            Some(
                "AWS or the way to it is in trouble; run the same command again: it takes up what is under way"
                    .to_owned(),
            )
        } else {
            None
        }
    }
}

/// Why there are no credentials to sign with, where that is the reason of an error: its innermost cause.
fn lacks_credentials(mut next: Option<&(dyn std::error::Error + 'static)>) -> Option<String> {
    let mut lacks = false;
    let mut innermost = None;
    while let Some(error) = next {
        lacks |= error.is::<CredentialsError>();
        innermost = Some(error.to_string());
        next = error.source();
    }
    innermost.filter(|_| lacks)
}

/// Codes by which AWS asks to come again more slowly
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>).
pub(crate) fn is_throttled(code: &str) -> bool {
    code.contains("Throttl")
        || matches!(code, "RequestLimitExceeded" | "TooManyRequestsException" | "SlowDown" | "BandwidthLimitExceeded")
}

/// Codes of AWS's own faults.
pub(crate) fn is_fault(code: &str) -> bool {
    matches!(
        code,
        "InternalFailure"
            | "InternalError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "InternalServerError"
            | "RequestTimeout"
    ) || code.starts_with("50")
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self { cause: error.to_string(), details: Vec::new(), hint: error.hint() }
    }
}

impl From<Error> for incline_exec::Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}
