//! Where the file of a job is sent to: an address on this server, signed like a pre-signed one of the original, so that
//! it works without credentials and for this job only.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::ImportJob;

use crate::App;

/// The address for uploading the file of a job. It works for [`domain::import::UPLOAD_TIME`] from when the job was made.
#[must_use]
pub fn upload(app: &App, job: &ImportJob) -> String {
    let (base, signature) = (&app.settings.base_url, signature(app, &job.pool_id, &job.id));
    format!("{base}/_poolkeeper/imports/{}/{}/users.csv?signature={signature}", job.pool_id, job.id)
}

/// Whether this server has made an address with this signature for this job.
#[must_use]
pub fn is_signed(app: &App, pool_id: &str, job_id: &str, given: &str) -> bool {
    crypto::hash::constant_time_eq(signature(app, pool_id, job_id).as_bytes(), given.as_bytes())
}

fn signature(app: &App, pool_id: &str, job_id: &str) -> String {
    let key = app.ring.subkey("addresses of uploads");
    URL_SAFE_NO_PAD.encode(crypto::hash::hmac_sha256(&key, format!("{pool_id}\n{job_id}").as_bytes()))
}
