//! What is asked of a device, and what its answers say: pure.
//!
//! Shapes: <https://clouddocs.f5.com/api/icontrol-rest/>.
use incline_model::tenant::{Objects, Tenant};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The collections in which the objects of a tenant lie, by the name that they are read under.
pub(crate) const COLLECTIONS: [(&str, &str); 9] = [
    ("virtual", "ltm/virtual"),
    ("pool", "ltm/pool"),
    ("https", "ltm/monitor/https"),
    ("tcp", "ltm/monitor/tcp"),
    ("icmp", "ltm/monitor/gateway-icmp"),
    ("client-ssl", "ltm/profile/client-ssl"),
    ("server-ssl", "ltm/profile/server-ssl"),
    ("criteria", "ltm/traffic-matching-criteria"),
    ("addresses", "net/address-list"),
];

/// The address of a collection's items in one partition, with what lies below them.
pub(crate) fn collection(path: &str, partition: &str) -> String {
    format!("/mgmt/tm/{path}?expandSubcollections=true&$filter=partition%20eq%20{partition}")
}

/// What the collections of a tenant hold, by name.
pub(crate) type Collected = BTreeMap<&'static str, Vec<Value>>;

pub(crate) fn text(item: &Value, key: &str) -> String {
    item[key].as_str().unwrap_or_default().to_owned()
}

/// Numbers come as numbers or as text.
fn number(item: &Value, key: &str) -> Value {
    match &item[key] {
        Value::String(text) => text.parse::<u64>().map_or(Value::Null, Value::from),
        other => other.clone(),
    }
}

/// The name by which we speak of an object: its application where it is the one of its kind there, else with its own name.
fn id(kind: &str, item: &Value, own: &str) -> String {
    let (application, name) = (text(item, "subPath"), text(item, "name"));
    if name == own { format!("{kind} {application}") } else { format!("{kind} {application}/{name}") }
}

/// A path's last part, without the route domain of an address (`10.0.0.9%0`).
pub(crate) fn last(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or(path);
    last.split('%').next().unwrap_or(last)
}

/// Where a virtual server listens, and whom it lets in: by itself, or by criteria that it names.
pub(crate) fn ends(item: &Value, collected: &Collected) -> (String, Vec<String>) {
    let named = |collection: &str, path: &str| {
        collected.get(collection)?.iter().find(|item| item["fullPath"].as_str() == Some(path))
    };
    let Some(criteria) = item["trafficMatchingCriteria"].as_str().and_then(|path| named("criteria", path)) else {
        return (last(&text(item, "destination")).to_owned(), vec![text(item, "source")]);
    };
    let address = text(criteria, "destinationAddressInline");
    let port = criteria["destinationPortInline"].as_str().unwrap_or_default();
    let list = named("addresses", &text(criteria, "sourceAddressList"));
    let addresses = list.and_then(|list| list["addresses"].as_array()).into_iter().flatten();
    let mut sources: Vec<String> = addresses.map(|address| text(address, "name")).collect();
    sources.sort();
    (format!("{}:{port}", last(&address)), sources)
}

/// The profiles of a virtual server.
pub(crate) fn profiles(item: &Value) -> impl Iterator<Item = &Value> {
    item["profilesReference"]["items"].as_array().into_iter().flatten()
}

/// The members of a pool.
pub(crate) fn members(pool: &Value) -> impl Iterator<Item = &Value> {
    pool["membersReference"]["items"].as_array().into_iter().flatten()
}

/// The objects of a tenant, as plans compare them.
pub(crate) fn objects(collected: &Collected) -> Objects {
    let mut objects = Objects::new();
    let items = |name: &str| collected.get(name).into_iter().flatten();
    let mut object = |id: String, properties: Vec<(&str, Value)>| {
        objects.insert(id, properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    };
    for item in items("virtual") {
        let id = if text(item, "name") == "redirect" {
            id("redirect", item, "redirect")
        } else {
            id("virtual", item, "service")
        };
        let (address, sources) = ends(item, collected);
        let persistence = match item["persist"][0]["name"].as_str() {
            Some("source_addr") => "source-address",
            Some(other) => other,
            None => "none",
        };
        // A profile in the tenant's own partition is one of ours.
        let end = |side: &str| {
            let mut ours = profiles(item)
                .filter(|profile| profile["context"] == side && profile["partition"] == item["partition"]);
            ours.next().map_or(Value::Null, |profile| profile["fullPath"].clone())
        };
        object(
            id,
            vec![
                ("address", address.into()),
                ("protocol", item["ipProtocol"].clone()),
                ("from", sources.into()),
                ("pool", item["pool"].clone()),
                ("source translation", item["sourceAddressTranslation"]["type"].clone()),
                ("persistence", persistence.into()),
                ("TLS of clients", end("clientside")),
                ("TLS to nodes", end("serverside")),
                ("rules", item["rules"].as_array().cloned().unwrap_or_default().into()),
                ("enabled", (!item["disabled"].as_bool().unwrap_or(false)).into()),
            ],
        );
    }
    for item in items("pool") {
        let when_down = item["serviceDownAction"].as_str().unwrap_or("none");
        let monitor = text(item, "monitor");
        object(
            id("pool", item, "pool"),
            vec![
                ("balance", item["loadBalancingMode"].clone()),
                ("monitor", monitor.trim().into()),
                ("when down", when_down.into()),
            ],
        );
        for member in members(item) {
            let is_off = text(member, "session") == "user-disabled" || text(member, "state") == "user-down";
            object(
                format!("member {} {}", text(item, "subPath"), last(&text(member, "name"))),
                vec![("enabled", (!is_off).into())],
            );
        }
    }
    for kind in ["https", "tcp", "icmp"] {
        for item in items(kind) {
            let said = |key: &str| match item[key].as_str() {
                None | Some("none") => Value::from(""),
                Some(text) => text.into(),
            };
            object(
                id("monitor", item, "monitor"),
                vec![
                    ("type", kind.into()),
                    ("interval", number(item, "interval")),
                    ("timeout", number(item, "timeout")),
                    ("send", said("send")),
                    ("receive", said("recv")),
                ],
            );
        }
    }
    let refused = |item: &Value| -> Value {
        let options = text(item, "tmOptions");
        let has = |option: &&str| options.split_ascii_whitespace().any(|word| word == *option);
        json!(["no-sslv3", "no-tlsv1", "no-tlsv1.1"].iter().filter(|option| has(option)).collect::<Vec<_>>())
    };
    for item in items("client-ssl") {
        object(
            id("client-ssl", item, "clientSsl"),
            vec![
                ("certificate", item["certKeyChain"][0]["cert"].clone()),
                ("key", item["certKeyChain"][0]["key"].clone()),
                ("ciphers", item["cipherGroup"].clone()),
                ("refuses", refused(item)),
            ],
        );
    }
    for item in items("server-ssl") {
        object(
            id("server-ssl", item, "serverSsl"),
            vec![
                ("authority", item["caFile"].clone()),
                ("checks", item["peerCertMode"].clone()),
                ("name", item["authenticateName"].clone()),
                ("ciphers", item["cipherGroup"].clone()),
                ("refuses", refused(item)),
            ],
        );
    }
    objects
}

/// The certificates that a tenant's objects name.
pub(crate) fn certificates(objects: &Objects) -> impl Iterator<Item = &str> {
    objects.values().flat_map(|object| ["certificate", "authority"].map(|key| object.get(key)?.as_str())).flatten()
}

/// The paths of a tenant's pools.
pub(crate) fn pools(tenant: &Tenant) -> impl Iterator<Item = String> {
    let applications = tenant.objects.keys().filter_map(|id| id.strip_prefix("pool "));
    applications.map(|application| format!("/{}/{application}/pool", tenant.name))
}

/// How many connections a pool's statistics count for an address.
pub(crate) fn connections(stats: &Value, address: &str) -> u64 {
    let entries = stats["entries"].as_object().into_iter().flatten();
    let members = entries.map(|(_, entry)| &entry["nestedStats"]["entries"]);
    members
        .filter(|member| last(member["addr"]["description"].as_str().unwrap_or_default()) == address)
        .filter_map(|member| member["serverside.curConns"]["value"].as_u64())
        .sum()
}

/// An object's path as REST writes it: `/Common/viewer.crt` → `~Common~viewer.crt`.
pub(crate) fn tilde(path: &str) -> String {
    path.replace('/', "~")
}

/// How AS3 ended for one tenant.
pub(crate) enum Result {
    /// It is at work.
    Working,
    /// It is done.
    Done,
    /// It was refused: what the device said.
    Failed(Vec<String>),
}

/// Reads what AS3 says of a declaration, at once or later (`declareHandler.js`): of many tenants some may have failed.
pub(crate) fn results(body: &Value) -> Result {
    let results = body["results"].as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
    let code = |one: &Value| one["code"].as_u64().unwrap_or(0);
    if results.iter().any(|one| code(one) == 0) {
        return Result::Working;
    }
    let failed: Vec<&Value> = results.iter().filter(|one| code(one) >= 300).collect();
    if failed.is_empty() {
        return Result::Done;
    }
    let said = failed.into_iter().flat_map(|one| {
        let errors = one["errors"].as_array().into_iter().flatten().filter_map(|error| error.as_str());
        let mut lines: Vec<String> = vec![text(one, "message")];
        lines.extend(one["response"].as_str().map(ToOwned::to_owned));
        lines.extend(errors.map(ToOwned::to_owned));
        lines
    });
    Result::Failed(said.filter(|line| !line.is_empty()).collect())
}
