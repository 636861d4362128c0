//! What node scripts ask of AWS's services: logins where registries are, join tokens no more often than they can be kept, uploads
//! that arrive as they were sent.
use super::*;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn registries_are_asked_in_their_own_region() {
    let (endpoint, _emulator) = emulator();
    let node = Node::new(&endpoint);
    let environment = node.folder.path().join("node.env");
    std::fs::write(&environment, "INCLINE_REGION=us-east-1\n").unwrap();
    let environment = [("INCLINE_ENV", environment.to_str().unwrap())];
    let ask = |image: &str| {
        let request = format!(
            r#"{{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest","image":"{image}"}}"#
        );
        node.run("ecr-credential-provider", &[], &request, &environment)
    };
    // A node of us-east-1 that pulls from another region's registry.
    let host = "319876543210.dkr.ecr.us-east-2.amazonaws.com";
    let answer = ask(&format!("{host}/portal/web:1"));
    assert!(answer.status.success(), "{}", stderr(&answer));
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(answer["auth"][host]["username"], "AWS");
    let commands = std::fs::read_to_string(node.folder.path().join("commands")).unwrap();
    assert!(commands.contains("aws:amz:us-east-2:ecr") && !commands.contains("aws:amz:us-east-1:ecr"), "{commands}");
    // Kubernetes' own images come from the site's registry.
    stand_ins(node.folder.path(), &[("crictl", ""), ("ctr", "")]);
    let registry = [("INCLINE_REGISTRY", "210987654321.dkr.ecr.us-west-2.amazonaws.com/lakeside-prod/kubernetes")];
    let pulled = node.run("pull-images", &[], "pause 3.10.2 sha256:aa\n", &registry);
    assert!(pulled.status.success(), "{}", stderr(&pulled));
    assert!(std::fs::read_to_string(node.folder.path().join("commands")).unwrap().contains("aws:amz:us-west-2:ecr"));
    let refused = ask("registry.example.org/portal/web:1");
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("registry.example.org is not a registry of ECR"), "{}", stderr(&refused));
}

/// Secrets Manager keeps the versions of a day, a hundred of them
/// (https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html): five members that each publish every half
/// hour make 240.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn one_member_publishes_a_join_token_for_all() {
    let (endpoint, _emulator) = emulator();
    let node = Node::new(&endpoint);
    node.create_secret("lakeside-prod/worker-join");
    let folder = node.folder.path();
    let etc = folder.join("etc");
    std::fs::create_dir_all(etc.join("pki")).unwrap();
    std::fs::write(etc.join("pki/ca.crt"), "certificate\n").unwrap();
    // Tokens as kubeadm makes them, each another, and an API that knows those that it was asked for.
    let kubeadm = "count=$(($(cat \"$(dirname \"$0\")/count\" 2>/dev/null || echo 0) + 1)); echo $count >\"$(dirname \"$0\")/count\"; echo \"abcde$count.0123456789abcdef\"";
    stand_ins(folder, &[("kubeadm", kubeadm), ("kubectl", "")]);
    let member = |more: &[(&str, &str)]| {
        let own = [("INCLINE_ETC", etc.to_str().unwrap()), ("INCLINE_API", "api.prod.lakeside.internal")];
        let output = node.run("join-token", &[], "", &[&own, more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
    };
    let made = || calls(folder).matches("kubeadm token create").count();
    let published = || {
        let value: serde_json::Value =
            serde_json::from_str(&node.ok("secret-get", &["lakeside-prod/worker-join"], "")).unwrap();
        value["users"][0]["user"]["token"].as_str().unwrap().to_owned()
    };
    (0..5).for_each(|_| member(&[]));
    assert_eq!((made(), published().as_str()), (1, "abcde1.0123456789abcdef"));
    assert!(calls(folder).contains("get secret bootstrap-token-abcde1 "), "{}", calls(folder));
    // It grows old.
    member(&[("INCLINE_FRESH_SECONDS", "0")]);
    assert_eq!((made(), published().as_str()), (2, "abcde2.0123456789abcdef"));
    // The cluster was restored from a snapshot that does not have it.
    stand_ins(folder, &[("kubectl", "exit 1")]);
    member(&[]);
    assert_eq!((made(), published().as_str()), (3, "abcde3.0123456789abcdef"));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_upload_that_does_not_arrive_as_it_was_read_is_refused() {
    let (endpoint, _emulator) = emulator();
    let node = Node::new(&endpoint);
    let bucket = format!("{endpoint}/incline-lakeside-prod-210987654321-backup");
    assert!(Command::new("curl").args(["--silent", "--fail", "-X", "PUT", &bucket]).output().unwrap().status.success());
    let snapshot = node.folder.path().join("etcd.db");
    std::fs::write(&snapshot, vec![0x5a; 3 << 20]).unwrap();
    let put = |key: &str| {
        let target = ["put", "incline-lakeside-prod-210987654321-backup", key, snapshot.to_str().unwrap()];
        node.run("aws-call", &target, "", &[])
    };
    let is_there = |key: &str| {
        let there = Command::new("curl").args(["--silent", "--fail", "--head", &format!("{bucket}/{key}")]).output();
        there.unwrap().status.success()
    };
    let sent = put("etcd/a/whole.db");
    assert!(sent.status.success() && is_there("etcd/a/whole.db"), "{}", stderr(&sent));
    // What is sent is not what was read: one bit of the digest stands for one bit of the object.
    let other = format!("echo {} -", "00".repeat(32));
    stand_ins(node.folder.path(), &[("sha256sum", other.as_str())]);
    let refused = put("etcd/a/broken.db");
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
    assert!(stderr(&refused).contains("BadDigest"), "{}", stderr(&refused));
    assert!(!is_there("etcd/a/broken.db"));
}
