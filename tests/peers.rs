//! What third parties say: cfn-lint, AWS's cloudformation-validate, the real Ignition, systemd, shellcheck, kubeadm.
//! `cargo xtask test` sets them up; alone these tests are left out.
use crate::support::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) fn rendered() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    succeed(&["render", "--out", folder.path().to_str().unwrap()]);
    folder
}

/// The node configurations of the example estate: role and file.
pub(crate) fn node_configurations(folder: &Path) -> Vec<(String, PathBuf)> {
    let all = files(folder).into_iter().filter(|(name, _)| name.ends_with(".ign") && !name.ends_with("user-data.ign"));
    all.map(|(name, _)| (name.rsplit('/').nth(1).unwrap().to_owned(), folder.join(name))).collect()
}

fn assert_clean(what: &str, output: &Output) {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim().is_empty(), "{what}: {}\n{said}", output.status);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn linters_find_nothing_in_the_templates() {
    let folder = rendered();
    for (site, region) in [("lakeside-prod", "us-east-1"), ("lakeside-staging", "us-east-2")] {
        let templates: Vec<PathBuf> = files(folder.path())
            .into_iter()
            .filter(|(name, _)| name.starts_with(site) && name.ends_with(".yaml"))
            .map(|(name, _)| folder.path().join(name))
            .collect();
        assert!(templates.len() >= 10);
        let lint = Command::new(testbed("lint/bin/cfn-lint"))
            .args(["--non-zero-exit-code", "warning", "-r", region, "--"])
            .args(&templates)
            .output()
            .unwrap();
        assert_clean("cfn-lint", &lint);
        let validate = Command::new(testbed("lint/bin/python"))
            .arg(root().join("tests/testbed/validate.py"))
            .args(&templates)
            .output()
            .unwrap();
        assert_clean("cloudformation-validate", &validate);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn linters_would_find_something() {
    // A judge that never says no is no judge.
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("bad.yaml");
    std::fs::write(
        &template,
        "Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n    Properties:\n      BucketNam: x\n",
    )
    .unwrap();
    let lint = Command::new(testbed("lint/bin/cfn-lint"))
        .args(["--non-zero-exit-code", "warning", "--"])
        .arg(&template)
        .output()
        .unwrap();
    assert!(!lint.status.success());
    assert!(checkov(folder.path())["summary"]["failed"].as_u64() > Some(3));
    let validate = Command::new(testbed("lint/bin/python"))
        .arg(root().join("tests/testbed/validate.py"))
        .arg(&template)
        .output()
        .unwrap();
    assert!(!validate.stdout.is_empty());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn scripts_pass_shellcheck() {
    let mut scripts: Vec<PathBuf> = files(&root().join("ignition/bin"))
        .into_iter()
        .map(|(name, _)| root().join("ignition/bin").join(name))
        .collect();
    // What hosts are looked at and changed by, and what makes test hosts.
    let shell = files(&root().join("crates/host/src")).into_iter().filter(|(name, _)| name.ends_with(".sh"));
    scripts.extend(shell.map(|(name, _)| root().join("crates/host/src").join(name)));
    scripts.push(root().join("tests/testbed/hosts/lab.sh"));
    assert!(scripts.len() > 10);
    assert_clean("shellcheck", &Command::new("shellcheck").args(&scripts).output().unwrap());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn ignition_validates_every_configuration() {
    let folder = rendered();
    let all = files(folder.path()).into_iter().filter(|(name, _)| name.ends_with(".ign"));
    let mut count = 0;
    for (name, _) in all {
        // Debian's validator prints warnings and exits with 0: any word is one too many.
        assert_clean(&name, &Command::new("ignition-validate").arg(folder.path().join(&name)).output().unwrap());
        count += 1;
    }
    assert!(count >= 20, "{count} configurations");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test; root"]
fn the_real_ignition_applies_every_configuration() {
    let folder = rendered();
    for (role, path) in node_configurations(folder.path()) {
        let root_folder = apply(&path);
        let root = root_folder.path();
        // What the configuration says is on the disk, with its mode.
        let config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for file in config["storage"]["files"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|file| file["contents"]["source"].as_str().unwrap().starts_with("data:"))
        {
            let written = root.join(&file["path"].as_str().unwrap()[1..]);
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&written)
                .unwrap_or_else(|error| panic!("{role}: {}: {error}", written.display()))
                .permissions()
                .mode();
            assert_eq!(u64::from(mode & 0o7777), file["mode"].as_u64().unwrap(), "{role}: {}", written.display());
        }
        // The environment file means the same to a shell as to systemd: plain words.
        let environment = std::fs::read_to_string(root.join("etc/incline/node.env")).unwrap();
        assert!(environment.contains("INCLINE_SITE=lakeside-"), "{environment}");
        verify_units(&role, root);
    }
}

/// Lets the real Ignition write a configuration into a folder. Files that come from S3 are left out: there is no S3 here.
pub(crate) fn apply(path: &Path) -> tempfile::TempDir {
    let (target, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let files = config["storage"]["files"].as_array_mut().unwrap();
    files.retain(|file| file["contents"]["source"].as_str().unwrap().starts_with("data:"));
    let local = work.path().join("config.ign");
    std::fs::write(&local, config.to_string()).unwrap();
    // Ignition relabels for SELinux, which a plain folder has not: say so, and give it a setfiles that does nothing.
    std::fs::create_dir_all(target.path().join("etc/selinux")).unwrap();
    std::fs::write(target.path().join("etc/selinux/config"), "SELINUX=disabled\nSELINUXTYPE=targeted\n").unwrap();
    let setfiles = work.path().join("setfiles");
    std::fs::write(&setfiles, "#!/bin/sh\ncat >/dev/null\n").unwrap();
    executable(&setfiles);
    for stage in ["fetch", "files"] {
        let output = Command::new("/usr/lib/dracut/modules.d/30ignition/ignition")
            .args(["--platform=file", &format!("--stage={stage}"), "--fetch-timeout=5s", "--log-to-stdout"])
            .arg(format!("--root={}", target.path().display()))
            .arg(format!("--config-cache={}", work.path().join("ignition.json").display()))
            .arg(format!("--state-file={}", work.path().join("state").display()))
            .arg(format!("--neednet={}", work.path().join("neednet").display()))
            .env("IGNITION_CONFIG_FILE", &local)
            .env("PATH", format!("{}:{}", work.path().display(), std::env::var("PATH").unwrap()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{stage}: {}", String::from_utf8_lossy(&output.stdout));
    }
    target
}

/// systemd judges the units where Ignition put them, beside what Flatcar ships: targets, containerd, the sysext's kubelet.
fn verify_units(role: &str, target: &Path) {
    let system = target.join("usr/lib/systemd/system");
    std::fs::create_dir_all(&system).unwrap();
    std::fs::create_dir_all(target.join("usr/bin")).unwrap();
    for entry in std::fs::read_dir("/usr/lib/systemd/system").unwrap().flatten() {
        if entry.path().extension().is_some_and(|e| e == "target" || e == "slice") && entry.path().is_file() {
            std::fs::copy(entry.path(), system.join(entry.file_name())).unwrap();
        }
    }
    for (unit, text) in [
        ("containerd.service", "[Service]\nExecStart=/usr/bin/containerd\n"),
        ("systemd-sysext.service", "[Service]\nType=oneshot\nExecStart=/usr/bin/true\n"),
    ] {
        std::fs::write(system.join(unit), text).unwrap();
    }
    for program in ["containerd", "kubelet", "true"] {
        std::fs::write(target.join("usr/bin").join(program), "").unwrap();
        executable(&target.join("usr/bin").join(program));
    }
    let units: Vec<String> = std::fs::read_dir(target.join("etc/systemd/system"))
        .unwrap()
        .flatten()
        .filter(|entry| std::fs::metadata(entry.path()).is_ok_and(|meta| meta.is_file() && meta.len() > 0))
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    // Ignition wrote which units are enabled as a preset; systemd carries it out at the first boot.
    let presets = Command::new("systemctl")
        .arg(format!("--root={}", target.display()))
        .arg("preset")
        .args(&units)
        .output()
        .unwrap();
    assert!(presets.status.success(), "{role}: {}", String::from_utf8_lossy(&presets.stderr));
    assert!(target.join("etc/systemd/system/multi-user.target.wants/incline-signal.service").is_symlink());
    assert!(units.iter().any(|unit| unit.starts_with("incline-")), "{units:?}");
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(format!("--root={}", target.display()))
        .args(&units)
        .output()
        .unwrap();
    assert_clean(role, &verify);
    // Masked by Ignition itself: operating-system updates come through the plan alone.
    assert_eq!(
        std::fs::read_link(target.join("etc/systemd/system/update-engine.service")).unwrap(),
        Path::new("/dev/null")
    );
}

/// What upgrades start from and end at are two sources, and not one that is stamped with two numbers: a Go program names the version of
/// each module that it was built from.
#[test]
#[ignore = "needs the testbed"]
fn kubeadm_of_two_minor_versions_is_built_from_two_sources() {
    for (entry, minor) in [("kubernetes", "v1.36."), ("kubernetes-before", "v1.35.")] {
        let kubeadm = testbed(entry).join("bin/kubeadm");
        let version = Command::new(&kubeadm).args(["version", "--output", "short"]).output().unwrap();
        let version = stdout(&version).trim().to_owned();
        assert!(version.starts_with(minor), "{version}");
        let program = std::fs::read(kubeadm).unwrap();
        let module = format!("k8s.io/kubernetes\t{version}");
        assert!(program.windows(module.len()).any(|bytes| bytes == module.as_bytes()), "{entry} is not of {version}");
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn kubeadm_accepts_every_configuration() {
    let kubeadm = testbed("kubernetes/bin/kubeadm");
    let lock = std::fs::read_to_string(inventories().join("incline.lock")).unwrap();
    let version = Command::new(&kubeadm).args(["version", "--output", "short"]).output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).trim().trim_start_matches('v').to_owned();
    assert!(lock.contains(&format!("kubernetes: \"{version}\"")), "kubeadm is {version}, which the lock does not pin");
    let folder = rendered();
    let mut count = 0;
    for (role, path) in node_configurations(folder.path()) {
        let target = apply(&path);
        let kubeadm_folder = target.path().join("etc/incline/kubeadm");
        for (name, bytes) in files(&kubeadm_folder) {
            // The discovery file appears on the node as it boots; kubeadm wants to see one now.
            let discovery = target.path().join("discovery.conf");
            std::fs::write(&discovery, "").unwrap();
            let text = String::from_utf8(bytes).unwrap();
            let text = ["/etc/kubernetes/admin.conf", "/run/incline/discovery.conf"]
                .iter()
                .fold(text, |text, path| text.replace(path, discovery.to_str().unwrap()));
            std::fs::write(kubeadm_folder.join(&name), text).unwrap();
            let output = Command::new(&kubeadm)
                .args(["config", "validate", "--config"])
                .arg(kubeadm_folder.join(&name))
                .output()
                .unwrap();
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{role} {name}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            count += 1;
        }
        if role.starts_with("control-plane") {
            // kubeadm would pull exactly the images that the lock pins and the node pulls by digest.
            let wanted = Command::new(&kubeadm)
                .args(["config", "images", "list", "--config"])
                .arg(kubeadm_folder.join("init.yaml"))
                .output()
                .unwrap();
            let wanted = String::from_utf8(wanted.stdout).unwrap();
            let pulled = std::fs::read_to_string(target.path().join("etc/incline/images")).unwrap();
            for image in wanted.lines() {
                let (name, tag) = image.rsplit('/').next().unwrap().split_once(':').unwrap();
                assert!(
                    pulled.lines().any(|line| line.starts_with(&format!("{name} {tag} sha256:"))),
                    "{role}: {image} is not pinned:\n{pulled}"
                );
            }
            assert_eq!(wanted.lines().count(), 7, "{wanted}");
        }
    }
    assert!(count >= 14, "{count} configurations");
}

/// What checkov says of the templates in a folder.
fn checkov(folder: &Path) -> serde_json::Value {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(testbed("checkov/bin/checkov"))
        .arg("-d")
        .arg(folder)
        .args(["--framework", "cloudformation", "--compact", "--quiet", "--skip-download", "--soft-fail", "-o", "json"])
        .env("HOME", home.path())
        .env("LOG_LEVEL", "ERROR")
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", stdout(&output), stderr(&output)))
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn checkov_finds_nothing_that_is_not_argued() {
    let folder = tempfile::tempdir().unwrap();
    succeed(&["render", "lakeside-prod", "lakeside-staging", "--out", folder.path().to_str().unwrap()]);
    let report = checkov(folder.path());
    assert_eq!(report["summary"]["parsing_errors"], 0);
    assert!(report["summary"]["passed"].as_u64() > Some(300), "{}", report["summary"]);
    let failed: BTreeSet<(String, String)> = report["results"]["failed_checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| (check["check_id"].as_str().unwrap().to_owned(), check["resource"].as_str().unwrap().to_owned()))
        .collect();
    let argued: BTreeSet<(String, String)> = std::fs::read_to_string(root().join("docs/checkov.md"))
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| CKV"))
        .map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            (cells.next().unwrap().to_owned(), cells.next().unwrap().to_owned())
        })
        .collect();
    assert_eq!(failed, argued);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_runs_it_each_night_is_what_systemd_and_kubernetes_take() {
    let units = root().join("deploy/systemd");
    // verify wants the program to be there: the unit is looked at with the one that was built.
    let folder = tempfile::tempdir().unwrap();
    for unit in ["incline-drift.service", "incline-drift.timer"] {
        let text = std::fs::read_to_string(units.join(unit)).unwrap();
        std::fs::write(folder.path().join(unit), text.replace("/usr/local/bin/incline", env!("CARGO_BIN_EXE_incline")))
            .unwrap();
    }
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(["incline-drift.service", "incline-drift.timer"].map(|unit| folder.path().join(unit)))
        .output()
        .unwrap();
    assert_clean("systemd-analyze verify", &verify);
    // 0 is best, 10 worst; in tenths. What is left is argued in docs/nightly.md.
    let security = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=12", "--no-pager"])
        .arg(folder.path().join("incline-drift.service"))
        .output()
        .unwrap();
    assert!(security.status.success(), "{}", stdout(&security));
    for (manifest, documents) in [("drift.yaml", 4), ("drift-shards.yaml", 2)] {
        let validate = Command::new(testbed("lint/bin/kubernetes-validate"))
            .args(["--strict", "-k", "1.36"])
            .arg(root().join("deploy/kubernetes").join(manifest))
            .output()
            .unwrap();
        let said = stdout(&validate) + &stderr(&validate);
        assert!(validate.status.success() && said.matches(" passed for resource ").count() == documents, "{said}");
    }
    // The arguments in them are incline's.
    for manifest in ["drift.yaml", "drift-shards.yaml"] {
        let text = std::fs::read_to_string(root().join("deploy/kubernetes").join(manifest)).unwrap();
        let help = succeed(&["drift", "--help"]) + &succeed(&["drift", "merge", "--help"]);
        let options = text
            .split(|c: char| c.is_whitespace() || "[],=\"'".contains(c))
            .filter(|word| word.starts_with("--") && word.len() > 3);
        options.for_each(|option| assert!(help.contains(option), "{manifest}: there is no {option}"));
    }
}

/// What cfn-lint knows of IAM, from AWS's Service Authorization Reference: that each action exists, and that the resources that it
/// is narrowed to are of a kind that it takes.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn rights_are_actions_that_iam_has_on_resources_that_they_take() {
    let folder = tempfile::tempdir().unwrap();
    let judge = |name: &str, policies: &[serde_json::Value]| {
        let named = policies.iter().enumerate().map(|(number, policy)| {
            let one =
                serde_json::json!({ "Type": "AWS::IAM::ManagedPolicy", "Properties": { "PolicyDocument": policy } });
            (format!("Policy{number}"), one)
        });
        let template = serde_json::json!({ "Resources": named.collect::<serde_json::Map<_, _>>() });
        let path = folder.path().join(name);
        std::fs::write(&path, template.to_string()).unwrap();
        Command::new(testbed("lint/bin/cfn-lint"))
            .args(["--include-checks", "I", "--non-zero-exit-code", "informational", "--"])
            .arg(path)
            .output()
            .unwrap()
    };
    for site in ["lakeside-prod", "lakeside-staging"] {
        for command in ["plan", "change-sets", "drift", "apply"] {
            let policies = succeed(&["iam-policy", site, "--for", command]);
            let policies: Vec<serde_json::Value> = serde_json::from_str(&policies).unwrap();
            assert_clean(&format!("{site} {command}"), &judge(&format!("{site}-{command}.json"), &policies));
        }
    }
    // It would say so.
    let statement = |action: &str, resource: &str| serde_json::json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": action, "Resource": resource }] });
    for (action, resource) in [
        ("s3:REST.PUT.OBJECT", "arn:aws:s3:::a/*"),
        ("s3:GetObject", "arn:aws:logs:us-east-1:123456789012:log-group:/incline/a/*"),
    ] {
        assert!(!judge("bad.json", &[statement(action, resource)]).status.success(), "{action} passes");
    }
}
