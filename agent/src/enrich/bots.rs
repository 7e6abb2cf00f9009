//! Who only looks: crawlers, and probes that ask whether the service is well.
//!
//! In: the user agent, as sent and so not to be trusted, and the path. Out: a [`Class`], and the family of the agent. A
//! browser's user agent costs one look for a `+`, which crawlers have in the address that they give.

/// What a user agent says that its sender is. The number is that of its group; see [`Names`](super::names::Names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Class {
    /// Nothing special.
    #[default]
    Caller,
    /// A crawler.
    Bot,
    /// A probe.
    Health,
}

impl Class {
    /// What this agent is, asking for this target.
    #[inline]
    pub(super) fn of(agent: &[u8], target: &[u8]) -> Self {
        if agent.starts_with(b"Mozilla/") {
            let names_itself = agent.get(11..).is_some_and(|rest| rest.starts_with(b" (compatible; "));
            if !names_itself && memchr::memchr(b'+', agent).is_none() {
                return Self::Caller;
            }
        } else if agent.len() < 2 {
            return Self::Caller;
        }
        Self::look(&agent[..agent.len().min(AGENT_BYTES)], target)
    }

    fn look(agent: &[u8], target: &[u8]) -> Self {
        if PROBES.iter().any(|p| agent.starts_with(p)) {
            return Self::Health;
        }
        if TOOLS.iter().any(|t| agent.starts_with(t)) {
            return if is_health_path(target) { Self::Health } else { Self::Caller };
        }
        if has_word(agent, &CRAWLERS) { Self::Bot } else { Self::Caller }
    }
}

/// Bytes of a user agent that are looked at.
const AGENT_BYTES: usize = 512;

/// How the user agents of probes begin: Kubernetes, the load balancers of AWS, Google, Azure and Alibaba, Consul,
/// Prometheus, Envoy, monitoring services.
const PROBES: [&[u8]; 19] = [
    b"kube-probe/",
    b"ELB-HealthChecker/",
    b"GoogleHC/",
    b"GoogleStackdriverMonitoring",
    b"Consul Health Check",
    b"Prometheus/",
    b"Blackbox Exporter",
    b"Envoy/HC",
    b"Amazon-Route53-Health-Check-Service",
    b"Amazon Route 53 Health Check",
    b"Load Balancer Agent",
    b"Edge Health Probe",
    b"AlwaysOn",
    b"SLBHealthCheck",
    b"HealthCheck/",
    b"Pingdom.com_bot",
    b"Uptime-Kuma/",
    b"StatusCake",
    b"Mozilla/5.0+(compatible; UptimeRobot",
];

/// Tools that probe where they ask for the path of a probe, and call like anybody else elsewhere.
const TOOLS: [&[u8]; 7] =
    [b"curl/", b"Wget/", b"wget", b"Go-http-client/", b"python-requests/", b"Apache-HttpClient/", b"okhttp/"];

fn is_health_path(target: &[u8]) -> bool {
    let end = target.iter().position(|&b| b == b'?').unwrap_or(target.len());
    matches!(
        &target[..end],
        b"/healthz" | b"/livez" | b"/readyz" | b"/health" | b"/-/healthy" | b"/-/ready" | b"/actuator/health"
    )
}

/// Words of crawlers, in lower case, that no browser has.
const CRAWLERS: [&[u8]; 9] = [
    b"bot",
    b"crawl",
    b"spider",
    b"slurp",
    b"facebookexternalhit",
    b"mediapartners-google",
    b"archiver",
    b"scrapy",
    b"headlesschrome",
];

/// Whether one of these stands in a text, in any case. `bot` counts where no letter follows, or `s`: `bothy` is a name.
fn has_word(text: &[u8], words: &[&[u8]]) -> bool {
    (0..text.len()).any(|at| {
        let rest = &text[at..];
        // The second letter tells more than the first: few pairs begin any word.
        let begins = |word: &[u8]| text[at] | 0x20 == word[0] && rest.get(1).is_some_and(|b| b | 0x20 == word[1]);
        words.iter().filter(|word| begins(word)).any(|word| {
            let starts = rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word);
            starts && (*word != b"bot" || !rest.get(3).is_some_and(|b| b.is_ascii_lowercase() && *b != b's'))
        })
    })
}

/// The family of a user agent: the browser, or the name of the first product. `None` where there is none.
///
/// Source: RFC 9110, section 10.1.5: products, each a token with a version behind a slash.
pub(super) fn family(agent: &[u8]) -> Option<&[u8]> {
    let agent = &agent[..agent.len().min(AGENT_BYTES)];
    if agent.starts_with(b"Mozilla/") {
        if let Some(at) = memchr::memmem::find(agent, b"compatible; ") {
            let name = product(&agent[at + b"compatible; ".len()..]);
            return if name == b"MSIE" { Some(b"Internet Explorer") } else { Some(name).filter(|n| !n.is_empty()) };
        }
        return BROWSERS.iter().find(|(token, _)| memchr::memmem::find(agent, token).is_some()).map(|(_, name)| *name);
    }
    Some(product(agent)).filter(|name| !name.is_empty())
}

/// Bytes of the longest family that is believed.
const FAMILY_BYTES: usize = 48;

/// The token that a text begins with.
fn product(text: &[u8]) -> &[u8] {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"-_.!+".contains(b);
    let end = text.iter().position(|b| !is_token(b)).unwrap_or(text.len());
    if end > FAMILY_BYTES { b"" } else { &text[..end] }
}

/// Tokens of browsers, those first that others imitate least.
const BROWSERS: [(&[u8], &[u8]); 9] = [
    (b"Edg", b"Edge"),
    (b"OPR/", b"Opera"),
    (b"SamsungBrowser/", b"Samsung Internet"),
    (b"HeadlessChrome/", b"HeadlessChrome"),
    (b"Firefox/", b"Firefox"),
    (b"Chrome/", b"Chrome"),
    (b"CriOS/", b"Chrome"),
    (b"Safari/", b"Safari"),
    (b"Trident/", b"Internet Explorer"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crawlers_and_probes_are_told_from_callers() {
        use Class::{Bot, Caller, Health};
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
        for (agent, target, want) in [
            (chrome, "/healthz", Caller),
            ("", "/healthz", Caller),
            ("-", "/a", Caller),
            ("curl/8.4.0", "/a", Caller),
            ("curl/8.4.0", "/healthz?full=1", Health),
            ("Go-http-client/1.1", "/readyz", Health),
            ("kube-probe/1.29", "/", Health),
            ("ELB-HealthChecker/2.0", "/a", Health),
            ("GoogleHC/1.0", "/a", Health),
            ("Consul Health Check", "/a", Health),
            ("Prometheus/2.48.0", "/metrics", Health),
            ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "/", Health),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "/", Bot),
            (
                "Mozilla/5.0 (Linux; Android 6.0.1) Chrome/120 Mobile Safari/537.36 (compatible; Googlebot/2.1; \
                 +http://www.google.com/bot.html)",
                "/",
                Bot,
            ),
            ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", "/", Bot),
            ("Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)", "/", Bot),
            ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "/", Bot),
            ("Scrapy/2.11 (+https://scrapy.org)", "/", Bot),
            ("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.0)", "/", Caller),
            ("acme-bothy/1.0", "/", Caller),
            ("acme-bot/1.0", "/", Bot),
        ] {
            assert_eq!(Class::of(agent.as_bytes(), target.as_bytes()), want, "{agent} {target}");
        }
    }

    #[test]
    fn families() {
        let long = "x".repeat(600);
        for (agent, want) in [
            ("curl/8.4.0", Some("curl")),
            ("python-requests/2.31.0", Some("python-requests")),
            ("AcmeApp/1.2 (iPhone; iOS 17.1)", Some("AcmeApp")),
            ("Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36", Some("Chrome")),
            ("Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 Edg/120.0", Some("Edge")),
            ("Mozilla/5.0 (X11; rv:109.0) Gecko/20100101 Firefox/119.0", Some("Firefox")),
            ("Mozilla/4.0 (compatible; MSIE 7.0)", Some("Internet Explorer")),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://x)", Some("Googlebot")),
            ("Mozilla/5.0", None),
            ("(nothing)", None),
            ("", None),
            (&long, None),
        ] {
            assert_eq!(family(agent.as_bytes()), want.map(str::as_bytes), "{agent}");
        }
    }
}
