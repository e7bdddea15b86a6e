//! Property tests of the parsers of answers: no input makes a parser panic, and every value is read as it was written.

use std::time::Duration;

use ::http::HeaderMap;
use ::http::header::HeaderValue;
use proptest::prelude::*;

/// Returns headers with these values, without those that cannot be a header value.
fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
    let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).ok();
    let pairs = pairs
        .iter()
        .filter_map(|(name, bytes)| Some((*name, value(bytes)?)));
    pairs
        .map(|(name, value)| (::http::HeaderName::from_static(name), value))
        .collect()
}

/// Generates texts of these parts and of random bytes.
fn texts(parts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => proptest::sample::select(parts).prop_map(|part| part.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

#[cfg(feature = "http")]
mod of_http {
    use super::super::super::retry_after::retry_after;
    use super::*;

    const EPOCH: &[u8] = b"Thu, 01 Jan 1970 00:00:00 GMT";

    /// Formats a date by counting days.
    fn date(seconds: u64) -> String {
        const MONTHS: [(&str, u64); 12] = [
            ("Jan", 31),
            ("Feb", 28),
            ("Mar", 31),
            ("Apr", 30),
            ("May", 31),
            ("Jun", 30),
            ("Jul", 31),
            ("Aug", 31),
            ("Sep", 30),
            ("Oct", 31),
            ("Nov", 30),
            ("Dec", 31),
        ];
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
        let weekday = DAYS[(days % 7) as usize];
        let is_leap = |year: u64| {
            year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
        };
        let mut year = 1970;
        while days >= 365 + u64::from(is_leap(year)) {
            days -= 365 + u64::from(is_leap(year));
            year += 1;
        }
        let mut month = 0;
        let length = |month: usize| MONTHS[month].1 + u64::from(month == 1 && is_leap(year));
        while days >= length(month) {
            days -= length(month);
            month += 1;
        }
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        format!(
            "{weekday}, {:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT",
            days + 1,
            MONTHS[month].0
        )
    }

    proptest! {
        #[test]
        fn any_retry_after_gives_a_wait_or_none(
            wait in texts(&["Sun, ", "06 ", "Feb ", "31 ", "1994 ", "9999 ", "08:49:37 ", "GMT", "0", "120", "-", "+", " "]),
            now in texts(&["Sun, 06 Nov 1994 08:49:37 GMT", "soon"]),
        ) {
            let _ = retry_after(&headers(&[("retry-after", &wait), ("date", &now)]));
        }

        // Until the end of the year 9999, because the year of an HTTP date has four digits.
        #[test]
        fn date_is_parsed_as_it_was_formatted(seconds in 0_u64..253_402_300_800) {
            let wait = date(seconds);
            let headers = headers(&[("retry-after", wait.as_bytes()), ("date", EPOCH)]);
            prop_assert_eq!(retry_after(&headers), Some(Duration::from_secs(seconds)), "{}", wait);
        }

        #[test]
        fn seconds_are_parsed_as_they_were_formatted(seconds: u64) {
            let headers = headers(&[("retry-after", seconds.to_string().as_bytes())]);
            prop_assert_eq!(retry_after(&headers), Some(Duration::from_secs(seconds)));
        }
    }
}

#[cfg(feature = "grpc")]
mod of_grpc {
    use tonic::Code;

    use super::super::super::retry_info::retry_delay;
    use super::super::super::status::percent_decode;
    use super::*;

    proptest! {
        #[test]
        fn any_status_details_give_a_wait_or_none(details in texts(&["CAgS", "type.googleapis.com", "AAAA", "=", "==", "////"])) {
            let _ = retry_delay(&headers(&[("grpc-status-details-bin", &details)]));
        }

        #[test]
        fn any_grpc_message_decodes_to_text(bytes in texts(&["%", "%20", "%zz", "%+4", "%C3", "%A9", "é"])) {
            let text = percent_decode(&bytes);
            // Text without an escape remains unchanged.
            if !bytes.contains(&b'%') {
                prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
            }
        }

        #[test]
        fn grpc_message_is_decoded_as_it_was_encoded(message: String) {
            let sent = tonic::Status::new(Code::Internal, message.clone()).into_http::<()>();
            let header = sent.headers().get("grpc-message");
            prop_assert_eq!(header.map_or_else(String::new, |text| percent_decode(text.as_bytes())), message);
        }
    }

    #[test]
    fn incomplete_escape_remains_unchanged() {
        for text in ["%", "%4", "%+4", "100%", "%zz"] {
            assert_eq!(percent_decode(text.as_bytes()), text);
        }
    }
}
