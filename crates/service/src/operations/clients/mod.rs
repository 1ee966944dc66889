//! App clients (accounts.md §14).

pub mod create_user_pool_client;
pub mod delete_user_pool_client;
pub mod describe_user_pool_client;
pub mod list_user_pool_clients;
pub mod update_user_pool_client;

mod answer;
mod lifetimes;
mod oauth;
mod settings;
