//! Requests that share beginnings: each different beginning runs once.
//!
//! Contexts with their continuations are sequences; sorted, they are the leaves of a tree of prefixes. A block of neighbouring leaves goes down the tree in stages ([`plan`](super::plan)): a row of the cache stands for
//! one beginning and is copied where sequences part. So contexts share what they begin with (instructions, demonstrations), the classes of an example share its context, and classes share their own first
//! tokens. Rows of a pass are equally long but for sequences that end in it; those are filled up on the right, which no real token sees.

use std::collections::BTreeMap;

use firetender_hooks::{Intervene, Pass};

use super::{
    Sharing,
    batch::{new_cache, read_cells},
    plan::{Shape, common},
};
use crate::{CausalLm, KvCache, LmError, ScoreRequest, Scored};

/// Shortest beginning of all sequences that is worth keeping between blocks.
const WORTH: usize = 4;

/// One continuation of a request, as part of a sequence.
#[derive(Clone, Copy)]
struct Reading {
    request: usize,
    continuation: usize,
}

/// A context with the part of its continuation that is fed in, and everything that is read along it.
struct Sequence {
    ids: Vec<u32>,
    readings: Vec<Reading>,
}

pub(super) fn score(
    model: &dyn CausalLm,
    requests: &[ScoreRequest],
    sharing: Sharing,
    hook: &mut dyn Intervene,
) -> Result<Vec<Vec<Scored>>, LmError> {
    let mut scored: Vec<Vec<Scored>> = requests
        .iter()
        .map(|request| vec![Scored::default(); request.continuations.len()])
        .collect();
    let sequences = sequences(requests);
    let mut blocks = blocks(&sequences, sharing);
    // Longest first, so that too little memory shows at once.
    blocks.sort_by_key(|block| std::cmp::Reverse(longest(block)));
    let root = match (sequences.first(), sequences.last(), blocks.len()) {
        (Some(first), Some(last), 2..) => {
            // Up to where something is read.
            let read = requests.iter().map(|request| request.context.len() - 1);
            let shared = common(&first.ids, &last.ids).min(read.min().unwrap_or(0));
            (shared >= WORTH)
                .then(|| begin(model, &first.ids[..shared], sharing, hook))
                .transpose()?
        }
        _ => None,
    };
    let mut walk = Walk {
        model,
        requests,
        scored: &mut scored,
    };
    for block in blocks {
        walk.block(block, root.as_ref(), sharing, hook)?;
    }
    Ok(scored)
}

/// All sequences in order; one that begins another is part of it.
fn sequences(requests: &[ScoreRequest]) -> Vec<Sequence> {
    let mut all: Vec<Sequence> = vec![];
    for (request, asked) in requests.iter().enumerate() {
        for (continuation, tokens) in asked.continuations.iter().enumerate() {
            all.push(Sequence {
                ids: [&asked.context, &tokens[..tokens.len() - 1]].concat(),
                readings: vec![Reading {
                    request,
                    continuation,
                }],
            });
        }
    }
    all.sort_by(|a, b| a.ids.cmp(&b.ids));
    let mut leaves: Vec<Sequence> = vec![];
    // From the end: what begins another stands right before the first of those.
    for sequence in all.into_iter().rev() {
        match leaves.last_mut() {
            Some(leaf) if leaf.ids.starts_with(&sequence.ids) => {
                leaf.readings.extend(sequence.readings);
            }
            _ => leaves.push(sequence),
        }
    }
    leaves.reverse();
    leaves
}

fn longest(sequences: &[Sequence]) -> usize {
    sequences.iter().map(|s| s.ids.len()).max().unwrap_or(0)
}

/// Neighbours that fit into a cache.
fn blocks(sequences: &[Sequence], sharing: Sharing) -> Vec<&[Sequence]> {
    let mut blocks = vec![];
    let (mut from, mut widest) = (0, 0);
    for (at, sequence) in sequences.iter().enumerate() {
        let columns = sequence.ids.len().max(widest);
        let rows = at + 1 - from;
        if rows > 1 && (rows > sharing.rows || rows * columns > sharing.columns) {
            blocks.push(&sequences[from..at]);
            (from, widest) = (at, 0);
        }
        widest = widest.max(sequence.ids.len());
    }
    if from < sequences.len() {
        blocks.push(&sequences[from..]);
    }
    blocks
}

/// A cache of one row that holds what all sequences begin with.
fn begin(
    model: &dyn CausalLm,
    prefix: &[u32],
    sharing: Sharing,
    hook: &mut dyn Intervene,
) -> Result<KvCache, LmError> {
    let mut cache = new_cache(model, 1, prefix.len())?;
    for (part, ids) in prefix.chunks(sharing.tokens.max(1)).enumerate() {
        let start = part * sharing.tokens.max(1);
        let positions = (start as i32..(start + ids.len()) as i32).collect();
        let pass = Pass::from_parts(ids.to_vec(), positions, vec![prefix.len()], start)?;
        model.hidden(&pass, Some(&mut cache), hook)?;
    }
    Ok(cache)
}

/// Down the tree, block by block.
struct Walk<'a> {
    model: &'a dyn CausalLm,
    requests: &'a [ScoreRequest],
    scored: &'a mut [Vec<Scored>],
}

impl Walk<'_> {
    fn block(
        &mut self,
        block: &[Sequence],
        root: Option<&KvCache>,
        sharing: Sharing,
        hook: &mut dyn Intervene,
    ) -> Result<(), LmError> {
        let ids: Vec<&[u32]> = block.iter().map(|s| s.ids.as_slice()).collect();
        let shape = Shape::new(&ids);
        let start = root.map_or(0, KvCache::columns);
        let capacity = longest(block);
        let mut cache: Option<KvCache> = None;
        // The row of each sequence in the cache.
        let mut rows = vec![0; block.len()];
        for columns in shape.stages(start, sharing.tokens) {
            let (count, of) = shape.rows(&columns);
            // The first sequence of each row stands for it.
            let mut chosen: Vec<usize> = Vec::with_capacity(count);
            for (at, row) in of.iter().enumerate() {
                if *row == Some(chosen.len()) {
                    chosen.push(at);
                }
            }
            let from: Vec<usize> = chosen.iter().map(|at| rows[*at]).collect();
            let mut ready = match (cache.take(), root) {
                (Some(cache), _) if from.iter().copied().eq(0..cache.batch()) => cache,
                (Some(cache), _) => cache.select_rows(&from),
                (None, Some(root)) => root.select_rows_within(&from, capacity),
                (None, None) => new_cache(self.model, count, capacity)?,
            };
            self.stage(block, &columns, &chosen, &of, &mut ready, hook)?;
            for (row, now) in rows.iter_mut().zip(&of) {
                *row = now.unwrap_or(*row);
            }
            cache = Some(ready);
        }
        Ok(())
    }

    /// One pass: feeds some columns of a block's rows and reads what is asked there.
    fn stage(
        &mut self,
        block: &[Sequence],
        columns: &std::ops::Range<usize>,
        chosen: &[usize],
        of: &[Option<usize>],
        cache: &mut KvCache,
        hook: &mut dyn Intervene,
    ) -> Result<(), LmError> {
        // What is read at each cell, and how long the prompt of each row is: the shortest of those that share it.
        let mut wanted: BTreeMap<(usize, usize), Vec<(Reading, u32)>> = BTreeMap::new();
        let mut prompts = vec![usize::MAX; chosen.len()];
        for (sequence, row) in block.iter().zip(of) {
            let Some(row) = *row else { continue };
            for reading in &sequence.readings {
                let asked = &self.requests[reading.request];
                let tokens = &asked.continuations[reading.continuation];
                let context = asked.context.len();
                prompts[row] = prompts[row].min(context);
                // The logits of column c predict the token of column c + 1.
                let first = columns.start.max(context - 1);
                let end = columns.end.min(context - 1 + tokens.len());
                for column in first..end {
                    let cell = (row, column - columns.start);
                    let target = tokens[column + 1 - context];
                    wanted.entry(cell).or_default().push((*reading, target));
                }
            }
        }
        let (mut ids, mut positions) = (vec![], vec![]);
        for at in chosen {
            let sequence = &block[*at].ids;
            for column in columns.clone() {
                let id = sequence.get(column);
                ids.push(id.copied().unwrap_or(0));
                positions.push(if id.is_some() { column as i32 } else { -1 });
            }
        }
        let pass = Pass::from_parts(ids, positions, prompts, columns.start)?;
        let hidden = self.model.hidden(&pass, Some(cache), hook)?;
        let (cells, readings): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
        if cells.is_empty() {
            return Ok(());
        }
        read_cells(self.model, hidden, &cells, |at, judged, logits| {
            for (reading, target) in &readings[at] {
                self.scored[reading.request][reading.continuation].push(judged, logits, *target);
            }
        });
        Ok(())
    }
}
