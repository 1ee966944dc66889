//! `poolkeeper dev --seed FILE` and `--template FILE`: pools with chosen ids, made before the first request is
//! answered (docs/seeding.md).
//!
//! A file is read into values that know their lines, checked against the API's shapes, made into a plan, and carried
//! out through the operations that clients call.

pub mod node;
pub mod plan;
pub mod read;
pub mod shape;

mod apply;
mod kinds;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use service::App;

use crate::template;

/// Options of `dev` about what there is to be.
#[derive(Args, Clone, Debug, Default)]
pub struct SeedOptions {
    /// File (TOML, JSON or YAML) with pools, clients, groups and users that there are to be, with the ids that it says
    ///
    /// They are made before the first request is answered. At the next start nothing changes, unless the file has
    /// changed; nothing is ever deleted. See docs/seeding.md.
    #[arg(long, env = "POOLKEEPER_SEED", hide_env_values = true, value_name = "FILE")]
    pub seed: Option<PathBuf>,
    /// CloudFormation or SAM template, or what `cdk synth` wrote, whose AWS::Cognito resources there are to be
    ///
    /// As with --seed; what is left out is listed, and the template's outputs are printed. See docs/seeding.md.
    #[arg(long, env = "POOLKEEPER_TEMPLATE", hide_env_values = true, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// A parameter of the template that has no default, or is to have another value
    #[arg(long = "parameter", value_name = "NAME=VALUE", requires = "template", value_parser = parameter)]
    pub parameters: Vec<(String, String)>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

impl SeedOptions {
    /// Makes what the files say. Answers what to tell about it, in lines.
    ///
    /// # Errors
    /// Names file, line and key of the first thing that is wrong or could not be done.
    pub async fn carry_out(&self, app: &Arc<App>) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        if let Some(path) = &self.seed {
            let name = path.display().to_string();
            let file = read::file(path)?;
            let plan = plan::of_seed(&file).map_err(|complaint| complaint.of_file(&name))?;
            let report = apply::apply(app, &plan, false).await.map_err(|complaint| complaint.of_file(&name))?;
            lines.push(format!("Seeded from {name}: {}", report.summary()));
        }
        if let Some(path) = &self.template {
            lines.extend(self.apply_template(app, path).await?);
        }
        Ok(lines)
    }

    async fn apply_template(&self, app: &Arc<App>, path: &Path) -> anyhow::Result<Vec<String>> {
        let name = path.display().to_string();
        let file = read::file(path)?;
        let template = template::Template::new(&app.settings, &file, &template::stack_name(path), &self.parameters);
        let template = template.map_err(|complaint| complaint.of_file(&name))?;
        let template::Outcome { plan, mut skipped } = template.plan().map_err(|complaint| complaint.of_file(&name))?;
        let report = apply::apply(app, &plan, true).await.map_err(|complaint| complaint.of_file(&name))?;
        let mut lines = vec![format!("Seeded from {name}: {}", report.summary())];
        skipped.extend(report.skipped);
        skipped.sort_by_key(|complaint| complaint.line);
        lines.extend(skipped.iter().map(|complaint| format!("  left out: {:#}", complaint.of_file(&name))));
        lines.extend(template.outputs().map_err(|complaint| complaint.of_file(&name))?);
        Ok(lines)
    }
}
