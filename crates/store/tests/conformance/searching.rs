//! Users in the order of what they are searched for by.

use domain::{NameKind, SearchKind, User};
use poolkeeper_store::{Changes, Store, Stored};

use crate::{
    engines::on_every_engine,
    rows::{self, OTHER_POOL, POOL},
};

fn subs(found: Vec<(Stored<User>, String)>) -> Vec<(String, String)> {
    found.into_iter().map(|(user, value)| (value, user.value.sub)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(value, sub)| ((*value).to_owned(), (*sub).to_owned())).collect()
}

async fn fill(store: &Store) {
    let mut changes = Changes::new();
    for (sub, name) in
        [("4", "Anna"), ("1", "Bert"), ("3", "Anna"), ("2", "Annalena"), ("5", "anna"), ("6", "\u{c4}nne")]
    {
        changes.insert(rows::user(POOL, sub));
        changes.claim(POOL, &format!("user-{sub}"), NameKind::Username, sub);
        changes.claim(POOL, &format!("user-{sub}"), NameKind::Email, sub);
        changes.search(POOL, (SearchKind::Name, name.to_owned()), sub, true);
        changes.search(POOL, (SearchKind::GivenName, name.to_owned()), sub, true);
    }
    changes.insert(rows::user(OTHER_POOL, "9"));
    changes.search(OTHER_POOL, (SearchKind::Name, "Anna".to_owned()), "9", true);
    store.commit(changes).await.unwrap();
}

#[test]
fn users_with_a_value_are_found_in_pages() {
    on_every_engine(async |store| {
        fill(&store).await;
        let page =
            async |after, limit| subs(store.users_with(POOL, SearchKind::Name, "Anna", after, limit).await.unwrap());
        assert_eq!(page("", 10).await, pairs(&[("Anna", "3"), ("Anna", "4")]));
        assert_eq!(page("", 1).await, pairs(&[("Anna", "3")]));
        assert_eq!(page("3", 10).await, pairs(&[("Anna", "4")]));
        let mut changes = Changes::new();
        changes.search(POOL, (SearchKind::Name, "Anna".to_owned()), "3", false);
        changes.search(POOL, (SearchKind::Name, "Anna".to_owned()), "4", true);
        changes.search(POOL, (SearchKind::Name, "nobody".to_owned()), "4", false);
        store.commit(changes).await.unwrap();
        assert_eq!(page("", 10).await, pairs(&[("Anna", "4")]));
    });
}

#[test]
fn users_with_a_range_of_values_are_found_byte_by_byte() {
    on_every_engine(async |store| {
        fill(&store).await;
        let page =
            async |after, limit| subs(store.users_within(POOL, SearchKind::Name, after, "Anno", limit).await.unwrap());
        assert_eq!(page(("Ann", ""), 10).await, pairs(&[("Anna", "3"), ("Anna", "4"), ("Annalena", "2")]));
        assert_eq!(page(("Ann", ""), 2).await, pairs(&[("Anna", "3"), ("Anna", "4")]));
        assert_eq!(page(("Anna", "3"), 2).await, pairs(&[("Anna", "4"), ("Annalena", "2")]));
        assert_eq!(page(("Annalena", "2"), 2).await, []);
    });
}

#[test]
fn usernames_and_ids_are_ranges_too() {
    on_every_engine(async |store| {
        fill(&store).await;
        let named = subs(store.users_named_within(POOL, "user-1", "user-5", 2).await.unwrap());
        assert_eq!(named, pairs(&[("user-2", "2"), ("user-3", "3")]));
        let between = store.users_between(POOL, "2", "5", 10).await.unwrap();
        assert_eq!(between.iter().map(|user| user.sub.as_str()).collect::<Vec<_>>(), ["3", "4"]);
    });
}
