//! Settings of a pool and of a client change all the time: the node that changed them shows it at once, all others
//! within a second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    chance::Chance,
    client::Outcome,
    model::Possible,
    scene::{Scene, merged, pool_settings, text},
};

/// From when on after an acknowledgement every node must show it: a second, and half of one for a busy machine.
const SEEN_WITHIN: Duration = Duration::from_millis(1_500);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How often a change is sent while its outcome is unknown.
const TRIES: usize = 4;

/// One thing that changes.
struct Setting {
    update: &'static str,
    describe: &'static str,
    /// The request without the value.
    body: Value,
    /// The member of the request that carries the value.
    member: &'static str,
    /// Where the answer shows it.
    shown: &'static str,
    value: Possible<String>,
}

/// Changes settings until the scene is over.
pub async fn keep_changing(scene: Arc<Scene>, mut chance: Chance) {
    let (pool, client) = (scene.settings.id.as_str(), scene.settings.client.as_str());
    let unchanged = || Possible::new("torture".to_owned());
    let mut settings = [
        Setting {
            update: "UpdateUserPool",
            describe: "DescribeUserPool",
            body: merged(json!({"UserPoolId": pool}), pool_settings()),
            member: "PoolName",
            shown: "/UserPool/Name",
            value: unchanged(),
        },
        Setting {
            update: "UpdateUserPoolClient",
            describe: "DescribeUserPoolClient",
            body: json!({"UserPoolId": pool, "ClientId": client}),
            member: "ClientName",
            shown: "/UserPoolClient/ClientName",
            value: unchanged(),
        },
    ];
    while !scene.is_over() {
        let number = scene.number();
        if let Some(setting) = settings.get_mut(chance.below(2)) {
            change(&scene, &mut chance, setting, &format!("round-{number}")).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn change(scene: &Scene, chance: &mut Chance, setting: &mut Setting, value: &str) {
    let nodes = scene.client.nodes();
    let body = merged(setting.body.clone(), json!({setting.member: value}));
    for _ in 0..TRIES {
        let node = chance.below(nodes);
        match scene.client.call(node, setting.update, &body).await {
            Outcome::Acknowledged(_) => {
                setting.value.settle(value.to_owned());
                let acknowledged = Instant::now();
                look(scene, setting, node, 0.0).await;
                for other in (0..nodes).filter(|other| *other != node) {
                    watch(scene, setting, other, acknowledged).await;
                }
                return;
            }
            refused @ Outcome::Refused { .. } => {
                scene.record.finding(&format!("{} was refused: {}", setting.update, refused.summary()));
                return;
            }
            Outcome::Unknown { .. } => setting.value.doubt(value.to_owned()),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Looks at another node until it shows the change; what it shows after the time is over must be right.
async fn watch(scene: &Scene, setting: &Setting, node: usize, acknowledged: Instant) {
    let body = setting.body.clone();
    while acknowledged.elapsed() < SEEN_WITHIN {
        let asked = acknowledged.elapsed();
        let outcome = scene.client.call(node, setting.describe, &described(&body)).await;
        let shown = outcome.answer().and_then(|answer| text(answer, setting.shown));
        if shown.is_some_and(|shown| setting.value.may_be(&shown)) {
            scene.record.change_seen(asked);
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    look(scene, setting, node, acknowledged.elapsed().as_secs_f64()).await;
}

/// A look so many seconds after the acknowledgement.
async fn look(scene: &Scene, setting: &Setting, node: usize, seconds: f64) {
    let outcome = scene.client.call(node, setting.describe, &described(&setting.body)).await;
    match &outcome {
        Outcome::Acknowledged(answer) => {
            let shown = text(answer, setting.shown).unwrap_or_default();
            if !setting.value.may_be(&shown) {
                scene.record.finding(&format!(
                    "{} at node {node} shows {shown} {seconds:.1} s after a change to {:?} was acknowledged",
                    setting.describe,
                    setting.value.all()
                ));
            }
        }
        Outcome::Refused { .. } => {
            scene.record.finding(&format!("{} was refused: {}", setting.describe, outcome.summary()));
        }
        Outcome::Unknown { .. } => {}
    }
}

/// The ids of a request, which are all that a look needs.
fn described(body: &Value) -> Value {
    let mut ids = json!({});
    if let (Value::Object(ids), Value::Object(body)) = (&mut ids, body) {
        ids.extend(body.iter().filter(|(name, _)| name.ends_with("Id")).map(|(name, id)| (name.clone(), id.clone())));
    }
    ids
}
