//! What a queue holds: an event or a span.

use std::ops::Deref;
use std::sync::Arc;

/// An item that one exporter has for itself, or that several share.
pub(crate) enum Item<T: ?Sized> {
    Own(Box<T>),
    Shared(Arc<T>),
}

impl<T: ?Sized> Deref for Item<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Own(item) => item,
            Self::Shared(item) => item,
        }
    }
}
