//! What runs the functions of pools, and the keys that codes are encrypted with for them.

use super::{AWS, Section, setting};

/// `[[functions]]`.
pub const FUNCTIONS: Section = Section {
    name: "[functions]",
    settings: &[
        setting(
            "arn",
            "\"ARN\"",
            "needed",
            "",
            "The function, or functions, that this entry is about; `*` stands for any number of characters. The first entry that fits counts. Functions that no entry fits cannot be called. docs/functions.md has examples of all ways.",
        ),
        setting(
            "timeout_seconds",
            "seconds",
            "30",
            "",
            "How long a call may take, at most 900. Triggers whose answer is waited for have five seconds in any case.",
        ),
        setting(
            "runtime",
            "\"python\", \"node\" or \"binary\"",
            "none",
            "",
            "Runs the handler in `folder` by the official runtime client: `awslambdaric` (with the interpreter in `.venv` or `venv`, if there is one), `aws-lambda-ric` (from the nearest `node_modules`), or the one that is compiled into the program that `handler` names (`bootstrap` if it names none).",
        ),
        setting(
            "command",
            "[\"PROGRAM\", \"ARGUMENT\", …]",
            "none",
            "",
            "Instead of `runtime`: any program that speaks to the Lambda Runtime API. A program with a slash starts from `folder`.",
        ),
        setting(
            "folder",
            "\"DIRECTORY\"",
            "the file's directory",
            "",
            "Where the function's files are, and its working directory.",
        ),
        setting("handler", "\"TEXT\"", "`bootstrap`", "", "The handler, such as `index.handler`."),
        setting("name", "\"TEXT\"", "from the ARN", "", "The function's name, in its environment and in the log."),
        setting(
            "environment",
            "{ NAME = \"VALUE\", … }",
            "none",
            "",
            "Further environment variables of the function. They replace those that are set otherwise.",
        ),
        setting(
            "inherit",
            "[\"NAME\", …]",
            "[]",
            "",
            "Environment variables of the server that are handed on. Without this only `PATH`, `HOME` and `LANG` are; those whose names begin with `POOLKEEPER_` never are.",
        ),
        setting(
            "concurrency",
            "number",
            "4",
            "",
            "Processes of the function at most, at most 1,000. Each does one call at a time; further calls wait.",
        ),
        setting(
            "warm",
            "number",
            "`dev`: 0, `serve`: 1",
            "",
            "Processes that are started with the server and kept ready. Others are started when they are needed.",
        ),
        setting(
            "idle_seconds",
            "seconds",
            "300",
            "",
            "How long a process that is not kept ready waits for work before it is ended, at most a day.",
        ),
        setting(
            "memory_megabytes",
            "number",
            "no limit",
            "",
            "Memory for data that each process may have, from 16 on (Linux only). The function is told the same number, or 128 where there is none.",
        ),
        setting(
            "queue",
            "number",
            "1000",
            "",
            "Calls that may wait for a process, at most 100,000; more fail with `TooManyRequestsException`.",
        ),
        setting(
            "reload",
            "true or false",
            "`dev`: true, `serve`: false",
            "",
            "Whether the function is started anew when a file in its folder has changed.",
        ),
        setting(
            "url",
            "\"URL\"",
            "none",
            "",
            "Instead of `runtime` and `command`: where the function is called, with the event as the body of a POST.",
        ),
        setting(
            "kind",
            "\"emulator\" or \"webhook\"",
            "needed with `url`",
            "",
            "What is there: a Runtime Interface Emulator, or a program that checks signatures.",
        ),
        setting(
            "secret",
            "\"TEXT\"",
            "needed with \"webhook\"",
            "",
            "What a webhook's requests are signed with, at least 16 characters.",
        ),
        setting("secret_file", "\"FILE\"", "none", "", "A file with that secret instead."),
        setting(
            "ca_file",
            "\"FILE\"",
            "the public authorities",
            "",
            "With `url`: certificates (PEM) that are trusted instead of the public ones.",
        ),
        setting(
            "aws",
            AWS,
            "none",
            "",
            "Instead of all these: AWS Lambda, or what speaks its Invoke API. Without `region` it is the one in the ARN, without `endpoint` AWS itself, without the access key what the standard chain finds (environment, profile, container, machine): `{}` says it all.",
        ),
        setting(
            "migrate_from",
            "{ pool = \"ID\", client = \"ID\", client_secret_file = \"FILE\", endpoint = \"URL\", region = \"REGION\", access_key_id = \"ID\", secret_access_key_file = \"FILE\", attributes = [\"NAME\", …], ca_file = \"FILE\" }",
            "none",
            "",
            "Instead of all these, for UserMigration: another user pool, from which users come along when they sign in. Needed are `pool` and `client`, which must allow `ALLOW_USER_PASSWORD_AUTH`. Without `endpoint` the pool is at AWS. `region` is what requests with the access key are signed for, without it the pool's. The access key may call `AdminGetUser` there: without one, users who have forgotten the password or have a second factor do not come along. `attributes` are those that do (default `[\"*\"]`; `*` stands for any number of characters). docs/functions.md has the rules.",
        ),
    ],
};

/// `[[kms_keys]]`.
pub const KMS_KEYS: Section = Section {
    name: "[kms_keys]",
    settings: &[
        setting(
            "arn",
            "\"ARN\"",
            "needed",
            "",
            "The key, or keys, that this entry is about (`KMSKeyID` of a pool); `*` stands for any number of characters. The first entry that fits counts. For other keys `dev` stands in itself, and `serve` has none. docs/messages.md has examples.",
        ),
        setting(
            "kind",
            "\"local\", \"raw\" or \"aws\"",
            "needed",
            "",
            "Who has the key. With `local` this server stands in for KMS: functions decrypt with the KMS keyring of the AWS Encryption SDK and `AWS_ENDPOINT_URL_KMS` set to the server's address. With `raw` the functions have the key themselves. With `aws` it is a key of AWS KMS.",
        ),
        setting(
            "key_file",
            "\"FILE\"",
            "needed with \"raw\"",
            "",
            "The key: 32 bytes in base64, as `openssl rand -base64 32` makes them.",
        ),
        setting(
            "namespace",
            "\"TEXT\"",
            "needed with \"raw\"",
            "",
            "The key's namespace, the same as at the functions; it must not begin with `aws-kms`.",
        ),
        setting("name", "\"TEXT\"", "needed with \"raw\"", "", "The key's name, the same as at the functions."),
        setting(
            "aws",
            AWS,
            "{}",
            "",
            "With `kind` \"aws\": how KMS is reached. Without `region` it is the one in the ARN, without `endpoint` AWS itself, without the access key what the standard chain finds (environment, profile, container, machine).",
        ),
    ],
};
