//! What was applied: each resource's properties from its stack's template, with parameters, references and the best known
//! attributes filled in. What only AWS knows stays unknown, and is not compared.
use incline_model::desired::Parameter;
use incline_model::observed::{DeployedResource, DeployedStack};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A resource that was applied.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) stack: String,
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) physical: String,
    /// Its properties; what is unknown is left out.
    properties: Value,
}

impl Resource {
    /// A property by its path, `/` between; none where it is not set or not known.
    pub(crate) fn value(&self, path: &str) -> Option<&Value> {
        self.properties.pointer(path)
    }

    /// The same, as text.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.value(path).map(text)
    }

    /// A list; empty where it is not set.
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        self.value(path).and_then(Value::as_array).cloned().unwrap_or_default()
    }
}

/// A scalar as text.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// All that was applied in a site.
#[derive(Debug)]
pub(crate) struct Applied {
    account: String,
    region: String,
    pub(crate) resources: Vec<Resource>,
}

impl Applied {
    pub(crate) fn new(account: &str, region: &str) -> Self {
        Self { account: account.to_owned(), region: region.to_owned(), resources: Vec::new() }
    }

    /// Resources of a type.
    pub(crate) fn of(&self, kind: &str) -> Vec<&Resource> {
        self.resources.iter().filter(|resource| resource.kind == kind).collect()
    }

    /// Takes a stack's resources in.
    pub(crate) fn add(&mut self, name: &str, stack: &DeployedStack, resources: &[DeployedResource]) {
        let scope = Scope {
            account: &self.account,
            region: &self.region,
            parameters: stack.parameters.clone().unwrap_or_default(),
            resources: resources.iter().map(|resource| (resource.id.as_str(), resource)).collect(),
        };
        for resource in resources.iter().filter(|resource| resource.is_live()) {
            let properties = stack.template.pointer(&format!("/Resources/{}/Properties", resource.id));
            let properties = properties.and_then(|properties| scope.known(properties));
            self.resources.push(Resource {
                stack: name.to_owned(),
                id: resource.id.clone(),
                kind: resource.kind.clone(),
                physical: resource.physical.clone(),
                properties: properties.unwrap_or_else(|| Value::Object(Map::new())),
            });
        }
    }
}

/// What a template's functions can be resolved by.
struct Scope<'a> {
    account: &'a str,
    region: &'a str,
    parameters: BTreeMap<String, Parameter>,
    resources: BTreeMap<&'a str, &'a DeployedResource>,
}

impl Scope<'_> {
    /// A value with all that is known filled in; none where it is unknown itself.
    fn known(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Object(map) => match map.iter().next() {
                Some((key, below)) if map.len() == 1 && (key == "Ref" || key.starts_with("Fn::")) => {
                    self.function(key, below).map(Value::String)
                }
                _ => Some(Value::Object(
                    map.iter().filter_map(|(key, below)| Some((key.clone(), self.known(below)?))).collect(),
                )),
            },
            // A list is only known when all of it is.
            Value::Array(list) => {
                list.iter().map(|below| self.known(below)).collect::<Option<Vec<_>>>().map(Value::Array)
            }
            // A secret that CloudFormation reads is nobody's to compare.
            Value::String(text) if text.contains("{{resolve:") => None,
            other => Some(other.clone()),
        }
    }

    fn function(&self, name: &str, argument: &Value) -> Option<String> {
        match (name, argument) {
            ("Ref", Value::String(to)) => self.reference(to),
            ("Fn::GetAtt", Value::Array(parts)) => self.attribute(parts.first()?.as_str()?, parts.get(1)?.as_str()?),
            ("Fn::Sub", Value::String(text)) => {
                let mut parts = text.split("${");
                let mut whole = parts.next()?.to_owned();
                for part in parts {
                    let (name, rest) = part.split_once('}')?;
                    whole.push_str(&match name.split_once('.') {
                        Some((to, attribute)) => self.attribute(to, attribute)?,
                        None => self.reference(name)?,
                    });
                    whole.push_str(rest);
                }
                Some(whole)
            }
            _ => None,
        }
    }

    fn reference(&self, to: &str) -> Option<String> {
        match to {
            "AWS::AccountId" => return Some(self.account.to_owned()),
            "AWS::Region" => return Some(self.region.to_owned()),
            _ => {}
        }
        match self.parameters.get(to) {
            Some(Parameter::Value(value)) => Some(value.clone()),
            Some(Parameter::Output { .. }) => None,
            None => self.resources.get(to).map(|resource| resource.physical.clone()),
        }
    }

    /// Attributes that follow from a resource's name.
    fn attribute(&self, to: &str, attribute: &str) -> Option<String> {
        let resource = self.resources.get(to)?;
        let (physical, region, account) = (&resource.physical, self.region, self.account);
        if attribute == "Arn" && physical.starts_with("arn:") {
            return Some(physical.clone());
        }
        match (resource.kind.as_str(), attribute) {
            ("AWS::EC2::SecurityGroup", "GroupId") => Some(physical.clone()),
            ("AWS::S3::Bucket", "Arn") => Some(format!("arn:aws:s3:::{physical}")),
            ("AWS::KMS::Key", "Arn") => Some(format!("arn:aws:kms:{region}:{account}:key/{physical}")),
            ("AWS::IAM::InstanceProfile", "Arn") => Some(format!("arn:aws:iam::{account}:instance-profile/{physical}")),
            ("AWS::IAM::Role", "Arn") => Some(format!("arn:aws:iam::{account}:role/{physical}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_known_is_filled_in_and_the_rest_left_out() {
        let resource = |id: &str, kind: &str, physical: &str| DeployedResource {
            id: id.into(),
            kind: kind.into(),
            physical: physical.into(),
            status: "CREATE_COMPLETE".into(),
            reason: String::new(),
        };
        let mut stack = DeployedStack::from_template(json!({ "Resources": { "Policy": { "Properties": {
            "Bucket": { "Ref": "Data" },
            "Key": { "Ref": "KeyArn" },
            "Path": { "Fn::Sub": "${Data.Arn}/*" },
            "Version": { "Fn::GetAtt": ["Template", "LatestVersionNumber"] },
            "List": [{ "Ref": "Data" }, { "Ref": "Nothing" }],
            "Secret": "{{resolve:secretsmanager:x:SecretString:y}}",
        } } } }));
        stack.parameters = Some(BTreeMap::from([("KeyArn".into(), Parameter::Value("arn:k".into()))]));
        let mut applied = Applied::new("1", "r");
        applied.add("s", &stack, &[resource("Policy", "K", "p"), resource("Data", "AWS::S3::Bucket", "bucket")]);
        assert_eq!(
            applied.resources[0].properties,
            json!({ "Bucket": "bucket", "Key": "arn:k", "Path": "arn:aws:s3:::bucket/*" })
        );
    }
}
