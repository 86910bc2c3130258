//! Our client in each role.

mod consume;
mod produce;
mod pull;
mod received;

use tokio::sync::mpsc::UnboundedSender;

use rocketmq_client::ClientConfig;

use crate::feature::NAMESPACE;
use crate::scene::{Event, Outcome, Role, Scene};

/// Plays a part to its end.
pub(crate) async fn play(role: Role, scene: &Scene, tell: &UnboundedSender<Event>) -> Outcome {
    let played = match (role, scene.feature) {
        (Role::Produce, _) => produce::run(scene).await,
        (Role::Consume, "pull") => pull::classic(scene).await,
        (Role::Consume, "lite-pull") => pull::lite(scene).await,
        (Role::Consume, _) => consume::run(scene, tell).await,
    };
    match played {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

/// Settings for the scene's clients.
fn config(scene: &Scene) -> ClientConfig {
    let namespace = (scene.feature == "namespace").then(|| NAMESPACE.to_string());
    let offsets = std::env::temp_dir().join(format!("rocketmq-matrix-{}", std::process::id()));
    ClientConfig {
        namesrv_addr: Some(scene.namesrv.clone()),
        namespace,
        local_offset_store_dir: offsets,
        ..ClientConfig::default()
    }
}
