//! Reads of users and of what belongs to them: names, parts, groups; and the ways to search for them.
//!
//! Every read here fails when the engine does, or when a row is damaged.

use domain::{Group, NameKind, SearchKind, User, UserPart};

use super::{LAST, Store, bound};
use crate::{Error, Stored, UserPartDocument, read, sql};

impl Store {
    /// A user by id.
    pub async fn user(&self, pool_id: &str, sub: &str) -> Result<Option<Stored<User>>, Error> {
        self.first(&read::USER, &[pool_id.into(), sub.into()]).await
    }

    /// A user by any name: the stored username first, then email address, phone number and preferred username, and
    /// the user's own id last. `name` is folded as the pool demands.
    pub async fn user_by_name(&self, pool_id: &str, name: &str) -> Result<Option<Stored<User>>, Error> {
        self.user_by_name_or_nobody(pool_id, name, name).await
    }

    /// The same, for whom it must not be told by time that nobody has the name: in that case as much is read at the id
    /// `stand_in` as would be read of a user. [`Self::user`], [`Self::password`] and the snapshots of sign-ins and
    /// recoveries do so at the id that they are asked for; those of later steps do not, which only users reach.
    pub async fn user_by_name_or_nobody(
        &self,
        pool_id: &str,
        name: &str,
        stand_in: &str,
    ) -> Result<Option<Stored<User>>, Error> {
        let params = [pool_id.into(), name.into(), stand_in.into()];
        let found = self.few(&read::USERS_BY_NAME, &params).await?;
        Ok(found.into_iter().min_by_key(|(_, order)| *order).map(|(user, _)| user))
    }

    /// The `sub` of the user who owns a name. `name` is folded as the pool demands.
    pub async fn name_owner(&self, pool_id: &str, name: &str, kind: NameKind) -> Result<Option<String>, Error> {
        self.first(&read::NAME_OWNER, &[pool_id.into(), name.into(), kind.code().into()]).await
    }

    /// At most `limit` users of a pool by `sub`, from the one after `after_sub`.
    pub async fn users(
        &self,
        pool_id: &str,
        after_sub: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<User>>, Error> {
        self.list(&read::USERS_AFTER, &[pool_id.into(), after_sub.unwrap_or_default().into(), bound(limit)]).await
    }

    /// [`Self::users`], never from a replica: for work that must miss nothing.
    pub async fn current_users(
        &self,
        pool_id: &str,
        after_sub: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<User>>, Error> {
        self.all(&read::USERS_AFTER, &[pool_id.into(), after_sub.unwrap_or_default().into(), bound(limit)]).await
    }

    /// How many users the pool has, as far as changesets counted them; never negative.
    pub async fn estimated_users(&self, pool_id: &str) -> Result<i64, Error> {
        let sum = self.first(&read::ESTIMATED_USERS, &[pool_id.into()]).await?;
        Ok(sum.unwrap_or_default().max(0))
    }

    /// A part of a user by its id, unless there is none. One that has expired may still be found.
    pub async fn user_part<T: UserPart>(&self, pool_id: &str, sub: &str, id: &str) -> Result<Option<Stored<T>>, Error> {
        let query = const { read::user_parts_of::<T>(sql::USER_PART) };
        self.first(&query, &[pool_id.into(), sub.into(), T::KIND.number().into(), id.into()]).await
    }

    /// At most `limit` parts of a user by id, from the one after `after`. Ones that have expired may be among them.
    pub async fn user_parts<T: UserPart>(
        &self,
        pool_id: &str,
        sub: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<T>>, Error> {
        let query = const { read::user_parts_of::<T>(sql::USER_PARTS_AFTER) };
        let kind = T::KIND.number().into();
        self.list(&query, &[pool_id.into(), sub.into(), kind, after.unwrap_or_default().into(), bound(limit)]).await
    }

    /// [`Self::user_parts`], never from a replica: for what decides something.
    pub async fn current_user_parts<T: UserPart>(
        &self,
        pool_id: &str,
        sub: &str,
        limit: usize,
    ) -> Result<Vec<Stored<T>>, Error> {
        let query = const { read::user_parts_of::<T>(sql::USER_PARTS_AFTER) };
        self.all(&query, &[pool_id.into(), sub.into(), T::KIND.number().into(), "".into(), bound(limit)]).await
    }

    /// At most `limit` parts of a user, the one with the greatest id first, from the one before `before`. Ones that have
    /// expired may be among them.
    pub async fn latest_user_parts<T: UserPart>(
        &self,
        pool_id: &str,
        sub: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<T>>, Error> {
        let query = const { read::user_parts_of::<T>(sql::USER_PARTS_BEFORE) };
        let before = before.unwrap_or(LAST);
        self.list(&query, &[pool_id.into(), sub.into(), T::KIND.number().into(), before.into(), bound(limit)]).await
    }

    /// [`Self::latest_user_parts`], never from a replica: for what decides something.
    pub async fn current_latest_user_parts<T: UserPart>(
        &self,
        pool_id: &str,
        sub: &str,
        limit: usize,
    ) -> Result<Vec<Stored<T>>, Error> {
        let query = const { read::user_parts_of::<T>(sql::USER_PARTS_BEFORE) };
        self.all(&query, &[pool_id.into(), sub.into(), T::KIND.number().into(), LAST.into(), bound(limit)]).await
    }

    /// At most `limit` parts of any kind of a user as they are stored, by kind and id.
    pub async fn user_part_documents(
        &self,
        pool_id: &str,
        sub: &str,
        limit: usize,
    ) -> Result<Vec<UserPartDocument>, Error> {
        self.all(&read::USER_PART_DOCUMENTS, &[pool_id.into(), sub.into(), bound(limit)]).await
    }

    /// At most `limit` groups of a user by name, from the one after `after`.
    pub async fn groups_of_user(
        &self,
        pool_id: &str,
        sub: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<Group>>, Error> {
        let mut groups: Vec<Stored<Group>> = Vec::new();
        // Past every membership of a group with that name.
        let mut position = after.map_or_else(Default::default, |name| (name.to_owned(), char::MAX.to_string()));
        while groups.len() < limit {
            let (name, id) = (position.0.as_str().into(), position.1.as_str().into());
            let params = [pool_id.into(), sub.into(), name, id, bound(limit)];
            let found = self.all(&read::GROUPS_OF_USER, &params).await?;
            let is_last = found.len() < limit;
            if let Some((last, id)) = found.last() {
                position = (last.value.name.clone(), id.clone());
            }
            // Memberships of a group that was deleted wait to be cleared away; one made anew has another id.
            let living = found.into_iter().filter(|(group, id)| group.value.id == *id).map(|(group, _)| group);
            groups.extend(living);
            if is_last {
                break;
            }
        }
        groups.truncate(limit);
        Ok(groups)
    }

    /// At most `limit` members of a group by `sub`, from the one after `after_sub`.
    pub async fn members(
        &self,
        group: &Group,
        after_sub: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<User>>, Error> {
        let after = after_sub.unwrap_or_default();
        let params = [group.pool_id.as_str().into(), group.id.as_str().into(), after.into(), bound(limit)];
        self.list(&read::MEMBERS_AFTER, &params).await
    }

    /// At most `limit` users with exactly this value by `sub`, from the one after `after_sub`.
    pub async fn users_with(
        &self,
        pool_id: &str,
        kind: SearchKind,
        value: &str,
        after_sub: &str,
        limit: usize,
    ) -> Result<Vec<(Stored<User>, String)>, Error> {
        let params = [pool_id.into(), kind.number().into(), value.into(), after_sub.into(), bound(limit)];
        self.list(&read::USERS_WITH, &params).await
    }

    /// At most `limit` users by value and `sub`, from the one after `after`, whose values come before `end`.
    pub async fn users_within(
        &self,
        pool_id: &str,
        kind: SearchKind,
        (after_value, after_sub): (&str, &str),
        end: &str,
        limit: usize,
    ) -> Result<Vec<(Stored<User>, String)>, Error> {
        let params =
            [pool_id.into(), kind.number().into(), after_value.into(), after_sub.into(), end.into(), bound(limit)];
        self.list(&read::USERS_WITHIN, &params).await
    }

    /// At most `limit` users by stored username, folded as the pool demands, from after `after` until before `end`.
    pub async fn users_named_within(
        &self,
        pool_id: &str,
        after: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(Stored<User>, String)>, Error> {
        self.list(&read::USERS_NAMED_WITHIN, &[pool_id.into(), after.into(), end.into(), bound(limit)]).await
    }

    /// At most `limit` users by `sub`, from after `after` until before `end`.
    pub async fn users_between(
        &self,
        pool_id: &str,
        after: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<Stored<User>>, Error> {
        self.list(&read::USERS_BETWEEN, &[pool_id.into(), after.into(), end.into(), bound(limit)]).await
    }
}
