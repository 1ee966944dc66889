//! `[quotas]`: how many requests are taken in a second, and how many things there may be.

use serde::Deserialize;
use service::quotas::{Category, Counts, Quotas};

use crate::mode::Mode;

/// `[quotas]`: what is set takes the place of what the starting point has. 0 is no limit.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotasSection {
    start_from: Option<StartingPoint>,
    user_authentication: Option<u32>,
    user_creation: Option<u32>,
    user_account_recovery: Option<u32>,
    user_read: Option<u32>,
    user_update: Option<u32>,
    user_token: Option<u32>,
    user_resource_read: Option<u32>,
    user_resource_update: Option<u32>,
    user_list: Option<u32>,
    user_federation: Option<u32>,
    user_pool_read: Option<u32>,
    user_pool_update: Option<u32>,
    user_pool_resource_read: Option<u32>,
    user_pool_resource_update: Option<u32>,
    user_pool_client_read: Option<u32>,
    user_pool_client_update: Option<u32>,
    client_authentication: Option<u32>,
    tags: Option<u32>,
    operation_per_pool: Option<u32>,
    reads_per_user: Option<u32>,
    writes_per_user: Option<u32>,
    writes_per_address: Option<u32>,
    requests_per_domain_and_address: Option<u32>,
    requests_per_domain_and_client: Option<u32>,
    requests_per_domain: Option<u32>,
    pools: Option<usize>,
    clients_per_pool: Option<usize>,
    identity_providers_per_pool: Option<usize>,
    resource_servers_per_pool: Option<usize>,
}

/// What holds where nothing is set.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StartingPoint {
    /// No limits.
    Off,
    /// What is plenty for one installation.
    Generous,
    /// What an account of the service has.
    Service,
}

impl QuotasSection {
    /// The quotas of this mode.
    pub fn quotas(&self, mode: Mode) -> Quotas {
        let usual = if mode == Mode::Dev { StartingPoint::Off } else { StartingPoint::Generous };
        let Quotas { mut rates, counts } = match self.start_from.unwrap_or(usual) {
            StartingPoint::Off => Quotas::off(),
            StartingPoint::Generous => Quotas::generous(),
            StartingPoint::Service => Quotas::service(),
        };
        for category in Category::ALL {
            rates.set(category, self.rate(category).unwrap_or(rates.of(category)));
        }
        rates.per_pool = self.operation_per_pool.unwrap_or(rates.per_pool);
        rates.user_reads = self.reads_per_user.unwrap_or(rates.user_reads);
        rates.user_writes = self.writes_per_user.unwrap_or(rates.user_writes);
        rates.per_address = self.writes_per_address.unwrap_or(rates.per_address);
        rates.per_domain_and_address = self.requests_per_domain_and_address.unwrap_or(rates.per_domain_and_address);
        rates.per_domain_and_client = self.requests_per_domain_and_client.unwrap_or(rates.per_domain_and_client);
        rates.per_domain = self.requests_per_domain.unwrap_or(rates.per_domain);
        let counts = Counts {
            pools: self.pools.unwrap_or(counts.pools),
            clients_per_pool: self.clients_per_pool.unwrap_or(counts.clients_per_pool),
            identity_providers_per_pool: self.identity_providers_per_pool.unwrap_or(counts.identity_providers_per_pool),
            resource_servers_per_pool: self.resource_servers_per_pool.unwrap_or(counts.resource_servers_per_pool),
        };
        Quotas { rates, counts }
    }

    const fn rate(&self, category: Category) -> Option<u32> {
        match category {
            Category::UserAuthentication => self.user_authentication,
            Category::UserCreation => self.user_creation,
            Category::UserAccountRecovery => self.user_account_recovery,
            Category::UserRead => self.user_read,
            Category::UserUpdate => self.user_update,
            Category::UserToken => self.user_token,
            Category::UserResourceRead => self.user_resource_read,
            Category::UserResourceUpdate => self.user_resource_update,
            Category::UserList => self.user_list,
            Category::UserFederation => self.user_federation,
            Category::UserPoolRead => self.user_pool_read,
            Category::UserPoolUpdate => self.user_pool_update,
            Category::UserPoolResourceRead => self.user_pool_resource_read,
            Category::UserPoolResourceUpdate => self.user_pool_resource_update,
            Category::UserPoolClientRead => self.user_pool_client_read,
            Category::UserPoolClientUpdate => self.user_pool_client_update,
            Category::ClientAuthentication => self.client_authentication,
            Category::Tags => self.tags,
        }
    }
}

#[cfg(test)]
mod tests {
    use service::quotas::{Category, Quotas};

    use crate::{configuration::Configuration, mode::Mode};

    fn quotas(text: &str, mode: Mode) -> Quotas {
        Configuration::parse(&format!("[quotas]\n{text}")).unwrap().quotas.quotas(mode)
    }

    #[test]
    fn dev_has_none_serve_has_generous_ones_and_what_is_set_counts_in_both() {
        assert_eq!(quotas("", Mode::Dev), Quotas::off());
        assert_eq!(quotas("", Mode::Serve), Quotas::generous());
        for mode in [Mode::Dev, Mode::Serve] {
            assert_eq!(quotas("start_from = \"service\"", mode), Quotas::service());
            assert_eq!(quotas("start_from = \"off\"", mode), Quotas::off());
        }
        let set = quotas("user_list = 3\nwrites_per_address = 0\npools = 2", Mode::Serve);
        assert_eq!((set.rates.of(Category::UserList), set.rates.per_address, set.counts.pools), (3, 0, 2));
        assert_eq!(set.rates.of(Category::UserRead), Quotas::generous().rates.of(Category::UserRead));
        assert_eq!(quotas("user_list = 3", Mode::Dev).rates.of(Category::UserRead), 0);
    }

    #[test]
    fn every_key_sets_its_own_number() {
        let section = crate::reference::SECTIONS.iter().find(|section| section.name == "quotas").unwrap();
        let mut seen = Vec::new();
        for setting in section.settings.iter().filter(|setting| setting.key != "start_from") {
            let changed = quotas(&format!("{} = 7", setting.key), Mode::Dev);
            assert_ne!(changed, Quotas::off(), "{}", setting.key);
            assert!(!seen.contains(&changed), "{}", setting.key);
            seen.push(changed);
        }
        assert_eq!(seen.len(), 29);
    }
}
