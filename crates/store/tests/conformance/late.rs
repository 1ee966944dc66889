//! What servers write to a pool that they do not know yet to be deleted does not outlive it.

use domain::{NameKind, time::MINUTE};
use poolkeeper_store::{Changes, Key, Store};

use crate::{
    engines::on_every_engine,
    rows::{self, NOW, OTHER_POOL, POOL},
    sweeping::sweep_all,
};

async fn make_and_delete(store: &Store, pool_id: &str) {
    let mut changes = Changes::new();
    changes.insert(rows::pool(pool_id)).insert(rows::signing_key(&format!("kid-of-{pool_id}"), pool_id));
    store.commit(changes).await.unwrap();
    let mut changes = Changes::new();
    changes.delete(Key::Pool { id: pool_id.to_owned() }, 1);
    store.commit(changes).await.unwrap();
}

/// Four rows of a sign-up, whose changeset does not look at the pool.
async fn sign_up(store: &Store, pool_id: &str) {
    let mut message = rows::message("late", NOW);
    message.pool_id = pool_id.to_owned();
    let mut changes = Changes::new();
    changes.insert(rows::user(pool_id, "sub")).claim(pool_id, "ann", NameKind::Username, "sub");
    changes.insert(message).count_users(pool_id, 1);
    store.commit(changes).await.unwrap();
}

#[test]
fn a_pools_row_goes_when_nothing_was_found_of_the_pool_for_a_minute() {
    on_every_engine(async |store| {
        make_and_delete(&store, POOL).await;
        make_and_delete(&store, OTHER_POOL).await;
        assert_eq!(sweep_all(&store, NOW, 1).await, 2, "the keys");

        sign_up(&store, POOL).await;
        assert_eq!(sweep_all(&store, NOW.plus(MINUTE - 1), 1).await, 4, "what came late, and no pool's row yet");
        assert!(store.user(POOL, "sub").await.unwrap().is_none() && store.message("late").await.unwrap().is_none());
        assert_eq!(sweep_all(&store, NOW.plus(MINUTE), 1).await, 1, "the row of the pool that stayed empty");

        sign_up(&store, POOL).await;
        assert_eq!(sweep_all(&store, NOW.plus(2 * MINUTE), 1).await, 4, "its minute has begun anew");
        assert_eq!(store.estimated_users(POOL).await.unwrap(), 0);
        // When the clock is set back, it waits for another minute, but not for good.
        assert_eq!(sweep_all(&store, NOW, 1).await, 0);
        assert_eq!(sweep_all(&store, NOW.plus(MINUTE), 1).await, 1);
        assert_eq!(sweep_all(&store, NOW.plus(3 * MINUTE), 1).await, 0, "nothing is left");
        make_and_delete(&store, POOL).await;
    });
}
