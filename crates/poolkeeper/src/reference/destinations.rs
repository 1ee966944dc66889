//! Where events for analytics and the logs of pools go.

use super::{AWS, Section, Setting, setting};

/// `[analytics]`.
pub const ANALYTICS: Section = Section {
    name: "analytics",
    settings: &[
        setting(
            "kind",
            "\"file\", \"webhook\" or \"otlp\"",
            "needed",
            "",
            "Where events of clients with an `AnalyticsConfiguration` go: lines of JSON in a file, JSON by POST to a program that checks signatures, or logs to a collector of OpenTelemetry. Without this section they are dropped. docs/analytics-and-logs.md has examples.",
        ),
        PATH,
        URL,
        SECRET_FILE,
        AUTHORIZATION_FILE,
        CA_FILE,
    ],
};

/// `[[log_destinations]]`.
pub const LOG_DESTINATIONS: Section = Section {
    name: "[log_destinations]",
    settings: &[
        setting(
            "arn",
            "\"ARN\"",
            "needed",
            "",
            "The destination, or destinations, that this entry stands for (`LogGroupArn` of a pool's log delivery); `*` stands for any number of characters. The first entry that fits counts. What goes to other ARNs is dropped.",
        ),
        setting(
            "kind",
            "\"file\", \"webhook\", \"otlp\" or \"aws\"",
            "needed",
            "",
            "What is there, as in `[analytics]`; with `aws` it is the log group, the delivery stream or the bucket itself that the pool names.",
        ),
        PATH,
        URL,
        SECRET_FILE,
        AUTHORIZATION_FILE,
        CA_FILE,
        setting(
            "aws",
            AWS,
            "{}",
            "",
            "With `kind` \"aws\": how CloudWatch Logs, Firehose and S3 are reached. Without `region` it is the one in the ARN, for buckets that of the environment; without `endpoint` AWS itself, without the access key what the standard chain finds (environment, profile, container, machine).",
        ),
    ],
};

const PATH: Setting = setting(
    "path",
    "\"FILE\"",
    "needed with \"file\"",
    "",
    "The file, to which lines are added; its folder must be there. Whoever moves it away (logrotate) finds a new one in its place.",
);
const URL: Setting = setting(
    "url",
    "\"URL\"",
    "needed with the others",
    "",
    "Where requests go; for a collector such as `http://127.0.0.1:4318/v1/logs`.",
);
const SECRET_FILE: Setting = setting(
    "secret_file",
    "\"FILE\"",
    "needed with \"webhook\"",
    "",
    "A file with what requests are signed with, at least 16 characters.",
);
const AUTHORIZATION_FILE: Setting = setting(
    "authorization_file",
    "\"FILE\"",
    "none",
    "",
    "With \"otlp\": a file with the value of the header `Authorization`.",
);
const CA_FILE: Setting = setting(
    "ca_file",
    "\"FILE\"",
    "the public authorities",
    "",
    "With `url`: certificates (PEM) that are trusted instead of the public ones.",
);
