//! Who takes mails and text messages.

use super::{AWS, Section, setting};

/// `[email]`.
pub const EMAIL: Section = Section {
    name: "email",
    settings: &[
        setting(
            "sender",
            "\"inbox\", \"smtp\", \"ses\", \"file\" or \"none\"",
            "`dev`: \"inbox\", `serve`: \"none\"",
            "",
            "Who takes mails. `inbox` shows them at `/_poolkeeper/inbox` (`dev` only), `smtp` hands them to a mail server, `ses` to SES, `file` writes lines of JSON, `none` refuses whatever would need a mail. docs/messages.md has examples.",
        ),
        setting(
            "from",
            "\"ADDRESS\"",
            "needed with \"smtp\", \"ses\" and \"file\"",
            "",
            "Sender of mails whose pool names none: `address` or `Name <address>`.",
        ),
        setting(
            "messages_per_second",
            "number",
            "0",
            "",
            "Mails that each server hands over in a second on average, at most; 0 is no limit. Those beyond it wait.",
        ),
        setting(
            "file",
            "\"FILE\" or \"-\"",
            "needed with \"file\"",
            "",
            "The file to which a line is added for each mail; `-` is standard output. The lines hold codes and temporary passwords.",
        ),
        setting(
            "aws",
            AWS,
            "{}",
            "",
            "With \"ses\": how SES is reached. Without `region` it is the one in a pool's `SourceArn`, or else that of the environment, which must then name one; without the access key, credentials are what the standard chain finds.",
        ),
    ],
};

/// `[email.smtp]`.
pub const EMAIL_SMTP: Section = Section {
    name: "email.smtp",
    settings: &[
        setting(
            "host",
            "\"NAME\"",
            "needed with \"smtp\"",
            "",
            "The mail server. Its certificate must be for this name.",
        ),
        setting("port", "number", "587, \"tls\": 465, \"none\": 25", "", "The mail server's port."),
        setting(
            "encryption",
            "\"starttls\", \"tls\" or \"none\"",
            "\"starttls\"",
            "",
            "How the connection is protected. With `starttls`, a server that does not offer it gets nothing.",
        ),
        setting("username", "\"TEXT\"", "none", "", "Who Poolkeeper is to the mail server."),
        setting("password", "\"TEXT\"", "none", "", "The password that belongs to the username."),
        setting("password_file", "\"FILE\"", "none", "", "A file with that password instead."),
        setting(
            "ca_file",
            "\"FILE\"",
            "the public authorities",
            "",
            "Certificates (PEM) that are trusted instead of the public ones.",
        ),
    ],
};

/// `[sms]`.
pub const SMS: Section = Section {
    name: "sms",
    settings: &[
        setting(
            "sender",
            "\"inbox\", \"sns\", \"webhook\", \"file\" or \"none\"",
            "`dev`: \"inbox\", `serve`: \"none\"",
            "",
            "Who takes text messages. `inbox` shows them at `/_poolkeeper/inbox` (`dev` only), `sns` hands them to SNS, `webhook` to a program of yours, `file` writes lines of JSON, `none` refuses whatever would need a text message. docs/messages.md has examples.",
        ),
        setting(
            "messages_per_second",
            "number",
            "0",
            "",
            "Text messages that each server hands over in a second on average, at most; 0 is no limit. Those beyond it wait.",
        ),
        setting("url", "\"URL\"", "needed with \"webhook\"", "", "Where the webhook takes text messages, by POST."),
        setting(
            "secret_file",
            "\"FILE\"",
            "needed with \"webhook\"",
            "`POOLKEEPER_SMS_SECRET` (the secret itself)",
            "A file with what the webhook's requests are signed with, at least 16 characters.",
        ),
        setting(
            "ca_file",
            "\"FILE\"",
            "the public authorities",
            "",
            "With \"webhook\": certificates (PEM) that are trusted instead of the public ones.",
        ),
        setting(
            "sender_id",
            "\"TEXT\"",
            "none",
            "",
            "With \"sns\": what phones show as the sender where the country allows it, 1 to 11 letters and digits.",
        ),
        setting(
            "aws",
            AWS,
            "{}",
            "",
            "With \"sns\": how SNS is reached. Without `region` it is the pool's `SnsRegion`, or else that of the environment, which must then name one; without the access key, credentials are what the standard chain finds.",
        ),
        setting(
            "file",
            "\"FILE\" or \"-\"",
            "needed with \"file\"",
            "",
            "The file to which a line is added for each text message; `-` is standard output. The lines hold codes.",
        ),
    ],
};
