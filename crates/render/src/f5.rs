//! A valid on-prem site → what its BIG-IP must hold: one tenant for the API and one for applications, each an AS3 declaration
//! (<https://clouddocs.f5.com/products/extensions/f5-appsvcs-extension/latest/refguide/schema-reference.html>) and the objects that
//! the device makes of it.
//!
//! AS3's defaults are for a quick start: old TLS versions, servers whose certificates nobody checks, monitors that any answer
//! satisfies. Each is overridden here.
use crate::prelude::*;
use incline_model::hex;
use incline_model::inventory::onprem::{Balance, Host, Persistence, ReEncrypt, Role, VirtualServer, VirtualServerMode};
use incline_model::scalar::Address;
use incline_model::site::OnPrem;
use incline_model::tenant::{Objects, Tenant};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// How often a node is asked, in seconds.
const INTERVAL: u16 = 5;
/// After so many seconds without a good answer a node is down: three, and one second (F5's own rule).
const TIMEOUT: u16 = 3 * INTERVAL + 1;
/// The device's own group of TLS 1.2 and 1.3 ciphers with forward secrecy, since BIG-IP 14.0. TLS 1.3 takes no other list.
const CIPHERS: &str = "/Common/f5-secure";
/// The device's own rule that sends plain HTTP to HTTPS.
const REDIRECT: &str = "/Common/_sys_https_redirect";

/// The tenants of a site; none where it has no BIG-IP.
pub fn render_tenants(site: &OnPrem) -> Vec<Tenant> {
    let typed = site.typed();
    let Some(f5) = &typed.f5 else { return Vec::new() };
    let mut api = Part::new(site, "api");
    let members: Vec<&Host> = site.control_plane().collect();
    let alive = request("/readyz", typed.api.name.as_str());
    api.monitor("api", "https", Some(("200 OK", &alive)));
    api.pool("api", Balance::RoundRobin, &members, 6443);
    api.service("api", "Service_L4", (typed.api.address, 6443), &[], Persistence::None, Map::new());
    let mut apps = Part::new(site, "apps");
    for server in &f5.virtual_servers {
        let members: Vec<&Host> = typed
            .hosts
            .iter()
            .filter(|host| host.roles.contains(&Role::Worker))
            .filter(|host| server.nodes.iter().all(|(key, value)| host.labels.get(key) == Some(value)))
            .collect();
        apps.application(server, &members);
    }
    vec![api.tenant(), apps.tenant()]
}

/// A request as a monitor sends it: the device itself reads `\r\n` out of it.
fn request(path: &str, host: &str) -> String {
    format!("GET {path} HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n")
}

/// A tenant as it grows.
struct Part {
    part: &'static str,
    name: String,
    label: String,
    applications: Map<String, Value>,
    objects: Objects,
}

impl Part {
    fn new(site: &OnPrem, part: &'static str) -> Self {
        let site = &site.typed().name;
        Self {
            part,
            name: format!("incline_{}_{part}", site.as_str().replace('-', "_")),
            label: format!("incline {site}"),
            applications: Map::new(),
            objects: Objects::new(),
        }
    }

    fn tenant(self) -> Tenant {
        let digest = Sha256::digest(Value::Object(self.applications.clone()).to_string());
        let mut declaration = self.applications;
        declaration.insert("class".to_owned(), "Tenant".into());
        declaration.insert("label".to_owned(), self.label.as_str().into());
        // The mark: what was declared last.
        let remark: String = hex(&digest).chars().take(32).collect();
        declaration.insert("remark".to_owned(), remark.into());
        Tenant {
            part: self.part,
            name: self.name,
            label: self.label,
            declaration: Value::Object(declaration),
            objects: self.objects,
        }
    }

    /// Declares something in an application of the tenant.
    fn declare(&mut self, application: &str, name: &str, body: Value) {
        let new = || json!({ "class": "Application", "template": "generic" });
        if let Some(application) = self.applications.entry(application).or_insert_with(new).as_object_mut() {
            application.insert(name.to_owned(), body);
        }
    }

    /// An object that the device makes.
    fn object<const N: usize>(&mut self, id: String, properties: [(&str, Value); N]) {
        self.objects.insert(id, properties.map(|(name, value)| (name.to_owned(), value)).into());
    }

    /// The path of an object of an application.
    fn path(&self, application: &str, name: &str) -> String {
        format!("/{}/{application}/{name}", self.name)
    }

    /// What watches nodes: with a request, the answer that is a good one, or without.
    fn monitor(&mut self, application: &str, kind: &str, request: Option<(&str, &str)>) {
        let mut body = json!({
            "class": "Monitor", "monitorType": kind, "interval": INTERVAL, "timeout": TIMEOUT,
        });
        let id = format!("monitor {application}");
        self.object(id.clone(), [("type", kind.into()), ("interval", INTERVAL.into()), ("timeout", TIMEOUT.into())]);
        // A ping has nothing to say.
        if kind != "icmp" {
            let (receive, send) = request.unwrap_or(("", ""));
            for (name, value) in [("send", send), ("receive", receive)] {
                if let Some(body) = body.as_object_mut() {
                    body.insert(name.to_owned(), value.into());
                }
                self.objects.entry(id.clone()).or_default().insert(name.to_owned(), value.into());
            }
        }
        self.declare(application, "monitor", body);
    }

    fn pool(&mut self, application: &str, balance: Balance, members: &[&Host], port: u16) {
        let balance = match balance {
            Balance::RoundRobin => "round-robin",
            Balance::LeastConnections => "least-connections-member",
        };
        // Sorted: another order would be a change to whoever compares declarations.
        let addresses: BTreeSet<Address> = members.iter().map(|host| host.address).collect();
        // Both tenants have the same nodes: they stand in /Common.
        let all =
            json!([{ "servicePort": port, "serverAddresses": addresses, "shareNodes": true, "adminState": "enable" }]);
        self.declare(
            application,
            "pool",
            json!({
                "class": "Pool", "loadBalancingMode": balance, "minimumMembersActive": 1, "serviceDownAction": "reset",
                "monitors": [{ "use": "monitor" }], "members": all,
            }),
        );
        let monitor = self.path(application, "monitor");
        self.object(
            format!("pool {application}"),
            [("balance", balance.into()), ("monitor", monitor.into()), ("when down", "reset".into())],
        );
        for address in addresses {
            self.object(format!("member {application} {address}:{port}"), [("enabled", true.into())]);
        }
    }

    /// A virtual server: its class, where it listens, who may reach it, and more of its declaration.
    fn service(
        &mut self,
        application: &str,
        class: &str,
        (address, port): (Address, u16),
        allow: &[String],
        persistence: Persistence,
        more: Map<String, Value>,
    ) {
        // Plain HTTP is never passed on: it is sent to HTTPS.
        let is_redirect = class == "Service_HTTP";
        let (name, id) = if is_redirect { ("redirect", "redirect") } else { ("service", "virtual") };
        let persistence = match persistence {
            Persistence::None => None,
            Persistence::SourceAddress => Some("source-address"),
            Persistence::Cookie => Some("cookie"),
        };
        let at = match allow {
            [one] => json!([[address, one]]),
            _ => json!([address]),
        };
        let mut body = json!({
            "class": class, "virtualAddresses": at, "virtualPort": port, "snat": "auto",
            "persistenceMethods": persistence.iter().collect::<Vec<_>>(),
        });
        if let Some(body) = body.as_object_mut() {
            if !is_redirect {
                body.insert("pool".to_owned(), "pool".into());
            }
            if allow.len() > 1 {
                body.insert("sourceAddress".to_owned(), json!({ "use": "allow" }));
            }
            body.extend(more.clone());
        }
        self.declare(application, name, body);
        if allow.len() > 1 {
            self.declare(application, "allow", json!({ "class": "Net_Address_List", "addresses": allow }));
        }
        let pool = if is_redirect { Value::Null } else { self.path(application, "pool").into() };
        let protocol = if class == "Service_UDP" { "udp" } else { "tcp" };
        let end_of = |key: &str, name: &str| more.contains_key(key).then(|| self.path(application, name));
        let (clients, nodes) = (end_of("serverTLS", "clientSsl"), end_of("clientTLS", "serverSsl"));
        let rules: Vec<&str> = if is_redirect { vec![REDIRECT] } else { Vec::new() };
        let sources: Vec<&str> =
            if allow.is_empty() { vec!["0.0.0.0/0"] } else { allow.iter().map(String::as_str).collect() };
        self.object(
            format!("{id} {application}"),
            [
                ("address", format!("{address}:{port}").into()),
                ("protocol", protocol.into()),
                ("from", sources.into()),
                ("pool", pool),
                ("source translation", "automap".into()),
                ("persistence", persistence.unwrap_or("none").into()),
                ("TLS of clients", clients.map_or(Value::Null, Value::from)),
                ("TLS to nodes", nodes.map_or(Value::Null, Value::from)),
                ("rules", rules.into()),
                ("enabled", true.into()),
            ],
        );
    }

    fn application(&mut self, server: &VirtualServer, members: &[&Host]) {
        let name = server.name.as_str().replace('-', "_");
        let name = name.as_str();
        let allow: Vec<String> = {
            let all: BTreeSet<String> = server.allow.iter().map(ToString::to_string).collect();
            all.into_iter().collect()
        };
        match (&server.health_check, &server.mode) {
            (Some(check), _) => {
                let request = request(check.path.as_str(), check.host.as_str());
                self.monitor(name, "https", Some(("HTTP/1.1 200", &request)));
            }
            // Nobody answers an empty datagram.
            (None, VirtualServerMode::Udp) => self.monitor(name, "icmp", None),
            (None, _) => self.monitor(name, "tcp", None),
        }
        self.pool(name, server.balance, members, server.node_port);
        let (class, more) = match &server.mode {
            VirtualServerMode::Passthrough => ("Service_L4", Map::new()),
            VirtualServerMode::Tcp => ("Service_TCP", Map::new()),
            VirtualServerMode::Udp => ("Service_UDP", Map::new()),
            VirtualServerMode::ReEncrypt(ends) => ("Service_HTTPS", self.re_encrypt(name, ends)),
        };
        let at = (server.address, server.port);
        self.service(name, class, at, &allow, server.persistence, more);
        if server.redirect_http {
            let rule = Map::from_iter([("iRules".to_owned(), json!([{ "bigip": REDIRECT }]))]);
            self.service(name, "Service_HTTP", (server.address, 80), &allow, Persistence::None, rule);
        }
    }

    /// TLS to the device and again to the nodes. Certificates and keys lie on the device: none passes through incline.
    fn re_encrypt(&mut self, application: &str, ends: &ReEncrypt) -> Map<String, Value> {
        let versions = json!({
            "ssl3Enabled": false, "tls1_0Enabled": false, "tls1_1Enabled": false, "tls1_2Enabled": true, "tls1_3Enabled": true,
            "cipherGroup": { "bigip": CIPHERS }, "renegotiationEnabled": false,
        });
        let with = |more: Value| {
            let mut all = versions.clone();
            if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
                all.extend(more);
            }
            all
        };
        self.declare(
            application,
            "certificate",
            json!({
                "class": "Certificate", "certificate": { "bigip": ends.certificate }, "privateKey": { "bigip": ends.key },
            }),
        );
        self.declare(
            application,
            "clientSsl",
            with(json!({ "class": "TLS_Server", "certificates": [{ "certificate": "certificate" }] })),
        );
        self.declare(
            application,
            "serverSsl",
            with(json!({
                "class": "TLS_Client", "trustCA": { "bigip": ends.trust }, "validateCertificate": true,
                "serverName": ends.server_name, "sendSNI": ends.server_name, "authenticationFrequency": "every-time",
                "ignoreExpired": false, "ignoreUntrusted": false,
            })),
        );
        let refused: Value = json!(["no-sslv3", "no-tlsv1", "no-tlsv1.1"]);
        self.object(
            format!("client-ssl {application}"),
            [
                ("certificate", json!(ends.certificate)),
                ("key", json!(ends.key)),
                ("ciphers", CIPHERS.into()),
                ("refuses", refused.clone()),
            ],
        );
        self.object(
            format!("server-ssl {application}"),
            [
                ("authority", json!(ends.trust)),
                ("checks", "require".into()),
                ("name", json!(ends.server_name)),
                ("ciphers", CIPHERS.into()),
                ("refuses", refused),
            ],
        );
        let mut more = Map::from_iter([
            ("serverTLS".to_owned(), "clientSsl".into()),
            ("clientTLS".to_owned(), "serverSsl".into()),
            // On by default, and open to everyone.
            ("redirect80".to_owned(), false.into()),
        ]);
        if let Some(waf) = &ends.waf {
            more.insert("policyWAF".to_owned(), json!({ "bigip": waf }));
        }
        more
    }
}
