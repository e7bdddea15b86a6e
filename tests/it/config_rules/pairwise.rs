//! Pairwise testing: combinations in which each pair of levels of any two factors occurs at least once.

/// Returns rows with a level for each factor. `levels` has the number of levels of each factor.
///
/// The algorithm is greedy and deterministic. Each row begins with a pair that no row contains yet. For every other
/// factor it takes the level that adds the most new pairs; on a tie, the first level that it considers.
pub(crate) fn rows(levels: &[usize]) -> Vec<Vec<usize>> {
    let mut open = Open::new(levels);
    let mut rows = Vec::new();
    while let Some((first, second)) = open.next() {
        let mut row: Vec<Option<usize>> = vec![None; levels.len()];
        row[first.0] = Some(first.1);
        row[second.0] = Some(second.1);
        for factor in 0..levels.len() {
            if row[factor].is_some() {
                continue;
            }
            // The start differs from row to row, so that ties do not always select the same level.
            let start = (rows.len() * 7 + factor * 3) % levels[factor];
            let candidates = (0..levels[factor]).map(|at| (start + at) % levels[factor]);
            let gain = |level: usize| {
                let taken = row.iter().enumerate();
                taken
                    .filter(|(other, with)| {
                        with.is_some_and(|with| open.has((factor, level), (*other, with)))
                    })
                    .count()
            };
            let mut best = (start, gain(start));
            for level in candidates.skip(1) {
                let gained = gain(level);
                if gained > best.1 {
                    best = (level, gained);
                }
            }
            row[factor] = Some(best.0);
        }
        let row: Vec<usize> = row.into_iter().flatten().collect();
        open.close(&row);
        rows.push(row);
    }
    rows
}

/// A factor and one of its levels.
type Level = (usize, usize);

/// The pairs that no row contains yet.
struct Open {
    /// The number of the first level of each factor, when the levels of all factors are numbered consecutively.
    offsets: Vec<usize>,
    levels: Vec<usize>,
    /// The number of levels of all factors.
    count: usize,
    /// True for each pair that is open, at its [`index`](Self::index).
    pairs: Vec<bool>,
    /// The index before which no pair is open.
    from: usize,
}

impl Open {
    fn new(levels: &[usize]) -> Self {
        let mut offsets = Vec::new();
        let mut count = 0;
        for levels in levels {
            offsets.push(count);
            count += levels;
        }
        let mut open = Self {
            offsets,
            levels: levels.to_vec(),
            count,
            pairs: vec![false; count * count],
            from: 0,
        };
        for one in 0..levels.len() {
            for other in one + 1..levels.len() {
                for level in 0..levels[one] {
                    for with in 0..levels[other] {
                        let at = open.index((one, level), (other, with));
                        open.pairs[at] = true;
                    }
                }
            }
        }
        open
    }

    fn index(&self, one: Level, other: Level) -> usize {
        let (one, other) = if one.0 < other.0 {
            (one, other)
        } else {
            (other, one)
        };
        (self.offsets[one.0] + one.1) * self.count + self.offsets[other.0] + other.1
    }

    fn has(&self, one: Level, other: Level) -> bool {
        self.pairs[self.index(one, other)]
    }

    fn next(&mut self) -> Option<(Level, Level)> {
        let at = self.from + self.pairs[self.from..].iter().position(|open| *open)?;
        self.from = at;
        Some((self.level(at / self.count), self.level(at % self.count)))
    }

    fn level(&self, counted: usize) -> Level {
        let factor = self.offsets.partition_point(|offset| *offset <= counted) - 1;
        (factor, counted - self.offsets[factor])
    }

    fn close(&mut self, row: &[usize]) {
        debug_assert_eq!(row.len(), self.levels.len());
        for one in 0..row.len() {
            for other in one + 1..row.len() {
                let at = self.index((one, row[one]), (other, row[other]));
                self.pairs[at] = false;
            }
        }
    }
}

#[test]
fn every_pair_of_levels_occurs_in_a_row() {
    let levels = [3, 1, 4, 2, 5];
    let rows = rows(&levels);
    for one in 0..levels.len() {
        for other in one + 1..levels.len() {
            for level in 0..levels[one] {
                for with in 0..levels[other] {
                    let found = rows
                        .iter()
                        .any(|row| row[one] == level && row[other] == with);
                    assert!(found, "{one}={level} {other}={with}");
                }
            }
        }
    }
    // Factors of 5 and 4 levels need at least 20 rows; all combinations would be 120 rows.
    assert!((20..40).contains(&rows.len()), "{}", rows.len());
}
