//! Classic load balancers of an AWS site.
use super::Exposure;
use crate::prelude::*;
use crate::scalar::{AbsolutePath, Arn, Cidr, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A classic load balancer in front of pools.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Balancer {
    /// The balancer's name; it is reached as this name in the site's domain.
    pub name: Name,
    /// Internal, or public with a reason.
    #[serde(default = "internal")]
    pub exposure: Exposure,
    /// What it listens on.
    #[schemars(length(min = 1, max = 50))]
    pub listeners: Vec<Listener>,
    /// How it learns that a node is well.
    pub health_check: HealthCheck,
    /// The pools behind it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub pools: Vec<Name>,
    /// Networks that may reach it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub allow: Vec<Cidr>,
    /// How long an idle connection lives, in seconds.
    #[serde(default = "minute")]
    #[schemars(range(min = 1, max = 4000))]
    pub idle_seconds: u16,
}

fn internal() -> Exposure {
    Exposure::Internal
}

fn minute() -> u16 {
    60
}

/// What a balancer listens on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Listener {
    /// The port that clients connect to.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The NodePort that it is passed on to.
    #[schemars(range(min = 30000, max = 32767))]
    pub node_port: u16,
    /// How the traffic is carried.
    pub protocol: ListenerProtocol,
    /// The certificate (ACM or IAM), for `https` and `ssl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Arn>,
    /// The TLS policy, for `https` and `ssl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_policy: Option<TlsPolicy>,
}

/// How a listener carries traffic. There is no plain HTTP: all of it may be patient data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ListenerProtocol {
    /// HTTP over TLS to the balancer and again to the node.
    Https,
    /// TLS to the balancer and again to the node.
    Ssl,
    /// Passed through untouched: the pods end TLS themselves.
    Passthrough,
}

/// Predefined policies of classic load balancers that refuse everything older than TLS 1.2
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/elb-security-policy-table.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsPolicy {
    /// TLS 1.2 alone.
    #[serde(rename = "ELBSecurityPolicy-TLS-1-2-2017-01")]
    Tls12,
}

/// How a balancer learns that a node is well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HealthCheck {
    /// How it asks.
    pub protocol: HealthProtocol,
    /// The NodePort that it asks.
    #[schemars(range(min = 30000, max = 32767))]
    pub node_port: u16,
    /// The path, for `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<AbsolutePath>,
    /// How often, in seconds.
    #[serde(default = "ten")]
    #[schemars(range(min = 5, max = 300))]
    pub interval_seconds: u16,
    /// How long it waits for an answer, in seconds; less than the interval.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 60))]
    pub timeout_seconds: u16,
}

fn ten() -> u16 {
    10
}

fn five() -> u16 {
    5
}

/// How a balancer asks a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HealthProtocol {
    /// Whether a TCP connection opens.
    Tcp,
    /// Whether TLS is agreed.
    Ssl,
    /// Whether a path answers 200 over TLS.
    Https,
}
