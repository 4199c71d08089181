//! Networks, and who calls from where: a proxy's word is taken only from proxies that the settings name.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderName, header::FORWARDED};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Addresses of a chain that are looked at, from the last; a longer one was made to be looked at.
const HOPS_MAX: usize = 32;

/// A network in the notation with a slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// The text names no network.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a network like 91.194.226.0/23")]
pub struct ParseNetworkError;

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map(Self).map_err(|_| ParseNetworkError)
    }
}

impl Network {
    /// Whether the address is in it, also where IPv4 is written as IPv6.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// The proxies whose `Forwarded` or `X-Forwarded-For` is believed. None by default: then the caller is whoever opened
/// the connection.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// The proxies in these networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Where a request comes from; `None` if nobody believable says so.
    pub fn client_of(&self, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
        self.client_behind(peer, headers)
    }

    /// The same for a connection from `peer`. Everybody may write what they like to the left of what the first trusted
    /// proxy added, so the last address that is no proxy's counts.
    fn client_behind(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.trust(peer) {
            return Some(peer);
        }
        let is_named = (headers.contains_key(FORWARDED), headers.contains_key(X_FORWARDED_FOR));
        match is_named {
            // The proxy itself, looking whether we live.
            (false, false) => Some(peer),
            (true, false) => self.last_stranger(forwarded(headers)),
            (false, true) => self.last_stranger(forwarded_for(headers)),
            // A proxy writes one of them; the other is the caller's invention unless it says the same.
            (true, true) => {
                let (one, other) = (self.last_stranger(forwarded(headers)), self.last_stranger(forwarded_for(headers)));
                one.filter(|_| one == other)
            }
        }
    }

    /// `None` for a chain that is malformed where it matters, or too long.
    fn last_stranger(&self, chain: Option<Vec<&str>>) -> Option<IpAddr> {
        let mut nearest = None;
        for hop in chain?.into_iter().rev().take(HOPS_MAX) {
            let address = address_of(hop)?;
            nearest = Some(address);
            if !self.trust(address) {
                return nearest;
            }
        }
        // Only proxies: one of them asked by itself.
        nearest
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

/// The addresses of `X-Forwarded-For`, the farthest first; `None` if one line is not text.
fn forwarded_for(headers: &HeaderMap) -> Option<Vec<&str>> {
    let lines: Option<Vec<&str>> = headers.get_all(X_FORWARDED_FOR).iter().map(|line| line.to_str().ok()).collect();
    Some(lines?.into_iter().flat_map(|line| line.split(',')).map(str::trim).collect())
}

/// The `for` of every element of `Forwarded` (RFC 7239), the farthest first.
fn forwarded(headers: &HeaderMap) -> Option<Vec<&str>> {
    let lines: Option<Vec<&str>> = headers.get_all(FORWARDED).iter().map(|line| line.to_str().ok()).collect();
    let elements = lines?.into_iter().flat_map(|line| line.split(','));
    // An element without a `for` names nobody.
    Some(elements.map(|element| node_of(element).unwrap_or_default()).collect())
}

/// The one `for` of an element.
fn node_of(element: &str) -> Option<&str> {
    let mut nodes = element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    let node = nodes.next()?;
    nodes.next().is_none().then_some(node)
}

/// `192.0.2.7`, `192.0.2.7:80`, `2001:db8::1` or `[2001:db8::1]:80`, also in quotes.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.strip_prefix('"').map_or(Some(text), |rest| rest.strip_suffix('"'))?;
    let bare = |text: &str| text.parse::<IpAddr>().ok();
    let bracketed = |text: &str| text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    let with_port = |text: &str| text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = bare(text).or_else(|| bracketed(text)).or_else(|| with_port(text))?;
    Some(address.to_canonical())
}

/// Whoever has one IPv6 address has all of its network.
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network")).to_vec())
    }

    fn behind(peer: &str, lines: &[(&'static str, &'static str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        let peer = peer.parse::<IpAddr>().expect("an address");
        proxies().client_behind(peer.to_canonical(), &headers).map(|address| address.to_string())
    }

    fn told(value: &'static str) -> Option<String> {
        behind("10.0.0.1", &[("x-forwarded-for", value)])
    }

    fn is(address: &str) -> Option<String> {
        Some(address.to_owned())
    }

    #[test]
    fn strangers_are_who_they_are_whatever_they_say() {
        for header in ["x-forwarded-for", "forwarded"] {
            assert_eq!(behind("203.0.113.9", &[(header, "91.194.226.1")]), is("203.0.113.9"));
        }
        assert_eq!(behind("203.0.113.9", &[("forwarded", "for=91.194.226.1")]), is("203.0.113.9"));
        assert_eq!(behind("203.0.113.9", &[]), is("203.0.113.9"));
        let nobody = TrustedProxies::default();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("91.194.226.1"));
        let peer = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(nobody.client_behind(peer, &headers), Some(peer), "none is trusted by default");
    }

    #[test]
    fn behind_a_proxy_the_last_address_that_is_no_proxys_counts() {
        assert_eq!(told("203.0.113.9"), is("203.0.113.9"));
        assert_eq!(told("91.194.226.1, 203.0.113.9"), is("203.0.113.9"), "the first one is the caller's invention");
        assert_eq!(told("91.194.226.1,203.0.113.9 , 10.2.2.2,10.3.3.3"), is("203.0.113.9"));
        assert_eq!(told("10.2.2.2, 10.3.3.3"), is("10.2.2.2"), "a proxy that asks by itself");
        let lines = [("x-forwarded-for", "91.194.226.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(behind("::ffff:10.0.0.1", &lines), is("203.0.113.9"), "lines are one list");
        assert_eq!(behind("10.0.0.1", &[]), is("10.0.0.1"));
    }

    #[test]
    fn addresses_come_in_many_forms() {
        for (text, address) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("\"203.0.113.9\"", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ] {
            assert_eq!(told(text), is(address), "{text}");
        }
        let forwarded = |value| behind("fd00::1", &[("forwarded", value)]);
        assert_eq!(forwarded("for=203.0.113.9;proto=https;by=10.0.0.1"), is("203.0.113.9"));
        assert_eq!(forwarded("for=91.194.226.1, For=\"[2001:db8::1]:443\"; host=x"), is("2001:db8::1"));
        assert_eq!(forwarded("for=203.0.113.9, for=10.9.9.9"), is("203.0.113.9"));
    }

    #[test]
    fn what_is_malformed_where_it_matters_names_nobody() {
        for text in ["", "unknown", "_hidden", "203.0.113", "203.0.113.9.1", "1,", "x, 10.2.2.2", "\"203.0.113.9"] {
            assert_eq!(told(text), None, "{text:?}");
        }
        assert_eq!(told("nonsense, 203.0.113.9"), is("203.0.113.9"), "what stands before the caller is not looked at");
        for text in ["", "proto=https", "for=unknown", "for=1.2.3.4;for=5.6.7.8", "for"] {
            assert_eq!(behind("10.0.0.1", &[("forwarded", text)]), None, "{text:?}");
        }
        assert_eq!(told("203.0.113.\u{e9}"), None);
    }

    #[test]
    fn two_headers_that_differ_name_nobody() {
        let both = |one, other| behind("10.0.0.1", &[("forwarded", one), ("x-forwarded-for", other)]);
        assert_eq!(both("for=203.0.113.9", "203.0.113.9"), is("203.0.113.9"));
        assert_eq!(both("for=91.194.226.1", "203.0.113.9"), None);
        assert_eq!(both("for=unknown", "unknown"), None);
    }

    #[test]
    fn an_endless_chain_of_proxies_is_not_followed() {
        let mut headers = HeaderMap::new();
        let chain = ["91.194.226.1"].into_iter().chain(std::iter::repeat_n("10.1.1.1", 5_000));
        let chain = chain.collect::<Vec<_>>().join(",");
        headers.insert("x-forwarded-for", HeaderValue::try_from(chain).expect("a value"));
        let client = proxies().client_behind(IpAddr::from([10, 0, 0, 1]), &headers);
        assert_eq!(client, Some(IpAddr::from([10, 1, 1, 1])));
    }
}
