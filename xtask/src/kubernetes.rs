//! Kubernetes for tests: its real programs, built from the Go module proxy, and the mirror that hosts fetch them from.
use crate::testbed::{folder, hosts_are_missing};
use crate::{Outcome, root, run};
use std::path::Path;
use std::process::{Command, Stdio};

/// A variable that is told something of the version.
type Stamp = (&'static str, fn(&str) -> String);

/// A Go module that pins some of them, below `tests/testbed/kubernetes`.
struct Module {
    name: &'static str,
    /// The module whose version names what is built.
    of: &'static str,
    /// The package of each program.
    programs: &'static [&'static str],
    /// The variables that are told the version: whole, its major and its minor number.
    stamps: &'static [Stamp],
}

const MODULES: [Module; 4] = [
    Module {
        name: "kubernetes",
        of: "k8s.io/kubernetes",
        programs: &[
            "k8s.io/kubernetes/cmd/kubeadm",
            "k8s.io/kubernetes/cmd/kubectl",
            "k8s.io/kubernetes/cmd/kubelet",
            "k8s.io/kubernetes/cmd/kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-proxy",
            "k8s.io/kubernetes/cmd/kube-scheduler",
        ],
        stamps: &[
            ("k8s.io/component-base/version.gitVersion", ToOwned::to_owned),
            ("k8s.io/component-base/version.gitMajor", |_| "1".to_owned()),
            ("k8s.io/component-base/version.gitMinor", |version| {
                version.split('.').nth(1).unwrap_or_default().to_owned()
            }),
        ],
    },
    Module {
        name: "etcd",
        of: "go.etcd.io/etcd/server/v3",
        programs: &["go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/etcdctl/v3", "go.etcd.io/etcd/etcdutl/v3"],
        stamps: &[],
    },
    Module {
        name: "containerd",
        of: "github.com/containerd/containerd/v2",
        programs: &[
            "github.com/containerd/containerd/v2/cmd/containerd",
            "github.com/containerd/containerd/v2/cmd/ctr",
            "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        ],
        stamps: &[("github.com/containerd/containerd/v2/version.Version", ToOwned::to_owned)],
    },
    Module {
        name: "kube-bench",
        of: "github.com/aquasecurity/kube-bench",
        programs: &["github.com/aquasecurity/kube-bench"],
        stamps: &[],
    },
];

/// The program's name that a package gives.
fn program(package: &str) -> &str {
    match package.trim_end_matches("/v3").rsplit('/').next() {
        Some("server") => "etcd",
        Some(name) => name,
        None => package,
    }
}

/// The images that kubeadm asks for, each with its tag and the programs in it. Nothing in the tests needs names resolved:
/// CoreDNS is a pause under its name.
const IMAGES: [&str; 7] = [
    "kube-apiserver:{version}=kube-apiserver",
    "kube-controller-manager:{version}=kube-controller-manager",
    "kube-scheduler:{version}=kube-scheduler",
    "kube-proxy:{version}=kube-proxy",
    "etcd:3.6.8-0=etcd+etcdctl+etcdutl",
    "coredns:v1.14.2=pause",
    "pause:3.10.2=pause",
];

/// The version from which a cluster is upgraded: the same source, told to say so.
const BEFORE: &str = "v1.35.9";

fn place() -> std::path::PathBuf {
    folder().join("kubernetes")
}

/// Builds the programs, and the mirror where hosts can be made. Where there is no Go that is new enough, a note is left, which
/// the tests that need them print.
pub(crate) fn prepare() -> Outcome {
    let place = place();
    std::fs::create_dir_all(place.join("bin")).map_err(|error| format!("{}: {error}", place.display()))?;
    let note = place.join("missing");
    match programs(&place.join("bin")) {
        Ok(()) => {
            let _ = std::fs::remove_file(&note);
        }
        Err(cause) => {
            println!("testbed: Kubernetes could not be built; its checks are left out: {cause}");
            return std::fs::write(&note, cause).map_err(|error| error.to_string());
        }
    }
    if hosts_are_missing().is_some() { Ok(()) } else { mirror(&place) }
}

/// Why Kubernetes could not be built, if it could not.
pub(crate) fn is_missing() -> Option<String> {
    std::fs::read_to_string(place().join("missing")).ok()
}

fn source(module: &str) -> std::path::PathBuf {
    root().join("tests/testbed/kubernetes").join(module)
}

/// The version of a module that a go.mod asks for.
fn version(pins: &str, module: &str) -> String {
    pins.lines()
        .find_map(|line| line.trim().trim_start_matches("require ").strip_prefix(module)?.strip_prefix(' '))
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_default()
        .to_owned()
}

fn programs(bin: &Path) -> Outcome {
    for module in MODULES {
        let source = source(module.name);
        let pins = std::fs::read_to_string(source.join("go.mod")).map_err(|error| error.to_string())?;
        let mark = bin.join(format!("{}.built", module.name));
        if std::fs::read_to_string(&mark).is_ok_and(|built| built == pins) {
            continue;
        }
        build(&module, &version(&pins, module.of), bin)?;
        std::fs::write(&mark, pins).map_err(|error| error.to_string())?;
    }
    let mark = bin.join("before.built");
    let recipe = format!("{BEFORE}\n{}", read(&bin.join("kubernetes.built"))?);
    if !std::fs::read_to_string(&mark).is_ok_and(|built| built == recipe) {
        build(&MODULES[0], BEFORE, &bin.join(BEFORE))?;
        std::fs::write(&mark, recipe).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Builds the programs of a module, which say that they are of a version.
fn build(module: &Module, version: &str, bin: &Path) -> Outcome {
    println!("testbed: building {} {version}", module.name);
    let stamps = module.stamps.iter().map(|(variable, value)| format!(" -X {variable}={}", value(version)));
    let flags = format!("-s -w{}", stamps.collect::<String>());
    for package in module.programs {
        let output = Command::new("go")
            .args(["build", "-p", "2", "-ldflags", &flags, "-o"])
            .arg(bin.join(program(package)))
            .arg(package)
            .current_dir(source(module.name))
            .env("GOFLAGS", "-mod=readonly -buildvcs=false")
            .env("CGO_ENABLED", "0")
            .output()
            .map_err(|error| format!("go cannot be run: {error}"))?;
        if !output.status.success() {
            return Err(format!("{package}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    Ok(())
}

/// Where Go has unpacked a module.
fn unpacked(name: &str, module: &str) -> Result<std::path::PathBuf, String> {
    let output = Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", module])
        .current_dir(source(name))
        .output()
        .map_err(|error| format!("go cannot be run: {error}"))?;
    Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).to_owned())
}

/// The mirror: the files that a lock pins, and the images as a registry has them.
fn mirror(place: &Path) -> Outcome {
    let (bin, mirror) = (place.join("bin"), place.join("mirror"));
    let tree = folder().join("hosts/debian");
    let pins = std::fs::read_to_string(source("kubernetes/go.mod")).map_err(|error| error.to_string())?;
    let version = version(&pins, "k8s.io/kubernetes");
    let writer = source("images.py");
    let mut recipe = format!("{IMAGES:?}");
    let built = ["etcd", "containerd", "kube-bench", "before"].map(|name| bin.join(format!("{name}.built")));
    for text in [writer.clone(), tree.join("made")].iter().chain(&built) {
        recipe.push_str(&read(text)?);
    }
    let mark = mirror.join("made");
    if std::fs::read_to_string(&mark).is_ok_and(|made| made == recipe) {
        return Ok(());
    }
    println!("testbed: making the mirror of Kubernetes {version}");
    let files = mirror.join("kubernetes");
    let _ = std::fs::remove_dir_all(&mirror);
    std::fs::create_dir_all(&files).map_err(|error| error.to_string())?;
    // pause comes as a page of C.
    run(Command::new("gcc")
        .args(["-static", "-Os", "-DVERSION=3.10", "-o"])
        .arg(bin.join("pause"))
        .arg(unpacked("kubernetes", "k8s.io/kubernetes")?.join("build/pause/linux/pause.c")))?;
    // kube-bench's checks come beside it; cargo's tests copy them to hosts.
    let checks = unpacked("kube-bench", "github.com/aquasecurity/kube-bench")?.join("cfg");
    run(Command::new("cp").args(["-r", "--no-preserve=mode"]).arg(checks).arg(&mirror))?;
    let copy = |from: std::path::PathBuf, name: &str| {
        std::fs::copy(&from, files.join(name)).map(|_| ()).map_err(|error| format!("{}: {error}", from.display()))
    };
    for program in ["kubeadm", "kubectl", "kubelet", "etcdctl", "etcdutl"] {
        copy(bin.join(program), program)?;
    }
    for program in ["kubeadm", "kubectl", "kubelet"] {
        copy(bin.join(BEFORE).join(program), &format!("{program}-{BEFORE}"))?;
    }
    copy(tree.join("usr/sbin/runc"), "runc")?;
    copy(tree.join("usr/bin/age"), "age")?;
    // What nobody runs in a test: a file that says so.
    std::fs::write(files.join("crictl"), "#!/bin/sh\necho 'crictl is not part of the test mirror' >&2\nexit 1\n")
        .map_err(|error| error.to_string())?;
    std::fs::write(
        files.join("network.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pod-network, namespace: kube-system}\ndata: {made: by the lab}\n",
    )
    .map_err(|error| error.to_string())?;
    run(Command::new("tar")
        .args(["--transform", "s,^,bin/,", "-cf"])
        .arg(files.join("containerd.tar"))
        .arg("-C")
        .arg(&bin)
        .args(["containerd", "ctr", "containerd-shim-runc-v2"]))?;
    run(Command::new("tar")
        .arg("-cf")
        .arg(files.join("cni-plugins.tar"))
        .arg("-C")
        .arg(tree.join("usr/lib/cni"))
        .arg("."))?;
    let images = IMAGES.iter().map(|image| image.replace("{version}", &version));
    let before = IMAGES.iter().filter(|image| image.contains("{version}"));
    let before = before.map(|image| image.replace("{version}", BEFORE).replace('=', &format!("={BEFORE}/")));
    let list = std::fs::File::create(mirror.join("images.txt")).map_err(|error| error.to_string())?;
    run(Command::new("python3")
        .arg(&writer)
        .arg(&bin)
        .arg(&mirror)
        .arg("kubernetes")
        .args(images.chain(before))
        .stdout(Stdio::from(list)))?;
    std::fs::write(&mark, recipe).map_err(|error| error.to_string())
}
