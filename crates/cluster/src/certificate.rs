//! A certificate authority and a server's certificate, made by OpenSSL for one run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{account::Account, folder::Folder};

/// No extensions but those asked for: the machine's own configuration would make an authority of every certificate.
const CONFIGURATION: &str = "[req]\ndistinguished_name = name\nprompt = no\n[name]\n";

/// Files in PEM.
#[derive(Debug)]
pub struct Certificate {
    /// The authority's certificate, which clients trust.
    pub authority: PathBuf,
    /// The server's certificate, for localhost and 127.0.0.1.
    pub certificate: PathBuf,
    /// The server's key, readable by the account alone.
    pub key: PathBuf,
}

/// Makes them, valid for two days.
///
/// # Errors
/// When `openssl` is missing or fails.
pub fn make(folder: &Folder, account: Account) -> Result<Certificate> {
    let tls = folder.private("tls", account)?;
    let [authority, authority_key, certificate, key] =
        ["authority.pem", "authority.key", "server.pem", "server.key"].map(|name| tls.join(name));
    let configuration = folder.write("openssl.cnf", CONFIGURATION, account)?;
    let request = |subject: &str, key: &Path, certificate: &Path, extensions: &[&str], signer: &[&Path]| {
        let mut command = account.command("/usr/bin/openssl", folder.path());
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]);
        command.args(["-days", "2", "-subj", subject, "-config"]).arg(&configuration);
        command.arg("-keyout").arg(key).arg("-out").arg(certificate);
        for extension in extensions {
            command.args(["-addext", extension]);
        }
        if let [authority, authority_key] = signer {
            command.arg("-CA").arg(authority).arg("-CAkey").arg(authority_key);
        }
        let output = command.output().context("starting openssl; install it: apt-get install openssl")?;
        anyhow::ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    let authority_extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
    request("/CN=Poolkeeper test authority", &authority_key, &authority, &authority_extensions, &[])?;
    let server_extensions = [
        "basicConstraints=critical,CA:FALSE",
        "extendedKeyUsage=serverAuth",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
    ];
    request("/CN=localhost", &key, &certificate, &server_extensions, &[&authority, &authority_key])?;
    // The folder is private to the account; clients that run as somebody else need the authority.
    let public = folder.path().join("authority.pem");
    std::fs::copy(&authority, &public)?;
    Ok(Certificate { authority: public, certificate, key })
}
