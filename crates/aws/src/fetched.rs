//! Looking whether what machines fetch while they boot is there: files in the artifact bucket, images in the registry.
use crate::error::Error;
use crate::session::Session;
use crate::wire::encoded;
use futures_util::stream::{self, StreamExt};
use incline_model::event::Trouble;
use incline_model::fetch::{Fetched, Found, Missing, Origin, lines};
use serde_json::json;

/// How many are looked for side by side.
const SIDE_BY_SIDE: usize = 8;

impl Session {
    /// What is not where machines fetch it from, or could not be looked at. Images are looked for by digest; objects by
    /// their key, which holds the digest, and their size: their content is verified by the machine that fetches it.
    pub async fn missing(&self, fetched: &[Fetched]) -> Vec<Missing> {
        let looks = fetched.iter().cloned().map(|what| async move {
            let found = match self.find(&what).await {
                Ok(None) => return None,
                Ok(Some(found)) => found,
                Err(error) => Found::NotChecked(error.to_string()),
            };
            Some(Missing::new(&what, found))
        });
        let looks: Vec<Option<Missing>> = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE).collect().await;
        let mut missing: Vec<Missing> = looks.into_iter().flatten().collect();
        missing.sort();
        missing
    }

    /// What is found in place of something; nothing where it is there.
    async fn find(&self, what: &Fetched) -> Result<Option<Found>, Error> {
        let gone = |error: Error| match error.is_missing() || error.code == "404" {
            true => Ok(Some(Found::Nothing)),
            false => Err(error),
        };
        match &what.at {
            Origin::Object { bucket, key, size } => {
                let path: String = key.split('/').map(|part| format!("/{}", encoded(part))).collect();
                let answer = match self.wire.s3("HeadObject", "HEAD", bucket, &path, &[], &[]).await {
                    Ok(answer) => answer,
                    Err(error) => return gone(error),
                };
                let length = answer.header("content-length").and_then(|length| length.parse::<u64>().ok());
                Ok(length.filter(|length| *length != u64::from(*size)).map(Found::OtherSize))
            }
            Origin::Image { repository, digest, .. } => {
                let asked = json!({ "repositoryName": repository, "imageIds": [{ "imageDigest": digest }] });
                let target = "AmazonEC2ContainerRegistry_V20150921";
                match self.wire.json("ecr", target, "DescribeImages", &asked).await {
                    Ok(answer) => {
                        let is_there = answer["imageDetails"].as_array().is_some_and(|found| !found.is_empty());
                        Ok((!is_there).then_some(Found::Nothing))
                    }
                    Err(error) => gone(error),
                }
            }
        }
    }
}

/// Why machines are not started.
pub(crate) fn not_there(missing: &[Missing]) -> Trouble {
    let number = missing.len();
    let what = if number == 1 { "1 file or image".to_owned() } else { format!("{number} files and images") };
    let verb = if number == 1 { "is" } else { "are" };
    Trouble {
        cause: format!("{what} that its machines fetch {verb} not there; no machine was started"),
        details: lines(missing),
        hint: Some("bring them by these commands, then run the same command again: it goes on from here".to_owned()),
    }
}
