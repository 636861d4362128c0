//! A tenant of a BIG-IP: what is declared, and what of it can be seen on the device.
use crate::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The oldest version of AS3 that knows all that is declared here, and that units must at least have.
pub const SCHEMA_VERSION: &str = "3.50.0";

/// A tenant, which is a partition of the device that nobody else writes into.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// What it holds: `api` or `apps`. One bad application must not block the API.
    pub part: &'static str,
    /// The partition's name.
    pub name: String,
    /// By it, incline knows that the tenant is its own.
    pub label: String,
    /// The body of its class `Tenant` (AS3).
    pub declaration: Value,
    /// What of it is compared with the device, by id: `virtual viewer`, `member viewer 10.0.0.1:30443`.
    pub objects: Objects,
}

/// Objects of a device, each by its properties.
pub type Objects = BTreeMap<String, BTreeMap<String, Value>>;

/// What was seen of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Presence {
    /// The device has no such partition.
    Absent,
    /// It is there.
    Present {
        /// The label of what was declared last; none where nobody declared it.
        label: Option<String>,
        /// The digest of what was declared last.
        declared: Option<String>,
        /// The objects that are there now.
        objects: Objects,
        /// What is wrong with something that is not compared: a certificate that ends soon.
        warnings: Vec<String>,
    },
    /// It could not be seen.
    Unreachable {
        /// Why.
        why: String,
        /// The way out.
        hint: Option<String>,
    },
}

/// Whether an object's id is that of a pool's member at an address.
pub fn is_member(id: &str, address: &str) -> bool {
    let mut words = id.split(' ');
    words.next() == Some("member") && words.nth(1).and_then(|end| end.split(':').next()) == Some(address)
}

impl Tenant {
    /// Whether a host is a member of a pool of the tenant.
    pub fn has_member(&self, address: &str) -> bool {
        self.objects.keys().any(|id| is_member(id, address))
    }

    /// The same tenant, in which a host takes nothing new and keeps what it has. Its mark is no wish's: who plans next brings
    /// the host back.
    #[must_use]
    pub fn drained(&self, address: &str) -> Self {
        let mut drained = self.clone();
        let applications = drained.declaration.as_object_mut().into_iter().flatten();
        for members in applications.filter_map(|(_, application)| application.get_mut("pool")?.get_mut("members")) {
            let mut out = Vec::new();
            for group in members.as_array_mut().into_iter().flatten() {
                let Some(addresses) = group["serverAddresses"].as_array_mut() else { continue };
                let known = addresses.len();
                addresses.retain(|one| one.as_str() != Some(address));
                if addresses.len() < known {
                    let mut alone = group.clone();
                    (alone["serverAddresses"], alone["adminState"]) = (json!([address]), "disable".into());
                    out.push(alone);
                }
            }
            if let Some(members) = members.as_array_mut() {
                members.retain(|group| group["serverAddresses"].as_array().is_some_and(|all| !all.is_empty()));
                members.extend(out);
            }
        }
        if let Some(remark) = drained.declaration.get_mut("remark") {
            *remark = format!("drained of {address}").into();
        }
        drained
    }

    /// The whole declaration as it is posted. `id` names the run, for the device's own log.
    pub fn request(&self, id: &str, sync_to: Option<&str>) -> Value {
        let mut request = json!({
            "class": "AS3", "action": "deploy", "persist": true,
            "declaration": {
                "class": "ADC", "schemaVersion": SCHEMA_VERSION, "updateMode": "selective", "id": id, "label": self.label,
                self.name.as_str(): self.declaration,
            },
        });
        if let (Some(group), Some(request)) = (sync_to, request.as_object_mut()) {
            request.insert("syncToGroup".to_owned(), group.into());
        }
        request
    }
}
