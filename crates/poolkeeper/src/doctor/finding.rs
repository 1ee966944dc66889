//! What a check found, and how it is told.

use serde_json::{Value, json};

use crate::print;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// As it should be.
    Ok,
    /// Not looked at.
    Skipped,
    /// It works, but not as well or as safely as it should.
    Warning,
    /// A server does not start, does not work, or loses something.
    Problem,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What a check found, and what to do about it: sentences without a final stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do; `None` when all is well.
    pub advice: Option<String>,
}

impl Finding {
    fn new(status: Status, found: &str, advice: Option<&str>) -> Self {
        let tidy = |text: &str| text.trim_end_matches('.').to_owned();
        Self { status, found: tidy(found), advice: advice.map(tidy) }
    }

    /// As it should be.
    pub fn ok(found: &str) -> Self {
        Self::new(Status::Ok, found, None)
    }

    /// Not looked at.
    pub fn skipped(found: &str, advice: &str) -> Self {
        Self::new(Status::Skipped, found, Some(advice))
    }

    /// It works, but not as well or as safely as it should.
    pub fn warning(found: &str, advice: &str) -> Self {
        Self::new(Status::Warning, found, Some(advice))
    }

    /// A server does not start, does not work, or loses something.
    pub fn problem(found: &str, advice: &str) -> Self {
        Self::new(Status::Problem, found, Some(advice))
    }

    /// A problem in the words of an error. Errors say what is wrong, and in the next sentence what to do; `otherwise`
    /// is for those that do not.
    pub fn of_error(error: &anyhow::Error, otherwise: &str) -> Self {
        Self::of_text(&format!("{error:#}"), otherwise)
    }

    /// The same of an error of the database. Those that come of its state are written for requests, which try again.
    pub fn of_store(error: &store::Error) -> Self {
        match error {
            store::Error::Unavailable(reason) => Self::problem(
                &format!("the database cannot be reached ({reason})"),
                "Check store.url, whether the database runs, and whether it lets this machine in",
            ),
            store::Error::Refused(reason) => Self::of_text(
                &format!("the database refuses this server: {reason}"),
                "Check the name, the password and the certificate in store.url",
            ),
            other => Self::of_text(&other.to_string(), "Look after the database"),
        }
    }

    fn of_text(text: &str, otherwise: &str) -> Self {
        let (found, advice) = text.split_once(". ").unwrap_or((text, otherwise));
        Self::problem(found, advice)
    }

    /// Several findings of one check: as bad as the worst of them.
    pub fn together(findings: Vec<Self>) -> Self {
        let status = findings.iter().map(|finding| finding.status).max().unwrap_or(Status::Ok);
        let found: Vec<_> = findings.iter().map(|finding| finding.found.as_str()).collect();
        let advice: Vec<_> = findings.iter().filter_map(|finding| finding.advice.as_deref()).collect();
        let advice = (!advice.is_empty()).then(|| advice.join(". "));
        Self { status, found: found.join("; "), advice }
    }
}

/// What was found so far. Lines are printed as they come, JSON at the end.
pub struct Report {
    checks: Vec<(&'static str, Finding)>,
    as_json: bool,
}

impl Report {
    /// Nothing found yet.
    pub const fn new(as_json: bool) -> Self {
        Self { checks: Vec::new(), as_json }
    }

    /// Takes down what a check found.
    ///
    /// # Errors
    /// When nothing can be printed.
    pub fn add(&mut self, check: &'static str, finding: Finding) -> anyhow::Result<()> {
        if !self.as_json {
            print(&line(check, &finding))?;
        }
        self.checks.push((check, finding));
        Ok(())
    }

    /// How many problems there are.
    pub fn problems(&self) -> usize {
        self.checks.iter().filter(|(_, finding)| finding.status == Status::Problem).count()
    }

    /// Everything as one object, if that was asked for.
    pub fn json(&self) -> Option<Value> {
        let checks = self.checks.iter().map(|(check, finding)| {
            let Finding { status, found, advice } = finding;
            json!({"check": check, "status": status.name(), "found": found, "advice": advice})
        });
        let checks: Vec<Value> = checks.collect();
        self.as_json.then(|| json!({"healthy": self.problems() == 0, "checks": checks}))
    }
}

fn line(check: &str, finding: &Finding) -> String {
    let Finding { status, found, advice } = finding;
    let advice = advice.as_ref().map(|advice| format!(". {advice}")).unwrap_or_default();
    // One line, whatever an operating system or a database has put into its words.
    format!("{:<8} {check:<20} {found}{advice}.", status.name()).replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::{Finding, Report, Status, line};

    #[test]
    fn a_finding_is_a_line() {
        let warning = Finding::warning("it is slow\nvery slow", "Make it quicker");
        assert_eq!(line("database", &warning), "warning  database             it is slow very slow. Make it quicker.");
        assert_eq!(line("disk", &Finding::ok("enough")), "ok       disk                 enough.");
    }

    #[test]
    fn errors_say_what_to_do_in_their_second_sentence() {
        let error = anyhow::anyhow!("there is none. Make one. Keep it");
        let finding = Finding::of_error(&error, "Think");
        assert_eq!((finding.found.as_str(), finding.advice.as_deref()), ("there is none", Some("Make one. Keep it")));
        let short = Finding::of_error(&anyhow::anyhow!("there is none"), "Think");
        assert_eq!(short, Finding::problem("there is none", "Think"));
    }

    #[test]
    fn together_findings_are_as_bad_as_the_worst() {
        let two = || vec![Finding::ok("this"), Finding::warning("that", "Do")];
        let both = Finding::together(two());
        assert_eq!(both, Finding::warning("this; that", "Do"));
        let all = Finding::together([two(), vec![Finding::problem("more", "Do more")]].concat());
        assert_eq!((all.status, all.advice.as_deref()), (Status::Problem, Some("Do. Do more")));
    }

    #[test]
    fn only_problems_make_it_unhealthy() {
        let mut report = Report::new(true);
        report.add("a", Finding::warning("w", "x")).unwrap();
        assert_eq!(report.json().unwrap()["healthy"], true);
        report.add("b", Finding::problem("p", "x")).unwrap();
        let json = report.json().unwrap();
        assert_eq!((&json["healthy"], &json["checks"][1]["status"]), (&false.into(), &"problem".into()));
        assert_eq!(report.problems(), 1);
    }
}
