//! later
pub(crate) fn run() -> crate::Outcome {
    Err("later".to_owned())
}
