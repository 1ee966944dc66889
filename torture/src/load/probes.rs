//! One task for each node that asks it something small all the time. The tasks of the load wait for the nodes that do
//! not answer, and soon all of them do; these tell for how long nothing would have worked at all.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::{client::Outcome, scene::Scene};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks a node, which has to ask the database, until the scene is over.
pub async fn keep_asking(scene: Arc<Scene>, node: usize) {
    let body = json!({"UserPoolId": scene.settings.id});
    while !scene.is_over() {
        let outcome = scene.client.call(node, "DescribeUserPool", &body).await;
        if let Outcome::Refused { .. } = &outcome {
            scene.record.finding(&format!("DescribeUserPool was refused: {}", outcome.summary()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
