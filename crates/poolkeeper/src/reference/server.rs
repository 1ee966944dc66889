//! The listener, its limits and what it says of itself.

use super::{Section, setting};

/// `[server]`.
pub const SERVER: Section = Section {
    name: "server",
    settings: &[
        setting(
            "listen",
            "\"ADDRESS:PORT\"",
            "\"127.0.0.1:9229\"",
            "`--listen`, `POOLKEEPER_LISTEN`",
            "Address and port to listen on. Port 0 takes a free one; the first line on standard output names it.",
        ),
        setting(
            "base_url",
            "\"URL\"",
            "from the address",
            "`--base-url`, `POOLKEEPER_BASE_URL`",
            "Where clients reach the server, without a path. It is part of every token's issuer and of links in mails: set it when the server is behind a proxy, and do not change it afterwards.",
        ),
        setting(
            "auth_domain",
            "\"DOMAIN\"",
            "none",
            "",
            "The domain below which pools' domains stand: with `auth.example.com`, the prefix `my-app` is reached as `my-app.auth.example.com`, over the scheme and the port of `base_url`. Point `*.auth.example.com` to this server, and have a certificate for it. Without it, login pages and OAuth2 endpoints are found at `{base_url}/_domain/{prefix}` alone; custom domains work either way.",
        ),
        setting(
            "admin_listen",
            "\"ADDRESS:PORT\"",
            "none",
            "",
            "A second listener, in clear, for `/_poolkeeper/health`, `/_poolkeeper/ready` and `/metrics`. `dev` serves these on the main listener as well.",
        ),
        setting("max_connections", "number", "4096", "", "Open connections at most; more wait."),
        setting(
            "request_timeout_seconds",
            "seconds",
            "30",
            "",
            "How long a request may take, from its headers to the beginning of its answer.",
        ),
        setting(
            "drain_delay_seconds",
            "seconds",
            "0",
            "",
            "How long the server goes on as usual after the signal to end, while `/_poolkeeper/ready` already answers 503, so that a load balancer stops sending requests before connections close. At most 3600; a second signal ends the wait and the server at once.",
        ),
        setting(
            "drain_timeout_seconds",
            "seconds",
            "10",
            "",
            "How long requests under way may take to end at shutdown.",
        ),
        setting("trusted_proxies", "[\"ADDRESS/PREFIX\", …]", "[]", "", "Proxies whose `X-Forwarded-For` is believed."),
        setting(
            "default_region",
            "\"REGION\"",
            "\"us-east-1\"",
            "",
            "Region of pools whose creator named none in the request's signature.",
        ),
        setting("account_id", "\"12 digits\"", "\"000000000000\"", "", "The account in ARNs."),
        setting(
            "geoip_database",
            "\"FILE\"",
            "none",
            "",
            "File in MaxMind's format (`.mmdb`) such as GeoLite2-City, by which sessions of users show city and country where session tracking is on, and threat protection tells countries apart. It is read into memory at the start. Without it, cities are left out and countries are `unknown`.",
        ),
        setting(
            "tls_certificate",
            "\"FILE\"",
            "none",
            "",
            "PEM file with the certificate chain, the server's certificate first. Without it, the server speaks HTTP in clear.",
        ),
        setting("tls_key", "\"FILE\"", "none", "", "PEM file with the certificate's private key."),
    ],
};
