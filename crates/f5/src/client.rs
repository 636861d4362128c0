//! Requests to one unit: signed in by a token, which is renewed before it ends and given back at the end.
use crate::error::Error;
use incline_host::Secret;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// How long a request may take. AS3 itself goes on in the background after 45 s.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a unit that is busy is asked again, with a growing wait: two minutes in all, as its own message advises.
const ATTEMPTS: u32 = 8;
/// A token is renewed so long before it ends.
const MARGIN: Duration = Duration::from_secs(60);
/// How much of an answer that is no JSON is shown, in characters.
const SAID: usize = 200;

/// A unit that we are signed in to.
pub(crate) struct Session {
    client: Client,
    pub(crate) unit: String,
    user: String,
    password: Secret,
    token: Option<Token>,
}

struct Token {
    text: String,
    until: Instant,
}

/// What a unit answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Session {
    /// A session that nobody has signed in to yet.
    pub(crate) fn new(unit: &str, user: &str, password: Secret, tls: rustls::ClientConfig) -> Result<Self, Error> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(Duration::from_secs(10))
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        let (name, port) = unit.split_once(':').unwrap_or((unit, "443"));
        // A name that is this machine by its nature (RFC 6761, 6.3): no resolver need know it.
        if name.ends_with(".localhost") {
            let port = port.parse().unwrap_or(443);
            builder = builder.resolve(name, SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        }
        let client = builder.build();
        let client = client.map_err(|error| Error::Unreachable { unit: unit.to_owned(), why: causes(&error) })?;
        Ok(Self { client, unit: unit.to_owned(), user: user.to_owned(), password, token: None })
    }

    /// Asks for something that must be there.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Value, Error> {
        let answer = self.ask(Method::GET, path, None).await?;
        self.good(answer)
    }

    /// Asks for something that need not be there.
    pub(crate) async fn find(&mut self, path: &str) -> Result<Option<Value>, Error> {
        let answer = self.ask(Method::GET, path, None).await?;
        if matches!(answer.status, 404 | 204) { Ok(None) } else { self.good(answer).map(Some) }
    }

    fn good(&self, answer: Answer) -> Result<Value, Error> {
        if answer.status < 300 {
            return Ok(answer.body);
        }
        Err(Error::Refused { unit: self.unit.clone(), status: answer.status, message: message(&answer.body) })
    }

    /// Asks, whatever the answer is; a unit that is busy is asked again.
    pub(crate) async fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let mut is_renewed = false;
        let mut attempt = 0;
        loop {
            let token = self.token().await?;
            let answer = self.send(method.clone(), path, body, Some(&token)).await?;
            match answer.status {
                401 if !is_renewed => {
                    // Somebody took the token away, or the unit has started anew.
                    is_renewed = true;
                    self.token = None;
                }
                503 if attempt < ATTEMPTS => {
                    attempt += 1;
                    tracing::debug!(unit = self.unit, attempt, "it is busy");
                    tokio::time::sleep(Duration::from_millis(250) * 2_u32.pow(attempt)).await;
                }
                _ => return Ok(answer),
            }
        }
    }

    async fn token(&mut self) -> Result<String, Error> {
        if let Some(token) = &self.token
            && token.until > Instant::now()
        {
            return Ok(token.text.clone());
        }
        self.close().await;
        let refused = |why: String| Error::Login { unit: self.unit.clone(), user: self.user.clone(), why };
        let password = String::from_utf8_lossy(self.password.expose()).into_owned();
        let body = json!({ "username": self.user, "password": password, "loginProviderName": "tmos" });
        let asked = Instant::now();
        let answer = self.send(Method::POST, "/mgmt/shared/authn/login", Some(&body), None).await?;
        if answer.status >= 300 {
            return Err(refused(message(&answer.body)));
        }
        let Some(text) = answer.body["token"]["token"].as_str() else {
            return Err(Error::Strange { unit: self.unit.clone(), what: "a token" });
        };
        let seconds = Duration::from_secs(answer.body["token"]["timeout"].as_u64().unwrap_or(1200));
        // One that ends at once is used once.
        self.token = Some(Token { text: text.to_owned(), until: asked + seconds.saturating_sub(MARGIN) });
        Ok(text.to_owned())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Result<Answer, Error> {
        let mut request = self.client.request(method, format!("https://{}{path}", self.unit));
        if let Some(token) = token {
            request = request.header("X-F5-Auth-Token", token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let lost = |error: reqwest::Error| Error::Unreachable { unit: self.unit.clone(), why: causes(&error) };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let text = response.text().await.map_err(lost)?;
        let body = if status == StatusCode::NO_CONTENT || text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|_| text.chars().take(SAID).collect::<String>().into())
        };
        Ok(Answer { status: status.as_u16(), body })
    }

    /// Gives the token back: a user has a hundred of them, and the next login would fail.
    pub(crate) async fn close(&mut self) {
        let Some(token) = self.token.take() else { return };
        let path = format!("/mgmt/shared/authz/tokens/{}", token.text);
        if let Err(error) = self.send(Method::DELETE, &path, None, Some(&token.text)).await {
            tracing::debug!(%error, "a token was not given back");
        }
    }
}

/// What a device says of an error.
fn message(body: &Value) -> String {
    let said = body["message"].as_str().or_else(|| body["error"]["message"].as_str());
    said.map_or_else(|| body.as_str().unwrap_or("it says nothing").to_owned(), ToOwned::to_owned)
}

/// An error with all that led to it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut last = error.to_string();
    let mut source = error.source();
    // The innermost says what has happened; those around it say that something has.
    while let Some(cause) = source {
        last = cause.to_string();
        source = cause.source();
    }
    last
}
