//! What stacks and machines fetch from S3: node configurations and large templates, each under its own digest.
use crate::error::Error;
use crate::session::Session;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};

/// The bucket and key of the node configuration that a template's user data points to.
pub(crate) fn pointed_to(template: &Value) -> Option<(String, String)> {
    let resources = template.get("Resources")?.as_object()?;
    let data = resources
        .values()
        .find_map(|resource| resource.pointer("/Properties/LaunchTemplateData/UserData")?.as_str())?;
    let pointer: Value = serde_json::from_slice(&STANDARD.decode(data).ok()?).ok()?;
    let source = pointer.pointer("/ignition/config/replace/source")?.as_str()?.strip_prefix("s3://")?;
    source.split_once('/').map(|(bucket, key)| (bucket.to_owned(), key.to_owned()))
}

impl Session {
    /// Puts an object where it is not yet, encrypted with the site's own key, and reads it back. Keys hold the content's
    /// digest, so that what is there is never written again.
    ///
    /// Gives whether it was written.
    pub(crate) async fn upload(&self, bucket: &str, key: &str, encryption: &str, content: &str) -> Result<bool, Error> {
        let path = format!("/{key}");
        let written = match self.s3_head(bucket, &path).await {
            Ok(()) => false,
            Err(error) if error.is_missing() || error.code == "404" => {
                let checksum = STANDARD.encode(Sha256::digest(content.as_bytes()));
                let headers = [
                    ("content-type", "application/json"),
                    ("if-none-match", "*"),
                    ("x-amz-checksum-sha256", checksum.as_str()),
                    ("x-amz-server-side-encryption", "aws:kms"),
                    ("x-amz-server-side-encryption-aws-kms-key-id", encryption),
                ];
                match self.wire.s3("PutObject", "PUT", bucket, &path, &headers, content.as_bytes()).await {
                    Ok(_) => true,
                    // Another run was faster.
                    Err(error) if error.code == "PreconditionFailed" => false,
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        let found = self.wire.s3("GetObject", "GET", bucket, &path, &[], &[]).await?;
        let wrong = |message: String| Error::new("s3", "GetObject", "Corrupt", message);
        if Sha512::digest(&found.body) != Sha512::digest(content.as_bytes()) {
            return Err(wrong(format!("s3://{bucket}/{key} does not hold what its name says")));
        }
        match found.header("x-amz-server-side-encryption") {
            Some("aws:kms" | "aws:kms:dsse") => Ok(written),
            other => Err(wrong(format!(
                "s3://{bucket}/{key} is encrypted by {}, not by the site's key",
                other.unwrap_or("nothing")
            ))),
        }
    }

    async fn s3_head(&self, bucket: &str, path: &str) -> Result<(), Error> {
        self.wire.s3("HeadObject", "HEAD", bucket, path, &[], &[]).await.map(drop)
    }
}
