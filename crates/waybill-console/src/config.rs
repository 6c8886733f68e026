//! The section `console` of the configuration.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

use crate::network::Network;

/// The section `console`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// The console's port; empty: there is no console.
    pub listen: String,
    /// How browsers reach it; empty: `http://` and `listen`.
    pub url: String,
    /// A session ends after this, in seconds.
    pub session_s: u64,
    /// A session that nobody uses ends after this, in seconds.
    pub session_idle_s: u64,
    /// Addresses or networks of proxies whose headers are believed.
    pub proxy_addresses: Vec<String>,
    /// The header in which such a proxy names the user it has authenticated; empty: login by password.
    pub trust_proxy_header: String,
    /// The header in which it names that user's role.
    pub proxy_role_header: String,
    /// Between two looks at the flow, in milliseconds.
    pub sample_ms: u64,
}

impl Config {
    /// Whether there is to be a console.
    pub const fn is_on(&self) -> bool {
        !self.listen.is_empty()
    }

    /// Everything that is wrong with it.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if !self.is_on() {
            return mistakes;
        }
        match self.listen.parse::<SocketAddr>() {
            Err(_) => mistakes.push("console.listen is no address and port".to_owned()),
            Ok(listen) if self.url.is_empty() && !listen.ip().is_loopback() => mistakes.push(
                "console.url is needed when console.listen is not loopback: how do browsers reach it?"
                    .to_owned(),
            ),
            Ok(_) => {}
        }
        let is_local = self.url.starts_with("http://") && is_loopback(self.host());
        if !(self.url.is_empty() || self.is_secure() || is_local) {
            mistakes.push(
                "console.url must be https://, or http:// at localhost: passwords would go in the clear"
                    .to_owned(),
            );
        }
        if self.session_s == 0 || self.session_idle_s == 0 || self.sample_ms < 500 {
            mistakes.push(
                "console.session_s and session_idle_s must be above 0, sample_ms at least 500".to_owned(),
            );
        }
        for network in &self.proxy_addresses {
            if network.parse::<Network>().is_err() {
                mistakes.push(format!("console.proxy_addresses: {network} is no address and no network"));
            }
        }
        if !self.trust_proxy_header.is_empty() {
            if self.proxy_addresses.is_empty() {
                mistakes.push("console.trust_proxy_header needs console.proxy_addresses".to_owned());
            }
            if self.proxy_role_header.is_empty() {
                mistakes.push("console.trust_proxy_header needs console.proxy_role_header".to_owned());
            }
        }
        mistakes
    }

    /// Whether browsers reach it over TLS.
    pub fn is_secure(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// The host (without port) by which browsers reach it; empty: loopback.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        without_port(rest.split('/').next().unwrap_or_default())
    }

    /// Whether a request with this `Host` is meant for us: else a page elsewhere could, by a name
    /// that it lets point here, read ours (DNS rebinding).
    pub fn is_our_host(&self, host: &str) -> bool {
        let host = without_port(host);
        is_loopback(host) || (!self.host().is_empty() && host.eq_ignore_ascii_case(self.host()))
    }

    /// For how long a session lasts.
    pub const fn session(&self) -> Duration {
        Duration::from_secs(self.session_s)
    }

    /// For how long it may go unused.
    pub const fn idle(&self) -> Duration {
        Duration::from_secs(self.session_idle_s)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str, url: &str) -> Config {
        Config {
            listen: listen.to_owned(),
            url: url.to_owned(),
            session_s: 1,
            session_idle_s: 1,
            proxy_addresses: Vec::new(),
            trust_proxy_header: String::new(),
            proxy_role_header: String::new(),
            sample_ms: 1000,
        }
    }

    #[test]
    fn passwords_go_over_tls_or_stay_on_the_machine() {
        for (listen, url, good) in [
            ("", "", true),
            ("127.0.0.1:8090", "", true),
            ("0.0.0.0:8090", "", false),
            ("0.0.0.0:8090", "https://waybill.example", true),
            ("0.0.0.0:8090", "http://waybill.example", false),
            ("0.0.0.0:8090", "http://127.0.0.1:8090", true),
            ("0.0.0.0:8090", "http://localhost.evil.example", false),
            ("here", "", false),
        ] {
            assert_eq!(config(listen, url).mistakes().is_empty(), good, "{listen} {url}");
        }
    }

    #[test]
    fn a_strange_host_is_not_ours() {
        let config = config("0.0.0.0:8090", "https://waybill.example:8443/");
        for (host, ours) in [
            ("waybill.example", true),
            ("WAYBILL.example:8443", true),
            ("127.0.0.1:8090", true),
            ("[::1]:8090", true),
            ("localhost", true),
            ("evil.example", false),
            ("waybill.example.evil.example", false),
            ("", false),
        ] {
            assert_eq!(config.is_our_host(host), ours, "{host}");
        }
    }
}
