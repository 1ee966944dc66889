//! Who may hand a message over.

use super::*;

#[tokio::test]
async fn a_lease_keeps_others_away_until_it_ends_and_then_nothing_is_lost() {
    let app = app(sender(1), false).await;
    message(&app, "1").await;
    message(&app, "2").await;
    let first = take(&app, 1).await.unwrap();
    let second = take(&app, 8).await.unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first.first().unwrap().id, second.first().unwrap().id);
    assert_eq!(take(&app, 8).await.unwrap().len(), 0);
    // The process died: the lease ends.
    app.clock.advance(LEASE);
    let again = take(&app, 8).await.unwrap();
    assert_eq!(again.iter().map(|message| message.tries).collect::<Vec<_>>(), [2, 2]);
    // The first holder was only slow: what it says no longer counts.
    let late = first.first().unwrap();
    settle(&app, late, Err(Failure { is_permanent: true, reason: "too late".to_owned() })).await;
    let row = row(&app, &late.id).await.unwrap();
    assert_eq!((row.state, row.tries, row.last_error.as_deref()), (MessageState::Pending, 2, None));
}

#[tokio::test]
async fn many_takers_never_hold_one_message_together() {
    let app = app(sender(1), false).await;
    for code in 0..40 {
        message(&app, &code.to_string()).await;
    }
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let app = app.clone();
        takers.spawn(async move {
            let mut ids = Vec::new();
            loop {
                let taken = take(&app, 8).await.unwrap();
                ids.extend(taken.iter().map(|message| message.id.clone()));
                if taken.is_empty() && app.store.due_messages(START, 1).await.unwrap().is_empty() {
                    return ids;
                }
            }
        });
    }
    let mut ids = takers.join_all().await.concat();
    assert_eq!(ids.len(), 40);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}
