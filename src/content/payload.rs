//! The passage of records through the content policy.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::ContentPolicy;
use crate::text::Text;

/// A field of a record or of a span, or all of its fields together.
pub(crate) trait Payload {
    /// Returns the size of the texts that the data keeps in memory, in bytes.
    fn size(&self) -> usize {
        0
    }

    /// Removes the content that the policy withholds. Returns `false` if the whole record must not be exported.
    fn filter(&mut self, _policy: &ContentPolicy) -> bool {
        true
    }
}

/// A record, or the data of a span, without the content that the policy withholds. Only the policy creates it.
pub(crate) struct Filtered<R: ?Sized>(R);

impl<R: ?Sized> Deref for Filtered<R> {
    type Target = R;

    #[inline]
    fn deref(&self) -> &R {
        &self.0
    }
}

impl ContentPolicy {
    /// Removes the content that the policy withholds, and passes the record to `queue`. Returns `false`, and does not
    /// call `queue`, if the whole record must not be exported. The record is not returned, because that would move it
    /// once more.
    #[inline]
    pub(crate) fn filter<R: Payload>(
        &self,
        mut record: R,
        queue: impl FnOnce(Filtered<R>),
    ) -> bool {
        let passes = record.filter(self);
        if passes {
            queue(Filtered(record));
        }
        passes
    }
}

/// Implements [`Payload`] for types without text and content.
macro_rules! without_text {
    ($($type:ty),*) => { $(impl Payload for $type {})* };
}

without_text!(bool, u32, u64, f64, Duration, SystemTime);

impl Payload for Text {
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }
}

impl Payload for Vec<u64> {
    fn size(&self) -> usize {
        size_of_val(self.as_slice())
    }
}

impl Payload for Arc<str> {
    fn size(&self) -> usize {
        self.len()
    }
}

impl<T: Payload> Payload for Option<T> {
    #[inline]
    fn size(&self) -> usize {
        self.as_ref().map_or(0, T::size)
    }

    #[inline]
    fn filter(&mut self, policy: &ContentPolicy) -> bool {
        self.as_mut().is_none_or(|data| data.filter(policy))
    }
}
