//! The kinds of items: one file each, with its data, its questions, its difference and its change. A new kind is a new file
//! and a line in the list below.
mod absent;
mod artifact;
mod block;
mod certificates;
mod cluster_files;
mod command;
mod directory;
mod export;
mod file;
mod filesystem;
mod firewall;
mod host_certificate;
mod host_entry;
mod image;
mod kubelet;
mod kubelet_settings;
mod luks;
mod machine;
mod manifests;
mod modules;
mod mount;
mod node;
mod nodes;
mod package;
pub(crate) mod path;
mod pki;
mod reach;
mod repository;
mod secret_file;
mod snapshot;
mod static_pods;
mod swap;
mod symlink;
mod sysctl;
mod tool;
mod tunnels;
mod unit;
mod user;
mod would;

use absent::Absent;
use command::Command;
pub(crate) use kubelet::Kubelet;
pub use machine::Identity;
pub use node::Role;
pub use nodes::SITE;

use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Path, UnitName};
use incline_model::inventory::SecretSource;
use incline_model::plan::{Impact, PropertyChange};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a kind of item is.
pub(crate) trait Kind {
    /// What the item is about: unique among items of its kind on a host.
    fn subject(&self) -> String;

    /// What must be asked to know how it is.
    fn ask(&self, asks: &mut Asks);

    /// How what was answered differs from what must be.
    fn judge(&self, seen: &Answers, secrets: &Secrets) -> Judgement;

    /// What makes it so. Only what differs is touched.
    fn act(&self, difference: &Difference, act: &mut Act<'_>);

    /// What making it so does to who uses the host.
    fn impact(&self, difference: &Difference) -> Impact {
        if difference.missing { Impact::None } else { Impact::InPlace }
    }

    /// How many nodes lose their work for a while, or for good.
    fn rolls(&self, _: &Difference) -> u16 {
        0
    }

    /// Where a secret of it comes from.
    fn secret(&self) -> Option<&SecretSource> {
        None
    }

    /// A file on the machine that runs incline, which is sent.
    fn local(&self) -> Option<&str> {
        None
    }

    /// What a difference means where incline has made the item already. What holds data is made once: that it is gone makes no
    /// room for a new one.
    fn made_before(&self, difference: Difference) -> Judgement {
        Judgement::Differs(difference)
    }

    /// Whether somebody else may bring it as it must be, between a plan and its apply: a kubelet pulls images as pods come.
    fn may_come_by_itself(&self) -> bool {
        false
    }

    /// Units that it stands on.
    fn after(&self) -> &[UnitName] {
        &[]
    }

    /// What takes it away once it is no longer wished for; nothing where it stays: packages, users, what holds data.
    fn undo(&self) -> Option<Item> {
        None
    }

    /// Whether data goes with what takes it away.
    fn holds_data(&self) -> bool {
        false
    }

    /// Whether something of it is left once it is no longer wished for and nothing takes it away.
    fn stays(&self) -> bool {
        true
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])+ $variant:ident($file:ident::$type:ident) $name:literal)+) => {
        /// Something that a host must have.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub enum Item {
            $($(#[$doc])+ $variant($file::$type),)+
        }

        impl Item {
            fn kind(&self) -> &dyn Kind {
                match self { $(Self::$variant(item) => item,)+ }
            }

            /// The kind's name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }
        }
    };
}

kinds! {
    /// A file with its content.
    File(file::File) "file"
    /// A file whose content nobody may see.
    SecretFile(secret_file::SecretFile) "secretFile"
    /// A folder.
    Directory(directory::Directory) "directory"
    /// A symbolic link.
    Symlink(symlink::Symlink) "symlink"
    /// A path at which nothing may be.
    Absent(absent::Absent) "absent"
    /// Kernel parameters: a file below `/etc/sysctl.d`, and the values that hold now.
    Sysctl(sysctl::Sysctl) "sysctl"
    /// Kernel modules: a file below `/etc/modules-load.d`, and what is loaded now.
    Modules(modules::Modules) "modules"
    /// No swap, now and after the next boot.
    NoSwap(swap::NoSwap) "noSwap"
    /// A systemd unit.
    Unit(unit::Unit) "unit"
    /// A name that the host knows by a line of `/etc/hosts`.
    HostEntry(host_entry::HostEntry) "hostEntry"
    /// A source of packages, with its key.
    Repository(repository::Repository) "repository"
    /// A package.
    Package(package::Package) "package"
    /// A program of the operating system's own, and the packages that bring it.
    Tool(tool::Tool) "tool"
    /// A file that is fetched or sent, checked by its digest, and perhaps unpacked.
    Artifact(artifact::Artifact) "artifact"
    /// A group.
    Group(user::Group) "group"
    /// A user.
    User(user::User) "user"
    /// A disk that must be there.
    BlockDevice(block::BlockDevice) "blockDevice"
    /// An encrypted volume on a disk (LUKS2).
    Luks(luks::Luks) "luks"
    /// A filesystem on a disk or volume.
    Filesystem(filesystem::Filesystem) "filesystem"
    /// A mounted filesystem.
    Mount(mount::Mount) "mount"
    /// Directories that are exported over NFS.
    Exports(export::Exports) "exports"
    /// Ports that only some may reach.
    Firewall(firewall::Firewall) "firewall"
    /// A host's own key and certificate, by which hosts of the site know each other.
    HostCertificate(host_certificate::HostCertificate) "hostCertificate"
    /// IPsec tunnels that strongSwan keeps.
    Tunnels(tunnels::Tunnels) "tunnels"
    /// A container image.
    Image(image::Image) "image"
    /// The kubelet of a node, and by it the node's version.
    Kubelet(kubelet::Kubelet) "kubelet"
    /// A node of a Kubernetes cluster, founded or joined by kubeadm.
    Node(node::Node) "node"
    /// Objects of the cluster, from a file on the host.
    Manifests(manifests::Manifests) "manifests"
    /// The certificates of a control-plane host, renewed before they expire.
    Certificates(certificates::Certificates) "certificates"
    /// The static pods of a control-plane host, as kubeadm would make them.
    StaticPods(static_pods::StaticPods) "staticPods"
    /// What runs on a node beside what other items compare.
    ClusterFiles(cluster_files::ClusterFiles) "clusterFiles"
    /// Who may read and write the keys of a node.
    Pki(pki::Pki) "pki"
    /// The settings of a node's kubelet, as kubeadm would make them.
    KubeletSettings(kubelet_settings::KubeletSettings) "kubeletSettings"
    /// Snapshots that a timer takes, the newest young and large enough.
    Snapshot(snapshot::Snapshot) "snapshot"
    /// The nodes of the cluster, beside those of the inventory.
    Nodes(nodes::Nodes) "nodes"
    /// What a machine must bring: memory, processors, a system, free ports.
    Machine(machine::Machine) "machine"
    /// What a host must be able to reach over the network.
    Reach(reach::Reach) "reach"
    /// A command, and what proves that it is done.
    Command(command::Command) "command"
}

impl Item {
    /// The item's name on its host: `file /etc/hostname`.
    pub fn id(&self) -> String {
        format!("{} {}", self.name(), self.kind().subject())
    }

    /// What the item is about, without its kind.
    pub fn subject(&self) -> String {
        self.kind().subject()
    }

    pub(crate) fn ask(&self, asks: &mut Asks) {
        self.kind().ask(asks);
    }

    pub(crate) fn judge(&self, seen: &Answers, secrets: &Secrets) -> Judgement {
        self.kind().judge(seen, secrets)
    }

    pub(crate) fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        self.kind().act(difference, act);
    }

    /// What making it so does to who uses the host.
    pub fn impact(&self, difference: &Difference) -> Impact {
        self.kind().impact(difference)
    }

    /// How many nodes lose their work for a while, or for good.
    pub fn rolls(&self, difference: &Difference) -> u16 {
        self.kind().rolls(difference)
    }

    /// Where a secret of it comes from.
    pub fn secret(&self) -> Option<&SecretSource> {
        self.kind().secret()
    }

    /// A file on the machine that runs incline, which is sent.
    pub fn local(&self) -> Option<&str> {
        self.kind().local()
    }

    pub(crate) fn made_before(&self, difference: Difference) -> Judgement {
        self.kind().made_before(difference)
    }

    pub(crate) fn may_come_by_itself(&self) -> bool {
        self.kind().may_come_by_itself()
    }

    pub(crate) fn after(&self) -> &[UnitName] {
        self.kind().after()
    }

    pub(crate) fn undo(&self) -> Option<Self> {
        self.kind().undo()
    }

    pub(crate) fn holds_data(&self) -> bool {
        self.kind().holds_data()
    }

    pub(crate) fn stays(&self) -> bool {
        self.kind().stays()
    }
}

/// How an item is.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// As it must be.
    Same,
    /// Not as it must be, and incline can make it so.
    Differs(Difference),
    /// Not as it must be, and a person's to put back: incline goes on beside it.
    Beyond(Vec<PropertyChange>),
    /// Nobody knows, with the reason.
    Unknown(String),
    /// Not as it must be, and incline will not touch it.
    Refused {
        /// Why.
        cause: String,
        /// The way out.
        hint: String,
    },
}

/// What was made on a device, and is not there any more.
pub(crate) fn lost(what: &str, device: &Path) -> Judgement {
    Judgement::Refused {
        cause: format!("{device} held {what} that incline made, and holds none any more"),
        hint: "nothing is made anew where data was: find out what has happened to it; to give the disk up, take it out of the inventory, \
               apply, and put it back"
            .to_owned(),
    }
}

/// How an item differs from what must be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// Whether it is not there at all.
    pub missing: bool,
    /// What differs.
    pub properties: Vec<PropertyChange>,
    /// A text file's content before and after.
    pub texts: Vec<TextChange>,
}

/// A text file's content that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextChange {
    /// The file.
    pub path: String,
    /// What it is; nothing where it is not there or is no text.
    pub before: Option<String>,
    /// What it must be.
    pub after: String,
}

impl Difference {
    /// Whether a property differs.
    pub(crate) fn has(&self, property: &str) -> bool {
        self.properties.iter().any(|change| change.path == property)
    }

    /// Whether a file must be written anew, and not only be given back.
    pub(crate) fn is_of_content(&self) -> bool {
        self.has("content") || self.has("type")
    }

    /// Adds a property, if it differs.
    pub(crate) fn compare(&mut self, property: &str, is: impl Into<Value>, must: impl Into<Value>) {
        let (is, must) = (is.into(), must.into());
        if is != must {
            self.add(property, Some(is), Some(must));
        }
    }

    pub(crate) fn add(&mut self, property: &str, before: Option<Value>, after: Option<Value>) {
        self.properties.push(PropertyChange::in_place(property, before, after));
    }

    /// Takes in what differs of a part, below a prefix; [`Self::below`] gives it back.
    pub(crate) fn take_in(&mut self, prefix: &str, part: Vec<PropertyChange>) {
        self.properties.extend(part.into_iter().map(|mut change| {
            change.path.insert_str(0, prefix);
            change
        }));
    }

    /// The part of it that is about something of its own, below a prefix.
    pub(crate) fn below(&self, prefix: &str) -> Self {
        let mut part = Self { missing: self.missing, ..Self::default() };
        for change in &self.properties {
            if let Some(path) = change.path.strip_prefix(prefix) {
                part.add(path, change.before.clone(), change.after.clone());
            }
        }
        part
    }

    /// In sync, if nothing differs.
    pub(crate) fn judged(self) -> Judgement {
        if self.properties.is_empty() { Judgement::Same } else { Judgement::Differs(self) }
    }
}

/// Ends a judgement at what nobody knows.
macro_rules! known {
    ($answer:expr) => {
        match $answer {
            Ok(answer) => answer,
            Err(why) => return $crate::kind::Judgement::Unknown(why),
        }
    };
}
pub(crate) use known;
