//! Who may hand a message over.

use super::*;

#[tokio::test]
async fn a_lease_keeps_others_away_until_it_ends_and_then_nothing_is_lost() {
    let app = app(sender(1), false).await;
    message(&app, "1").await;
    message(&app, "2").await;
    let first = take_under_leases(&app, 1).await.unwrap();
    let second = take_under_leases(&app, 8).await.unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first.first().unwrap().id, second.first().unwrap().id);
    assert_eq!(take_under_leases(&app, 8).await.unwrap().len(), 0);
    // The process died: the lease ends.
    app.clock.advance(LEASE);
    let again = take_under_leases(&app, 8).await.unwrap();
    assert_eq!(again.iter().map(|message| message.tries).collect::<Vec<_>>(), [2, 2]);
    // The first holder was only slow: what it says no longer counts.
    let late = first.first().unwrap();
    settle(&app, late, Err(Failure { is_permanent: true, reason: "too late".to_owned() })).await;
    let row = row(&app, &late.id).await.unwrap();
    assert_eq!((row.state, row.tries, row.last_error.as_deref()), (MessageState::Pending, 2, None));
}

#[tokio::test]
async fn on_a_store_of_its_own_a_server_takes_messages_without_writing_and_no_other_taker_gets_them() {
    let app = app(sender(1), false).await;
    for code in ["1", "2", "3"] {
        message(&app, code).await;
    }
    let statements = app.store.statistics().statements;
    let first = take(&app, 2).await.unwrap();
    let second = take(&app, 8).await.unwrap();
    assert_eq!((first.len(), second.len(), take(&app, 8).await.unwrap().len()), (2, 1, 0));
    assert_eq!(app.store.statistics().statements, statements, "nothing was written");
    // Still pending and due, for whoever counts what waits.
    assert_eq!(app.store.due_messages(START, 8).await.unwrap().len(), 3);
    assert_eq!(app.store.queue(MessageState::Pending, 8).await.unwrap().messages, 3);
    // One fails and waits, one is given back, and one is forgotten by a task that panicked.
    let [failed, given_back] = <[_; 2]>::try_from(first).unwrap();
    settle(&app, &failed, Err(Failure { is_permanent: false, reason: "later".to_owned() })).await;
    assert_eq!(row(&app, &failed.id).await.unwrap().tries, 1);
    let id = given_back.id.clone();
    let_go(&app, vec![given_back]).await;
    let again = take(&app, 8).await.unwrap();
    assert_eq!(again.iter().map(|message| (&message.id, message.tries)).collect::<Vec<_>>(), [(&id, 1)]);
    app.clock.advance(LEASE);
    let all = take(&app, 8).await.unwrap();
    assert_eq!(all.iter().map(|message| message.tries).sum::<u32>(), 1 + 1 + 2);
}

/// More messages than are taken at once wait for a sender that is stuck: those of another sender have their turn.
#[tokio::test]
async fn what_has_waited_for_too_long_lines_up_behind_the_others() {
    let app = app(sender(1), false).await;
    let mut ids = Vec::new();
    for code in ["1", "2", "3"] {
        ids.push(message(&app, code).await.id);
        app.clock.advance(1);
    }
    let first = take(&app, 2).await.unwrap();
    line_up_again(&app, first).await;
    let again = take(&app, 2).await.unwrap();
    assert_eq!(again.first().map(|message| (&message.id, message.tries)), ids.last().map(|id| (id, 1)));
    assert_eq!(again.get(1).map(|message| message.tries), Some(1));
}

/// A crash between taking and sending: the next process on the same data has nothing to wait for.
#[tokio::test]
async fn what_a_server_had_in_hand_when_it_died_is_taken_by_the_next_one_at_once() {
    let dead = app(sender(1), false).await;
    let message = message(&dead, "1").await;
    let held = take(&dead, 8).await.unwrap();
    assert_eq!(held.len(), 1);
    let server = Server::start(&["250 ok"]).await;
    let next = sibling(&dead, sender(server.port));
    let running = Running::start(&next);
    until("it was sent", async || row(&next, &message.id).await.is_none()).await;
    running.stop().await;
    assert_eq!(server.mails().len(), 1);
}

/// Of the rows that were read, some may have been handed over, written down and let go meanwhile.
#[tokio::test]
async fn takers_beside_carriers_never_hand_a_message_over_twice() {
    let server = Server::start(&["250 ok"]).await;
    let app = app(sender(server.port), true).await;
    for code in 0..300 {
        message(&app, &code.to_string()).await;
    }
    let workers = [Running::start(&app), Running::start(&app), Running::start(&app)];
    let sent = async || app.store.queue(MessageState::Sent, 1_000).await.unwrap().messages;
    until("all are through", async || sent().await == 300).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(server.mails().len(), 300);
    assert_eq!(app.metrics.messages_sent.get(), 300);
}

#[tokio::test]
async fn many_takers_never_hold_one_message_together() {
    for under_leases in [false, true] {
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
                    let taken = if under_leases { take_under_leases(&app, 8).await } else { take(&app, 8).await };
                    let taken: Vec<String> = taken.unwrap().into_iter().map(|message| message.value.id).collect();
                    let is_over = taken.is_empty();
                    ids.extend(taken);
                    if is_over && (!under_leases || app.store.due_messages(START, 1).await.unwrap().is_empty()) {
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
}
