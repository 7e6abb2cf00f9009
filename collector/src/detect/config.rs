//! What the detectors can be told. In: the collector's configuration file. Out: one value, complete and checked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of detection. Windows are those of the reports: ten seconds unless the agents say otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectConfig {
    /// Milliseconds to wait behind the watermark before a window is judged. Default 0: the watermark itself says that
    /// nothing more is expected; raise it where agents with wrong clocks deliver late.
    pub grace_ms: u64,
    /// Windows that a series is watched before it is judged. Default 12 (two minutes): enough to know a level, short
    /// enough to be of use soon after a start.
    pub warmup_windows: u32,
    /// Timed requests that a route needs before its durations and errors are judged. Default 30: fewer cannot place a
    /// 95 % quantile.
    pub warmup_requests: u32,
    /// Evidence in nats (natural logarithm of a likelihood ratio) at which an anomaly opens. Default 24: about one
    /// false alarm in thousands of series-days on simulated traffic; 18 finds weak changes a little sooner.
    pub line_nats: f64,
    /// Windows over which a level of traffic of a service or route is forgotten. Default 30: follows the hours of a
    /// day without alarm, and is steady against noise.
    pub rate_memory_windows: f64,
    /// Windows over which ratios, durations and the habits of single consumers are forgotten. Default 360 (one hour).
    pub memory_windows: f64,
    /// Times its normal traffic that a service or route must reach (or fall below, as the inverse) to be told.
    /// Default 3.
    pub rate_ratio: f64,
    /// Likewise for one consumer. Default 5: consumers are less regular than the sum of them.
    pub consumer_ratio: f64,
    /// Share of a service's normal traffic that the change of a route or consumer must amount to, in `[0, 1]`. Default
    /// 0.05: less than that hurts nobody.
    pub min_share: f64,
    /// Share of a change, in `[0, 1]`, that one version, route or consumer must carry to become the subject. Default
    /// 0.8.
    pub carrier_share: f64,
    /// Windows without anything off before an anomaly is resolved. Default 4: a pause of a few windows is one
    /// anomaly and not two.
    pub quiet_windows: u32,
    /// Quiet windows that resolve an anomaly even where traffic is too thin to prove that it is over. Default 30.
    pub give_up_windows: u32,
    /// Windows after which a change is the new normal: its anomaly is resolved and the series learnt anew. Default
    /// 720 (two hours).
    pub adopt_windows: u32,
    /// Windows between two updates of an open anomaly, unless its severity changes. Default 5.
    pub update_windows: u32,
    /// New consumers per hour and service that are told; beyond, novelty is normal there. Default 6.
    pub new_consumers_per_hour: u32,
    /// Series in memory, about 0.5 KiB each and 2.5 KiB for a route. Default 10,000; beyond, new series are ignored
    /// and counted.
    pub max_series: usize,
    /// Cells held per window that waits for judgement. Default 50,000; beyond, they are ignored and counted.
    pub max_cells: usize,
    /// Anomalies open at once, of traffic and of silent agents each. Default 100; beyond, none is opened, and that is
    /// counted.
    pub max_open: usize,
    /// How long an agent may say nothing before it is told as silent, unless it said that it stops. One that reports
    /// seldom has three times its usual interval. Default 60s: twice what a restart of an agent takes; 0s tells of nobody.
    #[serde(with = "crate::duration_text")]
    pub silent_agent: Duration,
}

impl Default for DetectConfig {
    fn default() -> Self {
        Self {
            grace_ms: 0,
            warmup_windows: 12,
            warmup_requests: 30,
            line_nats: 24.0,
            rate_memory_windows: 30.0,
            memory_windows: 360.0,
            rate_ratio: 3.0,
            consumer_ratio: 5.0,
            min_share: 0.05,
            carrier_share: 0.8,
            quiet_windows: 4,
            give_up_windows: 30,
            adopt_windows: 720,
            update_windows: 5,
            new_consumers_per_hour: 6,
            max_series: 10_000,
            max_cells: 50_000,
            max_open: 100,
            silent_agent: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_refused_and_missing_ones_default() {
        assert_eq!(serde_json::from_str::<DetectConfig>("{}").expect("empty"), DetectConfig::default());
        let some = serde_json::from_str::<DetectConfig>(r#"{"line_nats": 18.4}"#).expect("one key");
        assert_eq!(some, DetectConfig { line_nats: 18.4, ..DetectConfig::default() });
        assert!(serde_json::from_str::<DetectConfig>(r#"{"line": 3}"#).is_err());
    }
}
