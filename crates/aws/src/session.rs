//! Signing in to a site's account: credentials by the ordinary chain, a role where the inventory names one, and the account
//! checked against the inventory before anything else.
use crate::error::Error;
use crate::journal::{Journal, Noting};
use crate::wire::Wire;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use incline_model::inventory::aws::Access;
use incline_model::site::Aws;
use std::time::Duration;

/// How often a request is tried. With the waits between, that outlasts a burst of throttling.
const ATTEMPTS: u32 = 8;
/// The first and the longest wait between two tries. Adaptive retries slow down by themselves when AWS asks for it.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one try may take.
const ATTEMPT: Duration = Duration::from_secs(60);

/// What a site's account is asked through.
#[derive(Debug, Clone)]
pub struct Session {
    /// The site's account.
    pub account: String,
    /// The site's region.
    pub region: String,
    /// Who asks: the caller's ARN.
    pub caller: String,
    pub(crate) cloudformation: aws_sdk_cloudformation::Client,
    pub(crate) autoscaling: aws_sdk_autoscaling::Client,
    pub(crate) wire: Wire,
}

/// Why nobody could sign in.
#[derive(Debug, thiserror::Error)]
pub enum SignIn {
    /// There are no credentials, or they are not good.
    #[error("cannot sign in to account {account}")]
    Credentials {
        /// The account.
        account: String,
        /// What AWS said.
        #[source]
        source: Box<Error>,
    },
    /// The credentials are another account's.
    #[error("the credentials are for account {found}, and the inventory says {expected}")]
    OtherAccount {
        /// The inventory's account.
        expected: String,
        /// The credentials' account.
        found: String,
    },
    /// The role asks for a code of an MFA device, and there was none.
    #[error("the role asks for a code of {0}, and nobody is there to type it")]
    NoCode(String),
}

impl SignIn {
    /// The way out.
    pub fn hint(&self) -> String {
        match self {
            Self::Credentials { source, .. } => source.hint().unwrap_or_else(|| {
                "set AWS_PROFILE, or `access: {profile: …}` in the inventory; `aws sts get-caller-identity` shows who you are".to_owned()
            }),
            Self::OtherAccount { .. } => "nothing was asked of that account; set AWS_PROFILE, or `access` in the inventory".to_owned(),
            Self::NoCode(_) => "run it on a terminal, or give the code in INCLINE_MFA_CODE".to_owned(),
        }
    }
}

impl Session {
    /// Signs in to a site's account. `code` asks a person for the code of an MFA device, where the inventory names one.
    ///
    /// # Errors
    /// No credentials, or another account's.
    pub async fn open(site: &Aws, journal: &Journal, code: impl Fn(&str) -> Option<String>) -> Result<Self, SignIn> {
        let typed = site.typed();
        let (account, region) = (typed.account.to_string(), typed.region.to_string());
        let config = load(&typed.access, &region, journal, &account, code).await?;
        let failed = |source| SignIn::Credentials { account: account.clone(), source: Box::new(source) };
        let sts = sts_client(&config, journal);
        let caller = sts
            .get_caller_identity()
            .send()
            .await
            .map_err(Error::from_sdk("sts", "GetCallerIdentity"))
            .map_err(failed)?;
        let found = caller.account().unwrap_or_default().to_owned();
        if found != account {
            return Err(SignIn::OtherAccount { expected: account, found });
        }
        Ok(Self {
            caller: caller.arn().unwrap_or_default().to_owned(),
            cloudformation: aws_sdk_cloudformation::Client::from_conf(
                aws_sdk_cloudformation::config::Builder::from(&config)
                    .interceptor(Noting { journal: journal.clone(), service: "cloudformation" })
                    .build(),
            ),
            autoscaling: aws_sdk_autoscaling::Client::from_conf(
                aws_sdk_autoscaling::config::Builder::from(&config)
                    .interceptor(Noting { journal: journal.clone(), service: "autoscaling" })
                    .build(),
            ),
            wire: Wire::new(&config, &region, journal.clone()),
            account,
            region,
        })
    }
}

async fn load(
    access: &Access,
    region: &str,
    journal: &Journal,
    account: &str,
    code: impl Fn(&str) -> Option<String>,
) -> Result<SdkConfig, SignIn> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .retry_config(
            RetryConfig::adaptive()
                .with_max_attempts(ATTEMPTS)
                .with_initial_backoff(FIRST_WAIT)
                .with_max_backoff(LONGEST_WAIT),
        )
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build());
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile.as_str());
    }
    let config = loader.load().await;
    let Some(role) = &access.role else { return Ok(config) };
    // The session's name is what CloudTrail shows: who it was, not only what.
    let session = format!("incline-{}", user());
    let provider = if let Some(device) = &access.mfa {
        let typed = code(device.as_str()).ok_or_else(|| SignIn::NoCode(device.to_string()))?;
        let sts = sts_client(&config, journal);
        let taken = sts
            .assume_role()
            .role_arn(role.as_str())
            .role_session_name(&session)
            .set_external_id(access.external_id.as_ref().map(ToString::to_string))
            .serial_number(device.as_str())
            .token_code(typed)
            .send()
            .await
            .map_err(Error::from_sdk("sts", "AssumeRole"))
            .map_err(|source| SignIn::Credentials { account: account.to_owned(), source: Box::new(source) })?;
        let Some(given) = taken.credentials() else { return Err(SignIn::NoCode(device.to_string())) };
        SharedCredentialsProvider::new(Credentials::new(
            given.access_key_id(),
            given.secret_access_key(),
            Some(given.session_token().to_owned()),
            std::time::SystemTime::try_from(*given.expiration()).ok(),
            "role with MFA",
        ))
    } else {
        let mut builder = AssumeRoleProvider::builder(role.as_str())
            .session_name(session)
            .region(Region::new(region.to_owned()))
            .configure(&config);
        if let Some(id) = &access.external_id {
            builder = builder.external_id(id.as_str());
        }
        SharedCredentialsProvider::new(builder.build().await)
    };
    Ok(config.into_builder().credentials_provider(provider).build())
}

/// STS, asked through the journal.
fn sts_client(config: &SdkConfig, journal: &Journal) -> aws_sdk_sts::Client {
    let noting = Noting { journal: journal.clone(), service: "sts" };
    aws_sdk_sts::Client::from_conf(aws_sdk_sts::config::Builder::from(config).interceptor(noting).build())
}

/// Who is at this machine, in the letters that a session's name may have.
fn user() -> String {
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "_=,.@-".contains(*c)).take(40).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}
