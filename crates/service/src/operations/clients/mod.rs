//! App clients (accounts.md §14).

pub mod add_user_pool_client_secret;
pub mod create_user_pool_client;
pub mod delete_user_pool_client;
pub mod delete_user_pool_client_secret;
pub mod describe_user_pool_client;
pub mod list_user_pool_client_secrets;
pub mod list_user_pool_clients;
pub mod update_user_pool_client;

mod answer;
mod leftovers;
mod lifetimes;
pub(crate) mod oauth;
mod secrets;
pub(crate) mod settings;
