//! A valid AWS site.
mod check;

pub(crate) use check::check;

use crate::inventory::aws::{AwsSite, Egress, Pool};
use crate::lock::{Need, Pins};
use crate::prelude::*;
use crate::scalar::{Address, Cidr, Name, Zone};

/// A valid AWS site, with what the estate and the lock file add to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Aws {
    typed: AwsSite,
    pins: Pins,
    lacking: Vec<Need>,
    joined: Joined,
}

/// What other sites of the estate add to a site.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Joined {
    pub(crate) peers: Vec<PeerSide>,
    pub(crate) vpn_ends: Vec<VpnEnd>,
    pub(crate) pulls: Vec<String>,
}

/// A machine of the control plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its zone.
    pub zone: Zone,
    /// Its fixed address.
    pub address: Address,
    /// Whether it makes the cluster's certificates when there are none.
    pub leader: bool,
}

/// The subnets of one zone.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneSubnets {
    /// The zone.
    pub zone: Zone,
    /// Reachable from the internet.
    pub public: Option<Cidr>,
    /// Workers.
    pub private: Cidr,
    /// Control plane.
    pub isolated: Cidr,
    /// Whether a NAT gateway stands here.
    pub nat: bool,
    /// The zone whose NAT gateway this zone's private subnet uses.
    pub nat_zone: Option<Zone>,
}

/// One side of a peering, as its own site sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerSide {
    /// The peering's name.
    pub name: Name,
    /// The other side's networks.
    pub cidrs: Vec<Cidr>,
    /// Who the other side is.
    pub other: PeerOther,
}

/// Who the other side of a peering is.
#[derive(Debug, Clone, PartialEq)]
pub enum PeerOther {
    /// A site of the estate that this site asks to peer.
    RequestedOf {
        /// The other site.
        site: Name,
        /// Its account, where it is not this site's.
        account: Option<crate::scalar::AccountId>,
        /// Its region, where it is not this site's.
        region: Option<crate::scalar::Region>,
    },
    /// A site of the estate that asked this site: the connection is its, the routes are ours.
    RequestedBy(Name),
    /// A VPC that incline does not manage.
    Foreign(crate::inventory::aws::PeerVpc),
}

/// The on-prem end of a VPN connection.
#[derive(Debug, Clone, PartialEq)]
pub struct VpnEnd {
    /// The on-prem site.
    pub site: Name,
    /// Its gateway's address.
    pub address: Address,
    /// Its AS number.
    pub asn: u32,
    /// Its networks.
    pub cidrs: Vec<Cidr>,
}

/// The address of the control-plane member in an isolated subnet: the tenth, clear of those that AWS keeps.
fn reserved_control_plane_address(subnet: &Cidr) -> Address {
    subnet.address(10)
}

impl Aws {
    pub(crate) fn new(typed: AwsSite, pins: Pins, lacking: Vec<Need>, joined: Joined) -> Self {
        Self { typed, pins, lacking, joined }
    }

    /// What was typed, all of it valid.
    pub fn typed(&self) -> &AwsSite {
        &self.typed
    }

    /// What the site boots from.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// What it boots from and the lock file does not pin.
    pub fn lacking(&self) -> &[Need] {
        &self.lacking
    }

    /// The site's peerings, those that it asked for and those that it was asked for.
    pub fn peers(&self) -> &[PeerSide] {
        &self.joined.peers
    }

    /// The on-prem ends of the site's VPN connections, in the order of the connections.
    pub fn vpn_ends(&self) -> &[VpnEnd] {
        &self.joined.vpn_ends
    }

    /// ARNs of the repositories, the site's own and other sites' that let its account pull, which its nodes may pull from.
    pub fn pulls(&self) -> &[String] {
        &self.joined.pulls
    }

    /// The control plane's machines, one a zone.
    pub fn members(&self) -> Vec<Member> {
        control_plane_zones(&self.typed)
            .iter()
            .enumerate()
            .filter_map(|(index, zone)| {
                let subnet = self.typed.network.subnets.isolated.get(zone.as_str())?;
                Some(Member { zone: zone.clone(), address: reserved_control_plane_address(subnet), leader: index == 0 })
            })
            .collect()
    }

    /// The subnets by zone, in the order of the zones.
    pub fn zones(&self) -> Vec<ZoneSubnets> {
        let subnets = &self.typed.network.subnets;
        let nat_zones = nat_zones(&self.typed);
        self.typed
            .zones
            .iter()
            .filter_map(|zone| {
                let nat = nat_zones.contains(&zone);
                Some(ZoneSubnets {
                    zone: zone.clone(),
                    public: subnets.public.get(zone.as_str()).copied(),
                    private: *subnets.private.get(zone.as_str())?,
                    isolated: *subnets.isolated.get(zone.as_str())?,
                    nat,
                    nat_zone: if nat { Some(zone.clone()) } else { nat_zones.first().map(|z| (*z).clone()) },
                })
            })
            .collect()
    }

    /// The zones of a pool.
    pub fn pool_zones<'a>(&'a self, pool: &'a Pool) -> &'a [Zone] {
        pool.zones.as_deref().unwrap_or(&self.typed.zones)
    }

    /// How many of a pool's nodes stay in service while it is rolled; always less than its largest size, as
    /// CloudFormation asks.
    pub fn nodes_in_service(pool: &Pool) -> u16 {
        let wanted = u32::from(pool.size.desired) * u32::from(pool.update.min_healthy_percent) / 100;
        u16::try_from(wanted).unwrap_or(u16::MAX).min(pool.size.max.saturating_sub(1))
    }
}

fn control_plane_zones(site: &AwsSite) -> &[Zone] {
    site.control_plane.zones.as_deref().unwrap_or(&site.zones)
}

/// The zones that hold a NAT gateway.
fn nat_zones(site: &AwsSite) -> Vec<&Zone> {
    match site.network.egress {
        Egress::None => Vec::new(),
        Egress::SingleNat => site.zones.iter().take(1).collect(),
        Egress::NatPerZone => site.zones.iter().collect(),
    }
}
