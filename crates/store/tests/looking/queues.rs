//! Messages are counted by state, and not all of them when there are many; signing keys of all pools come in pages.

use domain::{
    Medium, Message, MessagePurpose, MessageState, Sealed, SigningKeyRecord, SigningKeyState, SigningKeyUse, Timestamp,
};
use poolkeeper_store::{Changes, Queue};

use crate::engines::on_every_engine;

fn message(id: usize, state: MessageState, created_at: i64, due_at: i64) -> Message {
    Message {
        id: format!("message-{id}"),
        pool_id: "eu-west-1_Aaaaaaaa1".to_owned(),
        sub: "sub".to_owned(),
        username: "alice".to_owned(),
        purpose: MessagePurpose::SignUp,
        medium: Medium::Email,
        content: Sealed("sealed".to_owned()),
        created_at: Timestamp(created_at),
        state,
        due_at: Timestamp(due_at),
        tries: 0,
        last_error: None,
    }
}

#[test]
fn messages_are_counted_by_state_up_to_a_limit() {
    on_every_engine(async |store| {
        let empty = Queue { messages: 0, oldest: None };
        assert_eq!(store.queue(MessageState::Pending, 10).await.unwrap(), empty);
        let mut changes = Changes::new();
        // The oldest one is due last: it was tried before.
        changes.insert(message(0, MessageState::Pending, 1_000, 9_000));
        for id in 1..=4 {
            changes.insert(message(id, MessageState::Pending, 2_000, 2_000 + i64::try_from(id).unwrap()));
        }
        changes.insert(message(5, MessageState::Dead, 500, 500));
        store.commit(changes).await.unwrap();
        let oldest = Some(Timestamp(1_000));
        assert_eq!(store.queue(MessageState::Pending, 10).await.unwrap(), Queue { messages: 5, oldest });
        assert_eq!(
            store.queue(MessageState::Pending, 4).await.unwrap(),
            Queue { messages: 4, oldest: Some(Timestamp(2_000)) },
            "of those that are due first"
        );
        assert_eq!(
            store.queue(MessageState::Dead, 10).await.unwrap(),
            Queue { messages: 1, oldest: Some(Timestamp(500)) }
        );
        assert_eq!(store.queue(MessageState::Sent, 10).await.unwrap(), empty);
    });
}

#[test]
fn signing_keys_of_all_pools_come_in_pages() {
    on_every_engine(async |store| {
        let mut changes = Changes::new();
        for (kid, pool_id) in [("a", ""), ("b", "eu-west-1_Bbbbbbbb2"), ("c", "eu-west-1_Aaaaaaaa1")] {
            changes.insert(SigningKeyRecord {
                kid: kid.to_owned(),
                pool_id: pool_id.to_owned(),
                usage: Some(SigningKeyUse::Id),
                state: SigningKeyState::Active,
                private: Sealed("sealed".to_owned()),
                modulus: "m".to_owned(),
                exponent: "e".to_owned(),
                created_at: Timestamp(0),
            });
        }
        store.commit(changes).await.unwrap();
        let kids = async |after, limit| {
            let page = store.all_signing_keys(after, limit).await.unwrap();
            page.into_iter().map(|key| key.value.kid).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(kids(None, 2).await, "a b");
        assert_eq!(kids(Some("b"), 2).await, "c");
        assert_eq!(kids(Some("c"), 2).await, "");
    });
}
