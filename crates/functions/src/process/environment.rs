//! The environment of a function's process (triggers-security.md §13.2).
//!
//! It is made from nothing: what our own environment holds, the master key above all, is none of the function's
//! business. Handed on are `PATH`, `HOME` and `LANG`, and what the configuration names.

use std::{collections::BTreeMap, ffi::OsString, net::SocketAddr};

use wire::Timestamp;

use super::Options;

/// Handed on from our own environment.
const HANDED_ON: [&str; 3] = ["PATH", "HOME", "LANG"];

/// What functions are told of their memory in megabytes where nothing limits it: what Lambda gives without a word.
const USUAL_MEMORY: u64 = 128;

/// All variables of a process. `number` is no other process's.
pub(super) fn variables(
    options: &Options,
    runtime_api: SocketAddr,
    number: u64,
    now: Timestamp,
) -> BTreeMap<String, OsString> {
    let day = jiff::Timestamp::from_second(now.seconds()).unwrap_or_default().strftime("%Y/%m/%d");
    let folder = options.folder.as_os_str().to_owned();
    let memory = options.memory_megabytes.unwrap_or(USUAL_MEMORY).to_string();
    let mut variables: BTreeMap<String, OsString> = [
        ("AWS_DEFAULT_REGION", options.region.clone()),
        ("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", options.runtime)),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory),
        ("AWS_LAMBDA_FUNCTION_NAME", options.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", options.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("{day}/[$LATEST]{number:032x}")),
        ("AWS_REGION", options.region.clone()),
        // As in Lambda, where handlers count on it.
        ("TZ", ":UTC".to_owned()),
        ("_HANDLER", options.handler.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value.into()))
    .into();
    variables.insert("LAMBDA_TASK_ROOT".to_owned(), folder.clone());
    variables.insert("LAMBDA_RUNTIME_DIR".to_owned(), folder);
    for name in HANDED_ON.into_iter().chain(options.inherit.iter().map(String::as_str)) {
        if let Some(value) = std::env::var_os(name) {
            variables.insert(name.to_owned(), value);
        }
    }
    for (name, value) in &options.environment {
        variables.insert(name.clone(), value.reveal().into());
    }
    // Nobody may set this one: it is how the process gets its work.
    variables.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), runtime_api.to_string().into());
    variables
}
