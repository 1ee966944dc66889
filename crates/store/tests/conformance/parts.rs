//! Parts of pools, members of groups, domains and files in pieces.

use domain::Group;
use poolkeeper_store::{Changes, CommitError, Key, PurgeKind, Store};

use crate::{
    engines::on_every_engine,
    rows::{self, NOW, OTHER_POOL, POOL},
};

async fn commit(store: &Store, change: impl FnOnce(&mut Changes)) -> Result<(), CommitError> {
    let mut changes = Changes::new();
    change(&mut changes);
    store.commit(changes).await
}

async fn groups_of(store: &Store, sub: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let groups = store.groups_of_user(POOL, sub, after, limit).await.unwrap();
    groups.into_iter().map(|group| group.value.name).collect()
}

async fn members_of(store: &Store, group: &Group, after: Option<&str>) -> Vec<String> {
    let members = store.members(group, after, 2).await.unwrap();
    members.into_iter().map(|user| user.value.sub).collect()
}

#[test]
fn parts_are_listed_by_id_within_their_pool() {
    on_every_engine(async |store| {
        commit(&store, |changes| {
            for name in ["b", "a", "C", "\u{e4}"] {
                changes.insert(&rows::group(POOL, name));
            }
            changes.insert(&rows::group(OTHER_POOL, "a"));
        })
        .await
        .unwrap();
        let page = async |after, limit| {
            let groups = store.parts::<Group>(POOL, after, limit).await.unwrap();
            groups.into_iter().map(|group| group.value.name).collect::<Vec<_>>()
        };
        assert_eq!(page(None, 3).await, ["C", "a", "b"]);
        assert_eq!(page(Some("b"), 3).await, ["\u{e4}"]);
    });
}

#[test]
fn memberships_come_and_go_and_repeating_one_changes_nothing() {
    on_every_engine(async |store| {
        let (admins, readers) = (rows::group(POOL, "admins"), rows::group(POOL, "readers"));
        commit(&store, |changes| {
            changes.insert(&admins).insert(&readers);
            for sub in ["1", "2", "3"] {
                changes.insert(rows::user(POOL, sub)).join(&admins, sub);
            }
            changes.join(&readers, "1");
        })
        .await
        .unwrap();
        commit(&store, |changes| {
            changes.join(&readers, "1").leave(&readers, "2");
        })
        .await
        .unwrap();
        assert_eq!(groups_of(&store, "1", None, 10).await, ["admins", "readers"]);
        assert_eq!(groups_of(&store, "1", None, 1).await, ["admins"]);
        assert_eq!(groups_of(&store, "1", Some("admins"), 1).await, ["readers"]);
        assert_eq!(groups_of(&store, "2", None, 10).await, ["admins"]);
        assert_eq!(members_of(&store, &admins, None).await, ["1", "2"]);
        assert_eq!(members_of(&store, &admins, Some("2")).await, ["3"]);
        commit(&store, |changes| {
            changes.leave(&admins, "2").leave_all(POOL, "1");
        })
        .await
        .unwrap();
        assert_eq!(groups_of(&store, "1", None, 10).await, [""; 0]);
        assert_eq!(members_of(&store, &admins, None).await, ["3"]);
    });
}

#[test]
fn a_group_made_anew_starts_without_members() {
    on_every_engine(async |store| {
        let first = rows::group(POOL, "admins");
        let second = Group { id: "another".to_owned(), ..first.clone() };
        commit(&store, |changes| {
            changes.insert(rows::pool(POOL)).insert(&first);
            for sub in ["1", "2", "3"] {
                changes.insert(rows::user(POOL, sub)).join(&first, sub);
            }
        })
        .await
        .unwrap();
        let stored = store.part::<Group>(POOL, "admins").await.unwrap().unwrap();
        commit(&store, |changes| {
            changes.delete_part(&stored).purge(POOL, PurgeKind::Group, &first.id);
        })
        .await
        .unwrap();
        assert_eq!(groups_of(&store, "1", None, 10).await, [""; 0]);
        let stale = commit(&store, |changes| {
            changes.assert_part(&stored).join(&first, "1");
        })
        .await;
        assert_eq!(stale, Err(CommitError::Conflict));
        commit(&store, |changes| {
            changes.insert(&second).join(&second, "2");
        })
        .await
        .unwrap();
        assert_eq!(groups_of(&store, "1", None, 1).await, [""; 0]);
        assert_eq!(groups_of(&store, "2", None, 1).await, ["admins"]);
        assert_eq!(members_of(&store, &second, None).await, ["2"]);
        assert_eq!(members_of(&store, &first, None).await, ["1", "2"], "they are cleared away later");
        while !store.sweep(NOW, 1).await.unwrap().complete {}
        assert_eq!(members_of(&store, &first, None).await, [""; 0]);
        assert_eq!(members_of(&store, &second, None).await, ["2"]);
    });
}

#[test]
fn a_domain_belongs_to_one_pool() {
    on_every_engine(async |store| {
        commit(&store, |changes| {
            changes.insert(rows::pool(POOL)).insert(rows::pool(OTHER_POOL)).insert(rows::domain("login", POOL));
        })
        .await
        .unwrap();
        let taken = commit(&store, |changes| {
            changes.insert(rows::domain("login", OTHER_POOL));
        })
        .await;
        assert_eq!(taken, Err(CommitError::Conflict));
        assert_eq!(store.domains(POOL).await.unwrap().len(), 1);
        assert_eq!(store.domains(OTHER_POOL).await.unwrap().len(), 0);
        commit(&store, |changes| {
            changes.delete(Key::Pool { id: POOL.to_owned() }, 1);
        })
        .await
        .unwrap();
        assert_eq!(store.domain("login").await.unwrap(), None, "it goes with its pool");
    });
}

#[test]
fn a_file_goes_piece_by_piece() {
    on_every_engine(async |store| {
        commit(&store, |changes| {
            for number in 0..5 {
                changes.insert(rows::chunk("file", number, POOL)).insert(rows::chunk("other", number, POOL));
            }
        })
        .await
        .unwrap();
        assert_eq!(store.chunk("file", 4).await.unwrap().unwrap().value, "piece 4");
        assert_eq!(store.chunk("file", 5).await.unwrap(), None);
        commit(&store, |changes| {
            changes.purge(POOL, PurgeKind::File, "file").purge(POOL, PurgeKind::File, "file");
        })
        .await
        .unwrap();
        while !store.sweep(NOW, 2).await.unwrap().complete {}
        for number in 0..5 {
            assert_eq!(store.chunk("file", number).await.unwrap(), None);
            assert!(store.chunk("other", number).await.unwrap().is_some());
        }
    });
}
