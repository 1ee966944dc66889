//! Reads of pools and of what belongs to them: clients, parts, domains, keys; and of administrators' keys.
//!
//! Every read here fails when the engine does, or when a row is damaged.

use domain::{AccessKey, Client, Domain, Part, Pool, SigningKeyRecord};

use super::{Store, bound};
use crate::{Error, PartDocument, Stored, read, sql};

impl Store {
    /// A user pool, unless it was deleted.
    pub async fn pool(&self, id: &str) -> Result<Option<Stored<Pool>>, Error> {
        self.first(&read::POOL, &[id.into()]).await
    }

    /// At most `limit` user pools by id, from the one after `after`.
    pub async fn pools(&self, after: Option<&str>, limit: usize) -> Result<Vec<Stored<Pool>>, Error> {
        self.list(&read::POOLS_AFTER, &[after.unwrap_or_default().into(), bound(limit)]).await
    }

    /// An app client, unless its pool was deleted.
    pub async fn client(&self, id: &str) -> Result<Option<Stored<Client>>, Error> {
        self.first(&read::CLIENT, &[id.into()]).await
    }

    /// At most `limit` app clients of a pool by id, from the one after `after`.
    pub async fn clients(
        &self,
        pool_id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<Client>>, Error> {
        self.list(&read::CLIENTS_AFTER, &[pool_id.into(), after.unwrap_or_default().into(), bound(limit)]).await
    }

    /// How many user pools there are, up to `most`; looks at the ids alone.
    pub async fn count_pools(&self, most: usize) -> Result<usize, Error> {
        let count = self.first(&read::COUNT_POOLS, &[bound(most)]).await?;
        Ok(usize::try_from(count.unwrap_or_default()).unwrap_or_default())
    }

    /// How many app clients a pool has, up to `most`; looks at the ids alone.
    pub async fn count_clients(&self, pool_id: &str, most: usize) -> Result<usize, Error> {
        let count = self.first(&read::COUNT_CLIENTS, &[pool_id.into(), bound(most)]).await?;
        Ok(usize::try_from(count.unwrap_or_default()).unwrap_or_default())
    }

    /// [`Self::pools`], never from a replica: for work that must miss nothing.
    pub async fn current_pools(&self, after: Option<&str>, limit: usize) -> Result<Vec<Stored<Pool>>, Error> {
        self.all(&read::POOLS_AFTER, &[after.unwrap_or_default().into(), bound(limit)]).await
    }

    /// A part of a pool by its id, unless there is none.
    pub async fn part<T: Part>(&self, pool_id: &str, id: &str) -> Result<Option<Stored<T>>, Error> {
        let query = const { read::parts_of::<T>(sql::PART) };
        self.first(&query, &[pool_id.into(), T::KIND.number().into(), id.into()]).await
    }

    /// At most `limit` parts of a pool by id, from the one after `after`.
    pub async fn parts<T: Part>(
        &self,
        pool_id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<T>>, Error> {
        let query = const { read::parts_of::<T>(sql::PARTS_AFTER) };
        let params = [pool_id.into(), T::KIND.number().into(), after.unwrap_or_default().into(), bound(limit)];
        self.list(&query, &params).await
    }

    /// How many parts of a kind a pool has, up to `most`; looks at the ids alone.
    pub async fn count_parts<T: Part>(&self, pool_id: &str, most: usize) -> Result<usize, Error> {
        let params = [pool_id.into(), T::KIND.number().into(), bound(most)];
        let count = self.first(&read::COUNT_PARTS, &params).await?;
        Ok(usize::try_from(count.unwrap_or_default()).unwrap_or_default())
    }

    /// At most `limit` parts of any kind as they are stored, by kind and id, from the one after `after`.
    pub async fn part_documents(
        &self,
        pool_id: &str,
        (after_kind, after_id): (i64, &str),
        limit: usize,
    ) -> Result<Vec<PartDocument>, Error> {
        let params = [pool_id.into(), after_kind.into(), after_id.into(), bound(limit)];
        self.all(&read::PART_DOCUMENTS, &params).await
    }

    /// A domain, unless its pool was deleted.
    pub async fn domain(&self, domain: &str) -> Result<Option<Stored<Domain>>, Error> {
        self.first(&read::DOMAIN, &[domain.into()]).await
    }

    /// The domains of a pool, of which there are few.
    pub async fn domains(&self, pool_id: &str) -> Result<Vec<Stored<Domain>>, Error> {
        self.few(&read::DOMAINS_OF_POOL, &[pool_id.into(), bound(16)]).await
    }

    /// A piece of a file and its version.
    pub async fn chunk(&self, file_id: &str, number: i64) -> Result<Option<Stored<String>>, Error> {
        self.first(&read::CHUNK, &[file_id.into(), number.into()]).await
    }

    /// All signing keys of a pool.
    pub async fn signing_keys(&self, pool_id: &str) -> Result<Vec<Stored<SigningKeyRecord>>, Error> {
        self.few(&read::SIGNING_KEYS_OF_POOL, &[pool_id.into(), bound(usize::MAX)]).await
    }

    /// At most `limit` signing keys of whatever pool by key id, from the one after `after`.
    pub async fn all_signing_keys(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<SigningKeyRecord>>, Error> {
        self.all(&read::SIGNING_KEYS_AFTER, &[after.unwrap_or_default().into(), bound(limit)]).await
    }

    /// At most `limit` signing keys that belong to no pool yet.
    pub async fn stock_keys(&self, limit: usize) -> Result<Vec<Stored<SigningKeyRecord>>, Error> {
        self.all(&read::SIGNING_KEYS_OF_POOL, &["".into(), bound(limit)]).await
    }

    /// An administrator's key.
    pub async fn access_key(&self, id: &str) -> Result<Option<Stored<AccessKey>>, Error> {
        self.first(&read::ACCESS_KEY, &[id.into()]).await
    }

    /// All administrators' keys, by id.
    pub async fn access_keys(&self) -> Result<Vec<Stored<AccessKey>>, Error> {
        self.all(&read::ALL_ACCESS_KEYS, &[]).await
    }
}
