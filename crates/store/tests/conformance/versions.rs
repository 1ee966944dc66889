//! Every kind of row: what is written is read, and only who knows the version may change it.

use domain::{
    AttemptPurpose, Chunk, CodePurpose, Group, PartKind, RefreshFamily, Revocation, Sealed, SoftwareToken, Spent,
    Timestamp, UserPartKind,
};
use poolkeeper_store::{Changes, CommitError, Error, Key, Lease, Row, Store, Stored, Taken, UserPartRow};

use crate::{
    engines::on_every_engine,
    rows::{self, NOW, POOL},
};

/// One row of every kind, the same changed, and where it is.
fn every_kind() -> Vec<(Row, Row, Key)> {
    let key = |sub: &str| (POOL.to_owned(), sub.to_owned());
    let mut cases: Vec<(Row, Row, Key)> = Vec::new();

    let mut changed = rows::pool(POOL);
    changed.name = "others".to_owned();
    cases.push((rows::pool(POOL).into(), changed.into(), Key::Pool { id: POOL.to_owned() }));

    let mut changed = rows::client("client", POOL);
    changed.name = "other".to_owned();
    cases.push((rows::client("client", POOL).into(), changed.into(), Key::Client { id: "client".to_owned() }));

    let mut changed = rows::user(POOL, "sub");
    changed.enabled = false;
    let (pool_id, sub) = key("sub");
    cases.push((rows::user(POOL, "sub").into(), changed.into(), Key::User { pool_id, sub }));

    let mut changed = rows::password(POOL, "sub");
    changed.history.clear();
    let (pool_id, sub) = key("sub");
    cases.push((rows::password(POOL, "sub").into(), changed.into(), Key::Password { pool_id, sub }));

    for purpose in [CodePurpose::SignUp, CodePurpose::Reset] {
        let (pool_id, sub) = key("sub");
        cases.push((
            rows::code(POOL, "sub", purpose, "one").into(),
            rows::code(POOL, "sub", purpose, "two").into(),
            Key::Code { pool_id, sub, purpose },
        ));
    }
    for purpose in [AttemptPurpose::SignIn, AttemptPurpose::ResetRequest, AttemptPurpose::ResetCode] {
        let mut changed = rows::attempts(POOL, "sub", purpose);
        changed.record(NOW.plus(7), 1_000);
        let (pool_id, sub) = key("sub");
        let row = rows::attempts(POOL, "sub", purpose).into();
        cases.push((row, changed.into(), Key::Attempts { pool_id, sub, purpose }));
    }

    let mut changed = rows::message("message", NOW);
    changed.tries = 3;
    cases.push((rows::message("message", NOW).into(), changed.into(), Key::Message { id: "message".to_owned() }));

    let mut changed = rows::signing_key("kid", POOL);
    changed.modulus = "other".to_owned();
    cases.push((rows::signing_key("kid", POOL).into(), changed.into(), Key::SigningKey { kid: "kid".to_owned() }));

    let mut changed = rows::access_key("AKIA");
    changed.label = "other".to_owned();
    cases.push((rows::access_key("AKIA").into(), changed.into(), Key::AccessKey { id: "AKIA".to_owned() }));

    let mut changed = rows::revocation(POOL, "jti");
    changed.expires_at = NOW.plus(9);
    let at = Key::Revocation { pool_id: POOL.to_owned(), origin_jti: "jti".to_owned() };
    cases.push((rows::revocation(POOL, "jti").into(), changed.into(), at));

    let mut changed = rows::spent("nonce");
    changed.expires_at = NOW.plus(9);
    cases.push((rows::spent("nonce").into(), changed.into(), Key::Spent { id: "nonce".to_owned() }));

    let lease = |holder: &str| Lease { name: "job".to_owned(), holder: holder.to_owned() };
    cases.push((lease("one").into(), lease("two").into(), Key::Lease { name: "job".to_owned() }));

    let mut changed = rows::group(POOL, "admins");
    changed.precedence = Some(3);
    let at = Key::Part { pool_id: POOL.to_owned(), kind: PartKind::Group, id: "admins".to_owned() };
    cases.push((Row::from(&rows::group(POOL, "admins")), Row::from(&changed), at));

    let row = || UserPartRow::from(rows::gadget(POOL, "sub", "key"));
    let changed = rows::Gadget { text: "two".to_owned(), ..rows::gadget(POOL, "sub", "key") };
    let ((pool_id, sub), id) = (key("sub"), "key".to_owned());
    let at = Key::UserPart { pool_id, sub, kind: UserPartKind::Device, id };
    cases.push((row().into(), UserPartRow::from(changed).into(), at));

    let mut changed = rows::domain("login", POOL);
    changed.managed_login_version = 2;
    cases.push((rows::domain("login", POOL).into(), changed.into(), Key::Domain { domain: "login".to_owned() }));

    let mut changed = rows::chunk("file", 0, POOL);
    changed.text = "other".to_owned();
    let at = Key::Chunk { file_id: "file".to_owned(), number: 0 };
    cases.push((rows::chunk("file", 0, POOL).into(), changed.into(), at));
    cases
}

fn as_row<T: Into<Row>>(found: Option<Stored<T>>) -> Option<(Row, i64)> {
    found.map(|found| (found.value.into(), found.version))
}

/// The row at a key, by the read that belongs to it.
pub async fn read(store: &Store, key: &Key) -> Result<Option<(Row, i64)>, Error> {
    Ok(match key {
        Key::Pool { id } => as_row(store.pool(id).await?),
        Key::Client { id } => as_row(store.client(id).await?),
        Key::User { pool_id, sub } => as_row(store.user(pool_id, sub).await?),
        Key::Password { pool_id, sub } => as_row(store.password(pool_id, sub).await?),
        Key::Code { pool_id, sub, purpose } => as_row(store.code(pool_id, sub, *purpose).await?),
        Key::Attempts { pool_id, sub, purpose } => as_row(store.attempts(pool_id, sub, *purpose).await?),
        Key::Message { id } => as_row(store.message(id).await?),
        Key::SigningKey { kid } => as_row(store.signing_keys(POOL).await?.into_iter().find(|found| found.kid == *kid)),
        Key::AccessKey { id } => as_row(store.access_key(id).await?),
        Key::Revocation { pool_id, origin_jti } => as_row(store.revocation(pool_id, origin_jti).await?),
        Key::Spent { id } => as_row(store.spent(id).await?),
        Key::Lease { name } => as_row(store.lease(name).await?),
        Key::Part { pool_id, id, .. } => {
            let group = store.part::<Group>(pool_id, id).await?;
            group.map(|group| (Row::from(&group.value), group.version))
        }
        Key::UserPart { pool_id, sub, id, .. } => {
            let found = store.user_part::<rows::Gadget>(pool_id, sub, id).await?;
            found.map(|found| (UserPartRow::from(found.value).into(), found.version))
        }
        Key::Domain { domain } => as_row(store.domain(domain).await?),
        Key::Chunk { file_id, number } => store.chunk(file_id, *number).await?.map(|found| {
            let chunk = Chunk { text: found.value, ..rows::chunk(file_id, *number, POOL) };
            (chunk.into(), found.version)
        }),
    })
}

async fn commit(store: &Store, change: impl FnOnce(&mut Changes)) -> Result<(), CommitError> {
    let mut changes = Changes::new();
    change(&mut changes);
    store.commit(changes).await
}

#[test]
fn every_kind_of_row_is_inserted_replaced_asserted_and_deleted_by_version() {
    on_every_engine(async |store| {
        // The pool makes clients visible; it is the first case itself.
        for (row, changed, key) in every_kind() {
            assert_eq!(read(&store, &key).await.unwrap(), None, "{key:?}");
            commit(&store, |changes| {
                changes.insert(row.clone());
            })
            .await
            .unwrap();
            let (found, version) = read(&store, &key).await.unwrap().unwrap();
            assert_eq!(found, row);

            let again = commit(&store, |changes| {
                changes.insert(changed.clone());
            })
            .await
            .unwrap_err();
            if let Key::Spent { id } = &key {
                assert_eq!(again, CommitError::Taken(Taken::Spent { id: id.clone() }));
            } else {
                assert_eq!(again, CommitError::Conflict, "{key:?}");
            }
            assert_eq!(read(&store, &key).await.unwrap(), Some((row.clone(), version)));

            for wrong in [version - 1, version + 1, 0] {
                let saved = commit(&store, |changes| {
                    changes.save(changed.clone(), Some(wrong));
                })
                .await;
                assert_eq!(saved, Err(CommitError::Conflict), "{key:?}");
                let deleted = commit(&store, |changes| {
                    changes.delete(key.clone(), wrong);
                })
                .await;
                assert_eq!(deleted, Err(CommitError::Conflict), "{key:?}");
                let asserted = commit(&store, |changes| {
                    changes.assert(key.clone(), wrong);
                })
                .await;
                assert_eq!(asserted, Err(CommitError::Conflict), "{key:?}");
            }
            assert_eq!(read(&store, &key).await.unwrap(), Some((row, version)));

            commit(&store, |changes| {
                changes.assert(key.clone(), version);
            })
            .await
            .unwrap();
            commit(&store, |changes| {
                changes.save(changed.clone(), Some(version));
            })
            .await
            .unwrap();
            assert_eq!(read(&store, &key).await.unwrap(), Some((changed.clone(), version + 1)));

            if !matches!(key, Key::Pool { .. }) {
                commit(&store, |changes| {
                    changes.delete(key.clone(), version + 1);
                })
                .await
                .unwrap();
                assert_eq!(read(&store, &key).await.unwrap(), None, "{key:?}");
                let absent = commit(&store, |changes| {
                    changes.save(changed.clone(), Some(version + 1));
                })
                .await;
                assert_eq!(absent, Err(CommitError::Conflict), "{key:?}");
            }
        }
    });
}

#[test]
fn a_spent_code_is_not_mistaken_for_its_successor() {
    on_every_engine(async |store| {
        let key = Key::Code { pool_id: POOL.to_owned(), sub: "sub".to_owned(), purpose: CodePurpose::Reset };
        let first = rows::code(POOL, "sub", CodePurpose::Reset, "one");
        commit(&store, |changes| {
            changes.insert(first);
        })
        .await
        .unwrap();
        let seen_by_both = store.code(POOL, "sub", CodePurpose::Reset).await.unwrap().unwrap();
        commit(&store, |changes| {
            changes.delete(key.clone(), seen_by_both.version);
        })
        .await
        .unwrap();
        let second = rows::code(POOL, "sub", CodePurpose::Reset, "two");
        commit(&store, |changes| {
            changes.insert(second);
        })
        .await
        .unwrap();
        let late = commit(&store, |changes| {
            changes.delete(key.clone(), seen_by_both.version);
        })
        .await;
        assert_eq!(late, Err(CommitError::Conflict));
    });
}

#[test]
fn what_was_read_is_confirmed_without_writing() {
    on_every_engine(async |store| {
        commit(&store, |changes| {
            changes.insert(rows::user(POOL, "sub"));
        })
        .await
        .unwrap();
        let key = Key::User { pool_id: POOL.to_owned(), sub: "sub".to_owned() };
        let before = store.statistics().commits;
        let assert = async |version| {
            commit(&store, |changes| {
                changes.assert(key.clone(), version).assert_no_attempts(POOL, "sub", AttemptPurpose::SignIn);
            })
            .await
        };
        assert_eq!(assert(1).await, Ok(()));
        assert_eq!(assert(2).await, Err(CommitError::Conflict));
        commit(&store, |changes| {
            changes.insert(rows::attempts(POOL, "sub", AttemptPurpose::SignIn));
        })
        .await
        .unwrap();
        assert_eq!(assert(1).await, Err(CommitError::Conflict));
        assert_eq!(store.statistics().commits, before + 1, "only the attempts were written");

        // The same among changes.
        let with_a_change = commit(&store, |changes| {
            changes.assert_no_attempts(POOL, "sub", AttemptPurpose::SignIn).insert(rows::spent("nonce"));
        })
        .await;
        assert_eq!(with_a_change, Err(CommitError::Conflict));
        assert_eq!(store.spent("nonce").await.unwrap(), None);
    });
}

#[test]
fn a_changeset_is_applied_as_a_whole_or_not_at_all() {
    on_every_engine(async |store| {
        commit(&store, |changes| {
            changes.insert(rows::pool(POOL));
        })
        .await
        .unwrap();
        let before = store.pool(POOL).await.unwrap();
        let result = commit(&store, |changes| {
            let mut pool = rows::pool(POOL);
            pool.name = "changed".to_owned();
            changes
                .save(pool, Some(1))
                .insert(rows::user(POOL, "sub"))
                .claim(POOL, "name", domain::NameKind::Username, "sub")
                .count_users(POOL, 1)
                .insert(rows::spent("nonce"))
                .delete(Key::Message { id: "no such message".to_owned() }, 1);
        });
        assert_eq!(result.await, Err(CommitError::Conflict));
        assert_eq!(store.pool(POOL).await.unwrap(), before);
        assert_eq!(store.user(POOL, "sub").await.unwrap(), None);
        assert_eq!(store.user_by_name(POOL, "name").await.unwrap(), None);
        assert_eq!(store.name_owner(POOL, "name", domain::NameKind::Username).await.unwrap(), None);
        assert_eq!(store.estimated_users(POOL).await.unwrap(), 0);
        assert_eq!(store.spent("nonce").await.unwrap(), None);
        store.commit(Changes::new()).await.unwrap();
    });
}

#[test]
fn later_changes_of_a_set_see_the_earlier_ones() {
    on_every_engine(async |store| {
        let key = Key::AccessKey { id: "AKIA".to_owned() };
        commit(&store, |changes| {
            changes.insert(rows::access_key("AKIA")).assert(key.clone(), 1).save(rows::access_key("AKIA"), Some(1));
        })
        .await
        .unwrap();
        assert_eq!(store.access_key("AKIA").await.unwrap().unwrap().version, 2);
    });
}

#[test]
fn snapshots_hold_what_single_reads_find() {
    on_every_engine(async |store| {
        let empty = store.recovery_snapshot(POOL, "sub").await.unwrap();
        assert!(empty.password.is_none() && empty.code.is_none());
        assert!(store.token_snapshot(POOL, "sub", Some("jti")).await.unwrap().user.is_none());
        commit(&store, |changes| {
            changes.insert(rows::user(POOL, "sub")).insert(rows::password(POOL, "sub"));
            for purpose in [CodePurpose::SignUp, CodePurpose::Reset] {
                changes.insert(rows::code(POOL, "sub", purpose, purpose.as_str()));
            }
            for purpose in [
                AttemptPurpose::SignIn,
                AttemptPurpose::ResetRequest,
                AttemptPurpose::ResetCode,
                AttemptPurpose::ConfirmSignUp,
                AttemptPurpose::ResendCode,
            ] {
                changes.insert(rows::attempts(POOL, "sub", purpose));
            }
        })
        .await
        .unwrap();
        let user = store.user(POOL, "sub").await.unwrap();
        let password = store.password(POOL, "sub").await.unwrap();
        assert!(user.is_some() && password.is_some());

        let sign_in = store.sign_in_snapshot(POOL, "sub").await.unwrap();
        assert_eq!((&sign_in.user, &sign_in.password), (&user, &password));
        assert_eq!(sign_in.attempts.unwrap().purpose, AttemptPurpose::SignIn);

        let factors = store.factor_snapshot(POOL, "sub").await.unwrap();
        assert!(factors.wrong.is_none() && factors.token.is_none());
        let token = SoftwareToken {
            pool_id: POOL.to_owned(),
            sub: "sub".to_owned(),
            secret: Sealed("sealed".to_owned()),
            friendly_name: None,
            last_step: Some(7),
            created_at: NOW,
        };
        commit(&store, |changes| {
            changes
                .insert(rows::attempts(POOL, "sub", AttemptPurpose::SecondFactor))
                .put_user_part(None, token.clone())
                .insert(Spent { id: "used".to_owned(), expires_at: Timestamp(9) });
        })
        .await
        .unwrap();
        let factors = store.factor_snapshot(POOL, "sub").await.unwrap();
        assert_eq!(factors.wrong.as_ref().unwrap().purpose, AttemptPurpose::SecondFactor);
        assert_eq!(factors.token.as_ref().unwrap().value, token);
        for (session, is_spent) in [("used", true), ("unused", false)] {
            let step = store.step_snapshot(POOL, "sub", session).await.unwrap();
            assert_eq!((&step.user, &step.password, &step.factors), (&user, &password, &factors));
            assert_eq!(step.is_spent, is_spent);
        }
        let step = store.step_snapshot(POOL, "nobody", "unused").await.unwrap();
        assert!(step.user.is_none() && step.password.is_none() && step.factors.token.is_none());

        let recovery = store.recovery_snapshot(POOL, "sub").await.unwrap();
        assert_eq!(recovery.password, password);
        assert_eq!(recovery.failures.unwrap().purpose, AttemptPurpose::SignIn);
        assert_eq!(recovery.code.unwrap().purpose, CodePurpose::Reset);
        assert_eq!(recovery.wrong_codes.unwrap().purpose, AttemptPurpose::ResetCode);

        commit(&store, |changes| {
            changes
                .insert(rows::user(POOL, "other"))
                .claim(POOL, "name", domain::NameKind::Username, "sub")
                .claim(POOL, "name", domain::NameKind::Email, "other")
                .insert(rows::code(POOL, "stand-in", CodePurpose::Reset, "hash"))
                .insert(rows::attempts(POOL, "stand-in", AttemptPurpose::ResetRequest));
        })
        .await
        .unwrap();
        // By a name that several have the one is meant whose username it is; by an id, whose it is.
        for name in ["name", "sub"] {
            let request = store.reset_request_snapshot(POOL, name, "stand-in").await.unwrap();
            assert_eq!(request.user, user);
            assert_eq!(request.code, store.code(POOL, "sub", CodePurpose::Reset).await.unwrap());
            assert_eq!(request.requests, store.attempts(POOL, "sub", AttemptPurpose::ResetRequest).await.unwrap());
            assert_eq!(request.stand_in_code.unwrap().sub, "stand-in");
            assert_eq!(request.stand_in_requests.unwrap().sub, "stand-in");
        }
        for name in ["name", "sub"] {
            let sign_in = store.sign_in_snapshot_by_name(POOL, name, "stand-in").await.unwrap();
            assert_eq!((&sign_in.user, &sign_in.password), (&user, &password));
            assert_eq!(sign_in.attempts, store.attempts(POOL, "sub", AttemptPurpose::SignIn).await.unwrap());
        }
        let sign_in = store.sign_in_snapshot_by_name(POOL, "other", "sub").await.unwrap();
        assert_eq!(sign_in.user.unwrap().sub, "other");
        assert!(sign_in.password.is_none() && sign_in.attempts.is_none(), "what others have is not handed over");
        // Of nobody there is nothing but the attempts of the stand-in, though somebody lies behind.
        commit(&store, |changes| {
            changes.insert(rows::attempts(POOL, "stand-in", AttemptPurpose::SignIn));
        })
        .await
        .unwrap();
        for nobody in ["nobody", "no\0body"] {
            let sign_in = store.sign_in_snapshot_by_name(POOL, nobody, "stand-in").await.unwrap();
            assert!(sign_in.user.is_none() && sign_in.password.is_none());
            assert_eq!(sign_in.attempts.unwrap().sub, "stand-in");
        }

        let request = store.reset_request_snapshot(POOL, "other", "nobody").await.unwrap();
        assert_eq!(request.user.unwrap().sub, "other");
        assert!(request.code.is_none() && request.requests.is_none() && request.stand_in_requests.is_none());
        let request = store.reset_request_snapshot(POOL, "nobody", "stand-in").await.unwrap();
        assert!(request.user.is_none() && request.code.is_none() && request.requests.is_none());
        assert!(request.stand_in_code.is_some() && request.stand_in_requests.is_some());

        let revocation =
            Revocation { pool_id: POOL.to_owned(), origin_jti: "jti".to_owned(), expires_at: Timestamp(1) };
        commit(&store, |changes| {
            changes.insert(revocation);
        })
        .await
        .unwrap();
        for (origin_jti, is_revoked) in [(Some("jti"), true), (Some("other"), false), (None, false)] {
            let token = store.token_snapshot(POOL, "sub", origin_jti).await.unwrap();
            assert_eq!((&token.user, token.is_revoked), (&user, is_revoked));
        }

        let family = |sub: &str| RefreshFamily::new(POOL, sub, "jti", Timestamp(7));
        commit(&store, |changes| {
            changes.put_user_part(None, family("sub")).put_user_part(None, family("somebody"));
        })
        .await
        .unwrap();
        for (origin_jti, is_known) in [("jti", true), ("other", false)] {
            let refresh = store.refresh_snapshot(POOL, "sub", origin_jti).await.unwrap();
            assert_eq!((&refresh.token.user, refresh.token.is_revoked), (&user, is_known));
            assert_eq!(refresh.family.map(|family| family.value), is_known.then(|| family("sub")));
        }
        let refresh = store.refresh_snapshot(POOL, "nobody", "jti").await.unwrap();
        assert!(refresh.token.user.is_none() && refresh.token.is_revoked && refresh.family.is_none());
    });
}

#[test]
fn meta_values_are_set_once() {
    on_every_engine(async |store| {
        assert_eq!(store.get_meta("master key").await.unwrap(), None);
        assert_eq!(store.set_meta_if_absent("master key", "one").await.unwrap(), "one");
        assert_eq!(store.set_meta_if_absent("master key", "two").await.unwrap(), "one");
        assert_eq!(store.get_meta("master key").await.unwrap().unwrap(), "one");
    });
}
