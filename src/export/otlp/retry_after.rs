//! `Retry-After`: the wait that a receiver asks for.

use std::time::{Duration, SystemTime};

use ::http::HeaderMap;
use ::http::header::{DATE, HeaderName, RETRY_AFTER};
use httpdate::parse_http_date;

/// Returns the wait that a response asks for, as seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let value = text(RETRY_AFTER)?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = parse_http_date(value).ok()?;
    // The date is compared with the receiver's own clock if the response contains it: this machine's clock may differ.
    let now = text(DATE).and_then(|date| parse_http_date(date).ok());
    let now = now.unwrap_or_else(SystemTime::now);
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(pairs: &[(::http::HeaderName, &str)]) -> Option<Duration> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        retry_after(&headers)
    }

    #[test]
    fn wait_is_in_seconds_or_a_date_by_the_receivers_clock() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Sun, 06 Nov 1994 08:50:07 GMT";
        assert_eq!(wait(&[(RETRY_AFTER, "7")]), Some(Duration::from_secs(7)));
        assert_eq!(
            wait(&[(RETRY_AFTER, later), (DATE, date)]),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            wait(&[(RETRY_AFTER, date), (DATE, later)]),
            Some(Duration::ZERO)
        );
        assert_eq!(wait(&[(RETRY_AFTER, date)]), Some(Duration::ZERO));
        assert_eq!(wait(&[(RETRY_AFTER, "-1")]), None);
        assert_eq!(wait(&[(DATE, date)]), None);
    }

    #[test]
    fn malformed_date_is_ignored() {
        for broken in [
            "",
            "soon",
            "Sun, 06 Nov 1994",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
        ] {
            assert_eq!(wait(&[(RETRY_AFTER, broken)]), None, "{broken}");
        }
    }

    #[test]
    fn date_after_a_leap_day_is_parsed() {
        let leap_day = "Thu, 29 Feb 2024 23:59:59 GMT";
        let after = "Fri, 01 Mar 2024 00:00:00 GMT";
        assert_eq!(
            wait(&[(RETRY_AFTER, after), (DATE, leap_day)]),
            Some(Duration::from_secs(1))
        );
    }
}
