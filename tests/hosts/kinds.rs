//! Every kind of item, on every tree that can have it: absent → present → drifted → mended, and planning again is empty.
use super::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The trees that can have it.
    on: Vec<String>,
    /// Shell text that makes the host ready for it.
    #[serde(default)]
    before: String,
    /// The items.
    items: serde_json::Value,
    /// Shell text that succeeds when the host is as wished.
    proof: String,
    /// Shell text that tampers with the host.
    tamper: String,
    /// The property that drift must name.
    drift: String,
}

/// Takes every case through its life, and counts.
fn lives(tree: &str, kinds: &[&str]) {
    let mut lab = Lab::up(tree, 1);
    lab.environment.push(("SITE_SECRET".to_owned(), "pa'ss\"wörd\n$(reboot)".to_owned()));
    std::fs::write(lab.path("sent"), SENT.repeat(10_000)).unwrap();
    let text = std::fs::read_to_string(root().join("tests/cases/kinds.yaml")).unwrap();
    let text = text.replace("LAB/", &format!("{}/", lab.folder().display()));
    let tree_of = incline_model::yaml::parse("kinds.yaml", &text).unwrap().value();
    let cases: Vec<Case> = serde_json::from_value(tree_of).unwrap();
    let mine: Vec<Case> = cases.into_iter().filter(|case| case.on.iter().any(|on| on == tree)).collect();
    let (mut lived, mut failed) = (std::collections::BTreeSet::new(), Vec::new());
    for case in &mine {
        match life(&lab, case) {
            Ok(()) => {
                let items =
                    case.items.as_array().unwrap().iter().flat_map(|item| item.as_object().unwrap().keys().cloned());
                lived.extend(items.filter(|key| !["restart", "reload"].contains(&key.as_str())));
            }
            Err(why) => failed.push(format!("{}: {why}", case.name)),
        }
    }
    println!(
        "{tree}: {} cases, {} kinds: {}",
        mine.len(),
        lived.len(),
        lived.iter().cloned().collect::<Vec<_>>().join(", ")
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    for kind in kinds {
        assert!(lived.contains(*kind), "{kind} was not tried on {tree}");
    }
    // What is no longer wished for goes, and the mark with it.
    lab.items("[]");
    lab.apply();
    assert!(lab.is_settled());
}

fn life(lab: &Lab, case: &Case) -> Result<(), String> {
    let check = |what: &str, output: &Output, code: i32| {
        if output.status.code() == Some(code) {
            return Ok(());
        }
        Err(format!("{what} ends with {:?}, not {code}: {}{}", output.status.code(), stdout(output), stderr(output)))
    };
    if !case.before.is_empty() {
        check("before", &lab.ssh(1, &format!("set -e\n{}", case.before)), 0)?;
    }
    lab.items(&made(lab, &case.items.to_string()));
    check("the first plan", &lab.incline(&["plan", "--detailed-exitcode"]), 2)?;
    check("the first apply", &lab.incline(&["apply", "--yes"]), 0)?;
    check("the proof", &lab.ssh(1, &case.proof), 0)?;
    check("planning again", &lab.incline(&["plan", "--detailed-exitcode"]), 0)?;
    check("drift of nothing", &lab.incline(&["drift"]), 0)?;
    check("tampering", &lab.ssh(1, &format!("set -e\n{}", case.tamper)), 0)?;
    let drift = lab.incline(&["drift"]);
    check("drift", &drift, 2)?;
    if !stdout(&drift).contains(&case.drift) {
        return Err(format!("drift does not name `{}`: {}", case.drift, stdout(&drift)));
    }
    check("mending", &lab.incline(&["apply", "--yes"]), 0)?;
    check("the proof once more", &lab.ssh(1, &case.proof), 0)?;
    check("planning once more", &lab.incline(&["plan", "--detailed-exitcode"]), 0)
}

/// Items with what `before` has made on the host in the place of its name.
fn made(lab: &Lab, items: &str) -> String {
    let mut items = items.to_owned();
    for (name, path) in [("APTKEY", "/srv/apt/key.asc"), ("RPMKEY", "/srv/dnf/key.asc")] {
        if items.contains(name) {
            let key = std::fs::read_to_string(lab.file(1, path)).unwrap();
            items = items.replace(&format!("\"{name}\""), &serde_json::to_string(&key).unwrap());
        }
    }
    if items.contains("TARDIGEST") {
        items = items.replace("TARDIGEST", &sha256(&std::fs::read(lab.file(1, "/srv/apt/archive.tar")).unwrap()));
    }
    items.replace("SENTDIGEST", &sha256(SENT.repeat(10_000).as_bytes())).replace("IMAGEDIGEST", &image(lab))
}

const SENT: &str = "sent from here\n";

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes an image of one empty layer, as an OCI archive (<https://github.com/opencontainers/image-spec>), and gives its
/// manifest's digest.
fn image(lab: &Lab) -> String {
    use serde_json::json;
    let folder = lab.path("image");
    std::fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    let blob = |content: &[u8]| {
        let digest = sha256(content);
        std::fs::write(folder.join("blobs/sha256").join(&digest), content).unwrap();
        (format!("sha256:{digest}"), content.len())
    };
    let (layer, layer_size) = blob(&[0; 1024]);
    let config = json!({ "architecture": "amd64", "os": "linux", "config": {}, "rootfs": { "type": "layers", "diff_ids": [layer] } });
    let (config, config_size) = blob(config.to_string().as_bytes());
    let part = |kind: &str, digest: &str, size: usize| json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": size });
    let manifest = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": part("config.v1+json", &config, config_size), "layers": [part("layer.v1.tar", &layer, layer_size)] });
    let (digest, size) = blob(manifest.to_string().as_bytes());
    let mut entry = part("manifest.v1+json", &digest, size);
    entry["annotations"] = json!({ "io.containerd.image.name": "lab.internal/pause:1" });
    std::fs::write(folder.join("index.json"), json!({ "schemaVersion": 2, "manifests": [entry] }).to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let status = Command::new("tar").arg("-C").arg(&folder).arg("-cf").arg(lab.path("image.tar")).arg(".").status();
    assert!(status.unwrap().success());
    digest
}

#[test]
#[ignore = "needs the testbed"]
fn on_debian() {
    lives(
        "debian",
        &[
            "file",
            "secretFile",
            "directory",
            "symlink",
            "absent",
            "sysctl",
            "modules",
            "noSwap",
            "hostEntry",
            "repository",
            "package",
            "artifact",
            "group",
            "user",
            "filesystem",
            "mount",
            "exports",
            "command",
            "image",
        ],
    );
}

#[test]
#[ignore = "needs the testbed"]
fn on_a_bare_busybox() {
    lives(
        "busybox",
        &[
            "file",
            "secretFile",
            "directory",
            "symlink",
            "absent",
            "sysctl",
            "modules",
            "hostEntry",
            "artifact",
            "group",
            "user",
            "mount",
            "command",
        ],
    );
}

#[test]
#[ignore = "needs the testbed"]
fn on_systemd() {
    lives("systemd", &["unit", "mount", "noSwap", "file"]);
}

/// Disks: what incline did not make is never written over, and what is gone is not made anew elsewhere.
#[test]
#[ignore = "needs the testbed"]
fn a_disk_that_holds_something_is_left_alone() {
    let lab = Lab::up("debian", 1);
    let device = lab.sh(1, "truncate -s 400M /image && losetup --find --show /image").trim().to_owned();
    let tried = |items: &str| {
        lab.items(items);
        let before = lab.sh(1, &format!("sha256sum < {device}"));
        let output = lab.incline(&["apply", "--yes"]);
        assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
        assert_eq!(before, lab.sh(1, &format!("sha256sum < {device}")), "the disk was written to");
        stdout(&output)
    };
    let ids = ["6ba7b810-9dad-51d1-80b4-00c04fd430c8", "6ba7b811-9dad-51d1-80b4-00c04fd430c8"];
    let filesystem = format!("- filesystem: {{device: {device}, kind: ext4, uuid: {}}}", ids[0]);
    let luks = format!(
        "- luks: {{device: {device}, name: data, uuid: {}, tpm2: true, recovery: age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p, by: unlock.service}}",
        ids[1]
    );
    lab.sh(1, &format!("mkfs.xfs -q -f -L other {device}"));
    assert!(tried(&filesystem).contains("holds xfs with the label other, which incline did not make"));
    assert!(tried(&luks).contains("holds xfs"));
    lab.sh(1, &format!("wipefs -q -a {device} && mkfs.ext4 -q -L other {device}"));
    assert!(tried(&filesystem).contains("holds ext4 with the label other"));
    assert!(tried("- blockDevice: {device: /dev/disk/by-id/none}").contains("a missing disk is no new disk"));
    assert!(
        tried(&format!("- blockDevice: {{device: {device}, atLeastGib: 1}}")).contains("has 0 GiB, and must have 1")
    );
    // What an interrupted run left half made is made anew; then it is formatted never again: what is there after that is data.
    lab.sh(1, &format!("wipefs -q -a {device} && mkfs.ext4 -q -L incline-new -U {} {device}", ids[0]));
    lab.items(&filesystem);
    lab.apply();
    assert!(lab.is_settled());
    assert_eq!(lab.sh(1, &format!("blkid -p -o value -s LABEL -s UUID {device}")).trim(), ids[0]);
    lab.items(&format!("- blockDevice: {{device: {device}}}\n{filesystem}"));
    lab.apply();
    assert!(lab.is_settled());
    lab.sh(1, &format!("wipefs -q -a {device}"));
    assert!(tried(&filesystem).contains("held a filesystem that incline made, and holds none any more"));
    // A folder with files in it is not mounted upon.
    lab.sh(1, "mkdir -p /data && touch /data/mine");
    assert!(
        tried("- mount: {path: /data, source: tmpfs, kind: tmpfs, by: fstab}")
            .contains("files in it that a mount would hide")
    );
    lab.sh(1, &format!("losetup --detach {device}"));
}
