//! What rendering promises: the same bytes for the same input, and no byte more than the input changed.
use crate::support::*;
use std::path::Path;

fn render(inventories: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    succeed(&["--inventories", inventories.to_str().unwrap(), "render", "--out", folder.path().to_str().unwrap()]);
    folder
}

#[test]
fn rendering_twice_gives_the_same_bytes() {
    let (first, second) = (render(&inventories()), render(&inventories()));
    let (first, second) = (files(first.path()), files(second.path()));
    assert!(first.len() > 60, "{} files", first.len());
    assert!(first == second);
    assert_eq!(succeed(&["plan", "--offline", "--json"]), succeed(&["plan", "--offline", "--json"]));
}

/// Whatever changes a byte of what nodes boot from rolls every node that boots from it: here it is seen coming, also where a library
/// or a feature of one does it.
#[test]
fn what_nodes_boot_from_changes_only_in_review() {
    let rendered = render(&inventories());
    let configurations = files(rendered.path()).into_iter().filter(|(name, _)| name.ends_with(".ign"));
    let digests: Vec<String> = configurations
        .filter(|(name, _)| !name.ends_with("user-data.ign"))
        .map(|(name, bytes)| {
            let digest = incline_plan::digest(std::str::from_utf8(&bytes).unwrap());
            format!("{digest}  {}", name.rsplit_once('/').unwrap().0)
        })
        .collect();
    assert!(digests.len() > 8, "{digests:?}");
    insta::assert_snapshot!(digests.join("\n"));
}

#[test]
fn a_pools_tag_changes_that_pools_stack_alone() {
    let estate = changed_estate("lakeside-prod.yaml", "tags: {backup: daily}", "tags: {backup: hourly}");
    let (before, after) = (render(&inventories()), render(estate.path()));
    let (before, after) = (files(before.path()), files(after.path()));
    let changed: Vec<&String> = after.iter().filter(|file| !before.contains(file)).map(|(name, _)| name).collect();
    assert_eq!(changed, ["lakeside-prod/stacks/lakeside-prod-pool-database.yaml"]);
    assert_eq!(before.len(), after.len());
}

#[test]
fn no_secret_stands_in_anything_rendered() {
    let rendered = render(&inventories());
    for (file, bytes) in files(rendered.path()) {
        let text = String::from_utf8(bytes).unwrap();
        for word in ["SecretString\": \"", "BEGIN RSA", "BEGIN EC", "BEGIN PRIVATE", "AKIA"] {
            assert!(!text.contains(word), "{file} holds {word}");
        }
        // Pre-shared keys are references that CloudFormation resolves, and nothing else.
        for line in text.lines().filter(|line| line.contains("PreSharedKey:")) {
            assert!(line.contains("\"{{resolve:secretsmanager:"), "{file}: {line}");
        }
    }
}

#[test]
fn templates_keep_the_safeguards() {
    let rendered = render(&inventories());
    let data = [
        "AWS::EC2::Volume",
        "AWS::S3::Bucket",
        "AWS::SecretsManager::Secret",
        "AWS::KMS::Key",
        "AWS::ECR::Repository",
        "AWS::Logs::LogGroup",
        "AWS::EC2::NetworkInterface",
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (file, bytes) in files(rendered.path()).into_iter().filter(|(name, _)| name.ends_with(".yaml")) {
        let template = incline_model::yaml::parse(&file, std::str::from_utf8(&bytes).unwrap()).unwrap().value();
        for (id, resource) in template["Resources"].as_object().unwrap() {
            let (kind, properties) = (resource["Type"].as_str().unwrap(), &resource["Properties"]);
            if data.contains(&kind) {
                seen.insert(kind.to_owned());
                assert_eq!(resource["DeletionPolicy"], "Retain", "{file}: {id}");
                assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{file}: {id}");
            }
            let text = properties.to_string();
            match kind {
                "AWS::EC2::Volume" => {
                    assert!(properties["Encrypted"] == true && properties["KmsKeyId"].is_object(), "{file}: {id}")
                }
                "AWS::Logs::LogGroup" | "AWS::SecretsManager::Secret" => {
                    assert!(properties["KmsKeyId"].is_object(), "{file}: {id}")
                }
                "AWS::ECR::Repository" => {
                    assert_eq!(properties["ImageTagMutability"], "IMMUTABLE");
                    assert!(properties["EncryptionConfiguration"]["KmsKey"].is_object(), "{file}: {id}");
                }
                "AWS::S3::Bucket" => {
                    assert_eq!(
                        properties["PublicAccessBlockConfiguration"]
                            .as_object()
                            .unwrap()
                            .values()
                            .filter(|v| **v == true)
                            .count(),
                        4
                    );
                    // AWS delivers access logs only into buckets with S3's own keys.
                    assert!(text.contains("aws:kms") || id == "AccessLogBucket", "{file}: {id}");
                }
                "AWS::EC2::LaunchTemplate" => {
                    assert_eq!(properties["LaunchTemplateData"]["MetadataOptions"]["HttpTokens"], "required");
                    assert_eq!(properties["LaunchTemplateData"]["MetadataOptions"]["HttpPutResponseHopLimit"], 1);
                    for device in properties["LaunchTemplateData"]["BlockDeviceMappings"].as_array().unwrap() {
                        assert!(
                            device["Ebs"]["Encrypted"] == true && device["Ebs"]["KmsKeyId"].is_object(),
                            "{file}: {id}"
                        );
                    }
                }
                "AWS::IAM::Role" => {
                    for statement in properties["Policies"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .flat_map(|p| p["PolicyDocument"]["Statement"].as_array().unwrap())
                    {
                        // The two actions that IAM cannot narrow to a resource.
                        let unscoped = ["ecr:GetAuthorizationToken", "ec2:DescribeVolumes"]
                            .iter()
                            .any(|action| statement["Action"] == *action);
                        assert!(statement["Resource"] != "*" || unscoped, "{file}: {id}: {statement}");
                        assert!(!statement["Action"].to_string().contains('*'), "{file}: {id}: {statement}");
                    }
                }
                "AWS::S3::BucketPolicy" => assert!(text.contains("aws:SecureTransport"), "{file}: {id}"),
                "AWS::ElasticLoadBalancing::LoadBalancer" => {
                    assert_eq!(properties["AccessLoggingPolicy"]["Enabled"], true, "{file}: {id}")
                }
                _ => {}
            }
        }
    }
    assert_eq!(seen.len(), data.len(), "every type that holds data is in the example estate");
}

#[test]
fn templates_can_be_overridden_and_misnamed_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("ignition/files")).unwrap();
    std::fs::write(folder.path().join("ignition/files/modules.conf"), "overlay\nbr_netfilter\nnf_conntrack\n").unwrap();
    let path = folder.path().to_str().unwrap();
    let changed = succeed(&["--templates", path, "plan", "--offline", "--json"]);
    assert_ne!(changed, succeed(&["plan", "--offline", "--json"]));
    std::fs::create_dir_all(folder.path().join("stacks")).unwrap();
    std::fs::write(folder.path().join("stacks/netwrok.yaml"), "").unwrap();
    let output = incline(&["--templates", path, "plan", "--offline"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("did you mean `stacks/network.yaml`?"));
}

#[test]
fn what_aws_would_refuse_for_its_size_is_refused_by_check() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("stacks")).unwrap();
    let keys = std::fs::read_to_string(root().join("templates/stacks/keys.yaml")).unwrap();
    std::fs::write(folder.path().join("stacks/keys.yaml"), format!("{keys}# {}\n", "x".repeat(1 << 20))).unwrap();
    let output = incline(&["--templates", folder.path().to_str().unwrap(), "check"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.contains("lakeside-prod: not judged: ") && text.contains("the template of lakeside-prod-keys is"),
        "{text}"
    );
}
