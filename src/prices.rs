//! Prices of tokens, for hosts that calculate the cost of a request themselves.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::record::{ApiRequest, Speed, TokenUsage, is_valid_cost, setters};

/// The prices of one model, in US dollars per million tokens.
///
/// A price of cached tokens that is not set is the price of input tokens. Deserialization rejects a price that is negative
/// or not finite.
///
/// ```
/// use claude_code_telemetry::Price;
/// let price = Price::new(3.0, 15.0).cache_read(0.3).cache_write_5m(3.75).cache_write_1h(6.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "UncheckedPrice")]
pub struct Price {
    input: f64,
    output: f64,
    cache_read: Option<f64>,
    cache_write_5m: Option<f64>,
    cache_write_1h: Option<f64>,
}

impl Price {
    /// Creates prices of input and output tokens, in US dollars per million tokens.
    pub fn new(input: f64, output: f64) -> Self {
        Self {
            input,
            output,
            cache_read: None,
            cache_write_5m: None,
            cache_write_1h: None,
        }
    }

    setters! {
        /// Sets the price of input tokens that were read from the cache.
        cache_read: Option<f64>,
        /// Sets the price of input tokens that were written to the cache for 5 minutes.
        cache_write_5m: Option<f64>,
        /// Sets the price of input tokens that were written to the cache for 1 hour.
        cache_write_1h: Option<f64>,
    }

    /// Returns the cost of a usage in US dollars.
    fn cost_usd(&self, usage: TokenUsage) -> f64 {
        let written_1h = usage.cache_creation_1h.min(usage.cache_creation);
        let amounts = [
            (usage.input, Some(self.input)),
            (usage.output, Some(self.output)),
            (usage.cache_read, self.cache_read),
            (usage.cache_creation - written_1h, self.cache_write_5m),
            (written_1h, self.cache_write_1h),
        ];
        let cost =
            |(tokens, price): (u64, Option<f64>)| tokens as f64 * price.unwrap_or(self.input);
        amounts.into_iter().map(cost).sum::<f64>() / 1_000_000.0
    }
}

/// The fields of a [`Price`] as they were read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedPrice {
    input: f64,
    output: f64,
    cache_read: Option<f64>,
    cache_write_5m: Option<f64>,
    cache_write_1h: Option<f64>,
}

/// A number of US dollars that is negative or not finite.
#[derive(Debug, thiserror::Error)]
#[error("the price {0} is negative or not finite: state US dollars per million tokens")]
struct InvalidUsd(f64);

impl TryFrom<UncheckedPrice> for Price {
    type Error = InvalidUsd;

    fn try_from(price: UncheckedPrice) -> Result<Self, InvalidUsd> {
        let cached = [price.cache_read, price.cache_write_5m, price.cache_write_1h];
        let uncached = [price.input, price.output];
        let mut all = cached.into_iter().flatten().chain(uncached);
        match all.find(|usd| !is_valid_cost(*usd)) {
            Some(usd) => Err(InvalidUsd(usd)),
            None => Ok(Self {
                input: price.input,
                output: price.output,
                cache_read: price.cache_read,
                cache_write_5m: price.cache_write_5m,
                cache_write_1h: price.cache_write_1h,
            }),
        }
    }
}

/// A table of prices by the beginning of the model's name.
///
/// The longest matching prefix decides, so `claude-opus-4` covers all versions of the model, and `claude-opus-4-5` is
/// an exception. The crate contains no prices: a host states them, in code or as JSON.
///
/// ```
/// use claude_code_telemetry::{ApiRequest, Price, Prices, TokenUsage};
///
/// let prices = Prices::new().model("claude-sonnet-4", Price::new(3.0, 15.0));
/// let request = ApiRequest::new("claude-sonnet-4-6")
///     .tokens(TokenUsage::new().input(1_200).output(86))
///     .priced(&prices);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prices {
    models: BTreeMap<String, Price>,
}

impl Prices {
    /// Creates an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the prices of the models whose names begin with `prefix`, or replaces them.
    pub fn model(mut self, prefix: impl Into<String>, price: Price) -> Self {
        self.models.insert(prefix.into(), price);
        self
    }

    /// Reads a table from JSON: in the object `models`, prices in US dollars per million tokens for each prefix. Other
    /// members beside `models`, such as a date, are ignored.
    ///
    /// ```
    /// use claude_code_telemetry::Prices;
    /// let prices = Prices::from_json(r#"{
    ///     "date": "2026-11-30",
    ///     "models": {
    ///         "claude-sonnet-4": {
    ///             "input": 3, "output": 15,
    ///             "cache_read": 0.3, "cache_write_5m": 3.75, "cache_write_1h": 6
    ///         }
    ///     }
    /// }"#)?;
    /// # Ok::<(), claude_code_telemetry::PricesError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not JSON of this form, or if a price is negative.
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<Self, PricesError> {
        #[derive(Deserialize)]
        struct Table {
            models: BTreeMap<String, UncheckedPrice>,
        }
        let Table { models } = serde_json::from_slice(json.as_ref()).map_err(PricesError::Json)?;
        let checked = |(prefix, price)| match Price::try_from(price) {
            Ok(price) => Ok((prefix, price)),
            Err(InvalidUsd(usd)) => Err(PricesError::InvalidPrice { prefix, usd }),
        };
        let models = models.into_iter().map(checked).collect::<Result<_, _>>()?;
        Ok(Self { models })
    }

    /// Returns the cost of a usage of `model` in US dollars; `None` if no prefix matches.
    pub fn cost_usd(&self, model: &str, usage: TokenUsage) -> Option<f64> {
        let matching = self
            .models
            .iter()
            .filter(|(prefix, _)| model.starts_with(&***prefix));
        let (_, price) = matching.max_by_key(|(prefix, _)| prefix.len())?;
        Some(price.cost_usd(usage))
    }
}

impl ApiRequest {
    /// Sets the cost (`cost_usd`) by the prices of the model that responded, from the [tokens](Self::tokens) that were
    /// set before. The cost remains unknown if the table has no price for this model, if the request has no tokens, and
    /// in [fast mode](Self::speed), which has other prices: it is sent as 0, counted as
    /// [`requests_without_cost`](crate::Health::requests_without_cost), and reported once for each model.
    pub fn priced(self, prices: &Prices) -> Self {
        let usage = self.usage();
        if usage.total() == 0 || self.speed == Speed::Fast {
            return self;
        }
        match prices.cost_usd(&self.model, usage) {
            Some(usd) => self.cost_usd(usd),
            None => self,
        }
    }
}

/// The reason why a table of prices cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PricesError {
    /// The text is not JSON of the documented form.
    #[error("the prices are not a JSON object whose member `models` has prices by prefix: {0}")]
    Json(serde_json::Error),
    /// A price is negative.
    #[error("the price {usd} of {prefix:?} is negative: state US dollars per million tokens")]
    InvalidPrice {
        /// The prefix in the table.
        prefix: String,
        /// The price.
        usd: f64,
    },
}
