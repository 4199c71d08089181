//! The web sites whose pages may open a socket: a browser sends its cookies and its user's tickets wherever a page asks.

use http::{HeaderMap, header};

/// Hosts of a developer's own machine, as a page there is named.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whose pages may open a socket. What is no browser names no origin, and may.
#[derive(Debug, Clone, Default)]
pub struct AllowedOrigins {
    origins: Vec<String>,
    allows_local: bool,
}

impl AllowedOrigins {
    /// These sites, and that of `public_url`; `allows_local` adds every port of the developer's own machine.
    pub fn new(sites: &[String], public_url: &str, allows_local: bool) -> Self {
        let sites = sites.iter().map(String::as_str).chain([public_url]);
        Self { origins: sites.filter_map(origin_of).collect(), allows_local }
    }

    /// Whether a request with these headers may open a socket.
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let mut named = headers.get_all(header::ORIGIN).iter();
        match (named.next(), named.next()) {
            (None, _) => true,
            (Some(origin), None) => origin.to_str().is_ok_and(|origin| self.has(origin)),
            (Some(_), Some(_)) => false,
        }
    }

    fn has(&self, origin: &str) -> bool {
        // `null` and whatever else is no address is nobody's.
        let Some(origin) = origin_of(origin) else { return false };
        self.origins.contains(&origin) || (self.allows_local && is_local(&origin))
    }
}

/// Scheme, host and port of an address, in the one form that is compared: the usual port is left out.
fn origin_of(address: &str) -> Option<String> {
    let uri: http::Uri = address.trim().parse().ok()?;
    let (scheme, host) = (uri.scheme_str()?.to_ascii_lowercase(), uri.host()?.to_ascii_lowercase());
    let port = match (scheme.as_str(), uri.port_u16()) {
        ("http", None | Some(80)) | ("https", None | Some(443)) => String::new(),
        ("http" | "https", Some(port)) => format!(":{port}"),
        _ => return None,
    };
    Some(format!("{scheme}://{host}{port}"))
}

fn is_local(origin: &str) -> bool {
    let host = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    LOCAL.iter().any(|local| host.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn allowed(origins: &AllowedOrigins, named: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for origin in named {
            headers.append(header::ORIGIN, HeaderValue::from_static(origin));
        }
        origins.allow(&headers)
    }

    #[test]
    fn named_sites_our_own_and_what_is_no_browser_may() {
        let sites = ["https://homefood.example".to_owned(), "https://cook.example:8443/".to_owned()];
        let origins = AllowedOrigins::new(&sites, "https://api.homefood.example/api", false);
        assert!(allowed(&origins, &[]));
        for origin in [
            "https://homefood.example",
            "https://HOMEFOOD.example",
            "https://homefood.example:443",
            "https://cook.example:8443",
            "https://api.homefood.example",
        ] {
            assert!(allowed(&origins, &[origin]), "{origin}");
        }
        for origin in [
            "http://homefood.example",
            "https://homefood.example:444",
            "https://evil-homefood.example",
            "https://homefood.example.evil",
            "https://homefood.example@evil",
            "https://cook.example",
            "http://localhost:3000",
            "null",
            "",
            "file://",
            "chrome-extension://abc",
        ] {
            assert!(!allowed(&origins, &[origin]), "{origin}");
        }
        assert!(!allowed(&origins, &["https://homefood.example", "https://homefood.example"]), "two are none");
    }

    #[test]
    fn development_allows_the_developers_own_machine() {
        let origins = AllowedOrigins::new(&[], "http://localhost:8080", true);
        for origin in ["http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:3000", "https://localhost"] {
            assert!(allowed(&origins, &[origin]), "{origin}");
        }
        for origin in ["http://localhost.evil", "http://127.0.0.1.evil:80", "https://homefood.example"] {
            assert!(!allowed(&origins, &[origin]), "{origin}");
        }
    }
}
