//! What is said of addresses that can't be used, and who is reached through a proxy. Connections are made in `tests/serve`.

use super::*;

fn variables<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

#[track_caller]
fn refused(url: &str, words: &str) {
    let error = Dialler::new(url, &DialOptions::default()).err().expect("an error").to_string();
    assert!(error.contains(words), "{error}; wanted {words}");
    assert!(!error.contains("hush"), "{error}");
}

#[test]
fn an_address_that_can_not_be_used_is_told_with_its_mend() {
    refused("", "write ws://HOST:PORT/PATH");
    refused("calls.example.com", "it has no scheme");
    refused("/v1", "it has no scheme");
    refused("https://calls.example.com/v1", "a WebSocket over TLS has the scheme wss");
    refused("http://calls.example.com/v1", "a WebSocket has the scheme ws");
    refused("ftp://calls.example.com/v1", "the scheme `ftp` is unknown");
    refused("ws:///v1", "is no address to connect to");
    refused("ws://host:99999/v1", "is no address to connect to");
    refused("ws://host:/v1", "the port is no number");
    refused("wss://eve:hush@host/v1", "`wss://host/v1` is no address to connect to: it holds a user");
    refused("wss://a..b/v1?token=hush", "`wss://a..b/v1` is no address to connect to: the host is no name");
}

#[test]
fn an_address_names_host_and_port() {
    let check = |url: &str, host: &str, port: u16| {
        let target = Target::parse(url).unwrap();
        assert_eq!((target.host.as_str(), target.port), (host, port), "{url}");
    };
    check("ws://host/v1", "host", 80);
    check("wss://host/v1?shard=3", "host", 443);
    check("ws://127.0.0.1:7878/v1", "127.0.0.1", 7878);
    check("wss://[::1]:7878", "::1", 7878);
    assert_eq!(Target::parse("wss://[::1]").unwrap().authority(), "[::1]:443");
}

#[test]
fn a_file_that_holds_no_certificates_is_told_by_name() {
    let options = DialOptions { trust: Trust { extra: vec!["/nowhere/ca.pem".into()] }, ..DialOptions::default() };
    let error = Dialler::new("wss://host/v1", &options).err().expect("an error").to_string();
    assert!(error.contains("/nowhere/ca.pem: No such file"), "{error}");
    // Who needs no certificates is not bothered.
    assert!(Dialler::new("ws://host/v1", &options).is_ok());
    let trust = Trust::from(variables(&[("CONVOKE_EXTRA_CERTS", "ours.pem")]));
    assert_eq!(trust.extra, [PathBuf::from("ours.pem")]);
}

#[test]
fn the_environment_names_proxies_and_exceptions() {
    let proxies = Proxies::from(variables(&[
        ("http_proxy", "http://plain:3128"),
        ("HTTPS_PROXY", "eve:pass%40word@secure"),
        ("no_proxy", "example.com, .inner.org:8443,10.0.0.0/8 , 192.168.7.9,[fd00::1]"),
    ]))
    .unwrap();
    let check = |host: &str, port: u16, secure: bool, proxy: Option<&str>| {
        let found = proxies.towards(host, port, secure).map(|proxy| format!("{proxy:?}"));
        assert_eq!(found.as_deref(), proxy, "{host}:{port}");
    };
    check("other.org", 80, false, Some("plain:3128"));
    check("other.org", 443, true, Some("secure:80"));
    check("example.com", 443, true, None);
    check("calls.EXAMPLE.com", 443, true, None);
    check("notexample.com", 443, true, Some("secure:80"));
    check("inner.org", 8443, true, None);
    check("a.inner.org", 8443, true, None);
    check("a.inner.org", 443, true, Some("secure:80"));
    check("10.200.3.4", 443, true, None);
    check("11.0.0.1", 443, true, Some("secure:80"));
    check("192.168.7.9", 443, true, None);
    check("192.168.7.8", 443, true, Some("secure:80"));
    check("fd00::1", 443, true, None);
    check("localhost", 443, true, None);
    check("127.0.0.9", 80, false, None);
    check("::1", 80, false, None);
    let everybody = Proxies::from(variables(&[("all_proxy", "proxy"), ("NO_PROXY", "*")])).unwrap();
    assert!(everybody.towards("other.org", 80, false).is_none());
    // Anybody who sends a web server a header could set it.
    assert!(Proxies::from(variables(&[("HTTP_PROXY", "proxy")])).unwrap().towards("other.org", 80, false).is_none());
}

#[test]
fn a_proxy_that_can_not_be_used_is_told_by_its_variable() {
    let check = |value: &str, words: &str| {
        let error = Proxies::from(variables(&[("all_proxy", value)])).unwrap_err().to_string();
        assert!(error.contains("all_proxy") && error.contains(words), "{error}; wanted {words}");
        assert!(!error.contains("hush"), "{error}");
    };
    check("socks5://eve:hush@proxy:1080", "a proxy of the kind `socks5`, and only `http` is known here");
    check("http://eve:hush%4@proxy", "a % that is not followed by two digits");
    check("http://", "it is no address");
    check("eve:hush@", "it is no address");
}
