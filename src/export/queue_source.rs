//! A source that builds requests from the items of a queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::queue::{BATCH_RECORDS, Queue};
use super::{Batch, Source, Split};
use crate::encode::Encode;
use crate::encode::message::MAX_ITEM_BYTES;
use crate::health::{EncodeStats, QueueDepth};

/// A source that converts queued items to the requests of one exporter.
pub(crate) struct QueueSource<T: Encode> {
    queue: Queue<T::Item>,
    encoder: T,
    /// The number of items that the pass still has to deliver.
    left: usize,
    /// A converted item that did not fit into the last request.
    carried: Option<(T::Record, Place<T::Item>)>,
    stats: Arc<EncodeStats>,
}

/// An item with its size in the queue. Settling its request releases this space.
type Place<I> = (I, usize);

impl<T: Encode> QueueSource<T> {
    pub(crate) fn new(queue: Queue<T::Item>, encoder: T, stats: Arc<EncodeStats>) -> Self {
        Self {
            queue,
            encoder,
            left: 0,
            carried: None,
            stats,
        }
    }

    fn pop(&mut self) -> Option<(T::Record, Place<T::Item>)> {
        if let Some(carried) = self.carried.take() {
            return Some(carried);
        }
        if self.left == 0 {
            return None;
        }
        let place = self.queue.pop()?;
        self.left -= 1;
        Some((self.encode(&place.0, &self.stats), place))
    }

    fn encode(&self, item: &T::Item, stats: &EncodeStats) -> T::Record {
        let mut record = self.encoder.encode(item, stats);
        if T::size(&record) > MAX_ITEM_BYTES {
            T::shorten(&mut record);
            stats.shortened.fetch_add(1, Ordering::Relaxed);
        }
        record
    }

    /// Converts items again and builds a batch of them.
    fn batch_of(
        &self,
        places: Vec<Place<T::Item>>,
        stats: &EncodeStats,
    ) -> Batch<Vec<Place<T::Item>>> {
        let records = places
            .iter()
            .map(|(item, _)| self.encode(item, stats))
            .collect();
        self.batch(records, places)
    }

    fn batch(
        &self,
        records: Vec<T::Record>,
        places: Vec<Place<T::Item>>,
    ) -> Batch<Vec<Place<T::Item>>> {
        Batch {
            items: places.len() as u64,
            message: self.encoder.request(records),
            ticket: places,
        }
    }
}

impl<T: Encode> Source for QueueSource<T> {
    type Ticket = Vec<Place<T::Item>>;
    type Settings = T;

    fn apply(&mut self, encoder: T) {
        self.encoder = encoder;
        // The carried item was converted with the previous configuration.
        if let Some((_, place)) = self.carried.take() {
            let record = self.encode(&place.0, &EncodeStats::default());
            self.carried = Some((record, place));
        }
    }

    fn begin(&mut self) {
        self.left = self.queue.len();
    }

    fn next(&mut self, max_bytes: usize) -> Option<Batch<Self::Ticket>> {
        let (mut records, mut places) = (Vec::new(), Vec::new());
        let mut encoded = 0;
        while records.len() < BATCH_RECORDS {
            let Some((record, place)) = self.pop() else {
                break;
            };
            // A tag and a length prefix precede each record.
            encoded += T::size(&record) + 8;
            if encoded > max_bytes && !records.is_empty() {
                self.carried = Some((record, place));
                break;
            }
            records.push(record);
            places.push(place);
        }
        (!places.is_empty()).then(|| self.batch(records, places))
    }

    fn settle(&mut self, places: Self::Ticket) {
        self.queue
            .settle(places.len(), places.iter().map(|(_, size)| size).sum());
    }

    fn split(&mut self, mut places: Self::Ticket) -> Split<Self::Ticket> {
        if places.len() < 2 {
            return Err(places);
        }
        let rest = places.split_off(places.len() / 2);
        // The items were counted when the whole batch was built and must not be counted again.
        let counted = EncodeStats::default();
        let half = |places| self.batch_of(places, &counted);
        Ok([half(places), half(rest)])
    }

    fn again(&mut self, places: Self::Ticket) -> Batch<Self::Ticket> {
        self.batch_of(places, &EncodeStats::default())
    }

    fn leave(&mut self, unsent: &mut Vec<Self::Ticket>, still: impl Fn() -> bool) -> Option<u64> {
        // The length is read before `still` is called, so every counted item was queued before any newer change. Items
        // that are queued later may belong to a newer configuration and must stay.
        let queued = self.queue.len();
        if !still() {
            return None;
        }
        let mut given_up: Vec<_> = unsent.drain(..).flatten().collect();
        given_up.extend(self.carried.take().map(|(_, place)| place));
        given_up.extend((0..queued).filter_map(|_| self.queue.pop()));
        self.left = 0;
        let lost = given_up.len() as u64;
        self.settle(given_up);
        Some(lost)
    }

    fn waiting(&self) -> Arc<QueueDepth> {
        self.queue.waiting()
    }

    fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    fn filled(&self) -> impl Future<Output = ()> + Send {
        let queue = &self.queue;
        async move { queue.filled().await }
    }
}
