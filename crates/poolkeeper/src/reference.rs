//! Every setting with its default and meaning: `poolkeeper config reference`, and docs/configuration.md.

use std::fmt::Write;

/// A setting.
pub struct Setting {
    /// The section in the file.
    pub section: &'static str,
    /// The key in the section.
    pub key: &'static str,
    /// What its value looks like.
    pub value: &'static str,
    /// What it is when nobody sets it.
    pub default: &'static str,
    /// Option and environment variable, where there are.
    pub elsewhere: &'static str,
    /// What it does.
    pub text: &'static str,
}

const fn setting(
    section: &'static str,
    key: &'static str,
    value: &'static str,
    default: &'static str,
    elsewhere: &'static str,
    text: &'static str,
) -> Setting {
    Setting { section, key, value, default, elsewhere, text }
}

/// All of them, by section.
pub const SETTINGS: &[Setting] = &[
    setting(
        "server",
        "listen",
        "\"ADDRESS:PORT\"",
        "\"127.0.0.1:9229\"",
        "`--listen`, `POOLKEEPER_LISTEN`",
        "Address and port to listen on. Port 0 takes a free one; the first line on standard output names it.",
    ),
    setting(
        "server",
        "base_url",
        "\"URL\"",
        "from the address",
        "`--base-url`, `POOLKEEPER_BASE_URL`",
        "Where clients reach the server, without a path. It is part of every token's issuer and of links in mails: set it when the server is behind a proxy, and do not change it afterwards.",
    ),
    setting(
        "server",
        "admin_listen",
        "\"ADDRESS:PORT\"",
        "none",
        "",
        "A second listener, in clear, for `/_poolkeeper/health`, `/_poolkeeper/ready` and `/metrics`. `dev` serves these on the main listener as well.",
    ),
    setting("server", "max_connections", "number", "4096", "", "Open connections at most; more wait."),
    setting(
        "server",
        "request_timeout_seconds",
        "seconds",
        "30",
        "",
        "How long a request may take, from its headers to the beginning of its answer.",
    ),
    setting(
        "server",
        "drain_delay_seconds",
        "seconds",
        "0",
        "",
        "How long the server goes on as usual after the signal to end, while `/_poolkeeper/ready` already answers 503, so that a load balancer stops sending requests before connections close. At most 3600; a second signal ends the wait and the server at once.",
    ),
    setting(
        "server",
        "drain_timeout_seconds",
        "seconds",
        "10",
        "",
        "How long requests under way may take to end at shutdown.",
    ),
    setting(
        "server",
        "trusted_proxies",
        "[\"ADDRESS/PREFIX\", …]",
        "[]",
        "",
        "Proxies whose `X-Forwarded-For` is believed.",
    ),
    setting(
        "server",
        "default_region",
        "\"REGION\"",
        "\"us-east-1\"",
        "",
        "Region of pools whose creator named none in the request's signature.",
    ),
    setting("server", "account_id", "\"12 digits\"", "\"000000000000\"", "", "The account in ARNs."),
    setting(
        "server",
        "geoip_database",
        "\"FILE\"",
        "none",
        "",
        "File in MaxMind's format (`.mmdb`) such as GeoLite2-City, by which sessions of users show city and country where session tracking is on. It is read into memory at the start. Without it, cities are left out and countries are `unknown`.",
    ),
    setting(
        "server",
        "tls_certificate",
        "\"FILE\"",
        "none",
        "",
        "PEM file with the certificate chain, the server's certificate first. Without it, the server speaks HTTP in clear.",
    ),
    setting("server", "tls_key", "\"FILE\"", "none", "", "PEM file with the certificate's private key."),
    setting(
        "store",
        "data_dir",
        "\"DIRECTORY\"",
        "\"poolkeeper-data\"",
        "`--data-dir`, `POOLKEEPER_DATA_DIR`",
        "The data directory, used by one server at a time. `dev` keeps its master key there, too.",
    ),
    setting(
        "store",
        "url",
        "\"URL\"",
        "`poolkeeper.db` in the data directory",
        "`--store`, `POOLKEEPER_STORE`",
        "The database: `sqlite:PATH`, `sqlite::memory:`, or `postgres://USER@HOST:PORT/DATABASE` for PostgreSQL and its family, which several servers may share. A database on another machine must show a certificate for its name; `?sslrootcert=FILE` names your own authority's, `?sslmode=disable` goes without TLS. With several hosts (`HOST1,HOST2`) the one that takes writes is found.",
    ),
    setting(
        "store",
        "durability",
        "\"full\" or \"normal\"",
        "`serve`: \"full\", `dev`: \"normal\"",
        "",
        "What an acknowledged change survives: `full` a loss of power, `normal` the end of the process.",
    ),
    setting(
        "store.postgres",
        "password_file",
        "\"FILE\"",
        "none",
        "",
        "File with the database's password, in place of one in the URL; for the replica as well.",
    ),
    setting(
        "store.postgres",
        "replica_url",
        "\"URL\"",
        "none",
        "",
        "A copy that may lag behind a little. Lists of pools, clients and users are read from it, everything else from `store.url`.",
    ),
    setting(
        "store.postgres",
        "isolation",
        "\"read-committed\", \"repeatable-read\", \"serializable\" or \"database\"",
        "\"read-committed\"",
        "",
        "Isolation of the transactions that write; `database` leaves it to the database's own setting. All are equally safe, because every change names the version that it was decided on; stricter ones repeat more work. Aurora DSQL takes `database` only.",
    ),
    setting(
        "store.postgres",
        "prepared_statements",
        "true or false",
        "true",
        "",
        "Whether statements are prepared once per connection, which is faster. Must be false behind a pooler in transaction mode that mixes them up, such as PgBouncer before 1.21.",
    ),
    setting(
        "store.postgres",
        "max_connections",
        "number",
        "16",
        "",
        "Connections of this server at most, and as many again to the replica. All servers together must stay below the database's own limit.",
    ),
    setting(
        "store.postgres",
        "patience_seconds",
        "seconds",
        "10",
        "",
        "How long a request waits for a database that is away, restarting or failing over, before it answers an error that clients retry. Keep it below `server.request_timeout_seconds`.",
    ),
    setting(
        "email",
        "sender",
        "\"inbox\", \"smtp\", \"ses\", \"file\" or \"none\"",
        "`dev`: \"inbox\", `serve`: \"none\"",
        "",
        "Who takes mails. `inbox` shows them at `/_poolkeeper/inbox` (`dev` only), `smtp` hands them to a mail server, `ses` to SES, `file` writes lines of JSON, `none` refuses whatever would need a mail. docs/messages.md has examples.",
    ),
    setting(
        "email",
        "from",
        "\"ADDRESS\"",
        "needed with \"smtp\", \"ses\" and \"file\"",
        "",
        "Sender of mails whose pool names none: `address` or `Name <address>`.",
    ),
    setting(
        "email",
        "messages_per_second",
        "number",
        "0",
        "",
        "Mails that each server hands over in a second on average, at most; 0 is no limit. Those beyond it wait.",
    ),
    setting(
        "email",
        "file",
        "\"FILE\" or \"-\"",
        "needed with \"file\"",
        "",
        "The file to which a line is added for each mail; `-` is standard output. The lines hold codes and temporary passwords.",
    ),
    setting(
        "email",
        "aws",
        "{ region = \"REGION\", endpoint = \"URL\", access_key_id = \"ID\", secret_access_key_file = \"FILE\" }",
        "{}",
        "",
        "With \"ses\": how SES is reached. Without `region` it is the one in a pool's `SourceArn`, or else that of the environment, which must then name one; without the access key, credentials are what the standard chain finds.",
    ),
    setting(
        "email.smtp",
        "host",
        "\"NAME\"",
        "needed with \"smtp\"",
        "",
        "The mail server. Its certificate must be for this name.",
    ),
    setting("email.smtp", "port", "number", "587, \"tls\": 465, \"none\": 25", "", "The mail server's port."),
    setting(
        "email.smtp",
        "encryption",
        "\"starttls\", \"tls\" or \"none\"",
        "\"starttls\"",
        "",
        "How the connection is protected. With `starttls`, a server that does not offer it gets nothing.",
    ),
    setting("email.smtp", "username", "\"TEXT\"", "none", "", "Who Poolkeeper is to the mail server."),
    setting("email.smtp", "password", "\"TEXT\"", "none", "", "The password that belongs to the username."),
    setting("email.smtp", "password_file", "\"FILE\"", "none", "", "A file with that password instead."),
    setting(
        "email.smtp",
        "ca_file",
        "\"FILE\"",
        "the public authorities",
        "",
        "Certificates (PEM) that are trusted instead of the public ones.",
    ),
    setting(
        "sms",
        "sender",
        "\"inbox\", \"sns\", \"webhook\", \"file\" or \"none\"",
        "`dev`: \"inbox\", `serve`: \"none\"",
        "",
        "Who takes text messages. `inbox` shows them at `/_poolkeeper/inbox` (`dev` only), `sns` hands them to SNS, `webhook` to a program of yours, `file` writes lines of JSON, `none` refuses whatever would need a text message. docs/messages.md has examples.",
    ),
    setting(
        "sms",
        "messages_per_second",
        "number",
        "0",
        "",
        "Text messages that each server hands over in a second on average, at most; 0 is no limit. Those beyond it wait.",
    ),
    setting("sms", "url", "\"URL\"", "needed with \"webhook\"", "", "Where the webhook takes text messages, by POST."),
    setting(
        "sms",
        "secret_file",
        "\"FILE\"",
        "needed with \"webhook\"",
        "`POOLKEEPER_SMS_SECRET` (the secret itself)",
        "A file with what the webhook's requests are signed with, at least 16 characters.",
    ),
    setting(
        "sms",
        "ca_file",
        "\"FILE\"",
        "the public authorities",
        "",
        "With \"webhook\": certificates (PEM) that are trusted instead of the public ones.",
    ),
    setting(
        "sms",
        "sender_id",
        "\"TEXT\"",
        "none",
        "",
        "With \"sns\": what phones show as the sender where the country allows it, 1 to 11 letters and digits.",
    ),
    setting(
        "sms",
        "aws",
        "{ region = \"REGION\", endpoint = \"URL\", access_key_id = \"ID\", secret_access_key_file = \"FILE\" }",
        "{}",
        "",
        "With \"sns\": how SNS is reached. Without `region` it is the pool's `SnsRegion`, or else that of the environment, which must then name one; without the access key, credentials are what the standard chain finds.",
    ),
    setting(
        "sms",
        "file",
        "\"FILE\" or \"-\"",
        "needed with \"file\"",
        "",
        "The file to which a line is added for each text message; `-` is standard output. The lines hold codes.",
    ),
    setting("limits", "reset_requests_per_hour", "number", "5", "", "ForgotPassword calls per user and hour."),
    setting(
        "limits",
        "wrong_reset_codes_per_hour",
        "number",
        "5",
        "",
        "Wrong codes at ConfirmForgotPassword per user and hour.",
    ),
    setting(
        "limits",
        "wrong_sign_up_codes_per_hour",
        "number",
        "15",
        "",
        "Wrong codes at ConfirmSignUp per user and hour.",
    ),
    setting("limits", "wrong_codes_per_day", "number", "30", "", "Wrong codes at any of these per user and day."),
    setting("limits", "resends_per_hour", "number", "5", "", "ResendConfirmationCode calls per user and hour."),
    setting("limits", "password_changes_per_hour", "number", "5", "", "ChangePassword calls per user and hour."),
    setting(
        "limits",
        "attribute_codes_per_hour",
        "number",
        "5",
        "",
        "GetUserAttributeVerificationCode calls per user and hour.",
    ),
    setting(
        "limits",
        "wrong_attribute_codes_per_hour",
        "number",
        "15",
        "",
        "Wrong codes at VerifyUserAttribute per user, attribute and hour.",
    ),
    setting(
        "limits",
        "sign_in_codes_per_hour",
        "number",
        "20",
        "",
        "Codes that are sent during sign-ins, by mail and text message together, per user and hour, and per address that they go to and hour.",
    ),
    setting(
        "limits",
        "wrong_guesses_per_address_and_hour",
        "number",
        "`dev`: 0, `serve`: 300",
        "",
        "Wrong passwords, codes and second factors per client address (under IPv6 per /64) and hour, of whichever users; then the address is refused until the hour has given some back. 0 is any number. Requests of signed operations do not count. Counted by each server process for itself; behind a proxy, set `server.trusted_proxies`.",
    ),
    setting(
        "quotas",
        "start_from",
        "\"off\", \"generous\" or \"service\"",
        "`dev`: \"off\", `serve`: \"generous\"",
        "",
        "What holds where nothing else is set: no limits, what is plenty for one installation, or what an account of the service has. docs/quotas.md lists the numbers. Further keys set single ones, to 0 for no limit. Rates are requests per second, counted by each server process for itself.",
    ),
    setting(
        "quotas",
        "user_authentication",
        "number",
        "`dev`: 0, `serve`: 1200",
        "",
        "Requests per second in the category UserAuthentication.",
    ),
    setting(
        "quotas",
        "user_creation",
        "number",
        "`dev`: 0, `serve`: 500",
        "",
        "Requests per second in the category UserCreation.",
    ),
    setting(
        "quotas",
        "user_account_recovery",
        "number",
        "`dev`: 0, `serve`: 300",
        "",
        "Requests per second in the category UserAccountRecovery.",
    ),
    setting(
        "quotas",
        "user_read",
        "number",
        "`dev`: 0, `serve`: 1200",
        "",
        "Requests per second in the category UserRead.",
    ),
    setting(
        "quotas",
        "user_update",
        "number",
        "`dev`: 0, `serve`: 250",
        "",
        "Requests per second in the category UserUpdate.",
    ),
    setting(
        "quotas",
        "user_token",
        "number",
        "`dev`: 0, `serve`: 1200",
        "",
        "Requests per second in the category UserToken.",
    ),
    setting(
        "quotas",
        "user_resource_read",
        "number",
        "`dev`: 0, `serve`: 500",
        "",
        "Requests per second in the category UserResourceRead.",
    ),
    setting(
        "quotas",
        "user_resource_update",
        "number",
        "`dev`: 0, `serve`: 250",
        "",
        "Requests per second in the category UserResourceUpdate.",
    ),
    setting(
        "quotas",
        "user_list",
        "number",
        "`dev`: 0, `serve`: 300",
        "",
        "Requests per second in the category UserList.",
    ),
    setting(
        "quotas",
        "user_pool_read",
        "number",
        "`dev`: 0, `serve`: 150",
        "",
        "Requests per second in the category UserPoolRead.",
    ),
    setting(
        "quotas",
        "user_pool_update",
        "number",
        "`dev`: 0, `serve`: 150",
        "",
        "Requests per second in the category UserPoolUpdate.",
    ),
    setting(
        "quotas",
        "user_pool_resource_read",
        "number",
        "`dev`: 0, `serve`: 200",
        "",
        "Requests per second in the category UserPoolResourceRead.",
    ),
    setting(
        "quotas",
        "user_pool_resource_update",
        "number",
        "`dev`: 0, `serve`: 150",
        "",
        "Requests per second in the category UserPoolResourceUpdate.",
    ),
    setting(
        "quotas",
        "user_pool_client_read",
        "number",
        "`dev`: 0, `serve`: 150",
        "",
        "Requests per second in the category UserPoolClientRead.",
    ),
    setting(
        "quotas",
        "user_pool_client_update",
        "number",
        "`dev`: 0, `serve`: 150",
        "",
        "Requests per second in the category UserPoolClientUpdate.",
    ),
    setting(
        "quotas",
        "client_authentication",
        "number",
        "`dev`: 0, `serve`: 1500",
        "",
        "Requests per second in the category ClientAuthentication.",
    ),
    setting(
        "quotas",
        "tags",
        "number",
        "`dev`: 0, `serve`: 50",
        "",
        "TagResource, UntagResource and ListTagsForResource per second.",
    ),
    setting(
        "quotas",
        "operation_per_pool",
        "number",
        "`dev`: 0, `serve`: 50",
        "",
        "Calls per second of one operation on one pool, where it is about what belongs to a pool or about clients.",
    ),
    setting(
        "quotas",
        "reads_per_user",
        "number",
        "`dev`: 0, `serve`: 100",
        "",
        "Requests per second that read one user.",
    ),
    setting(
        "quotas",
        "writes_per_user",
        "number",
        "`dev`: 0, `serve`: 100",
        "",
        "Requests per second that sign in or change one user.",
    ),
    setting(
        "quotas",
        "writes_per_address",
        "number",
        "`dev`: 0, `serve`: 20",
        "",
        "Calls of SignUp, ConfirmSignUp, ResendConfirmationCode, ForgotPassword, ConfirmForgotPassword and InitiateAuth per second from one client address (IPv6: /64); a minute's worth can be saved up. Raise it where servers sign in users for them, and set `server.trusted_proxies` behind a proxy.",
    ),
    setting("quotas", "pools", "number", "`dev`: 0, `serve`: 10000", "", "User pools."),
    setting("quotas", "clients_per_pool", "number", "`dev`: 0, `serve`: 10000", "", "App clients of a pool."),
    setting(
        "quotas",
        "identity_providers_per_pool",
        "number",
        "`dev`: 0, `serve`: 1000",
        "",
        "Identity providers of a pool.",
    ),
    setting(
        "quotas",
        "resource_servers_per_pool",
        "number",
        "`dev`: 0, `serve`: 300",
        "",
        "Resource servers of a pool.",
    ),
    setting(
        "keys",
        "master_key_file",
        "\"FILE\"",
        "none",
        "`POOLKEEPER_MASTER_KEY_FILE`, or the keys themselves in `POOLKEEPER_MASTER_KEY`",
        "Master keys, one `id:base64` a line, the one that seals first; `poolkeeper keys generate-master` makes one. `serve` does not start without; `dev` makes one in the data directory.",
    ),
    setting(
        "keys",
        "stock",
        "number",
        "8",
        "",
        "Ready signing keys, at most 1,000. Each new pool takes two; they are made in the background.",
    ),
    setting(
        "passwords",
        "srp_off",
        "[\"POOL ID\", …] or [\"*\"]",
        "[]",
        "",
        "Pools whose passwords are kept as Argon2id hashes instead of SRP verifiers; `*` stands for all. Users of these pools cannot sign in by SRP.",
    ),
    setting(
        "issuer",
        "form",
        "\"server\" or \"aws\"",
        "\"server\"",
        "",
        "Form of the tokens' issuer: `server` is `{base_url}/{pool id}`, where verifiers find the keys; `aws` is `https://cognito-idp.{region}.amazonaws.com/{pool id}`, for verifiers that insist on that host and are told where the keys are.",
    ),
    setting(
        "pools",
        "lift_tiers",
        "true or false",
        "false",
        "",
        "Whether pools have the features of every tier, whatever their `UserPoolTier` is. Otherwise a setting that the pool's tier does not include is refused with `FeatureUnavailableInTierException`, as the service does.",
    ),
    setting(
        "beyond",
        "export_and_import",
        "true or false",
        "false",
        "",
        "Beyond the original: whether `poolkeeper export` may write a user pool with its passwords into an encrypted file, and `poolkeeper import` may read one.",
    ),
    setting(
        "beyond",
        "filters",
        "true or false",
        "false",
        "",
        "Beyond the original: whether the `Filter` of ListUsers may be on any attribute of the schema, custom ones included, and join conditions with `and` and `or`.",
    ),
    setting(
        "beyond",
        "reshape",
        "true or false",
        "false",
        "",
        "Beyond the original: whether `poolkeeper reshape` may change the required attributes and the sign-in names of a user pool that exists.",
    ),
    setting(
        FUNCTIONS,
        "arn",
        "\"ARN\"",
        "needed",
        "",
        "The function, or functions, that this entry is about; `*` stands for any number of characters. The first entry that fits counts. Functions that no entry fits cannot be called. docs/functions.md has examples of all ways.",
    ),
    setting(
        FUNCTIONS,
        "timeout_seconds",
        "seconds",
        "30",
        "",
        "How long a call may take, at most 900. Triggers whose answer is waited for have five seconds in any case.",
    ),
    setting(
        FUNCTIONS,
        "runtime",
        "\"python\", \"node\" or \"binary\"",
        "none",
        "",
        "Runs the handler in `folder` by the official runtime client: `awslambdaric` (with the interpreter in `.venv` or `venv`, if there is one), `aws-lambda-ric` (from the nearest `node_modules`), or the one that is compiled into the program that `handler` names (`bootstrap` if it names none).",
    ),
    setting(
        FUNCTIONS,
        "command",
        "[\"PROGRAM\", \"ARGUMENT\", …]",
        "none",
        "",
        "Instead of `runtime`: any program that speaks to the Lambda Runtime API. A program with a slash starts from `folder`.",
    ),
    setting(
        FUNCTIONS,
        "folder",
        "\"DIRECTORY\"",
        "the file's directory",
        "",
        "Where the function's files are, and its working directory.",
    ),
    setting(FUNCTIONS, "handler", "\"TEXT\"", "`bootstrap`", "", "The handler, such as `index.handler`."),
    setting(
        FUNCTIONS,
        "name",
        "\"TEXT\"",
        "from the ARN",
        "",
        "The function's name, in its environment and in the log.",
    ),
    setting(
        FUNCTIONS,
        "environment",
        "{ NAME = \"VALUE\", … }",
        "none",
        "",
        "Further environment variables of the function. They replace those that are set otherwise.",
    ),
    setting(
        FUNCTIONS,
        "inherit",
        "[\"NAME\", …]",
        "[]",
        "",
        "Environment variables of the server that are handed on. Without this only `PATH`, `HOME` and `LANG` are; those whose names begin with `POOLKEEPER_` never are.",
    ),
    setting(
        FUNCTIONS,
        "concurrency",
        "number",
        "4",
        "",
        "Processes of the function at most, at most 1,000. Each does one call at a time; further calls wait.",
    ),
    setting(
        FUNCTIONS,
        "warm",
        "number",
        "`dev`: 0, `serve`: 1",
        "",
        "Processes that are started with the server and kept ready. Others are started when they are needed.",
    ),
    setting(
        FUNCTIONS,
        "queue",
        "number",
        "1000",
        "",
        "Calls that may wait for a process, at most 100,000; more fail with `TooManyRequestsException`.",
    ),
    setting(
        FUNCTIONS,
        "reload",
        "true or false",
        "`dev`: true, `serve`: false",
        "",
        "Whether the function is started anew when a file in its folder has changed.",
    ),
    setting(
        FUNCTIONS,
        "url",
        "\"URL\"",
        "none",
        "",
        "Instead of `runtime` and `command`: where the function is called, with the event as the body of a POST.",
    ),
    setting(
        FUNCTIONS,
        "kind",
        "\"emulator\" or \"webhook\"",
        "needed with `url`",
        "",
        "What is there: a Runtime Interface Emulator, or a program that checks signatures.",
    ),
    setting(
        FUNCTIONS,
        "secret",
        "\"TEXT\"",
        "needed with \"webhook\"",
        "",
        "What a webhook's requests are signed with, at least 16 characters.",
    ),
    setting(FUNCTIONS, "secret_file", "\"FILE\"", "none", "", "A file with that secret instead."),
    setting(
        FUNCTIONS,
        "ca_file",
        "\"FILE\"",
        "the public authorities",
        "",
        "With `url`: certificates (PEM) that are trusted instead of the public ones.",
    ),
    setting(
        FUNCTIONS,
        "aws",
        "{ region = \"REGION\", endpoint = \"URL\", access_key_id = \"ID\", secret_access_key_file = \"FILE\" }",
        "none",
        "",
        "Instead of all these: AWS Lambda, or what speaks its Invoke API. Without `region` it is the one in the ARN, without `endpoint` AWS itself, without the access key what the standard chain finds (environment, profile, container, machine): `{}` says it all.",
    ),
    setting(
        FUNCTIONS,
        "migrate_from",
        "{ pool = \"ID\", client = \"ID\", client_secret_file = \"FILE\", endpoint = \"URL\", region = \"REGION\", access_key_id = \"ID\", secret_access_key_file = \"FILE\", attributes = [\"NAME\", …], ca_file = \"FILE\" }",
        "none",
        "",
        "Instead of all these, for UserMigration: another user pool, from which users come along when they sign in. Needed are `pool` and `client`, which must allow `ALLOW_USER_PASSWORD_AUTH`. Without `endpoint` the pool is at AWS. `region` is what requests with the access key are signed for, without it the pool's. The access key may call `AdminGetUser` there: without one, users who have forgotten the password or have a second factor do not come along. `attributes` are those that do (default `[\"*\"]`; `*` stands for any number of characters). docs/functions.md has the rules.",
    ),
    setting(
        KMS_KEYS,
        "arn",
        "\"ARN\"",
        "needed",
        "",
        "The key, or keys, that this entry is about (`KMSKeyID` of a pool); `*` stands for any number of characters. The first entry that fits counts. For other keys `dev` stands in itself, and `serve` has none. docs/messages.md has examples.",
    ),
    setting(
        KMS_KEYS,
        "kind",
        "\"local\", \"raw\" or \"aws\"",
        "needed",
        "",
        "Who has the key. With `local` this server stands in for KMS: functions decrypt with the KMS keyring of the AWS Encryption SDK and `AWS_ENDPOINT_URL_KMS` set to the server's address. With `raw` the functions have the key themselves. With `aws` it is a key of AWS KMS.",
    ),
    setting(
        KMS_KEYS,
        "key_file",
        "\"FILE\"",
        "needed with \"raw\"",
        "",
        "The key: 32 bytes in base64, as `openssl rand -base64 32` makes them.",
    ),
    setting(
        KMS_KEYS,
        "namespace",
        "\"TEXT\"",
        "needed with \"raw\"",
        "",
        "The key's namespace, the same as at the functions; it must not begin with `aws-kms`.",
    ),
    setting(KMS_KEYS, "name", "\"TEXT\"", "needed with \"raw\"", "", "The key's name, the same as at the functions."),
    setting(
        KMS_KEYS,
        "aws",
        "{ region = \"REGION\", endpoint = \"URL\", access_key_id = \"ID\", secret_access_key_file = \"FILE\" }",
        "{}",
        "",
        "With `kind` \"aws\": how KMS is reached. Without `region` it is the one in the ARN, without `endpoint` AWS itself, without the access key what the standard chain finds (environment, profile, container, machine).",
    ),
    setting(
        "analytics",
        "kind",
        "\"file\", \"webhook\" or \"otlp\"",
        "needed",
        "",
        "Where events of clients with an `AnalyticsConfiguration` go: lines of JSON in a file, JSON by POST to a program that checks signatures, or logs to a collector of OpenTelemetry. Without this section they are dropped. docs/analytics-and-logs.md has examples.",
    ),
    setting(
        "analytics",
        "path",
        "\"FILE\"",
        "needed with \"file\"",
        "",
        "The file, to which lines are added; its folder must be there. Whoever moves it away (logrotate) finds a new one in its place.",
    ),
    setting(
        "analytics",
        "url",
        "\"URL\"",
        "needed with the others",
        "",
        "Where requests go; for a collector such as `http://127.0.0.1:4318/v1/logs`.",
    ),
    setting(
        "analytics",
        "secret_file",
        "\"FILE\"",
        "needed with \"webhook\"",
        "",
        "A file with what requests are signed with, at least 16 characters.",
    ),
    setting(
        "analytics",
        "authorization_file",
        "\"FILE\"",
        "none",
        "",
        "With \"otlp\": a file with the value of the header `Authorization`.",
    ),
    setting(
        "analytics",
        "ca_file",
        "\"FILE\"",
        "the public authorities",
        "",
        "With `url`: certificates (PEM) that are trusted instead of the public ones.",
    ),
    setting(
        LOG_DESTINATIONS,
        "arn",
        "\"ARN\"",
        "needed",
        "",
        "The destination, or destinations, that this entry stands for (`LogGroupArn` of a pool's log delivery); `*` stands for any number of characters. The first entry that fits counts. What goes to other ARNs is dropped.",
    ),
    setting(
        LOG_DESTINATIONS,
        "kind",
        "\"file\", \"webhook\" or \"otlp\"",
        "needed",
        "",
        "What is there, as in `[analytics]`. CloudWatch Logs, Firehose and S3 themselves are not called.",
    ),
    setting(
        LOG_DESTINATIONS,
        "path",
        "\"FILE\"",
        "needed with \"file\"",
        "",
        "The file, to which lines are added; its folder must be there. Whoever moves it away (logrotate) finds a new one in its place.",
    ),
    setting(
        LOG_DESTINATIONS,
        "url",
        "\"URL\"",
        "needed with the others",
        "",
        "Where requests go; for a collector such as `http://127.0.0.1:4318/v1/logs`.",
    ),
    setting(
        LOG_DESTINATIONS,
        "secret_file",
        "\"FILE\"",
        "needed with \"webhook\"",
        "",
        "A file with what requests are signed with, at least 16 characters.",
    ),
    setting(
        LOG_DESTINATIONS,
        "authorization_file",
        "\"FILE\"",
        "none",
        "",
        "With \"otlp\": a file with the value of the header `Authorization`.",
    ),
    setting(
        LOG_DESTINATIONS,
        "ca_file",
        "\"FILE\"",
        "the public authorities",
        "",
        "With `url`: certificates (PEM) that are trusted instead of the public ones.",
    ),
];

/// A section that may be there several times has brackets of its own.
const FUNCTIONS: &str = "[functions]";
/// The same.
const KMS_KEYS: &str = "[kms_keys]";
/// The same.
const LOG_DESTINATIONS: &str = "[log_destinations]";

/// The reference as Markdown.
pub fn text() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Generated by `poolkeeper config reference > docs/configuration.md`. Do not edit.\n\n\
         A setting comes from the command line, else from the environment, else from the configuration file \
         (`--config FILE` or `POOLKEEPER_CONFIG`, TOML), else it has its default. Unknown keys are refused. Paths in \
         the file start from the file's directory. `poolkeeper config check --config FILE` says what is wrong with a \
         file.\n\n\
         `POOLKEEPER_LOG` sets what is logged to standard error: `error`, `warn`, `info` (the default), `debug`, or a \
         filter such as `warn,service=debug`. `dev` logs for people, `serve` a JSON object a line.\n",
    );
    let mut section = "";
    for setting in SETTINGS {
        if setting.section != section {
            section = setting.section;
            // Writing to a string cannot fail.
            _ = write!(
                text,
                "\n## `[{section}]`\n\n| Key | Value | Default | Also | Meaning |\n|---|---|---|---|---|\n"
            );
        }
        _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            setting.key, setting.value, setting.default, setting.elsewhere, setting.text
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{SETTINGS, text};
    use crate::configuration::Configuration;

    /// The keys of a section, as the parser lists them when it meets one that is none.
    fn known(section: &str) -> BTreeSet<String> {
        let file = if section.is_empty() { "no_such = 1".to_owned() } else { format!("[{section}]\nno_such = 1") };
        let (_, reason) = Configuration::parse(&file).unwrap_err();
        let (_, list) = reason.split_once("expected").unwrap_or_else(|| unreachable!("{reason}"));
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_key_is_in_the_reference_and_no_other() {
        let sections: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.section).collect();
        for section in &sections {
            let listed =
                SETTINGS.iter().filter(|setting| setting.section == *section).map(|setting| setting.key.to_owned());
            let below =
                sections.iter().filter_map(|other| other.strip_prefix(section)?.strip_prefix('.')).map(str::to_owned);
            assert_eq!(listed.chain(below).collect::<BTreeSet<_>>(), known(section), "[{section}]");
        }
        let top: BTreeSet<String> = sections
            .iter()
            .filter(|name| !name.contains('.'))
            .map(|name| name.trim_matches(['[', ']']).to_owned())
            .collect();
        assert_eq!(top, known(""));
    }

    #[test]
    fn the_committed_reference_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let committed = std::fs::read_to_string(path).unwrap();
        assert_eq!(committed, text(), "run `cargo run -p poolkeeper -- config reference > docs/configuration.md`");
    }
}
