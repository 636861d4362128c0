//! The AWS regions that a site may stand in: the commercial ones that a US or European health enterprise uses.
//!
//! Source: <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html>, and for the
//! accounts from which classic load balancers write their access logs
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/enable-access-logs.html>.

/// A region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Its name, as in `us-east-1`.
    pub name: &'static str,
    /// The letters of its availability zones. An account sees at least these, though perhaps not all for each service.
    pub zones: &'static str,
    /// The AWS account that delivers classic load balancers' access logs.
    pub load_balancer_account: &'static str,
}

const REGIONS: &[Facts] = &[
    Facts { name: "ca-central-1", zones: "abd", load_balancer_account: "985666609251" },
    Facts { name: "eu-central-1", zones: "abc", load_balancer_account: "054676820928" },
    Facts { name: "eu-north-1", zones: "abc", load_balancer_account: "897822967062" },
    Facts { name: "eu-west-1", zones: "abc", load_balancer_account: "156460612806" },
    Facts { name: "eu-west-2", zones: "abc", load_balancer_account: "652711504416" },
    Facts { name: "eu-west-3", zones: "abc", load_balancer_account: "009996457667" },
    Facts { name: "us-east-1", zones: "abcdef", load_balancer_account: "127311923021" },
    Facts { name: "us-east-2", zones: "abc", load_balancer_account: "033677994240" },
    Facts { name: "us-west-1", zones: "abc", load_balancer_account: "027434742980" },
    Facts { name: "us-west-2", zones: "abcd", load_balancer_account: "797873946194" },
];

/// The region of that name.
pub fn find(name: &str) -> Option<&'static Facts> {
    REGIONS.iter().find(|region| region.name == name)
}

/// All names, sorted.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    REGIONS.iter().map(|region| region.name)
}
