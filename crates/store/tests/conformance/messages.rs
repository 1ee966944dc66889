//! The outbox.

use domain::{MessageState, Timestamp};
use poolkeeper_store::{Changes, CommitError, Store};

use crate::{
    engines::on_every_engine,
    rows::{self, NOW},
};

async fn write(store: &Store, ids: &[(&str, Timestamp)]) {
    let mut changes = Changes::new();
    for (id, at) in ids {
        changes.insert(rows::message(id, *at));
    }
    store.commit(changes).await.unwrap();
}

#[test]
fn due_messages_are_leased_by_one_and_leave_when_sent() {
    on_every_engine(async |store| {
        write(&store, &[("b", NOW.plus(5)), ("a", NOW), ("later", NOW.plus(100))]).await;
        let due = store.due_messages(NOW.plus(10), 10).await.unwrap();
        assert_eq!(due.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(store.due_messages(NOW.plus(10), 1).await.unwrap().len(), 1);

        let lease = || {
            let mut message = due[0].value.clone();
            message.due_at = NOW.plus(60);
            let mut changes = Changes::new();
            changes.replace(&due[0], message);
            changes
        };
        store.commit(lease()).await.unwrap();
        assert_eq!(store.commit(lease()).await, Err(CommitError::Conflict), "one lease at a time");
        let left = store.due_messages(NOW.plus(10), 10).await.unwrap();
        assert_eq!(left.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["b"]);

        let mut sent = due[1].value.clone();
        sent.state = MessageState::Sent;
        let mut changes = Changes::new();
        changes.replace(&due[1], sent);
        store.commit(changes).await.unwrap();
        // The lease has run out, so the message is due again; the sent one is not.
        let again = store.due_messages(NOW.plus(60), 10).await.unwrap();
        assert_eq!(again.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["a"]);
    });
}

#[test]
fn held_messages_are_passed_over() {
    on_every_engine(async |store| {
        write(&store, &[("c", NOW.plus(2)), ("a", NOW), ("b", NOW.plus(1)), ("d", NOW.plus(3))]).await;
        for (held, from, limit, expected) in [
            ("", 0, 8, "abc"),
            ("a", 0, 8, "bc"),
            ("ac", 0, 1, "b"),
            ("b", 1, 8, "c"),
            ("ad", 0, 2, "bc"),
            ("abc", 0, 8, ""),
            ("", 3, 8, ""),
        ] {
            let ids = held.chars().map(String::from).collect();
            let due = store.due_messages_but(&ids, (NOW.plus(from), NOW.plus(2)), limit).await.unwrap();
            let due: String = due.iter().map(|message| message.id.as_str()).collect();
            assert_eq!(due, expected, "{held:?} {from} {limit}");
        }
    });
}

#[test]
fn the_inbox_pages_from_the_newest_back() {
    on_every_engine(async |store| {
        write(&store, &[("a", NOW), ("b", NOW.plus(1)), ("c", NOW.plus(1)), ("d", NOW.plus(2))]).await;
        let mut seen = Vec::new();
        let mut last: Option<(Timestamp, String)> = None;
        loop {
            let before = last.as_ref().map(|(at, id)| (*at, id.as_str()));
            let page = store.recent_messages(before, 3).await.unwrap();
            seen.extend(page.iter().map(|message| message.id.clone()));
            match page.last() {
                Some(message) => last = Some((message.created_at, message.id.clone())),
                None => break,
            }
        }
        assert_eq!(seen, ["d", "c", "b", "a"]);
    });
}

#[test]
fn all_messages_go_at_once() {
    on_every_engine(async |store| {
        write(&store, &[("a", NOW), ("b", NOW.plus(1)), ("c", NOW.plus(2))]).await;
        assert!(store.message("b").await.unwrap().is_some());
        assert_eq!(store.delete_all_messages().await.unwrap(), 3);
        assert_eq!(store.recent_messages(None, 10).await.unwrap(), []);
    });
}
