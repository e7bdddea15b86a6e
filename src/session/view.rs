//! What a session's records need at every call: its standard attributes and its series, as one snapshot.

use std::sync::Arc;

use crate::record::TokenType;
use crate::signal::metrics::{Held, Series};
use crate::signal::standard::Standard;

/// The snapshot. It is replaced as a whole when the identity changes or a series is used for the first time; until
/// then records read it without a lock.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) standard: Arc<Standard>,
    models: Vec<ModelSeries>,
    others: Vec<Held>,
}

/// The series of one model.
#[derive(Clone, Debug)]
struct ModelSeries {
    model: Arc<str>,
    cost: Option<Held>,
    tokens: [Option<Held>; 4],
}

impl View {
    pub(crate) fn new(standard: Arc<Standard>) -> Self {
        Self {
            standard,
            models: Vec::new(),
            others: Vec::new(),
        }
    }

    /// The cost series of a model.
    pub(crate) fn cost(&self, model: &str) -> Option<&Held> {
        self.model(model)?.cost.as_ref()
    }

    /// A token series of a model.
    pub(crate) fn tokens(&self, model: &str, kind: TokenType) -> Option<&Held> {
        self.model(model)?.tokens[place(kind)].as_ref()
    }

    /// A series that belongs to no model.
    pub(crate) fn other(&self, series: &Series) -> Option<&Held> {
        self.others.iter().find(|held| held.series() == series)
    }

    /// The same snapshot with one more series.
    pub(crate) fn with(&self, held: Held) -> Self {
        let mut view = Self {
            standard: Arc::clone(&self.standard),
            models: self.models.clone(),
            others: self.others.clone(),
        };
        match held.series().clone() {
            Series::Cost { model } => view.entry(&model).cost = Some(held),
            Series::Tokens { model, kind } => view.entry(&model).tokens[place(kind)] = Some(held),
            _ => view.others.push(held),
        }
        view
    }

    fn model(&self, model: &str) -> Option<&ModelSeries> {
        self.models.iter().find(|series| *series.model == *model)
    }

    fn entry(&mut self, model: &Arc<str>) -> &mut ModelSeries {
        let at = self
            .models
            .iter()
            .position(|series| series.model == *model)
            .unwrap_or_else(|| {
                self.models.push(ModelSeries {
                    model: Arc::clone(model),
                    cost: None,
                    tokens: Default::default(),
                });
                self.models.len() - 1
            });
        &mut self.models[at]
    }
}

fn place(kind: TokenType) -> usize {
    match kind {
        TokenType::Input => 0,
        TokenType::Output => 1,
        TokenType::CacheRead => 2,
        TokenType::CacheCreation => 3,
    }
}
