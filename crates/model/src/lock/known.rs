//! What a lock file can pin: the artifacts and images that incline knows, the form that each must have, where its project
//! publishes it, and what a file is by its first bytes.
use crate::prelude::*;
use crate::scalar::{Invalid, Version};

/// An artifact that incline knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Known {
    /// Its name in the lock file.
    pub name: &'static str,
    /// What the file must be.
    pub form: Form,
    /// Which sites need it.
    pub users: Users,
    /// Where its project publishes it, if incline chooses the project. `{version}` is the Kubernetes version, `X.Y.Z` a
    /// version of the project's own.
    pub upstream: Option<&'static str>,
    /// Where it lies in the archive that `upstream` is, if that is not the file itself.
    pub inside: Option<&'static str>,
    /// Whether the program holds the version of Kubernetes that it serves as text.
    pub says_version: bool,
}

/// What an artifact's file must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// A program for Linux on x86-64, not packed: an ELF file, or a script.
    Program,
    /// A tar archive, which hosts unpack; compressed or not.
    Archive,
    /// Kubernetes objects in YAML or JSON.
    Manifest,
    /// A disk image that systemd-sysext merges into `/usr`: squashfs, erofs, ext4, btrfs, or with a partition table.
    DiskImage,
}

/// Which sites need an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Users {
    /// Sites in AWS.
    Aws,
    /// Sites on premises.
    OnPrem,
    /// Sites on premises with NFS.
    Nfs,
    /// All sites.
    All,
}

/// An image of Kubernetes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownImage {
    /// Its name below a mirror, as kubeadm expects it.
    pub name: &'static str,
    /// Its repository in Kubernetes' own registry.
    pub repository: &'static str,
    /// Whether its tag is the Kubernetes version.
    pub tagged_by_version: bool,
}

const fn program(name: &'static str, upstream: &'static str) -> Known {
    Known {
        name,
        form: Form::Program,
        users: Users::OnPrem,
        upstream: Some(upstream),
        inside: None,
        says_version: false,
    }
}

const fn of_kubernetes(name: &'static str, upstream: &'static str) -> Known {
    Known { says_version: true, ..program(name, upstream) }
}

const ETCD: &str = "https://github.com/etcd-io/etcd/releases/download/vX.Y.Z/etcd-vX.Y.Z-linux-amd64.tar.gz";

/// All artifacts, by name.
///
/// Sources of the addresses:
/// - Kubernetes' programs, crictl and the CNI plugins, "without a package manager":
///   <https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/>
/// - containerd and runc: <https://github.com/containerd/containerd/blob/main/docs/getting-started.md>
/// - etcd's tools: <https://etcd.io/docs/v3.6/install/>
/// - age: <https://github.com/FiloSottile/age#installation>
/// - the system extension: <https://flatcar.github.io/sysext-bakery/>
/// - the NFS driver: <https://github.com/kubernetes-csi/csi-driver-nfs/tree/master/deploy>
pub const ARTIFACTS: [Known; 13] = [
    Known {
        inside: Some("age/age"),
        ..program("age", "https://github.com/FiloSottile/age/releases/download/vX.Y.Z/age-vX.Y.Z-linux-amd64.tar.gz")
    },
    Known {
        form: Form::Archive,
        ..program(
            "cni-plugins",
            concat!(
                "https://github.com/containernetworking/plugins/releases/download/vX.Y.Z/",
                "cni-plugins-linux-amd64-vX.Y.Z.tgz"
            ),
        )
    },
    Known {
        form: Form::Archive,
        ..program(
            "containerd",
            "https://github.com/containerd/containerd/releases/download/vX.Y.Z/containerd-X.Y.Z-linux-amd64.tar.gz",
        )
    },
    Known {
        inside: Some("crictl"),
        ..program(
            "crictl",
            "https://github.com/kubernetes-sigs/cri-tools/releases/download/vX.Y.Z/crictl-vX.Y.Z-linux-amd64.tar.gz",
        )
    },
    Known {
        form: Form::Manifest,
        users: Users::Nfs,
        ..program("csi-nfs", "https://github.com/kubernetes-csi/csi-driver-nfs/tree/master/deploy/vX.Y.Z")
    },
    Known { inside: Some("etcd-vX.Y.Z-linux-amd64/etcdctl"), ..program("etcdctl", ETCD) },
    Known { inside: Some("etcd-vX.Y.Z-linux-amd64/etcdutl"), ..program("etcdutl", ETCD) },
    of_kubernetes("kubeadm", "https://dl.k8s.io/release/v{version}/bin/linux/amd64/kubeadm"),
    of_kubernetes("kubectl", "https://dl.k8s.io/release/v{version}/bin/linux/amd64/kubectl"),
    of_kubernetes("kubelet", "https://dl.k8s.io/release/v{version}/bin/linux/amd64/kubelet"),
    Known {
        form: Form::DiskImage,
        users: Users::Aws,
        ..program("kubernetes", "https://extensions.flatcar.org/extensions/kubernetes-v{version}-x86-64.raw")
    },
    Known {
        name: "network",
        form: Form::Manifest,
        users: Users::All,
        upstream: None,
        inside: None,
        says_version: false,
    },
    program("runc", "https://github.com/opencontainers/runc/releases/download/vX.Y.Z/runc.amd64"),
];

/// The images that kubeadm needs, by name
/// (<https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-init/#custom-images>).
pub const IMAGES: [KnownImage; 7] = [
    KnownImage { name: "coredns", repository: "registry.k8s.io/coredns/coredns", tagged_by_version: false },
    KnownImage { name: "etcd", repository: "registry.k8s.io/etcd", tagged_by_version: false },
    KnownImage { name: "kube-apiserver", repository: "registry.k8s.io/kube-apiserver", tagged_by_version: true },
    KnownImage {
        name: "kube-controller-manager",
        repository: "registry.k8s.io/kube-controller-manager",
        tagged_by_version: true,
    },
    KnownImage { name: "kube-proxy", repository: "registry.k8s.io/kube-proxy", tagged_by_version: true },
    KnownImage { name: "kube-scheduler", repository: "registry.k8s.io/kube-scheduler", tagged_by_version: true },
    KnownImage { name: "pause", repository: "registry.k8s.io/pause", tagged_by_version: false },
];

impl Form {
    /// The form in words, with its article.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Program => "a raw program for Linux on x86-64, not an archive",
            Self::Archive => "a tar archive (.tar, .tar.gz, .tgz), as it was published: hosts unpack it",
            Self::Manifest => "a manifest: Kubernetes objects in YAML",
            Self::DiskImage => "a system extension image (.raw)",
        }
    }
}

impl Known {
    /// The published address for a version of Kubernetes, and whether the file itself lies there: no version of the
    /// project's own is left to choose, and nothing is to be unpacked.
    pub fn address(&self, kubernetes: &Version) -> Option<(String, bool)> {
        let address = self.upstream?.replace("{version}", kubernetes.as_str());
        let is_whole = !address.contains("X.Y.Z") && self.inside.is_none();
        Some((address, is_whole))
    }

    /// Checks that a file, by its first [`HEAD`] bytes, has the form that this artifact must have.
    ///
    /// # Errors
    /// What the file is instead.
    pub fn check(&self, head: &[u8]) -> Result<(), Invalid> {
        let content = Content::of(head);
        let refused =
            |hint: String| Invalid { cause: format!("{} is {}", self.name, content.describe()), hint: Some(hint) };
        match (self.form, &content) {
            (Form::Program, Content::Script)
            | (Form::Archive, Content::Tar | Content::Compressed(_))
            | (Form::Manifest, Content::Manifest)
            | (Form::DiskImage, Content::DiskImage) => Ok(()),
            (Form::Program, Content::Elf(elf)) if elf.is_x86_64() && elf.is_executable() => Ok(()),
            (Form::Program, Content::Elf(elf)) if !elf.is_x86_64() => {
                Err(refused("nodes run x86-64: pin the build for amd64".to_owned()))
            }
            (Form::Program, Content::Tar | Content::Compressed(_) | Content::Zip) => Err(refused(match self.inside {
                Some(inside) => format!("hosts want {}: unpack it and pin `{inside}`", self.form.describe()),
                None => format!("hosts want {}: unpack it and pin the program", self.form.describe()),
            })),
            _ => Err(refused(format!("pin {}", self.form.describe()))),
        }
    }
}

/// The artifact of that name.
pub fn artifact(name: &str) -> Option<&'static Known> {
    ARTIFACTS.iter().find(|known| known.name == name)
}

/// The image of that name.
pub fn image(name: &str) -> Option<&'static KnownImage> {
    IMAGES.iter().find(|known| known.name == name)
}

/// How many bytes of a file tell what it is: the furthest mark is that of btrfs, behind its first 64 KiB.
pub const HEAD: usize = 66 * 1024;

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Empty,
    Elf(Elf),
    Script,
    Tar,
    Compressed(&'static str),
    Zip,
    DiskImage,
    Manifest,
    Page,
    Other,
}

/// The header of an ELF file (<https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Elf {
    class: u8,
    kind: u16,
    machine: u16,
}

impl Elf {
    fn of(head: &[u8]) -> Option<Self> {
        let rest = head.strip_prefix(b"\x7fELF")?;
        let (class, order) = (*rest.first()?, *rest.get(1)?);
        let short = |at: usize| -> Option<u16> {
            let bytes = [*head.get(at)?, *head.get(at + 1)?];
            Some(if order == 2 { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
        };
        Some(Self { class, kind: short(16)?, machine: short(18)? })
    }

    fn is_x86_64(self) -> bool {
        self.class == 2 && self.machine == 62
    }

    /// An executable or a position-independent one, and no object file or core dump.
    fn is_executable(self) -> bool {
        matches!(self.kind, 2 | 3)
    }

    fn machine(self) -> String {
        match self.machine {
            3 => "x86 (32 bits)".to_owned(),
            21 => "POWER".to_owned(),
            22 => "s390x".to_owned(),
            40 => "ARM (32 bits)".to_owned(),
            62 => "x86-64".to_owned(),
            183 => "ARM64".to_owned(),
            243 => "RISC-V".to_owned(),
            258 => "LoongArch".to_owned(),
            other => format!("machine {other}"),
        }
    }
}

impl Content {
    fn of(head: &[u8]) -> Self {
        let has = |at: usize, mark: &[u8]| head.get(at..at + mark.len()) == Some(mark);
        if head.is_empty() {
            return Self::Empty;
        }
        if let Some(elf) = Elf::of(head) {
            return Self::Elf(elf);
        }
        let compressed: [(&[u8], &str); 4] =
            [(b"\x1f\x8b", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2")];
        if let Some((_, name)) = compressed.iter().find(|(mark, _)| has(0, mark)) {
            return Self::Compressed(name);
        }
        // Superblocks: squashfs at 0, GPT behind the first sector, erofs at 1024, ext4 at 1024 + 56, btrfs at 64 KiB.
        let images: [(usize, &[u8]); 5] = [
            (0, b"hsqs"),
            (512, b"EFI PART"),
            (1024, b"\xe2\xe1\xf5\xe0"),
            (1080, b"\x53\xef"),
            (65_536 + 64, b"_BHRfS_M"),
        ];
        if images.iter().any(|(at, mark)| has(*at, mark)) {
            return Self::DiskImage;
        }
        match head {
            _ if has(257, b"ustar") => Self::Tar,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            [b'#', b'!', ..] => Self::Script,
            _ => Self::of_text(head),
        }
    }

    fn of_text(head: &[u8]) -> Self {
        // The last character may be cut off.
        let text = match core::str::from_utf8(head) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() => {
                head.get(..error.valid_up_to()).and_then(|head| core::str::from_utf8(head).ok()).unwrap_or_default()
            }
            Err(_) => return Self::Other,
        };
        if text.contains('\0') {
            return Self::Other;
        }
        let begins = text.trim_start_matches('\u{feff}').trim_start();
        if begins.starts_with("<!") || begins.starts_with("<html") || begins.starts_with("<?xml") {
            return Self::Page;
        }
        let names = |key: &str| {
            text.lines().any(|line| {
                let line = line.trim_start().trim_start_matches(['{', '"', '-', ' ']);
                line.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', ' ']).starts_with(':'))
            })
        };
        if names("apiVersion") && (names("kind") || text.contains("\"kind\"")) { Self::Manifest } else { Self::Other }
    }

    fn describe(&self) -> String {
        match self {
            Self::Empty => "an empty file".to_owned(),
            Self::Elf(elf) if elf.is_executable() => format!("a program for {}", elf.machine()),
            Self::Elf(elf) => format!("an object file for {}", elf.machine()),
            Self::Script => "a script".to_owned(),
            Self::Tar => "a tar archive".to_owned(),
            Self::Compressed(how) => format!("a file packed with {how}"),
            Self::Zip => "a zip archive".to_owned(),
            Self::DiskImage => "a disk image".to_owned(),
            Self::Manifest => "a manifest".to_owned(),
            Self::Page => "a page of HTML or XML, as servers answer with when a file is not there".to_owned(),
            Self::Other => "a file of another kind".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of an ELF file.
    fn elf(class: u8, kind: u8, machine: u8) -> Vec<u8> {
        let mut head = vec![0; 64];
        head[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1]);
        (head[16], head[18]) = (kind, machine);
        head
    }

    /// A file that is empty but for a mark.
    fn marked(at: usize, mark: &[u8]) -> Vec<u8> {
        let mut head = vec![0; at + mark.len()];
        head[at..].copy_from_slice(mark);
        head
    }

    fn check(name: &str, head: &[u8]) -> Result<(), String> {
        artifact(name).unwrap().check(head).map_err(|invalid| format!("{}; {}", invalid.cause, invalid.hint.unwrap()))
    }

    #[test]
    fn names_are_sorted_and_unique() {
        let names: Vec<&str> = ARTIFACTS.iter().map(|known| known.name).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        let names: Vec<&str> = IMAGES.iter().map(|known| known.name).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
    }

    #[test]
    fn a_program_is_an_elf_file_for_x86_64_or_a_script() {
        for good in [elf(2, 2, 62), elf(2, 3, 62), b"#!/bin/sh\nexit 1\n".to_vec()] {
            assert_eq!(check("kubelet", &good), Ok(()));
        }
        for (bad, word) in [
            (elf(2, 2, 183), "kubelet is a program for ARM64; nodes run x86-64"),
            (elf(1, 2, 3), "x86 (32 bits)"),
            // The x32 ABI: x86-64's machine with 32-bit addresses.
            (elf(1, 2, 62), "pin the build for amd64"),
            (elf(2, 1, 62), "an object file"),
            (
                b"\x1f\x8b\x08".to_vec(),
                "packed with gzip; hosts want a raw program for Linux on x86-64, not an archive",
            ),
            (marked(257, b"ustar"), "a tar archive"),
            (b"PK\x03\x04".to_vec(), "a zip archive"),
            (b"<!DOCTYPE html>".to_vec(), "a page of HTML"),
            (b"abc".to_vec(), "a file of another kind"),
            (vec![0x7f, b'E', b'L', b'F'], "a file of another kind"),
            (Vec::new(), "an empty file"),
        ] {
            let said = check("kubelet", &bad).unwrap_err();
            assert!(said.contains(word), "{said}");
        }
        assert!(check("etcdctl", b"\x1f\x8b\x08").unwrap_err().contains("pin `etcd-vX.Y.Z-linux-amd64/etcdctl`"));
    }

    #[test]
    fn an_archive_is_a_tar_file_packed_or_not() {
        for good in [&b"\x1f\x8b\x08"[..], b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", &marked(257, b"ustar")] {
            assert_eq!(check("containerd", good), Ok(()));
        }
        for bad in [elf(2, 2, 62), b"PK\x03\x04".to_vec(), b"#!/bin/sh".to_vec()] {
            assert!(check("containerd", &bad).unwrap_err().contains("pin a tar archive"), "{bad:?}");
        }
    }

    #[test]
    fn a_manifest_is_text_with_objects() {
        for good in [
            "# flannel\n---\nkind: Namespace\napiVersion: v1\n",
            "apiVersion: v1\nkind: List\n",
            "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\"\n}",
        ] {
            assert_eq!(check("network", good.as_bytes()), Ok(()), "{good}");
        }
        let cut = [b"apiVersion: v1\nkind: List\n# ".as_slice(), &"é".as_bytes()[..1]].concat();
        assert_eq!(check("network", &cut), Ok(()), "a head may end inside a character");
        for bad in [&b"<html>"[..], b"kind: x\n", b"apiVersion: v1\nkind: x\0", b"\xff\xfe", b"\x1f\x8b\x08"] {
            assert!(check("network", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_system_extension_is_a_disk_image() {
        for good in [
            marked(0, b"hsqs"),
            marked(512, b"EFI PART"),
            marked(1024, b"\xe2\xe1\xf5\xe0"),
            marked(1080, b"\x53\xef"),
            marked(65_536 + 64, b"_BHRfS_M"),
        ] {
            assert!(good.len() <= HEAD);
            assert_eq!(check("kubernetes", &good), Ok(()));
        }
        let said = check("kubernetes", &elf(2, 2, 62)).unwrap_err();
        assert_eq!(said, "kubernetes is a program for x86-64; pin a system extension image (.raw)");
    }
}
