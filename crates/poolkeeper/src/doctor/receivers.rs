//! Who takes messages, events and logs, and who has the keys of codes: whether they are there and know who we are.
//! Nothing is handed to any of them.

use std::{collections::BTreeSet, path::Path, time::Duration};

use aws::{CallError, Connection, SesAccount};
use functions::ArnPattern;
use http::Uri;
use store::Store;
use tokio::{net::TcpStream, time::timeout};

use super::{files::is_writable, finding::Finding};
use crate::{
    configuration::{
        AwsSection, Configuration, DestinationKind, DestinationSection, FileChoice, KmsKey, KmsKeySection,
        LogDestinationSection, SenderChoice, SmsSenderChoice,
    },
    destinations::AwsServices,
    master_key::others_can_read,
    mode::Mode,
    senders::Place,
};

/// How long each of them may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pools read at once.
const PAGE: usize = 1_000;

/// SES, or the file that mails go to; `None` where mails go to neither.
pub async fn email(configuration: &Configuration) -> Option<(&'static str, Finding)> {
    let section = &configuration.email;
    let name = match section.sender? {
        SenderChoice::Ses => "ses",
        SenderChoice::File => "email_file",
        _ => return None,
    };
    if let Err(error) = section.sender(Mode::Serve).await {
        return Some((name, Finding::of_error(&error, "Correct [email]")));
    }
    let finding = match &section.file {
        Some(file) => lines(file),
        None => patiently(ses(section.aws.as_ref())).await,
    };
    Some((name, finding))
}

/// Who takes text messages.
pub async fn sms(configuration: &Configuration) -> Finding {
    let section = &configuration.sms;
    if let Err(error) = section.sender(Mode::Serve).await {
        return Finding::of_error(&error, "Correct [sms]");
    }
    match (section.sender, &section.url, &section.file) {
        (Some(SmsSenderChoice::Sns), ..) => patiently(sns(section.aws.as_ref())).await,
        (_, Some(url), _) => patiently(listens(url)).await,
        (_, _, Some(file)) => lines(file),
        _ => Finding::skipped(
            "nobody takes text messages: whatever needs one is refused",
            "Set sms.sender if users should get text messages",
        ),
    }
}

/// The keys with which codes are encrypted for functions.
pub async fn kms_keys(sections: &[KmsKeySection]) -> Finding {
    let mut findings = Vec::new();
    for section in sections {
        let finding = match section.key() {
            Ok(KmsKey::Local) => Finding::ok("this server stands in for KMS"),
            Ok(KmsKey::Raw(_)) => Finding::ok("the key can be read"),
            Ok(KmsKey::Aws(settings)) => patiently(kms_key(&section.arn, &settings)).await,
            Err(error) => Finding::of_error(&error, "Correct [[kms_keys]]"),
        };
        findings.push(about(&section.arn, finding));
    }
    Finding::together(findings)
}

/// Where logs of pools go.
pub async fn log_destinations(sections: &[LogDestinationSection]) -> Finding {
    let mut findings = Vec::new();
    for section in sections {
        let finding = match section.aws() {
            Ok(Some(settings)) => patiently(services(&section.arn, &settings)).await,
            Ok(None) => destination(&section.common()).await,
            Err(error) => Finding::of_error(&error, "Correct [[log_destinations]]"),
        };
        findings.push(about(&section.arn, finding));
    }
    Finding::together(findings)
}

/// Where events go, or logs that do not go to AWS.
pub async fn destination(section: &DestinationSection) -> Finding {
    if let Err(error) = section.destination() {
        return Finding::of_error(&error, "Correct this section of the configuration");
    }
    match (section.kind, &section.path, &section.url) {
        (DestinationKind::File, Some(path), _) => writable(path),
        (_, _, Some(url)) => patiently(listens(url)).await,
        _ => Finding::ok("nothing to look at"),
    }
}

/// What pools name of log destinations and keys without an entry in the configuration.
pub async fn named_by_pools(store: &Store, configuration: &Configuration) -> Finding {
    let matches = |arn: &str, pattern: &str| ArnPattern::new(pattern).matches(arn);
    let (mut dropped, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    let mut after: Option<String> = None;
    loop {
        let pools = match store.pools(after.as_deref(), PAGE).await {
            Ok(pools) => pools,
            Err(error) => return Finding::of_store(&error),
        };
        let Some(last) = pools.last() else { break };
        after = Some(last.value.id.clone());
        for pool in &pools {
            for log in &pool.value.log_delivery {
                let arns = [
                    log.cloud_watch_logs_configuration.as_ref().and_then(|to| to.log_group_arn.as_ref()),
                    log.firehose_configuration.as_ref().and_then(|to| to.stream_arn.as_ref()),
                    log.s3_configuration.as_ref().and_then(|to| to.bucket_arn.as_ref()),
                ];
                let is_known =
                    |arn: &str| configuration.log_destinations.iter().any(|section| matches(arn, &section.arn));
                dropped.extend(arns.into_iter().flatten().filter(|arn| !is_known(arn)).cloned());
            }
            let functions = pool.value.sign_in.triggers.as_ref();
            let functions =
                functions.filter(|all| all.custom_email_sender.is_some() || all.custom_sms_sender.is_some());
            let is_known = |arn: &str| configuration.kms_keys.iter().any(|section| matches(arn, &section.arn));
            let key = functions.and_then(|functions| functions.kms_key_id.as_ref());
            unknown.extend(key.filter(|arn| !is_known(arn)).cloned());
        }
    }
    let mut findings = Vec::new();
    if !dropped.is_empty() {
        let found = format!("logs of pools are dropped that go to {}", few(&dropped));
        findings.push(Finding::warning(&found, "Add them to [[log_destinations]]"));
    }
    if !unknown.is_empty() {
        let found = format!("functions that send messages get no codes, for want of the keys {}", few(&unknown));
        findings.push(Finding::problem(&found, "Add them to [[kms_keys]]"));
    }
    if findings.is_empty() {
        return Finding::ok("the configuration stands for every log destination and every key that a pool names");
    }
    Finding::together(findings)
}

/// The first of them, and how many there are.
fn few(names: &BTreeSet<String>) -> String {
    let first: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    let more = names.len().saturating_sub(first.len());
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}

async fn ses(section: Option<&AwsSection>) -> Finding {
    let ses = match connection(section).await {
        Ok(connection) => connection.ses(),
        Err(finding) => return finding,
    };
    let ses = match ses {
        Ok(ses) => ses,
        Err(error) => return Finding::of_error(&error.into(), "Set email.aws"),
    };
    judged("SES", "ses:GetAccount", ses.look().await, |account| match account {
        SesAccount { may_send: false, .. } => {
            Finding::problem("SES does not let this account send", "Look at the account's state in SES")
        }
        SesAccount { is_in_sandbox: true, .. } => Finding::warning(
            "SES keeps this account in its sandbox: only addresses that it has verified get mail",
            "Ask for production access in SES",
        ),
        SesAccount { .. } => Finding::ok("SES takes mail of this account"),
    })
}

async fn sns(section: Option<&AwsSection>) -> Finding {
    let sns = match connection(section).await {
        Ok(connection) => connection.sns(),
        Err(finding) => return finding,
    };
    let sns = match sns {
        Ok(sns) => sns,
        Err(error) => return Finding::of_error(&error.into(), "Set sms.aws"),
    };
    judged("SNS", "sns:GetSMSSandboxAccountStatus", sns.is_in_sandbox().await, |is_in_sandbox| {
        if is_in_sandbox {
            let found = "SNS keeps this account in its sandbox: only numbers that it has verified get text messages";
            return Finding::warning(found, "Ask for production access in SNS");
        }
        Finding::ok("SNS takes text messages of this account")
    })
}

async fn kms_key(arn: &str, settings: &aws::Settings) -> Finding {
    let connection = match opened(settings).await {
        Ok(connection) => connection,
        Err(finding) => return finding,
    };
    if arn.contains('*') {
        return Finding::ok("there are credentials for KMS");
    }
    judged("KMS", "kms:DescribeKey", connection.kms().is_enabled(arn).await, |is_enabled| {
        if is_enabled {
            return Finding::ok("KMS has this key");
        }
        Finding::problem("this key cannot be used", "Enable it in KMS, or name another one")
    })
}

async fn services(arn: &str, settings: &aws::Settings) -> Finding {
    let connection = match opened(settings).await {
        Ok(connection) => connection,
        Err(finding) => return finding,
    };
    if arn.contains('*') {
        return Finding::ok("there are credentials for AWS");
    }
    match AwsServices::new(&connection).look(arn).await {
        Some(outcome) => judged("AWS", "to look at it", outcome, |()| Finding::ok("AWS has it")),
        None => Finding::problem(
            "this is neither a log group nor a delivery stream nor a bucket",
            "Correct arn in [[log_destinations]], or choose another kind",
        ),
    }
}

/// A way to AWS on which requests can be signed.
async fn connection(section: Option<&AwsSection>) -> Result<Connection, Finding> {
    let settings = section.cloned().unwrap_or_default().settings();
    opened(&settings.map_err(|error| Finding::of_error(&error, "Correct the settings of AWS"))?).await
}

async fn opened(settings: &aws::Settings) -> Result<Connection, Finding> {
    let connection = Connection::open(settings).await;
    let connection = connection.map_err(|error| Finding::of_error(&error.into(), "Correct the settings of AWS"))?;
    match connection.credentials().await {
        Ok(()) => Ok(connection),
        Err(error) => Err(of_call(error)),
    }
}

/// What an answer says. One that refuses only the look has shown that the service is there and knows the credentials.
fn judged<T>(who: &str, right: &str, outcome: Result<T, CallError>, good: impl FnOnce(T) -> Finding) -> Finding {
    match outcome {
        Ok(answer) => good(answer),
        Err(error) if error.is_not_allowed() => Finding::ok(&format!(
            "{who} answers and knows the credentials; what they may do was not looked at, for want of the right {right}"
        )),
        Err(error) => of_call(error),
    }
}

fn of_call(error: CallError) -> Finding {
    Finding::of_error(&error.into(), "Check the settings of AWS")
}

/// Whether somebody listens where requests would go.
async fn listens(url: &str) -> Finding {
    let uri = url.parse::<Uri>().unwrap_or_default();
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    match TcpStream::connect((host, port)).await {
        Ok(_) => Finding::ok(&format!("somebody listens at {host}, port {port}; nothing was sent")),
        Err(error) => {
            let found = format!("nobody can be reached at {host}, port {port}: {error}");
            Finding::problem(&found, "Check url, whether its server runs, and what stands between")
        }
    }
}

fn lines(file: &FileChoice) -> Finding {
    match file.place() {
        Ok(Place::Output) => Finding::ok("lines on standard output"),
        Ok(Place::File(path)) => writable(&path),
        Err(error) => Finding::of_error(&error, "Correct the name of the file"),
    }
}

/// Whether lines can be added to a file, which need not be there yet.
fn writable(path: &Path) -> Finding {
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() {
        return Finding::problem(&format!("{shown} is a directory"), "Name a file");
    }
    if !is_writable(if path.exists() { path } else { folder }) {
        let found = format!("this user cannot write to {shown}");
        return Finding::problem(&found, "Make it writable, or ask as the user that runs the server");
    }
    if others_can_read(path) {
        return Finding::warning(&format!("other users of this machine can read {shown}"), "chmod 600 it");
    }
    Finding::ok(&format!("{shown} can be written to"))
}

/// A finding with what it is about.
fn about(arn: &str, finding: Finding) -> Finding {
    Finding { found: format!("{arn}: {}", finding.found), ..finding }
}

async fn patiently(check: impl Future<Output = Finding>) -> Finding {
    timeout(PATIENCE, check).await.unwrap_or_else(|_elapsed| {
        let found = format!("no answer within {} seconds", PATIENCE.as_secs());
        Finding::problem(&found, "Check the address, and what stands between")
    })
}
