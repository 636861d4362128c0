//! The floor that `cargo xtask bench-hosts` measures against: connect, authenticate, exec `true`, with russh and nothing
//! else. `floor USER KEY WIDTH ADDRESS…`
// A measuring stick says what is wrong with its arguments by ending.
#![allow(clippy::unwrap_used)]

use futures_util::stream::{self, StreamExt};
use russh::client::{Config, Handler, connect};
use russh::keys::key::PrivateKeyWithHashAlg;
use russh::keys::{PublicKeyOrCertificate, load_secret_key};
use russh::{ChannelMsg, Error};
use std::sync::Arc;

struct Anyone;

impl Handler for Anyone {
    type Error = Error;

    // Nothing but a test host that was made a moment ago is ever connected to.
    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Error> {
        Ok(true)
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (user, key) = (arguments.next().unwrap(), arguments.next().unwrap());
    let width: usize = arguments.next().unwrap().parse().unwrap();
    let key = Arc::new(load_secret_key(key, None).unwrap());
    let config = Arc::new(Config { nodelay: true, ..Config::default() });
    let hosts = arguments.map(|address| {
        let (config, key, user) = (config.clone(), key.clone(), user.clone());
        async move {
            let mut handle = connect(config, (address.as_str(), 22), Anyone).await.unwrap();
            let key = PrivateKeyWithHashAlg::new(key, None);
            assert!(handle.authenticate_publickey(user, key).await.unwrap().success(), "{address}");
            let mut channel = handle.channel_open_session().await.unwrap();
            channel.exec(false, "true").await.unwrap();
            while let Some(message) = channel.wait().await {
                if let ChannelMsg::ExitStatus { exit_status } = message {
                    assert_eq!(exit_status, 0, "{address}");
                }
            }
        }
    });
    stream::iter(hosts).buffer_unordered(width).collect::<Vec<()>>().await;
}
