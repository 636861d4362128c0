//! Own reads of what guards data: buckets, keys, repositories, secrets, and the certificates of balancers.
use super::applied::{Applied, Resource};
use super::machines::days;
use super::network::word;
use super::{CERTIFICATE_DAYS, Gathered, compare};
use crate::error::Error;
use crate::session::Session;
use incline_model::drift::NOTHING;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Session {
    pub(crate) async fn look_at_guards(&self, applied: &Applied, today: &str) -> Gathered {
        let mut gathered = Gathered::default();
        for resource in &applied.resources {
            let looked = match resource.kind.as_str() {
                "AWS::S3::Bucket" => self.bucket(resource, &mut gathered).await,
                "AWS::S3::BucketPolicy" => self.bucket_policy(resource, &mut gathered).await,
                "AWS::KMS::Key" => self.key(resource, &mut gathered).await,
                "AWS::ECR::Repository" => self.repository(resource, &mut gathered).await,
                "AWS::SecretsManager::Secret" => self.secret(resource, &mut gathered).await,
                "AWS::SecretsManager::ResourcePolicy" => self.secret_policy(resource, &mut gathered).await,
                _ => Ok(()),
            };
            if let Err(error) = looked {
                gathered.gone_or_failed(resource, &error);
            }
        }
        self.certificates(applied, today, &mut gathered).await;
        gathered
    }

    async fn bucket_answer(&self, operation: &str, bucket: &str, query: &str) -> Result<Value, Error> {
        let answer = self.wire.s3(operation, "GET", bucket, &format!("?{query}="), &[], &[]).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        crate::wire::from_xml(&text).map_err(|why| Error::new("s3", operation, "Malformed", why))
    }

    /// A part of a bucket's settings; `null` where the bucket is there and the part is not.
    async fn bucket_part(&self, operation: &str, bucket: &str, query: &str) -> Result<Value, Error> {
        match self.bucket_answer(operation, bucket, query).await {
            Err(error) if error.is_missing() && !error.is_no_bucket() => Ok(Value::Null),
            answer => answer,
        }
    }

    async fn bucket(&self, bucket: &Resource, gathered: &mut Gathered) -> Result<(), Error> {
        let name = bucket.physical.as_str();
        let (encryption, block) = tokio::try_join!(
            self.bucket_part("GetBucketEncryption", name, "encryption"),
            self.bucket_part("GetPublicAccessBlock", name, "publicAccessBlock"),
        )?;
        gathered.looked_at(bucket);
        let rule = "/BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault";
        for part in ["SSEAlgorithm", "KMSMasterKeyID"] {
            let path = format!("{rule}/{part}");
            if bucket.value(&path).is_some() {
                compare::scalar(
                    gathered,
                    bucket,
                    &path,
                    encryption.pointer(&format!("/Rule/ApplyServerSideEncryptionByDefault/{part}")),
                );
            }
        }
        for part in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
            compare::scalar(gathered, bucket, &format!("/PublicAccessBlockConfiguration/{part}"), block.get(part));
        }
        Ok(())
    }

    async fn bucket_policy(&self, policy: &Resource, gathered: &mut Gathered) -> Result<(), Error> {
        let (Some(bucket), Some(expected)) = (policy.text("/Bucket"), policy.value("/PolicyDocument").cloned()) else {
            return Ok(());
        };
        let answer = self.wire.s3("GetBucketPolicy", "GET", &bucket, "?policy=", &[], &[]).await?;
        compare::policy(gathered, policy, "PolicyDocument", &expected, &String::from_utf8_lossy(&answer.body));
        Ok(())
    }

    async fn key(&self, key: &Resource, gathered: &mut Gathered) -> Result<(), Error> {
        let request = json!({ "KeyId": key.physical });
        let named = json!({ "KeyId": key.physical, "PolicyName": "default" });
        let (described, policy, rotation) = tokio::try_join!(
            self.wire.json("kms", "TrentService", "DescribeKey", &request),
            self.wire.json("kms", "TrentService", "GetKeyPolicy", &named),
            self.wire.json("kms", "TrentService", "GetKeyRotationStatus", &request),
        )?;
        gathered.looked_at(key);
        let state = word(&described, "/KeyMetadata/KeyState");
        if state != "Enabled" {
            gathered.drifted(key, "KeyState", "Enabled", state);
        }
        if let Some(expected) = key.value("/KeyPolicy").cloned() {
            compare::policy(gathered, key, "KeyPolicy", &expected, &word(&policy, "/Policy"));
        }
        compare::scalar(gathered, key, "/EnableKeyRotation", rotation.get("KeyRotationEnabled"));
        compare::scalar(gathered, key, "/RotationPeriodInDays", rotation.get("RotationPeriodInDays"));
        Ok(())
    }

    async fn repository(&self, repository: &Resource, gathered: &mut Gathered) -> Result<(), Error> {
        let target = "AmazonEC2ContainerRegistry_V20150921";
        let described = self
            .wire
            .json("ecr", target, "DescribeRepositories", &json!({ "repositoryNames": [repository.physical] }))
            .await?;
        let found = described.pointer("/repositories/0").cloned().unwrap_or(Value::Null);
        compare::scalar(gathered, repository, "/ImageTagMutability", found.get("imageTagMutability"));
        compare::scalar(
            gathered,
            repository,
            "/ImageScanningConfiguration/ScanOnPush",
            found.pointer("/imageScanningConfiguration/scanOnPush"),
        );
        compare::scalar(
            gathered,
            repository,
            "/EncryptionConfiguration/EncryptionType",
            found.pointer("/encryptionConfiguration/encryptionType"),
        );
        let policy = self
            .wire
            .json("ecr", target, "GetRepositoryPolicy", &json!({ "repositoryName": repository.physical }))
            .await;
        match (policy, repository.value("/RepositoryPolicyText").cloned()) {
            (Ok(policy), Some(expected)) => {
                compare::policy(gathered, repository, "RepositoryPolicyText", &expected, &word(&policy, "/policyText"))
            }
            (Ok(policy), None) => {
                gathered.drifted(repository, "RepositoryPolicyText", NOTHING, word(&policy, "/policyText"))
            }
            (Err(error), Some(_)) if error.is_missing() => {
                gathered.drifted(repository, "RepositoryPolicyText", "as applied", NOTHING)
            }
            (Err(error), None) if error.is_missing() => {}
            (Err(error), _) => return Err(error),
        }
        Ok(())
    }

    async fn secret(&self, secret: &Resource, gathered: &mut Gathered) -> Result<(), Error> {
        let described = self
            .wire
            .json("secretsmanager", "secretsmanager", "DescribeSecret", &json!({ "SecretId": secret.physical }))
            .await?;
        gathered.looked_at(secret);
        compare::scalar(gathered, secret, "/KmsKeyId", described.get("KmsKeyId"));
        if described.get("DeletedDate").is_some_and(|date| !date.is_null()) {
            gathered.drifted(secret, "", "there", "marked for deletion");
        }
        Ok(())
    }

    async fn secret_policy(&self, policy: &Resource, gathered: &mut Gathered) -> Result<(), Error> {
        let (Some(secret), Some(expected)) = (policy.text("/SecretId"), policy.value("/ResourcePolicy").cloned())
        else {
            return Ok(());
        };
        let found = self
            .wire
            .json("secretsmanager", "secretsmanager", "GetResourcePolicy", &json!({ "SecretId": secret }))
            .await?;
        match found.get("ResourcePolicy").and_then(Value::as_str) {
            Some(text) => compare::policy(gathered, policy, "ResourcePolicy", &expected, text),
            None => gathered.gone(policy),
        }
        Ok(())
    }

    /// Certificates that balancers show: whether they are there, and how long still.
    async fn certificates(&self, applied: &Applied, today: &str, gathered: &mut Gathered) {
        for balancer in applied.of("AWS::ElasticLoadBalancing::LoadBalancer") {
            let listeners = balancer.list("/Listeners");
            let arns: BTreeSet<String> = listeners
                .iter()
                .map(|listener| word(listener, "/SSLCertificateId"))
                .filter(|arn| arn.contains(":acm:"))
                .collect();
            for arn in arns {
                match self
                    .wire
                    .json("acm", "CertificateManager", "DescribeCertificate", &json!({ "CertificateArn": arn }))
                    .await
                {
                    Ok(answer) => {
                        let ends = answer.pointer("/Certificate/NotAfter").and_then(Value::as_f64);
                        // Seconds since 1970, which is day 719,468 of the count.
                        let left = ends
                            .zip(days(today))
                            .map(|(ends, today)| (ends / 86_400.0) as i64 + 719_468 - today as i64);
                        match left {
                            Some(left) if left < 0 => gathered.drifted(
                                balancer,
                                "Certificate",
                                "valid",
                                format!("{arn} ended {} days ago", -left),
                            ),
                            Some(left) if left < CERTIFICATE_DAYS as i64 => {
                                gathered.warn(balancer, format!("{arn} ends in {left} days"))
                            }
                            _ => {}
                        }
                    }
                    Err(error) if error.is_missing() => gathered.drifted(balancer, "Certificate", arn, NOTHING),
                    Err(error) => gathered.failed(balancer, &error),
                }
            }
        }
    }
}
