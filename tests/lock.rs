//! The first hour, when nothing is pinned yet, and `incline lock`: what it takes, what it refuses, and what it lists.
use crate::support::*;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with the starters of a site in AWS and of one on premises, at addresses that nothing answers at.
fn starters() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    succeed(&["--inventories", path, "init", "aws", "cloud"]);
    succeed(&["--inventories", path, "init", "onprem", "cellar"]);
    let file = folder.path().join("cellar.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("172.30.", "224.9.")).unwrap();
    folder
}

/// Runs incline over the inventories of a folder, without credentials and without a way to AWS.
fn over(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_incline"))
        .arg("--inventories")
        .arg(folder)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", folder)
        .env("NO_COLOR", "1")
        .env("AWS_ACCESS_KEY_ID", "none")
        .env("AWS_SECRET_ACCESS_KEY", "none")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .output()
        .unwrap()
}

/// The same, with success.
fn works(folder: &Path, arguments: &[&str]) -> String {
    let output = over(folder, arguments);
    assert!(output.status.success(), "incline {arguments:?} failed:\n{}", stderr(&output));
    stdout(&output)
}

/// The same, refused.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = over(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "incline {arguments:?}: {}{}", stdout(&output), stderr(&output));
    stderr(&output)
}

/// An ELF file for x86-64 that says a version.
fn program(version: &str) -> Vec<u8> {
    let mut bytes = vec![0; 70_000];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    (bytes[16], bytes[18]) = (2, 62);
    // Across the border of what is read at once.
    let at = 65_533;
    bytes[at..at + version.len()].copy_from_slice(version.as_bytes());
    bytes
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Pins a file for Kubernetes 1.36.3.
fn pin<'a>(name: &'a str, version: &'a str, file: &'a Path) -> [&'a str; 7] {
    ["lock", "artifact", name, version, file.to_str().unwrap(), "--source", "https://mirror.example/x"]
}

const IMAGES: [(&str, &str); 7] = [
    ("coredns", "v1.14.2"),
    ("etcd", "3.6.8-0"),
    ("kube-apiserver", "v1.36.3"),
    ("kube-controller-manager", "v1.36.3"),
    ("kube-proxy", "v1.36.3"),
    ("kube-scheduler", "v1.36.3"),
    ("pause", "3.10.2"),
];

/// A file that fits each artifact.
fn fitting(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let names = ["age", "crictl", "etcdctl", "etcdutl", "kubeadm", "kubectl", "kubelet", "runc"];
    let mut all: Vec<(&str, PathBuf)> =
        names.into_iter().map(|name| (name, file(folder, name, &program("v1.36.3")))).collect();
    all.push(("containerd", file(folder, "containerd.tar.gz", b"\x1f\x8b\x08")));
    all.push(("cni-plugins", file(folder, "cni-plugins.tgz", b"\x1f\x8b\x08")));
    all.push(("network", file(folder, "network.yml.txt", b"apiVersion: v1\nkind: ConfigMap\n")));
    all.push(("kubernetes", file(folder, "kubernetes.raw", b"hsqs")));
    all
}

fn pin_all(folder: &Path) {
    let files = tempfile::tempdir().unwrap();
    for (name, path) in fitting(files.path()) {
        works(folder, &pin(name, "1.36.3", &path));
    }
    for (name, tag) in IMAGES {
        let digest = format!("sha256:{}", "ab".repeat(32));
        works(
            folder,
            &["lock", "image", name, tag, &digest, "--kubernetes", "1.36.3", "--source", "registry.k8s.io/x"],
        );
    }
    works(folder, &["lock", "ami", "us-east-1", "ami-0a1b2c3d4e5f60718", "--release", "4459.2.0"]);
}

#[test]
fn without_a_lock_everything_that_only_looks_works() {
    let estate = starters();
    let folder = estate.path();
    let checked = over(folder, &["check"]);
    assert_eq!(checked.status.code(), Some(1), "what nodes boot from is not judged, which is not green");
    let checked = stdout(&checked);
    assert!(checked.contains("2 sites are valid; ") && checked.contains(" stacks render"), "{checked}");
    for site in ["cellar", "cloud"] {
        assert!(
            checked.contains(&format!("{site}: not judged: there is no incline.lock; (not pinned): artifacts ")),
            "{checked}"
        );
    }

    let plan = works(folder, &["plan", "--offline"]);
    let notes = plan.matches("(not pinned): artifacts").count();
    assert_eq!(notes, 2, "each site says what it lacks:\n{plan}");
    assert!(plan.contains("machine image for us-east-1; `incline lock status` lists the command for each"), "{plan}");
    assert!(plan.contains("artifact /opt/incline/bin/kubeadm") || plan.contains("/opt/incline/bin/kubeadm"), "{plan}");
    let full = works(folder, &["plan", "--offline", "--full"]);
    assert!(full.contains("AmiId") && full.contains("(not pinned)"), "{full}");

    assert!(works(folder, &["graph"]).contains("cloud"));
    assert!(works(folder, &["graph", "cellar", "--format", "dot"]).contains("cellar"));
    works(folder, &["iam-policy", "cloud"]);

    let out = folder.join("rendered");
    let rendered = works(folder, &["render", "--out", out.to_str().unwrap()]);
    assert!(rendered.contains("20 pins are missing"), "{rendered}");
    let all = files(&out);
    let text = |end: &str| -> String {
        let found = all.iter().find(|(name, _)| name.ends_with(end)).unwrap_or_else(|| panic!("no {end}"));
        String::from_utf8(found.1.clone()).unwrap()
    };
    assert!(
        text("stacks/cloud-pool-general.json").contains("\"AmiId\": {\n      \"value\": \"(not pinned)\"")
            || text("stacks/cloud-pool-general.json").contains("(not pinned)")
    );
    let host: Value = serde_json::from_str(&text("hosts/cp-1/control-plane.json")).unwrap();
    let kubeadm = host.as_array().unwrap().iter().find(|item| item["artifact"]["path"] == "/opt/incline/bin/kubeadm");
    let kubeadm = &kubeadm.unwrap()["artifact"];
    assert_eq!((&kubeadm["digest"], &kubeadm["from"]["url"]), (&"(not pinned)".into(), &"(not pinned)".into()));
    let ignition = all.iter().find(|(name, _)| name.ends_with(".ign") && !name.ends_with("user-data.ign")).unwrap();
    let ignition = String::from_utf8(ignition.1.clone()).unwrap();
    assert!(ignition.contains("\"hash\":\"sha512-(not pinned)\"") && ignition.contains("\"source\":\"(not pinned)\""));
}

#[test]
fn without_a_lock_doctor_says_what_is_not_pinned() {
    let estate = starters();
    let output = over(estate.path(), &["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert_eq!(text.matches("(not pinned): artifacts ").count(), 2, "{text}");
    assert!(text.contains("2 valid sites") && text.contains("`incline lock status` lists the command"), "{text}");
}

#[test]
fn without_a_lock_nothing_is_applied() {
    let estate = starters();
    let folder = estate.path();
    let plan = folder.join("plan.json");
    for arguments in [&["apply", "--yes"][..], &["plan", "--out", plan.to_str().unwrap()], &["plan", "--change-sets"]] {
        let said = refused(folder, arguments);
        assert!(said.contains("20 pins are missing in incline.lock; nothing was changed"), "{said}");
        for line in [
            "cellar, cloud: artifact network for Kubernetes 1.36.3\n      incline lock artifact network 1.36.3 FILE --source URL\n",
            "cellar: artifact kubelet for Kubernetes 1.36.3\n      incline lock artifact kubelet 1.36.3 FILE --source https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet\n",
            "incline lock image etcd TAG sha256:DIGEST --kubernetes 1.36.3 --source registry.k8s.io/etcd:TAG\n",
            "cloud: machine image for us-east-1\n      incline lock ami us-east-1 ID --release RELEASE\n",
        ] {
            assert!(said.contains(line), "{line}\n{said}");
        }
        assert!(!plan.exists());
    }
    // A plan that was saved as if nothing existed is refused all the same.
    works(folder, &["plan", "--offline", "--out", plan.to_str().unwrap()]);
    assert!(refused(folder, &["apply", "--plan", plan.to_str().unwrap()]).contains("20 pins are missing"));
    // Other sites' pins are no matter of this one's.
    assert!(refused(folder, &["apply", "cellar", "--yes"]).contains("18 pins are missing"));
}

#[test]
fn a_site_that_is_held_to_safeguards_is_not_green_without_its_pins() {
    let estate = estate_with("riverside-dc.yaml", &[]);
    let folder = estate.path();
    std::fs::remove_file(folder.join("incline.lock")).unwrap();
    let output = over(folder, &["check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], false);
    let assessments = report["assessments"].as_array().unwrap();
    assert_eq!(assessments.len(), 3, "what does not stand on pins is judged");
    let of = |rule: &str| -> Vec<&Value> {
        let findings = assessments.iter().flat_map(|one| one["findings"].as_array().unwrap());
        findings.filter(|finding| finding["rule"] == rule).collect()
    };
    for rule in ["binaries-pinned", "images-pinned"] {
        let found = of(rule);
        assert!(
            !found.is_empty() && found.iter().all(|finding| finding["bearing"] == "notPinned"),
            "{rule}: {found:?}"
        );
    }
    let said = stdout(&over(folder, &["check"]));
    assert!(said.contains("riverside-dc: not judged: there is no incline.lock; (not pinned): "), "{said}");
    // A missing pin keeps nobody from looking, and holds back no plan as a safeguard that does not hold would.
    assert!(works(folder, &["plan", "--offline", "riverside-dc"]).contains("(not pinned)"));
}

#[test]
fn a_lock_that_lacks_a_version_is_told_at_the_line_that_asks_for_it() {
    let estate = changed_estate("lakeside-staging.yaml", "version: \"1.36.3\"", "version: \"1.36.2\"");
    let folder = estate.path();
    let said = refused(folder, &["check"]);
    assert!(
        said.contains("incline.lock does not pin artifacts kubernetes, network and images coredns, etcd,"),
        "{said}"
    );
    assert!(said.contains("version: \"1.36.2\"") && said.contains("pinned is Kubernetes 1.36.3"), "{said}");
    // The other sites are applied without them; nobody is asked here, for nothing answers.
    let said = refused(folder, &["apply", "--yes", "lakeside-staging"]);
    assert!(said.contains("9 pins are missing"), "{said}");
    assert!(!refused(folder, &["apply", "--yes", "hillcrest-dc"]).contains("missing in incline.lock"));
}

#[test]
fn a_lock_is_made_by_the_commands_that_status_lists() {
    let estate = starters();
    let folder = estate.path();
    let output = over(folder, &["lock", "status"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.contains("cellar: 18 of 18 pins not pinned\n") && text.contains("cloud: 10 of 10 pins not pinned\n"),
        "{text}"
    );
    for line in [
        "  artifact kubeadm for Kubernetes 1.36.3\n      incline lock artifact kubeadm 1.36.3 FILE --source https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubeadm\n      a raw program for Linux on x86-64, not an archive; published at https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubeadm\n",
        "a tar archive (.tar, .tar.gz, .tgz), as it was published: hosts unpack it; published at https://github.com/containerd/",
        "published as `etcd-vX.Y.Z-linux-amd64/etcdutl` in https://github.com/etcd-io/etcd/releases/download/vX.Y.Z/",
        "incline lock image kube-proxy v1.36.3 sha256:DIGEST --kubernetes 1.36.3 --source registry.k8s.io/kube-proxy:v1.36.3\n",
        "incline lock ami us-east-1 ID --release RELEASE\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    pin_all(folder);
    let text = works(folder, &["lock", "status"]);
    assert!(text.contains("cloud: all pinned: artifacts kubernetes, network and images coredns, etcd,"), "{text}");
    assert!(!text.contains("no site needs"), "{text}");
    assert!(!works(folder, &["check"]).contains("not judged"));
    assert!(!works(folder, &["plan", "--offline", "--full"]).contains("(not pinned)"));
    // FIPS 180-4: the SHA-512 of what was pinned, as `sha512sum` has it.
    let pinned = std::fs::read_to_string(folder.join("incline.lock")).unwrap();
    let network = file(folder, "n", b"apiVersion: v1\nkind: ConfigMap\n");
    let sum = Command::new("sha512sum").arg(&network).output().unwrap();
    assert!(pinned.contains(stdout(&sum).split(' ').next().unwrap()), "{pinned}");
}

#[test]
fn what_is_not_what_it_says_is_not_pinned() {
    let estate = starters();
    let folder = estate.path();
    let files = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| file(files.path(), name, bytes);
    let packed = put("kubelet.tar.gz", b"\x1f\x8b\x08");
    let raw = put("containerd", &program(""));
    let mut other = program("v1.36.3");
    other[18] = 183;
    let other = put("kubelet-arm64", &other);
    let older = put("kubelet-older", &program("v1.35.9"));
    let longer = put("kubelet-longer", &program("v1.36.30"));
    let noise = put("noise", b"\x01\x02\x03");
    let good = put("kubelet", &program("v1.36.3"));
    for (name, version, path, words) in [
        ("kubelet", "1.36.3", &packed, "kubelet is a file packed with gzip"),
        ("containerd", "1.36.3", &raw, "containerd is a program for x86-64"),
        ("kubelet", "1.36.3", &other, "kubelet is a program for ARM64"),
        ("kubelet", "1.36.3", &older, "it does not say that it is kubelet v1.36.3"),
        ("kubelet", "1.36.3", &longer, "it does not say that it is kubelet v1.36.3"),
        ("network", "1.36.3", &noise, "network is a file of another kind"),
        ("kubernetes", "1.36.3", &noise, "kubernetes is a file of another kind"),
        ("kubelet", "1.36.4", &good, "needs it: artifact kubelet for Kubernetes 1.36.4"),
        ("csi-nfs", "1.36.3", &noise, "needs it: artifact csi-nfs for Kubernetes 1.36.3"),
    ] {
        let said = refused(folder, &pin(name, version, path));
        assert!(said.contains(words) && said.contains("hint: "), "{name} {version}: {said}");
    }
    assert!(
        refused(folder, &pin("kubelet", "1.36.4", &good))
            .contains("sites need it for 1.36.3; set `kubernetes.version`")
    );
    let digest = format!("sha256:{}", "ab".repeat(32));
    let image = |name: &str, tag: &str, version: &str| {
        over(folder, &["lock", "image", name, tag, &digest, "--kubernetes", version, "--source", "registry.k8s.io/x"])
    };
    let misspelt = image("kube-apisever", "v1.36.3", "1.36.3");
    assert_eq!(misspelt.status.code(), Some(64));
    assert!(stderr(&misspelt).contains("kube-apiserver"), "{}", stderr(&misspelt));
    assert!(
        stderr(&image("kube-proxy", "v1.36.2", "1.36.3")).contains("kube-proxy:v1.36.2 is not of Kubernetes 1.36.3")
    );
    assert!(stderr(&image("pause", "3.10", "1.35.9")).contains("needs it: image pause for Kubernetes 1.35.9"));
    let said = refused(folder, &["lock", "ami", "eu-west-1", "ami-0a1b2c3d4e5f60718", "--release", "4459.2.0"]);
    assert!(
        said.contains("needs it: machine image for eu-west-1") && said.contains("sites need it for us-east-1"),
        "{said}"
    );
    assert!(!folder.join("incline.lock").exists(), "nothing of it was pinned");
}

#[test]
fn without_sites_that_can_be_read_any_version_is_pinned_and_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let good = file(folder.path(), "kubelet", &program("v1.35.9"));
    let output = over(folder.path(), &pin("kubelet", "1.35.9", &good));
    assert!(output.status.success());
    assert!(stderr(&output).contains("warning: not checked whether a site needs it: no inventory in"));
    std::fs::write(folder.path().join("site.yaml"), "version: v1\n").unwrap();
    let output = over(folder.path(), &pin("kubelet", "1.35.9", &good));
    assert!(output.status.success());
    assert!(stderr(&output).contains("site.yaml has faults"));
}

#[test]
fn pins_are_removed_and_those_that_no_site_needs_are_listed() {
    let estate = starters();
    let folder = estate.path();
    pin_all(folder);
    std::fs::remove_file(folder.join("cloud.yaml")).unwrap();
    let text = works(folder, &["lock", "status"]);
    for unused in ["artifact kubernetes 1.36.3", "ami us-east-1"] {
        assert!(text.contains(&format!("no site needs: {unused}\n      incline lock remove {unused}\n")), "{text}");
        works(folder, &[&["lock", "remove"], unused.split(' ').collect::<Vec<_>>().as_slice()].concat());
        let again = refused(folder, &[&["lock", "remove"], unused.split(' ').collect::<Vec<_>>().as_slice()].concat());
        assert!(again.contains(&format!("incline.lock does not pin it: {unused}")), "{again}");
    }
    assert!(!works(folder, &["lock", "status"]).contains("no site needs"));
    works(folder, &["lock", "remove", "image", "etcd", "1.36.3"]);
    let output = over(folder, &["lock", "status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("cellar: 1 of 18 pins not pinned\n  image etcd for Kubernetes 1.36.3\n"));
    assert!(refused(folder, &["lock", "remove", "image", "etdc", "1.36.3"]).contains("does not pin it: image etdc"));
}
