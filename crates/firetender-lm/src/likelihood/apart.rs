//! Requests that share no beginning: contexts of one length run together, and each continuation goes on from its context's cache.
//!
//! This is the route of interventions, which may look at where a prompt ends.

use std::{cmp::Reverse, collections::BTreeMap};

use firetender_hooks::{Intervene, Pass};

use super::{
    Sharing,
    batch::{new_cache, read_cells},
};
use crate::{CausalLm, KvCache, LmError, ScoreRequest, Scored};

pub(super) fn score(
    model: &dyn CausalLm,
    requests: &[ScoreRequest],
    sharing: Sharing,
    hook: &mut dyn Intervene,
) -> Result<Vec<Vec<Scored>>, LmError> {
    // Longest first, so that too little memory shows at once.
    let mut buckets: BTreeMap<Reverse<usize>, Vec<usize>> = BTreeMap::new();
    for (index, request) in requests.iter().enumerate() {
        let length = Reverse(request.context.len());
        buckets.entry(length).or_default().push(index);
    }
    let mut scored: Vec<Vec<Scored>> = requests
        .iter()
        .map(|request| vec![Scored::default(); request.continuations.len()])
        .collect();
    for (Reverse(length), members) in buckets {
        let rows = (sharing.tokens / length).clamp(1, sharing.rows.max(1));
        for members in members.chunks(rows) {
            let tail = members
                .iter()
                .flat_map(|member| &requests[*member].continuations)
                .map(|continuation| continuation.len() - 1)
                .max()
                .unwrap_or(0);
            let group = Group {
                model,
                requests,
                members,
                length,
            };
            let mut cache = new_cache(model, members.len(), length + tail)?;
            group.first_tokens(&mut cache, hook, &mut scored)?;
            group.other_tokens(&cache, hook, &mut scored)?;
        }
    }
    Ok(scored)
}

/// Requests whose contexts have one length.
struct Group<'a> {
    model: &'a dyn CausalLm,
    requests: &'a [ScoreRequest],
    members: &'a [usize],
    /// Tokens of each context.
    length: usize,
}

impl Group<'_> {
    /// Feeds the contexts; their last columns predict every continuation's first token.
    fn first_tokens(
        &self,
        cache: &mut KvCache,
        hook: &mut dyn Intervene,
        scored: &mut [Vec<Scored>],
    ) -> Result<(), LmError> {
        let ids = self
            .members
            .iter()
            .flat_map(|member| self.requests[*member].context.iter().copied())
            .collect();
        let positions = self
            .members
            .iter()
            .flat_map(|_| 0..self.length as i32)
            .collect();
        let pass = Pass::from_parts(ids, positions, vec![self.length; self.members.len()], 0)?;
        let cells: Vec<(usize, usize)> = (0..self.members.len())
            .map(|row| (row, self.length - 1))
            .collect();
        let hidden = self.model.hidden(&pass, Some(cache), hook)?;
        read_cells(self.model, hidden, &cells, |row, judged, logits| {
            let member = self.members[row];
            let continuations = &self.requests[member].continuations;
            for (scored, continuation) in scored[member].iter_mut().zip(continuations) {
                scored.push(judged, logits, continuation[0]);
            }
        });
        Ok(())
    }

    /// Feeds the continuations, those of one length together.
    fn other_tokens(
        &self,
        cache: &KvCache,
        hook: &mut dyn Intervene,
        scored: &mut [Vec<Scored>],
    ) -> Result<(), LmError> {
        let mut tails: BTreeMap<usize, Vec<(usize, usize, usize)>> = BTreeMap::new();
        for (row, member) in self.members.iter().enumerate() {
            for (which, continuation) in self.requests[*member].continuations.iter().enumerate() {
                if continuation.len() > 1 {
                    let fed = continuation.len() - 1;
                    tails.entry(fed).or_default().push((row, *member, which));
                }
            }
        }
        let end = self.length;
        for (fed, tails) in tails {
            let rows: Vec<usize> = tails.iter().map(|(row, _, _)| *row).collect();
            let of = |(_, member, which): &(usize, usize, usize)| -> &Vec<u32> {
                &self.requests[*member].continuations[*which]
            };
            let ids = tails
                .iter()
                .flat_map(|tail| of(tail)[..fed].iter().copied())
                .collect();
            let positions = tails
                .iter()
                .flat_map(|_| end as i32..(end + fed) as i32)
                .collect();
            let pass = Pass::from_parts(ids, positions, vec![end; rows.len()], end)?;
            let cells: Vec<(usize, usize)> = (0..rows.len())
                .flat_map(|row| (0..fed).map(move |column| (row, column)))
                .collect();
            let mut cache = cache.select_rows(&rows);
            let hidden = self.model.hidden(&pass, Some(&mut cache), hook)?;
            read_cells(self.model, hidden, &cells, |at, judged, logits| {
                let (row, column) = cells[at];
                let (_, member, which) = tails[row];
                let id = of(&tails[row])[column + 1];
                scored[member][which].push(judged, logits, id);
            });
        }
        Ok(())
    }
}
