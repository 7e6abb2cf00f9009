//! `[[syslog]]` of `agent.toml`: addresses that take syslog messages.

use pitot_agent::{
    io::{Listen, SyslogSpec},
    log::Format,
};
use serde::{Deserialize, Serialize};

/// `[[syslog]]` of `agent.toml`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AgentSyslog {
    pub(crate) listen: String,
    pub(crate) log_format: String,
    pub(crate) consumer: String,
    pub(crate) tag: String,
    pub(crate) mode: String,
}

impl Default for AgentSyslog {
    fn default() -> Self {
        let mode = format!("{:04o}", SyslogSpec::MODE);
        Self { listen: String::new(), log_format: String::new(), consumer: String::new(), tag: String::new(), mode }
    }
}

impl AgentSyslog {
    /// Everything that comes to an address.
    pub(crate) fn at(listen: &str) -> Self {
        Self { listen: listen.to_owned(), ..Self::default() }
    }

    /// What it means, or the first thing that is wrong with it.
    pub(crate) fn spec(&self) -> anyhow::Result<SyslogSpec> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(SyslogSpec {
            listen: self.address().map_err(anyhow::Error::msg)?,
            format: self.format().map_err(anyhow::Error::msg)?,
            consumer: given(&self.consumer),
            tag: given(&self.tag),
            mode: self.mode().map_err(anyhow::Error::msg)?,
        })
    }

    /// What is wrong with the values, all of it.
    pub(super) fn problems(&self) -> Vec<String> {
        [self.address().err(), self.format().err(), self.mode().err()].into_iter().flatten().collect()
    }

    fn address(&self) -> Result<Listen, String> {
        self.listen.parse().map_err(|error| format!("listen = \"{}\": {error}", self.listen))
    }

    fn format(&self) -> Result<Option<Format>, String> {
        if self.log_format.is_empty() {
            return Ok(None);
        }
        let format = Format::compile(&self.log_format);
        let format = format.map_err(|error| format!("log_format = \"{}\": {error}", self.log_format))?;
        if self.consumer.is_empty() {
            return Ok(Some(format));
        }
        let format = format.with_consumer(&self.consumer);
        format.map(Some).map_err(|error| format!("consumer = \"{}\": {error}", self.consumer))
    }

    fn mode(&self) -> Result<u32, String> {
        let mode = u32::from_str_radix(&self.mode, 8).ok().filter(|mode| *mode <= 0o777);
        mode.ok_or_else(|| format!("mode = \"{}\": use octal permissions such as 0660", self.mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_told() {
        let good = AgentSyslog::at("udp://127.0.0.1:5514");
        assert!(good.problems().is_empty());
        assert_eq!(good.spec().unwrap().mode, SyslogSpec::MODE);
        let bad = AgentSyslog {
            listen: "127.0.0.1:514".into(),
            log_format: "$nothing_here".into(),
            mode: "rw".into(),
            ..AgentSyslog::default()
        };
        assert_eq!(bad.problems().len(), 3, "{:?}", bad.problems());
        assert!(bad.spec().unwrap_err().to_string().starts_with("listen = \"127.0.0.1:514\": it begins with none of"));
        for mode in ["0660", "660", "777", "0"] {
            assert!(AgentSyslog { mode: mode.into(), ..good.clone() }.spec().is_ok(), "{mode}");
        }
        for mode in ["", "8", "1777", "-1"] {
            assert!(AgentSyslog { mode: mode.into(), ..good.clone() }.spec().is_err(), "{mode}");
        }
    }
}
