//! What ends a stack, or brings it out of the state that an earlier operation left it in.
use crate::changeset::{Body, Wish};
use crate::error::Error;
use crate::follow::succeeded;
use crate::session::Session;
use crate::stacks::failed;
use crate::system::Stacks;
use aws_sdk_cloudformation::operation::delete_stack::builders::DeleteStackFluentBuilder;
use incline_exec::{Ended, Say};
use incline_model::event::Trouble;
use incline_model::plan::{Mend, Step, Way};
use incline_plan::digest;
use serde_json::{Value, json};

impl Stacks<'_> {
    /// Brings a stack out of the state that an earlier operation left it in: to a state from which it can be changed, or
    /// away.
    pub(crate) async fn mend(&self, session: &Session, target: &str, mend: &Mend, say: &Say) -> Result<(), Ended> {
        let Some(told) = session.describe(target).await? else { return Ok(()) };
        let id = told.stack_id().unwrap_or(target).to_owned();
        let since = session.newest_event(&id).await?;
        let token = operation_token(mend, since.as_deref());
        let request = match mend.way {
            Way::ContinueRollback => {
                let skip = (!mend.without.is_empty()).then(|| mend.without.clone());
                let request = session.cloudformation.continue_update_rollback().stack_name(target);
                let sent = request.set_resources_to_skip(skip).client_request_token(token).send().await;
                sent.map(drop).map_err(failed("ContinueUpdateRollback"))
            }
            Way::RollBack => {
                let request = session.cloudformation.rollback_stack().stack_name(target).client_request_token(token);
                request.retain_except_on_create(true).send().await.map(drop).map_err(failed("RollbackStack"))
            }
            Way::DeleteEmpty | Way::FinishDeletion => {
                self.protect(session, target, false).await?;
                let retain = (!mend.without.is_empty()).then(|| mend.without.clone());
                let request = session.cloudformation.delete_stack().stack_name(&id).client_request_token(token);
                delete(request.set_retain_resources(retain)).await
            }
        };
        request?;
        say.sent(target, format!("{} (was {})", told_way(mend.way), mend.state));
        let end = session.follow(target, &id, since.as_deref(), &self.stop, say).await?;
        match (mend.way, end.status.as_str()) {
            // What was never whole is rolled back to nothing, and what is left of it is an empty stack.
            (Way::RollBack, "ROLLBACK_COMPLETE") => {
                let left = session.resources(&id).await?;
                let live: Vec<String> =
                    left.iter().filter(|r| r.is_live()).map(|r| format!("{} ({})", r.id, r.physical)).collect();
                if !live.is_empty() {
                    return Err(Trouble::new("it was rolled back, and left something behind").details(live).into());
                }
                session.cloudformation.delete_stack().stack_name(&id).send().await.map_err(failed("DeleteStack"))?;
                let end = session.follow(target, &id, since.as_deref(), &self.stop, say).await?;
                succeeded(&end, &["DELETE_COMPLETE"])
            }
            (Way::RollBack | Way::ContinueRollback, _) => {
                let skip = format!(
                    "what cannot be brought back can be passed over: `--skip {target}/RESOURCE`, named one by one"
                );
                succeeded(&end, &["UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE", "DELETE_COMPLETE"])
                    .map_err(|ended| hinted(ended, skip))
            }
            _ => {
                let retain = format!("what cannot be deleted can be left where it is: `--retain {target}/RESOURCE`");
                succeeded(&end, &["DELETE_COMPLETE"]).map_err(|ended| hinted(ended, retain))
            }
        }
    }

    pub(crate) async fn remove(&self, session: &Session, step: &Step, say: &Say) -> Result<(), Ended> {
        let target = step.target.as_str();
        if let Some(mend) = &step.mend {
            return self.mend(session, target, mend, say).await;
        }
        let Some(told) = session.describe(target).await? else { return Ok(()) };
        let id = told.stack_id().unwrap_or(target).to_owned();
        if !step.release.is_empty() {
            self.release(session, step, &told, say).await?;
        }
        self.protect(session, target, false).await?;
        let since = session.newest_event(&id).await?;
        let token = format!("remove-{}", digest(&format!("{id} {since:?}")).get(..32).unwrap_or_default());
        delete(session.cloudformation.delete_stack().stack_name(&id).client_request_token(token)).await?;
        say.sent(target, "deletion");
        let end = session.follow(target, &id, since.as_deref(), &self.stop, say).await?;
        let hint = format!(
            "`--retain {target}/RESOURCE` leaves a resource where it is; a bucket that holds objects is emptied by hand"
        );
        succeeded(&end, &["DELETE_COMPLETE"]).map_err(|ended| hinted(ended, hint))
    }

    /// Lets go of retained resources that were named: their template says so first, since a deletion obeys it.
    async fn release(
        &self,
        session: &Session,
        step: &Step,
        told: &aws_sdk_cloudformation::types::Stack,
        say: &Say,
    ) -> Result<(), Ended> {
        let target = step.target.as_str();
        let mut template = session.template(target).await?;
        for name in &step.release {
            if let Some(resource) = template.pointer_mut(&format!("/Resources/{name}")).and_then(Value::as_object_mut) {
                resource.insert("DeletionPolicy".to_owned(), json!("Delete"));
            }
        }
        let body = template.to_string();
        let parameters = told.parameters().iter();
        let wish = Wish {
            stack: target,
            body: Body::Inline(&body),
            parameters: parameters
                .filter_map(|p| Some((p.parameter_key()?.to_owned(), p.parameter_value()?.to_owned())))
                .collect(),
            tags: told.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()))).collect(),
            is_new: false,
            reverts: false,
        };
        let change_set = session.change_set(&wish).await?;
        if change_set.empty.is_some() {
            return Ok(session.delete_change_set(target, &wish.name()).await?);
        }
        let since = session.newest_event(&change_set.stack_id).await?;
        session.execute(&change_set).await?;
        say.sent(target, format!("{} is no longer retained", step.release.join(", ")));
        let end = session.follow(target, &change_set.stack_id, since.as_deref(), &self.stop, say).await?;
        succeeded(&end, &["UPDATE_COMPLETE"])
    }
}

async fn delete(request: DeleteStackFluentBuilder) -> Result<(), Error> {
    request.send().await.map(drop).map_err(failed("DeleteStack"))
}

/// The same request after a crash has the same token; a new try after another failure has another.
fn operation_token(mend: &Mend, since: Option<&str>) -> String {
    format!("mend-{}", digest(&format!("{mend:?} {since:?}")).get(..32).unwrap_or_default())
}

fn told_way(way: Way) -> &'static str {
    match way {
        Way::DeleteEmpty => "deletion of the empty stack",
        Way::RollBack => "rollback of what failed",
        Way::ContinueRollback => "the rollback goes on",
        Way::FinishDeletion => "the deletion goes on",
    }
}

fn hinted(ended: Ended, hint: String) -> Ended {
    match ended {
        Ended::Failed(trouble) => Ended::Failed(trouble.hint(hint)),
        interrupted => interrupted,
    }
}
