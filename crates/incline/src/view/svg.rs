//! A site or the estate as a picture: one SVG file, no external resource, light and dark.
//!
//! A site is drawn as it stands: zones are columns; from top to bottom the balancers, then public, private and isolated
//! subnets; pools are bars across the zones that they use; what the site is joined to stands at the sides.
use incline_model::estate::Estate;
use incline_model::inventory::aws::{Egress, Exposure, Routing};
use incline_model::inventory::onprem::{Disk, DiskPurpose, Host, Role};
use incline_model::site::{Aws, OnPrem, PeerOther, Site};
use std::fmt::Write;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:var(--ink)}\
.title{font-size:20px;font-weight:600}.small{font-size:11.5px;fill:var(--dim)}.strong{font-weight:600}\
.frame{fill:var(--paper);stroke:var(--line)}.zone{fill:none;stroke:var(--line);stroke-dasharray:4 4}\
.public{fill:var(--public)}.private{fill:var(--private)}.isolated{fill:var(--isolated)}\
.pool{fill:var(--pool);stroke:var(--poolline)}.member{fill:var(--member);stroke:var(--memberline)}\
.balancer{fill:var(--balancer);stroke:var(--balancerline)}.side{fill:var(--side);stroke:var(--sideline)}\
.link{fill:none;stroke:var(--sideline);stroke-width:2}.vpn{stroke-dasharray:7 5}.danger{stroke:var(--danger);stroke-width:2}\
svg{--back:#f6f8fa;--paper:#fff;--ink:#1f2933;--dim:#5b6875;--line:#c3ccd5;--public:#fdeeda;--private:#e6f1fb;--isolated:#ece9f8;\
--pool:#fff;--poolline:#4a90c9;--member:#fff;--memberline:#7765c9;--balancer:#e5f6ec;--balancerline:#3a9a63;--side:#fff;--sideline:#7b8794;--danger:#c4501b}\
@media(prefers-color-scheme:dark){svg{--back:#14191f;--paper:#1b222a;--ink:#e4e9ee;--dim:#9aa7b4;--line:#3a4550;--public:#3a2d1a;--private:#17293a;--isolated:#251f3d;\
--pool:#1b222a;--poolline:#5da3dc;--member:#1b222a;--memberline:#9c8df0;--balancer:#16301f;--balancerline:#4fb87b;--side:#1b222a;--sideline:#8593a1;--danger:#f08b58}}";

/// Draws one site whole, or several as an overview.
pub(crate) fn draw(estate: &Estate, sites: &[&Site]) -> String {
    match sites {
        [Site::Aws(site)] => site_picture(estate, site),
        [Site::OnPrem(site)] => onprem_picture(site),
        _ => estate_picture(sites),
    }
}

/// A picture under construction.
#[derive(Default)]
struct Canvas {
    body: String,
}

impl Canvas {
    fn rect(&mut self, (x, y, width, height): (i32, i32, i32, i32), class: &str) {
        let _ =
            write!(self.body, r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" class="{class}"/>"#);
    }

    fn text(&mut self, (x, y): (i32, i32), class: &str, text: &str) {
        let _ = write!(self.body, r#"<text x="{x}" y="{y}" class="{class}">{}</text>"#, escape(text));
    }

    /// A text that is cut where it would leave its box; the whole of it shows under the pointer.
    fn fitted(&mut self, at: (i32, i32), width: i32, class: &str, text: &str) {
        // What system fonts take a character at these sizes, on average, with some room left.
        let room = usize::try_from(width / if class == "small" { 6 } else { 7 }).unwrap_or(0);
        if text.chars().count() <= room {
            return self.text(at, class, text);
        }
        let cut: String = text.chars().take(room.saturating_sub(1)).chain(['…']).collect();
        let _ = write!(
            self.body,
            r#"<text x="{}" y="{}" class="{class}">{}<title>{}</title></text>"#,
            at.0,
            at.1,
            escape(&cut),
            escape(text)
        );
    }

    fn path(&mut self, points: &str, class: &str) {
        let _ = write!(self.body, r#"<path d="{points}" class="{class}"/>"#);
    }

    fn finish(self, width: i32, height: i32, title: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\"><title>{}</title><style>{STYLE}</style><rect width=\"{width}\" height=\"{height}\" style=\"fill:var(--back)\"/>{}</svg>\n",
            escape(title),
            self.body
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Something that a site is joined to, at its side: headline, lines below, whether over VPN.
struct Neighbour {
    name: String,
    lines: Vec<String>,
    vpn: bool,
}

fn neighbours(estate: &Estate, site: &Aws) -> Vec<Neighbour> {
    let mut found = Vec::new();
    let routing = site.typed().vpn.iter().flat_map(|vpn| &vpn.connections);
    for (end, connection) in site.vpn_ends().iter().zip(routing) {
        let cidrs = end.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        found.push(Neighbour {
            name: end.site.to_string(),
            lines: vec![
                format!(
                    "VPN to {}, {}",
                    end.address,
                    if connection.routing == Routing::Bgp { "BGP" } else { "static routes" }
                ),
                cidrs,
            ],
            vpn: true,
        });
    }
    for peer in site.peers() {
        let (name, kind) = match &peer.other {
            PeerOther::RequestedOf { site, .. } => (site.to_string(), "peering"),
            PeerOther::RequestedBy(site) => (site.to_string(), "peering, asked from there"),
            PeerOther::Foreign(vpc) => (
                peer.name.to_string(),
                if vpc.accept_role.is_some() { "peering, another account" } else { "peering, accepted by hand" },
            ),
        };
        let region = match estate.site(&name) {
            Some(Site::Aws(other)) => format!(", {}", other.typed().region),
            _ => String::new(),
        };
        let cidrs = peer.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        found.push(Neighbour { name, lines: vec![format!("{kind}{region}"), cidrs], vpn: false });
    }
    found
}

const COLUMN: i32 = 270;
const SIDE: i32 = 230;
const GAP: i32 = 16;

fn site_picture(estate: &Estate, site: &Aws) -> String {
    let typed = site.typed();
    let neighbours = neighbours(estate, site);
    let (left, right): (Vec<_>, Vec<_>) = neighbours.iter().partition(|neighbour| neighbour.vpn);
    let zones = site.zones();
    let columns = i32::try_from(zones.len()).unwrap_or(6);
    let x0 = if left.is_empty() { 40 } else { SIDE + 110 };
    let inner = columns * COLUMN + (columns - 1) * GAP;
    let width = x0 + inner + 2 * GAP + if right.is_empty() { 40 } else { SIDE + 110 };
    let mut canvas = Canvas::default();
    canvas.text((32, 40), "title", typed.name.as_str());
    canvas.text(
        (32, 62),
        "small",
        &format!(
            "AWS account {} · {} · VPC {} · Kubernetes {} · {}",
            typed.account, typed.region, typed.network.cidr, typed.kubernetes.version, typed.domain
        ),
    );

    // Balancers, above the VPC's zones.
    let mut y = 112;
    let top = y - 26;
    let balancers = balancers(site);
    for (row, chunk) in balancers.chunks(columns.unsigned_abs() as usize).enumerate() {
        for (index, (name, detail, public)) in chunk.iter().enumerate() {
            let x = x0 + GAP + i32::try_from(index).unwrap_or(0) * (COLUMN + GAP);
            let at = y + i32::try_from(row).unwrap_or(0) * 62;
            canvas.rect((x, at, COLUMN, 50), if *public { "balancer danger" } else { "balancer" });
            canvas.fitted((x + 12, at + 21), COLUMN - 24, "strong", name);
            canvas.fitted((x + 12, at + 39), COLUMN - 24, "small", detail);
        }
    }
    y += i32::try_from(balancers.len().div_ceil(zones.len().max(1))).unwrap_or(1) * 62 + 10;

    let zone_top = y;
    let public = zones.iter().any(|zone| zone.public.is_some());
    let band = |canvas: &mut Canvas, y: i32, height: i32, class: &str, label: &dyn Fn(usize) -> Option<String>| {
        for index in 0..zones.len() {
            let x = x0 + GAP + i32::try_from(index).unwrap_or(0) * (COLUMN + GAP);
            if let Some(text) = label(index) {
                canvas.rect((x + 8, y, COLUMN - 16, height), class);
                canvas.fitted((x + 20, y + 19), COLUMN - 40, "small", &text);
            }
        }
    };
    y += 34;
    if public {
        band(&mut canvas, y, 50, "public", &|i| zones[i].public.map(|cidr| format!("public  {cidr}")));
        for (index, zone) in zones.iter().enumerate().filter(|(_, zone)| zone.nat) {
            let x = x0 + GAP + i32::try_from(index).unwrap_or(0) * (COLUMN + GAP);
            canvas.text((x + 20, y + 38), "strong", &format!("NAT gateway {}", zone.zone.letter()));
        }
        y += 60;
    }
    let pools_height = 30 + i32::try_from(typed.pools.len()).unwrap_or(0) * 58;
    band(&mut canvas, y, pools_height, "private", &|i| Some(format!("private  {}", zones[i].private)));
    let mut bar = y + 28;
    for pool in &typed.pools {
        let used: Vec<usize> =
            (0..zones.len()).filter(|index| site.pool_zones(pool).contains(&zones[*index].zone)).collect();
        // A pool that skips a zone between two is drawn in pieces.
        for piece in used.chunk_by(|a, b| a + 1 == *b) {
            let (first, last) = (piece.first().copied().unwrap_or(0), piece.last().copied().unwrap_or(0));
            let x = x0 + GAP + i32::try_from(first).unwrap_or(0) * (COLUMN + GAP) + 18;
            let span = i32::try_from(last - first + 1).unwrap_or(1) * (COLUMN + GAP) - GAP - 36;
            canvas.rect((x, bar, span, 48), "pool");
            let size = &pool.size;
            let fronts: Vec<&str> =
                typed.balancers.iter().filter(|b| b.pools.contains(&pool.name)).map(|b| b.name.as_str()).collect();
            let behind = if fronts.is_empty() { String::new() } else { format!("  ·  behind {}", fronts.join(", ")) };
            let spot =
                if pool.spot_percent > 0 { format!("  ·  {} % spot", pool.spot_percent) } else { String::new() };
            canvas.fitted(
                (x + 12, bar + 20),
                span - 24,
                "strong",
                &format!("{}   {} nodes, {} to {}", pool.name, size.desired, size.min, size.max),
            );
            let types = pool.instance_types.iter().map(|t| t.as_str()).collect::<Vec<_>>().join(", ");
            canvas.fitted((x + 12, bar + 38), span - 24, "small", &format!("{types}{spot}{behind}"));
        }
        bar += 58;
    }
    y += pools_height + 10;
    band(&mut canvas, y, 106, "isolated", &|i| Some(format!("isolated  {}", zones[i].isolated)));
    for member in site.members() {
        let Some(index) = zones.iter().position(|zone| zone.zone == member.zone) else { continue };
        let x = x0 + GAP + i32::try_from(index).unwrap_or(0) * (COLUMN + GAP) + 18;
        canvas.rect((x, y + 28, COLUMN - 36, 48), "member");
        canvas.fitted(
            (x + 12, y + 48),
            COLUMN - 60,
            "strong",
            &format!("control plane {}{}", member.zone.letter(), if member.leader { "  ·  leader" } else { "" }),
        );
        canvas.fitted(
            (x + 12, y + 66),
            COLUMN - 60,
            "small",
            &format!(
                "{}  ·  {}  ·  etcd {} GiB",
                member.address, typed.control_plane.instance_type, typed.control_plane.etcd_volume.size_gib
            ),
        );
    }
    let endpoints = format!("{} interface endpoints and S3", typed.network.endpoints.len());
    for index in 0..zones.len() {
        canvas.text((x0 + GAP + i32::try_from(index).unwrap_or(0) * (COLUMN + GAP) + 20, y + 96), "small", &endpoints);
    }
    y += 116;
    let bottom = y + GAP;
    let mut frame = Canvas::default();
    frame.rect((x0, top, inner + 2 * GAP, bottom - top), "frame");
    for (index, zone) in zones.iter().enumerate() {
        let x = x0 + GAP + i32::try_from(index).unwrap_or(0) * (COLUMN + GAP);
        frame.rect((x, zone_top, COLUMN, y - zone_top), "zone");
        canvas.text((x + 12, zone_top + 22), "strong", zone.zone.as_str());
    }

    let mut height = bottom + 76;
    for (side, list) in [(-1, &left), (1, &right)] {
        let mut at = top + 20;
        for neighbour in list.iter() {
            let x = if side < 0 { 32 } else { x0 + inner + 2 * GAP + 78 };
            canvas.rect((x, at, SIDE, 76), "side");
            canvas.fitted((x + 12, at + 23), SIDE - 24, "strong", &neighbour.name);
            for (row, line) in neighbour.lines.iter().enumerate() {
                canvas.fitted((x + 12, at + 43 + i32::try_from(row).unwrap_or(0) * 18), SIDE - 24, "small", line);
            }
            let (from, to) = if side < 0 { (x + SIDE, x0) } else { (x0 + inner + 2 * GAP, x) };
            canvas.path(&format!("M{from} {} H{to}", at + 38), if neighbour.vpn { "link vpn" } else { "link" });
            at += 96;
        }
        height = height.max(at + 40);
    }
    let egress = match typed.network.egress {
        Egress::NatPerZone => "a NAT gateway in every zone",
        Egress::SingleNat => "one NAT gateway",
        Egress::None => "no way out to the internet",
    };
    let repositories = typed.registry.repositories.len();
    canvas.text(
        (x0, bottom + 30),
        "small",
        &format!(
            "egress: {egress}  ·  pods {}  ·  services {}  ·  {repositories} repositories  ·  logs kept {} days",
            typed.kubernetes.pod_cidr,
            typed.kubernetes.service_cidr,
            typed.logs.retention.days()
        ),
    );
    canvas.text((x0, bottom + 50), "small", "orange frame: reachable from the internet  ·  dashed line: VPN");
    canvas.body = frame.body + &canvas.body;
    canvas.finish(width, height, &format!("incline: the site {}", typed.name))
}

/// The balancers: name, what they listen on, whether the internet reaches them.
fn balancers(site: &Aws) -> Vec<(String, String, bool)> {
    let typed = site.typed();
    let word = |exposure: &Exposure| if *exposure == Exposure::Internal { "internal" } else { "public" };
    let mut all = vec![(
        format!("api.{}", typed.domain),
        format!("{} · port 6443 → control plane", word(&typed.api.exposure)),
        typed.api.exposure != Exposure::Internal,
    )];
    for balancer in &typed.balancers {
        let ports = balancer.listeners.iter().map(|listener| listener.port.to_string()).collect::<Vec<_>>().join(", ");
        let pools = balancer.pools.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        all.push((
            balancer.name.to_string(),
            format!("{} · port {ports} → {pools}", word(&balancer.exposure)),
            balancer.exposure != Exposure::Internal,
        ));
    }
    all
}

fn onprem_picture(site: &OnPrem) -> String {
    let typed = site.typed();
    let mut canvas = Canvas::default();
    let rows = i32::try_from(typed.hosts.len().div_ceil(3)).unwrap_or(1);
    let (width, height) = (3 * 286 + 80, 150 + rows * 88);
    canvas.rect((32, 84, width - 64, height - 124), "frame");
    canvas.text((32, 40), "title", typed.name.as_str());
    let cidrs = typed.network.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    canvas.text(
        (32, 62),
        "small",
        &format!(
            "on premises · {cidrs} · Kubernetes {} · API {} at {}",
            typed.kubernetes.version, typed.api.name, typed.api.address
        ),
    );
    for (index, host) in typed.hosts.iter().enumerate() {
        let index = i32::try_from(index).unwrap_or(0);
        let (x, y) = (48 + index % 3 * 286, 104 + index / 3 * 88);
        let control_plane = host.roles.contains(&Role::ControlPlane);
        canvas.rect((x, y, 270, 72), if control_plane { "member" } else { "pool" });
        canvas.fitted((x + 12, y + 22), 246, "strong", host.name.as_str());
        let roles = host.roles.iter().map(|role| role_name(*role)).collect::<Vec<_>>().join(", ");
        canvas.fitted((x + 12, y + 41), 246, "small", &format!("{} · {roles}", host.address));
        canvas.fitted((x + 12, y + 59), 246, "small", &disks(host));
    }
    canvas.finish(width, height, &format!("incline: the site {}", typed.name))
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::ControlPlane => "control plane",
        Role::Worker => "worker",
        Role::NfsServer => "NFS server",
        Role::VpnGateway => "VPN gateway",
    }
}

fn disks(host: &Host) -> String {
    let purpose = |disk: &Disk| match disk.purpose {
        DiskPurpose::Etcd => "etcd",
        DiskPurpose::LocalVolume => "local volume",
        DiskPurpose::Nfs => "NFS",
    };
    let list: Vec<String> = host.disks.iter().map(|disk| format!("{} ({})", disk.name, purpose(disk))).collect();
    if list.is_empty() { "no disks for incline".to_owned() } else { list.join(", ") }
}

/// AWS sites above, on-prem sites below, lines between what is joined.
fn estate_picture(sites: &[&Site]) -> String {
    let mut canvas = Canvas::default();
    canvas.text((32, 40), "title", "The estate");
    let (aws, onprem): (Vec<&Site>, Vec<&Site>) = sites.iter().partition(|site| matches!(site, Site::Aws(_)));
    let most = i32::try_from(aws.len().max(onprem.len())).unwrap_or(1).max(1);
    let (card, gap) = (330, 60);
    let width = 64 + most * card + (most - 1) * gap;
    let place = |index: usize, count: usize| {
        let (index, count) = (i32::try_from(index).unwrap_or(0), i32::try_from(count).unwrap_or(1));
        let used = count * card + (count - 1) * gap;
        (width - used) / 2 + index * (card + gap)
    };
    let position = |name: &str| {
        let find = |list: &[&Site]| {
            list.iter().position(|site| site.name().as_str() == name).map(|index| place(index, list.len()) + card / 2)
        };
        find(&aws).map(|x| (x, 80)).or_else(|| find(&onprem).map(|x| (x, 370)))
    };
    // Lines first, so that cards cover their ends.
    for (index, site) in aws.iter().enumerate() {
        let Site::Aws(site) = site else { continue };
        let x = place(index, aws.len()) + card / 2;
        for end in site.vpn_ends() {
            if let Some((to, _)) = position(end.site.as_str()) {
                canvas.path(&format!("M{x} 180 C{x} 300 {to} 260 {to} 390"), "link vpn");
            }
        }
        for peer in site.peers() {
            let PeerOther::RequestedOf { site: other, .. } = &peer.other else { continue };
            if let Some((to, 80)) = position(other.as_str()) {
                canvas.path(&format!("M{x} 130 H{to}"), "link");
            }
        }
    }
    for (list, y) in [(&aws, 80), (&onprem, 370)] {
        for (index, site) in list.iter().enumerate() {
            let x = place(index, list.len());
            canvas.rect((x, y, card, 116), if y == 80 { "pool" } else { "member" });
            canvas.text((x + 14, y + 28), "strong", site.name().as_str());
            for (row, line) in facts(site).iter().enumerate() {
                canvas.fitted((x + 14, y + 50 + i32::try_from(row).unwrap_or(0) * 19), card - 28, "small", line);
            }
        }
    }
    canvas.text((32, 526), "small", "solid line: VPC peering  ·  dashed line: VPN");
    canvas.finish(width, 550, "incline: the estate")
}

fn facts(site: &Site) -> Vec<String> {
    match site {
        Site::Aws(site) => {
            let typed = site.typed();
            let nodes: u32 = typed.pools.iter().map(|pool| u32::from(pool.size.desired)).sum();
            vec![
                format!("AWS {} · {} · {} zones", typed.account, typed.region, typed.zones.len()),
                format!("VPC {} · Kubernetes {}", typed.network.cidr, typed.kubernetes.version),
                format!("control plane of {} · {} pool(s), {nodes} nodes", site.members().len(), typed.pools.len()),
                format!("{} balancers · {} repositories", typed.balancers.len() + 1, typed.registry.repositories.len()),
            ]
        }
        Site::OnPrem(site) => {
            let typed = site.typed();
            vec![
                format!(
                    "on premises · {}",
                    typed.network.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                ),
                format!("{} hosts · Kubernetes {}", typed.hosts.len(), typed.kubernetes.version),
                format!(
                    "{}{}",
                    if typed.f5.is_some() { "F5 BIG-IP" } else { "no F5" },
                    if typed.nfs.is_some() { " · NFS" } else { "" }
                ),
            ]
        }
    }
}
