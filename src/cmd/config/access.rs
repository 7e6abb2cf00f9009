//! Keys about who is let in: what an agent shows a collector, and what a collector wants to see. In: checked or unchecked
//! configurations. Out: values for the client, problems.

use std::path::{Path, PathBuf};

use pitot_client::{Access, Client};

use super::{AgentFile, CollectorFile};
use crate::cli;

impl AgentFile {
    /// What opens the collector's door. A token in a file wins over that of the environment.
    pub(crate) fn access(&self, token: Option<String>) -> Access {
        Access {
            ca: named(&self.collector_ca),
            cert: named(&self.collector_cert),
            key: named(&self.collector_key),
            token,
            token_file: named(&self.token_file),
        }
    }

    /// What stands on the command line wins.
    pub(crate) fn let_in_by(&mut self, flags: &cli::Access) {
        for (key, flag) in [
            (&mut self.token_file, &flags.token_file),
            (&mut self.collector_ca, &flags.ca),
            (&mut self.collector_cert, &flags.cert),
            (&mut self.collector_key, &flags.key),
        ] {
            if let Some(path) = flag {
                key.clone_from(path);
            }
        }
    }

    /// What is wrong with the collectors and the way into them. Files are read when the agent starts.
    pub(super) fn access_problems(&self) -> Vec<String> {
        let access = self.access(None);
        let mut problems = Vec::new();
        for url in &self.collector.0 {
            if let Err(error) = Client::check(url, &access) {
                problems.push(format!("collector = \"{url}\": {error}"));
            }
        }
        match (&access.cert, &access.key) {
            (Some(cert), None) => {
                problems.push(format!("collector_cert = \"{}\": name its key by collector_key", cert.display()));
            }
            (None, Some(key)) => {
                problems.push(format!("collector_key = \"{}\": name its certificate by collector_cert", key.display()));
            }
            _ => {}
        }
        problems
    }
}

impl CollectorFile {
    /// Whether strangers are kept out.
    pub(super) fn has_access_control(&self) -> bool {
        !self.tokens.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
    }
}

fn named(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::config::parse;

    #[test]
    fn ways_in_that_lead_nowhere_are_told() {
        for (text, want) in [
            ("collector = \"https://a:7077\"\ncollector_ca = \"/ca\"", None),
            ("collector_ca = \"/ca\"", Some("certificates are of use with https:// alone")),
            ("collector = \"https://a\"\ncollector_cert = \"/c\"", Some("name its key by collector_key")),
            ("collector = \"https://a\"\ncollector_key = \"/k\"", Some("name its certificate by collector_cert")),
        ] {
            let problems = parse::<AgentFile>(text).unwrap().problems().join("; ");
            assert!(want.map_or(problems.is_empty(), |part| problems.contains(part)), "{text}: {problems}");
        }
    }

    #[test]
    fn a_collector_for_others_needs_to_know_whom_it_lets_in() {
        let listen = "listen = \"0.0.0.0:7077\"\n";
        let tls = "[tls]\ncert = \"/c\"\nkey = \"/k\"\n";
        let token = format!("[[tokens]]\nname = \"a\"\nsha256 = \"{}\"\nscopes = [\"read\"]\n", "0".repeat(64));
        for (text, want) in [
            (listen.to_owned(), Some("configure [[tokens]]")),
            (format!("{listen}{tls}"), Some("configure [[tokens]]")),
            (format!("{listen}{tls}client_ca = \"/a\"\n"), None),
            (format!("{listen}{token}"), None),
            (token.replace("00", "xx"), Some("64 hexadecimal digits")),
            (tls.to_owned(), None),
        ] {
            let problems = parse::<CollectorFile>(&text).unwrap().problems().join("; ");
            assert!(want.map_or(problems.is_empty(), |part| problems.contains(part)), "{text}: {problems}");
        }
    }
}
