//! Signed requests to the services that have no client here: EC2, classic load balancers, S3, KMS, ECR, Secrets Manager,
//! CloudWatch Logs, IAM. Answers in XML and in JSON come as one kind of value.
use crate::error::{Error, TRANSPORT, is_fault, is_throttled};
use crate::journal::Journal;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime};

/// How often a request is tried.
const ATTEMPTS: u32 = 7;
/// IAM has one endpoint for all regions, and requests of it are signed for this one
/// (<https://docs.aws.amazon.com/general/latest/gr/iam-service.html>).
const IAM: &str = "iam";
const IAM_REGION: &str = "us-east-1";

/// A way to send signed requests.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    connector: std::sync::Arc<Connector>,
    credentials: Option<SharedCredentialsProvider>,
    /// The credentials that were given last, until shortly before they end.
    given: std::sync::Arc<tokio::sync::Mutex<Option<Credentials>>>,
    endpoint: Option<String>,
    region: String,
    journal: Journal,
}

/// A request, before it is signed.
struct Request<'a> {
    service: &'a str,
    operation: &'a str,
    method: &'a str,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer: its status, its headers and its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header's value; names are lower-case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Wire {
    pub(crate) fn new(config: &SdkConfig, region: &str, journal: Journal) -> Self {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .build();
        let connector = Connector::builder()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .connector_settings(settings)
            .build();
        Self {
            connector: std::sync::Arc::new(connector),
            credentials: config.credentials_provider(),
            given: std::sync::Arc::default(),
            endpoint: config.endpoint_url().map(|url| url.trim_end_matches('/').to_owned()),
            region: region.to_owned(),
            journal,
        }
    }

    /// Where a service is reached: the ordinary endpoint override, for one service or for all, or AWS.
    fn endpoint(&self, service: &str, host: &str) -> String {
        let variable = format!("AWS_ENDPOINT_URL_{}", service.to_ascii_uppercase().replace([' ', '-'], "_"));
        std::env::var(variable)
            .ok()
            .or_else(|| self.endpoint.clone())
            .unwrap_or_else(|| format!("https://{host}"))
            .trim_end_matches('/')
            .to_owned()
    }

    /// A request of the query protocol (EC2, classic load balancers, IAM): parameters in, what stands in the answer out.
    pub(crate) async fn query(
        &self,
        service: &str,
        version: &str,
        operation: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Value, Error> {
        let named = [("Action", operation), ("Version", version)];
        let body: Vec<String> =
            named.iter().chain(parameters).map(|(key, value)| format!("{key}={}", encoded(value))).collect();
        let host = if service == IAM {
            format!("{IAM}.amazonaws.com")
        } else {
            format!("{service}.{}.amazonaws.com", self.region)
        };
        let answer = self
            .send(Request {
                service,
                operation,
                method: "POST",
                url: format!("{}/", self.endpoint(service, &host)),
                headers: vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())],
                body: body.join("&").into_bytes(),
            })
            .await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let whole = from_xml(&text).map_err(|message| Error::new(service, operation, "Malformed", message))?;
        // The query protocol of newer services wraps the answer once more.
        Ok(whole.get(format!("{operation}Result")).cloned().unwrap_or(whole))
    }

    /// A request of the JSON protocol (KMS, ECR, Secrets Manager, CloudWatch Logs).
    pub(crate) async fn json(
        &self,
        service: &str,
        target: &str,
        operation: &str,
        body: &Value,
    ) -> Result<Value, Error> {
        let host = if service == "ecr" { "api.ecr" } else { service };
        let answer = self
            .send(Request {
                service,
                operation,
                method: "POST",
                url: format!("{}/", self.endpoint(service, &format!("{host}.{}.amazonaws.com", self.region))),
                headers: vec![
                    ("content-type".to_owned(), "application/x-amz-json-1.1".to_owned()),
                    ("x-amz-target".to_owned(), format!("{target}.{operation}")),
                ],
                body: body.to_string().into_bytes(),
            })
            .await?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| Error::new(service, operation, "Malformed", error.to_string()))
    }

    /// A request to S3, in path style: bucket names of incline hold no dots, but endpoints of test beds know no other.
    pub(crate) async fn s3(
        &self,
        operation: &str,
        method: &str,
        bucket: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Error> {
        let headers = headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let url = format!("{}{path}", self.bucket_url(bucket));
        self.send(Request { service: "s3", operation, method, url, headers, body: body.to_vec() }).await
    }

    /// Where a bucket is reached.
    pub(crate) fn bucket_url(&self, bucket: &str) -> String {
        format!("{}/{bucket}", self.endpoint("s3", &format!("s3.{}.amazonaws.com", self.region)))
    }

    /// Sends a request until it is answered, or was tried often enough.
    async fn send(&self, request: Request<'_>) -> Result<Answer, Error> {
        let failed = |code: &str, message: String| Error::new(request.service, request.operation, code, message);
        self.journal
            .note(request.service, request.operation)
            .map_err(|refused| failed("ReadOnly", refused.to_string()))?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = self.send_once(&request).await;
            let error = match outcome {
                Ok(answer) if answer.status < 400 => return Ok(answer),
                Ok(answer) => {
                    let (code, message) = told(&answer);
                    failed(&code, message)
                }
                Err(error) => error,
            };
            let again = error.is_transient();
            if !again || attempt >= ATTEMPTS {
                return Err(error);
            }
            // 0.2, 0.4, 0.8 … 6.4 seconds.
            tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
        }
    }

    async fn credentials(&self) -> Result<Credentials, String> {
        let mut given = self.given.lock().await;
        let soon = SystemTime::now() + Duration::from_secs(60);
        if let Some(good) = given.as_ref().filter(|given| given.expiry().is_none_or(|end| end > soon)) {
            return Ok(good.clone());
        }
        let provider = self.credentials.as_ref().ok_or("there are no credentials")?;
        let fresh = provider.provide_credentials().await.map_err(|error| error.to_string())?;
        *given = Some(fresh.clone());
        Ok(fresh)
    }

    async fn send_once(&self, request: &Request<'_>) -> Result<Answer, Error> {
        let failed = |code: &str, message: String| Error::new(request.service, request.operation, code, message);
        let identity = self.credentials().await.map_err(|message| failed("ExpiredToken", message))?.into();
        let mut settings = SigningSettings::default();
        if request.service == "s3" {
            // S3 signs paths as they stand, and wants the body's digest in a header
            // (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(if request.service == IAM { IAM_REGION } else { &self.region })
            .name(request.service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| failed("Signing", error.to_string()))?
            .into();
        let headers = request.headers.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let signable = SignableRequest::new(request.method, &request.url, headers, SignableBody::Bytes(&request.body))
            .map_err(|error| failed("Signing", error.to_string()))?;
        let (instructions, _) =
            sign(signable, &parameters).map_err(|error| failed("Signing", error.to_string()))?.into_parts();
        let mut http = HttpRequest::new(SdkBody::from(request.body.clone()));
        http.set_method(request.method).map_err(|error| failed(TRANSPORT, error.to_string()))?;
        http.set_uri(request.url.as_str()).map_err(|error| failed(TRANSPORT, error.to_string()))?;
        for (key, value) in &request.headers {
            http.headers_mut().insert(key.clone(), value.clone());
        }
        for (key, value) in instructions.headers() {
            http.headers_mut().insert(key.to_owned(), value.to_owned());
        }
        let response = self.connector.call(http).await.map_err(|error| failed(TRANSPORT, error.to_string()))?;
        let status = response.status().as_u16();
        let headers =
            response.headers().iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<Vec<_>>();
        let body = aws_smithy_types::byte_stream::ByteStream::new(response.into_body())
            .collect()
            .await
            .map_err(|error| failed(TRANSPORT, error.to_string()))?;
        Ok(Answer { status, headers, body: body.to_vec() })
    }
}

/// The code and the message of an error's answer, in XML or JSON.
fn told(answer: &Answer) -> (String, String) {
    let text = String::from_utf8_lossy(&answer.body);
    let whole = serde_json::from_str::<Value>(&text).or_else(|_| from_xml(&text)).unwrap_or_default();
    let error =
        ["/Error", "/Errors/Error", "/Errors/0/Error"].iter().find_map(|path| whole.pointer(path)).unwrap_or(&whole);
    let find = |names: [&str; 3]| names.iter().find_map(|name| error.get(name)?.as_str().map(ToOwned::to_owned));
    let code = find(["Code", "__type", "code"]).unwrap_or_else(|| answer.status.to_string());
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    let message = find(["Message", "message", "msg"]).unwrap_or_else(|| format!("status {}", answer.status));
    // A fault without a code that we know is told by its status.
    let code =
        if answer.status >= 500 && !is_fault(&code) && !is_throttled(&code) { answer.status.to_string() } else { code };
    (code, message)
}

/// XML as a value: elements are keys, `item` and `member` make lists, text is text.
pub(crate) fn from_xml(text: &str) -> Result<Value, String> {
    let document = roxmltree::Document::parse(text).map_err(|error| error.to_string())?;
    Ok(value_of(document.root_element()))
}

fn value_of(node: roxmltree::Node<'_, '_>) -> Value {
    let below: Vec<_> = node.children().filter(roxmltree::Node::is_element).collect();
    if below.is_empty() {
        return Value::String(node.text().unwrap_or_default().to_owned());
    }
    if below.iter().all(|child| matches!(child.tag_name().name(), "item" | "member")) {
        return Value::Array(below.into_iter().map(value_of).collect());
    }
    Value::Object(
        below.into_iter().map(|child| (child.tag_name().name().to_owned(), value_of(child))).collect::<Map<_, _>>(),
    )
}

/// Percent-encoding of all but RFC 3986's unreserved characters, as signatures want it.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn xml_reads_as_values() {
        let text = r#"<R xmlns="x"><set><item><id>a</id><n/></item><item><id>b</id></item></set><one>1 &lt; 2</one><empty/></R>"#;
        let wanted = json!({ "set": [{ "id": "a", "n": "" }, { "id": "b" }], "one": "1 < 2", "empty": "" });
        assert_eq!(from_xml(text).unwrap(), wanted);
        assert!(from_xml("<a>").is_err());
    }

    #[test]
    fn errors_of_every_protocol_are_read() {
        let answer = |status, body: &str| Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        for (status, body, code) in [
            (
                400,
                "<ErrorResponse><Error><Code>LoadBalancerNotFound</Code><Message>m</Message></Error></ErrorResponse>",
                "LoadBalancerNotFound",
            ),
            (
                400,
                "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>m</Message></Error></Errors></Response>",
                "InvalidVpcID.NotFound",
            ),
            (404, "<Error><Code>NoSuchKey</Code><Message>m</Message></Error>", "NoSuchKey"),
            (400, r#"{"__type":"com.amazonaws.kms#NotFoundException","message":"m"}"#, "NotFoundException"),
            (503, "<html>busy</html>", "503"),
            (404, "", "404"),
        ] {
            assert_eq!(told(&answer(status, body)).0, code, "{body}");
        }
    }

    #[test]
    fn text_is_encoded_as_signatures_want_it() {
        assert_eq!(encoded("a b+ü/~"), "a%20b%2B%C3%BC%2F~");
    }
}
