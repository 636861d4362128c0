//! Kubernetes for tests: its real programs, built from the Go module proxy, and the mirror that hosts fetch them from.
//!
//! Two minor versions are built, each from its own source, so that an upgrade between them is one.
use super::cache;
use crate::{Outcome, root, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A linker variable that is set to something of the version.
type Stamp = (&'static str, fn(&str) -> String);

/// A Go module that pins programs, below `tests/testbed/kubernetes`.
struct Module {
    name: &'static str,
    /// The module whose version names what is built.
    of: &'static str,
    /// The package of each program.
    programs: &'static [&'static str],
    /// The variables that are set to the version: whole, its major and its minor number.
    stamps: &'static [Stamp],
}

const PROGRAMS: [&str; 7] = [
    "k8s.io/kubernetes/cmd/kubeadm",
    "k8s.io/kubernetes/cmd/kubectl",
    "k8s.io/kubernetes/cmd/kubelet",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kube-proxy",
    "k8s.io/kubernetes/cmd/kube-scheduler",
];

const STAMPS: [Stamp; 3] = [
    ("k8s.io/component-base/version.gitVersion", ToOwned::to_owned),
    ("k8s.io/component-base/version.gitMajor", |_| "1".to_owned()),
    ("k8s.io/component-base/version.gitMinor", |version| version.split('.').nth(1).unwrap_or_default().to_owned()),
];

const KUBERNETES: Module = Module { name: "kubernetes", of: "k8s.io/kubernetes", programs: &PROGRAMS, stamps: &STAMPS };

/// The minor version before, from which clusters are upgraded.
const BEFORE: Module = Module { name: "kubernetes-before", ..KUBERNETES };

const ETCD: Module = Module {
    name: "etcd",
    of: "go.etcd.io/etcd/server/v3",
    programs: &["go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/etcdctl/v3", "go.etcd.io/etcd/etcdutl/v3"],
    stamps: &[],
};

const CONTAINERD: Module = Module {
    name: "containerd",
    of: "github.com/containerd/containerd/v2",
    programs: &[
        "github.com/containerd/containerd/v2/cmd/containerd",
        "github.com/containerd/containerd/v2/cmd/ctr",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    ],
    stamps: &[("github.com/containerd/containerd/v2/version.Version", ToOwned::to_owned)],
};

const KUBE_BENCH: Module = Module {
    name: "kube-bench",
    of: "github.com/aquasecurity/kube-bench",
    programs: &["github.com/aquasecurity/kube-bench"],
    stamps: &[],
};

/// What is built, what the first tests need first.
const MODULES: [&Module; 5] = [&KUBERNETES, &ETCD, &CONTAINERD, &KUBE_BENCH, &BEFORE];

/// The images that kubeadm asks for, each with its tag and the programs in it. Nothing in the tests needs names resolved:
/// CoreDNS is a pause under its name.
const IMAGES: [&str; 7] = [
    "kube-apiserver:{version}=kube-apiserver",
    "kube-controller-manager:{version}=kube-controller-manager",
    "kube-scheduler:{version}=kube-scheduler",
    "kube-proxy:{version}=kube-proxy",
    "etcd:3.6.8-0=etcd+etcdctl+etcdutl",
    "coredns:v1.14.2=pause",
    "pause:{pause}=pause",
];

/// Whether the programs are there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// All programs and the mirror are in the cache.
    Built,
    /// They can be built here, which takes minutes.
    ToBuild,
}

impl Module {
    fn source(&self) -> PathBuf {
        root().join("tests/testbed/kubernetes").join(self.name)
    }

    /// The version that its go.mod pins.
    fn version(&self) -> Result<String, String> {
        let pins = read(&self.source().join("go.mod"))?;
        let pinned = |line: &str| {
            let rest = line.trim().trim_start_matches("require ").strip_prefix(self.of)?.strip_prefix(' ')?;
            rest.split(' ').next().map(ToOwned::to_owned)
        };
        pins.lines().find_map(pinned).ok_or_else(|| format!("{}/go.mod does not pin {}", self.name, self.of))
    }

    /// All that decides what is built.
    fn recipe(&self) -> Result<String, String> {
        let (pins, sums) = (read(&self.source().join("go.mod"))?, read(&self.source().join("go.sum"))?);
        Ok(format!("{}\n{}\n{pins}\n{sums}", self.version()?, self.programs.join("\n")))
    }

    /// The folder of its programs, which are built where they are not in the cache.
    fn built(&self) -> Result<PathBuf, String> {
        cache::entry(self.name, &self.recipe()?, |place| self.build(&place.join("bin"))).map(|place| place.join("bin"))
    }

    fn build(&self, bin: &Path) -> Outcome {
        let version = self.version()?;
        let stamps = self.stamps.iter().map(|(variable, value)| format!(" -X {variable}={}", value(&version)));
        let flags = format!("-s -w{}", stamps.collect::<String>());
        std::fs::create_dir_all(bin).map_err(|error| format!("{}: {error}", bin.display()))?;
        // Tests go on meanwhile.
        let output = Command::new("nice")
            .args(["-n", "5", "go", "build", "-p", "2", "-ldflags", &flags, "-o"])
            .arg(bin)
            .args(self.programs)
            .current_dir(self.source())
            .env("GOFLAGS", "-mod=readonly -buildvcs=false")
            .env("CGO_ENABLED", "0")
            .output()
            .map_err(|error| format!("go cannot be run: {error}"))?;
        if !output.status.success() {
            return Err(format!("{} {version}: {}", self.name, String::from_utf8_lossy(&output.stderr)));
        }
        // Go names a program after its folder.
        let server = bin.join("server");
        if server.exists() {
            std::fs::rename(&server, bin.join("etcd")).map_err(|error| format!("{}: {error}", server.display()))?;
        }
        Ok(())
    }

    /// Where Go has unpacked the module.
    fn unpacked(&self) -> Result<PathBuf, String> {
        let output = Command::new("go")
            .args(["list", "-m", "-f", "{{.Dir}}", self.of])
            .current_dir(self.source())
            .output()
            .map_err(|error| format!("go cannot be run: {error}"))?;
        let place = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if place.is_empty() {
            return Err(format!(
                "{} is not in Go's module cache: {}",
                self.of,
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        Ok(PathBuf::from(place))
    }
}

/// What there is to do, or why it cannot be done.
pub(crate) fn state() -> Result<State, String> {
    let mut is_built = true;
    for module in MODULES {
        is_built &= cache::has(module.name, &module.recipe()?);
    }
    is_built &= cache::has("mirror", &mirror_recipe()?);
    if is_built {
        // The links of this clone.
        prepare()?;
        return Ok(State::Built);
    }
    let answer = Command::new("go").args(["env", "GOVERSION"]).output();
    match answer {
        Ok(output) if output.status.success() => Ok(State::ToBuild),
        Ok(output) => Err(format!("go fails: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(_) => Err("there is no go in PATH (1.26 or newer)".to_owned()),
    }
}

/// Builds the programs of all modules, and the mirror.
pub(crate) fn prepare() -> Outcome {
    for module in MODULES {
        module.built()?;
    }
    cache::entry("mirror", &mirror_recipe()?, mirror).map(|_| ())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn image_writer() -> PathBuf {
    root().join("tests/testbed/kubernetes/images.py")
}

/// All that decides what the mirror holds: this file, how images are written, what is built, and the tree that runc is from.
fn mirror_recipe() -> Result<String, String> {
    let lab = read(&root().join("tests/testbed/hosts/lab.sh"))?;
    let tree = lab.lines().find(|line| line.contains("mmdebstrap") && line.contains("bookworm")).unwrap_or_default();
    let mut recipe = format!("{}\n{}\n{tree}\n", include_str!("kubernetes.rs"), read(&image_writer())?);
    for module in MODULES {
        recipe.push_str(&module.recipe()?);
    }
    Ok(recipe)
}

/// Fills the mirror: the files that a lock pins, and the images as a registry has them.
fn mirror(mirror: &Path) -> Outcome {
    let [kubernetes, etcd, containerd, bench, before] = MODULES.map(Module::built);
    let (kubernetes, before) = (kubernetes?, before?);
    let (etcd, containerd, _) = (etcd?, containerd?, bench?);
    let tree = super::host_tree()?;
    let (version, old) = (KUBERNETES.version()?, BEFORE.version()?);
    let failed = |error: std::io::Error| format!("{}: {error}", mirror.display());
    let files = mirror.join("kubernetes");
    std::fs::create_dir_all(&files).map_err(failed)?;
    // What images are made of: all programs side by side, those of the version before in a folder of its own.
    let bin = mirror.join("bin");
    for (from, to) in
        [(&kubernetes, bin.clone()), (&etcd, bin.clone()), (&containerd, bin.clone()), (&before, bin.join(&old))]
    {
        std::fs::create_dir_all(&to).map_err(failed)?;
        for program in std::fs::read_dir(from).map_err(failed)?.flatten() {
            std::os::unix::fs::symlink(program.path(), to.join(program.file_name())).map_err(failed)?;
        }
    }
    // pause comes as a page of C.
    run(Command::new("gcc")
        .args(["-static", "-Os", "-DVERSION=3.10", "-o"])
        .arg(bin.join("pause"))
        .arg(KUBERNETES.unpacked()?.join("build/pause/linux/pause.c")))?;
    // kube-bench's checks come beside it; tests copy them to hosts.
    run(Command::new("cp").args(["-r", "--no-preserve=mode"]).arg(KUBE_BENCH.unpacked()?.join("cfg")).arg(mirror))?;
    let copy = |from: PathBuf, name: &str| {
        std::fs::copy(&from, files.join(name)).map(|_| ()).map_err(|error| format!("{}: {error}", from.display()))
    };
    for program in ["kubeadm", "kubectl", "kubelet", "etcdctl", "etcdutl"] {
        copy(bin.join(program), program)?;
    }
    for program in ["kubeadm", "kubectl", "kubelet"] {
        copy(before.join(program), &format!("{program}-{old}"))?;
    }
    copy(tree.join("usr/sbin/runc"), "runc")?;
    copy(tree.join("usr/bin/age"), "age")?;
    // No test runs crictl.
    std::fs::write(files.join("crictl"), "#!/bin/sh\necho 'crictl is not part of the test mirror' >&2\nexit 1\n")
        .map_err(failed)?;
    std::fs::write(
        files.join("network.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pod-network, namespace: kube-system}\ndata: {made: by the lab}\n",
    )
    .map_err(failed)?;
    run(Command::new("tar")
        .args(["--dereference", "--transform", "s,^,bin/,", "-cf"])
        .arg(files.join("containerd.tar"))
        .arg("-C")
        .arg(&containerd)
        .args(["containerd", "ctr", "containerd-shim-runc-v2"]))?;
    run(Command::new("tar")
        .arg("-cf")
        .arg(files.join("cni-plugins.tar"))
        .arg("-C")
        .arg(tree.join("usr/lib/cni"))
        .arg("."))?;
    for (version, programs) in [(&version, ""), (&old, &*format!("{old}/"))] {
        let pause = pause(&bin.join(format!("{programs}kubeadm")), version)?;
        let images = IMAGES.iter().map(|image| {
            let of_kubernetes = image.contains("{version}");
            let image = image.replace("{version}", version).replace("{pause}", &pause);
            if of_kubernetes { image.replace('=', &format!("={programs}")) } else { image }
        });
        let list = std::fs::File::create(mirror.join(format!("images-{version}.txt"))).map_err(failed)?;
        run(Command::new("python3")
            .arg(image_writer())
            .arg(&bin)
            .arg(mirror)
            .arg("kubernetes")
            .args(images)
            .stdout(Stdio::from(list)))?;
    }
    Ok(())
}

/// The tag of the pause image that a kubeadm pulls; no configuration of its names another.
fn pause(kubeadm: &Path, version: &str) -> Result<String, String> {
    let output = Command::new(kubeadm)
        .args(["config", "images", "list", "--kubernetes-version", version])
        .output()
        .map_err(|error| format!("{}: {error}", kubeadm.display()))?;
    let images = String::from_utf8_lossy(&output.stdout).into_owned();
    let tag = images.lines().find_map(|image| image.rsplit('/').next()?.strip_prefix("pause:"));
    tag.map(ToOwned::to_owned).ok_or_else(|| format!("kubeadm {version} lists no pause image: {images}"))
}
