//! The endpoint URL of one signal.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use super::pairs::percent_decode_lossy;
use super::problem::EndpointProblem;
use super::secret::Secret;

/// A parsed endpoint.
pub(super) struct Endpoint {
    /// Without user and password.
    pub(super) url: Uri,
    /// The `Authorization` header made from the user and password of the URL.
    pub(super) authorization: Option<Secret>,
    pub(super) has_scheme: bool,
}

impl Endpoint {
    /// Parses a URL. Without a scheme the URL is `http` if `insecure` is true, else `https`.
    pub(super) fn parse(text: &str, insecure: bool) -> Result<Self, EndpointProblem> {
        let has_scheme = text.contains("://");
        let uri: Uri = match (has_scheme, insecure) {
            (true, _) => text.parse(),
            (false, true) => format!("http://{text}").parse(),
            (false, false) => format!("https://{text}").parse(),
        }
        .map_err(|_| EndpointProblem::NotUrl)?;
        let mut parts = uri.into_parts();

        let scheme = parts.scheme.as_ref().map_or("", Scheme::as_str);
        parts.scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Some(Scheme::HTTP),
            "https" => Some(Scheme::HTTPS),
            _ => return Err(EndpointProblem::UnknownScheme),
        };
        let full = parts.authority.ok_or(EndpointProblem::NoHost)?;
        if full.host().is_empty() {
            return Err(EndpointProblem::NoHost);
        }
        let (user_info, host_and_port) = match full.as_str().rsplit_once('@') {
            Some((user_info, rest)) => (Some(user_info), rest),
            None => (None, full.as_str()),
        };
        let authority: Authority = host_and_port.parse().map_err(|_| EndpointProblem::NotUrl)?;
        // `Authority` accepts an empty port and one that is too large.
        let after_host = host_and_port.get(authority.host().len()..);
        if after_host != Some("") && authority.port_u16().is_none() {
            return Err(EndpointProblem::NotUrl);
        }
        let authorization = user_info.map(basic_authorization);
        parts.authority = Some(authority);
        let root = || PathAndQuery::from_static("/");
        parts.path_and_query = Some(parts.path_and_query.unwrap_or_else(root));
        Ok(Self {
            url: Uri::from_parts(parts).map_err(|_| EndpointProblem::NotUrl)?,
            authorization,
            has_scheme,
        })
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == Some(&Scheme::HTTPS)
    }

    /// Returns the URL with scheme, host and port only.
    pub(super) fn without_path(&self) -> Result<Uri, EndpointProblem> {
        self.with_path("/".to_owned())
    }

    /// Returns the URL with `path` appended to its path.
    pub(super) fn appended(&self, path: &str) -> Result<Uri, EndpointProblem> {
        let base = self.url.path().trim_end_matches('/');
        self.with_path(match self.url.query() {
            Some(query) => format!("{base}{path}?{query}"),
            None => format!("{base}{path}"),
        })
    }

    fn with_path(&self, path: String) -> Result<Uri, EndpointProblem> {
        let mut parts = self.url.clone().into_parts();
        parts.path_and_query = Some(path.try_into().map_err(|_| EndpointProblem::NotUrl)?);
        Uri::from_parts(parts).map_err(|_| EndpointProblem::NotUrl)
    }
}

/// Returns the port to connect to: that of the URL, or the default of its scheme.
pub(crate) fn port(url: &Uri) -> u16 {
    let is_https = url.scheme() == Some(&Scheme::HTTPS);
    url.port_u16().unwrap_or(if is_https { 443 } else { 80 })
}

/// Returns a host name or an IP address without the brackets that surround an IPv6 address in a URL.
pub(crate) fn without_brackets(host: &str) -> &str {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host)
}

/// Converts the `user:password` of a URL to the header that HTTP clients send. As a header the credentials work the
/// same way with every protocol, and the URL itself holds no secret.
fn basic_authorization(user_info: &str) -> Secret {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let (user, password) = (percent_decode_lossy(user), percent_decode_lossy(password));
    let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
    Secret::new(format!("Basic {encoded}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_rejects_unusable_urls() {
        for (text, problem) in [
            ("http://", EndpointProblem::NotUrl),
            ("http://:4318", EndpointProblem::NoHost),
            ("http://user@:4318", EndpointProblem::NoHost),
            ("http://h:", EndpointProblem::NotUrl),
            ("http://h:99999", EndpointProblem::NotUrl),
            ("http://h:port", EndpointProblem::NotUrl),
            ("http://a b", EndpointProblem::NotUrl),
            ("http:/h", EndpointProblem::NotUrl),
            ("ftp://h", EndpointProblem::UnknownScheme),
            ("grpc://h:4317", EndpointProblem::UnknownScheme),
            ("unix:///tmp/socket", EndpointProblem::NotUrl),
        ] {
            assert_eq!(Endpoint::parse(text, true).err(), Some(problem), "{text}");
        }
    }

    #[test]
    fn parse_splits_urls() {
        for (text, port, given, appended) in [
            ("http://h", None, "http://h/", "http://h/v1/logs"),
            (
                "HTTP://H:4318/",
                Some(4318),
                "http://H:4318/",
                "http://H:4318/v1/logs",
            ),
            (
                "http://h/base/",
                None,
                "http://h/base/",
                "http://h/base/v1/logs",
            ),
            (
                "http://h/b?k=v",
                None,
                "http://h/b?k=v",
                "http://h/b/v1/logs?k=v",
            ),
            (
                "http://[::1]:4317",
                Some(4317),
                "http://[::1]:4317/",
                "http://[::1]:4317/v1/logs",
            ),
            (
                "https://h:1",
                Some(1),
                "https://h:1/",
                "https://h:1/v1/logs",
            ),
        ] {
            let endpoint = Endpoint::parse(text, false).unwrap();
            assert_eq!(endpoint.url.port_u16(), port, "{text}");
            assert!(endpoint.has_scheme);
            assert_eq!(endpoint.url, given, "{text}");
            assert_eq!(endpoint.appended("/v1/logs").unwrap(), appended, "{text}");
        }
    }

    #[test]
    fn parse_without_a_scheme_depends_on_insecure() {
        for (text, insecure, url) in [
            ("localhost:4317", true, "http://localhost:4317/"),
            ("localhost:4317", false, "https://localhost:4317/"),
        ] {
            let endpoint = Endpoint::parse(text, insecure).unwrap();
            assert!(!endpoint.has_scheme);
            assert_eq!(endpoint.is_https(), !insecure);
            assert_eq!(endpoint.without_path().unwrap(), url);
        }
    }

    #[test]
    fn user_and_password_become_a_header() {
        for (text, header) in [
            ("http://u:p@h:1/x", "Basic dTpw"),
            (
                "http://Aladdin:open%20sesame@h:1/x",
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            ),
            ("http://user@h:1/x", "Basic dXNlcjo="),
        ] {
            let endpoint = Endpoint::parse(text, false).unwrap();
            assert_eq!(
                endpoint.authorization.as_ref().map(Secret::expose),
                Some(header)
            );
            assert_eq!(endpoint.url, "http://h:1/x");
        }
    }
}
