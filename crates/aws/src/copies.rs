//! Copies of an audit trail in S3: pieces of it, one an object, never written twice; under Object Lock where the inventory
//! names a bucket that has it (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html).
use crate::error::Error;
use crate::session::Session;
use crate::wire::encoded;
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// Where copies lie in a bucket.
const PREFIX: &str = "audit/";

impl Session {
    /// Keeps a piece of a trail: its records from the first to the last of these sequences. `until` is the moment (RFC 3339) before
    /// which nobody can remove it; nothing where the bucket locks nothing.
    ///
    /// # Errors
    /// S3 does not take it.
    pub async fn keep_copy(
        &self,
        bucket: &str,
        trail: &str,
        (first, last): (u64, u64),
        until: Option<&str>,
        piece: &[u8],
    ) -> Result<(), Error> {
        let path = format!("/{PREFIX}{trail}/{first:010}-{last:010}.jsonl");
        let checksum = STANDARD.encode(Sha256::digest(piece));
        let mut headers = vec![
            ("content-type", "application/x-ndjson"),
            ("if-none-match", "*"),
            ("x-amz-checksum-sha256", checksum.as_str()),
        ];
        if let Some(until) = until {
            headers.extend([("x-amz-object-lock-mode", "COMPLIANCE"), ("x-amz-object-lock-retain-until-date", until)]);
        }
        match self.wire.s3("PutObject", "PUT", bucket, &path, &headers, piece).await {
            // It was kept before, and whoever told us so was cut off.
            Err(error) if error.code == "PreconditionFailed" => Ok(()),
            put => put.map(drop),
        }
    }

    /// All pieces that a bucket holds, each with its key, by trail and sequence.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn copies(&self, bucket: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let mut copies = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("?list-type=2&prefix={}{after}", encoded(PREFIX));
            let answer = self.wire.s3("ListObjectsV2", "GET", bucket, &path, &[], &[]).await?;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let wrong = |why: String| Error::new("s3", "ListObjectsV2", "Malformed", why);
            let page = roxmltree::Document::parse(&text).map_err(|error| wrong(error.to_string()))?;
            let texts = |name: &str| -> Vec<String> {
                let nodes = page.descendants().filter(|node| node.tag_name().name() == name);
                nodes.filter_map(|node| node.text().map(ToOwned::to_owned)).collect()
            };
            let keys = texts("Key");
            for key in &keys {
                let piece = self.wire.s3("GetObject", "GET", bucket, &format!("/{key}"), &[], &[]).await?;
                copies.push((key.clone(), piece.body));
            }
            match (texts("IsTruncated").first().map(String::as_str), keys.last()) {
                (Some("true"), Some(last)) => after = format!("&start-after={}", encoded(last)),
                _ => return Ok(copies),
            }
        }
    }
}
