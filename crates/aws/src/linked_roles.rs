//! Service-linked roles that a stack's policies name.
//!
//! KMS refuses a key whose policy names a role that is not there, and in an account that never had an Auto Scaling Group there
//! is no role of Auto Scaling. A resource `AWS::IAM::ServiceLinkedRole` would fail in every other account, where the role is
//! there and belongs to no stack, and would go with its stack under other sites' groups. So the role is made here, where it is
//! missing, and stays.
use crate::error::Error;
use crate::session::Session;
use incline_exec::Say;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const VERSION: &str = "2010-05-08";
/// How long a new role is given until every other service knows it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>).
const SETTLES: Duration = Duration::from_secs(10);

/// A role that a service makes and uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkedRole {
    /// The service: `autoscaling.amazonaws.com`.
    pub(crate) service: String,
    /// Its name.
    pub(crate) name: String,
}

/// The service-linked roles whose ARNs are in a template.
pub(crate) fn named_in(template: &Value) -> BTreeSet<LinkedRole> {
    let mut found = BTreeSet::new();
    collect(template, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<LinkedRole>) {
    match value {
        Value::String(text) => {
            let path = text.split_once(":role/aws-service-role/").and_then(|(_, path)| path.split_once('/'));
            found.extend(path.map(|(service, name)| LinkedRole { service: service.to_owned(), name: name.to_owned() }));
        }
        Value::Array(list) => list.iter().for_each(|one| collect(one, found)),
        Value::Object(map) => map.values().for_each(|one| collect(one, found)),
        _ => {}
    }
}

impl Session {
    /// Makes the service-linked roles that a template names and that are missing in the account.
    pub(crate) async fn make_linked_roles(&self, target: &str, template: &Value, say: &Say) -> Result<(), Error> {
        for role in named_in(template) {
            match self.wire.query("iam", VERSION, "GetRole", &[("RoleName", &role.name)]).await {
                Ok(_) => continue,
                Err(error) if error.code == "NoSuchEntity" => {}
                Err(error) => return Err(error),
            }
            let service = [("AWSServiceName", role.service.as_str())];
            match self.wire.query("iam", VERSION, "CreateServiceLinkedRole", &service).await {
                Ok(_) => {}
                // Another site of this account was faster.
                Err(error) if error.code == "InvalidInput" && error.message.contains("has been taken") => continue,
                Err(error) => return Err(error),
            }
            say.sent(target, format!("service-linked role {}", role.name));
            tokio::time::sleep(SETTLES).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn roles_are_found_wherever_a_template_names_them() {
        let arn =
            "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
        let template = json!({ "Resources": { "Key": { "Policy": [{ "AWS": arn }, { "AWS": [arn] }, { "AWS": "arn:aws:iam::123456789012:role/x" }] } } });
        let role = LinkedRole {
            service: "autoscaling.amazonaws.com".to_owned(),
            name: "AWSServiceRoleForAutoScaling".to_owned(),
        };
        assert_eq!(named_in(&template), BTreeSet::from([role]));
    }
}
