//! A gated plan at work.

use std::{collections::BTreeMap, fmt, sync::Arc};

use burn::tensor::{Device, Int, Tensor, TensorData};
use firetender_hooks::{Intervene, Padding, Pass, Site, visit};
use firetender_lm::{CausalLm, LmShape};
use serde::Serialize;

use super::{Condition, GateRead, GatedPlan, Timing, fail};
use crate::{SteerError, Steering, plan::Reach};

/// What was decided about one request.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Decision {
    /// Whether each case of the plan applies.
    pub cases: Vec<bool>,
    /// The joint margin of each gate, by the name of its condition: it fires at 0 and above.
    /// Infinite thresholds give infinite margins, which JSON shows as `null`.
    pub margins: BTreeMap<String, f64>,
}

impl Decision {
    /// Whether any case applies.
    #[must_use]
    pub fn fired(&self) -> bool {
        self.cases.contains(&true)
    }
}

/// Answers from outside: row of the batch and prompt, for a condition's name.
type External = Arc<dyn Fn(&str, usize, &[u32]) -> bool + Send + Sync>;

/// A compiled [`GatedPlan`]: give it to a pass, to `generate` or to `score`.
///
/// It decides once for each prompt, row by row, and remembers what it decided: for the rows of the cache, and for every prompt that it
/// has seen, so that a pass without a cache, or the same request in another batch, is not decided again.
#[derive(Clone)]
pub struct GatedSteering {
    plan: GatedPlan,
    cases: Vec<Steering>,
    /// The sites that gates read, in the order of a pass.
    reads: Vec<Site>,
    width: BTreeMap<Site, usize>,
    external: Option<External>,
    rows: Vec<Row>,
    known: BTreeMap<Vec<u32>, Decision>,
    /// Decisions for the rows of all following passes.
    fixed: Option<Vec<Decision>>,
    /// Reads and decides, but steers nothing.
    listening: bool,
    /// Whether this pass opens more tokens behind the last site read.
    pending: bool,
}

/// What is known about a row of the cache.
#[derive(Clone, Debug, Default)]
struct Row {
    prompt: Vec<u32>,
    /// Sums of the hidden states read, by site.
    sums: BTreeMap<Site, Vec<f64>>,
    decision: Option<Decision>,
}

impl fmt::Debug for GatedSteering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatedSteering")
            .field("plan", &self.plan)
            .field("decisions", &self.decisions())
            .finish_non_exhaustive()
    }
}

/// The order in which a pass reaches sites.
fn order(site: &Site) -> (usize, firetender_hooks::SiteKind) {
    let kind = site.kind();
    let layer = match site {
        Site::Embed => 0,
        Site::FinalNorm => usize::MAX,
        site => site.layer().unwrap_or(0),
    };
    (layer, kind)
}

impl GatedSteering {
    pub(crate) fn new(
        plan: &GatedPlan,
        shape: &LmShape,
        device: &Device,
    ) -> Result<Self, SteerError> {
        if plan.cases.is_empty() {
            return Err(fail("cases", "are none; expected a rule and a plan".into()));
        }
        let mut width = BTreeMap::new();
        for condition in plan.conditions.values() {
            if let Condition::Gate(gate) = condition {
                gate.check_fits(shape, None)?;
                width.extend(gate.sites().map(|site| (site, gate.width)));
            }
        }
        let cases = plan.cases.iter();
        let cases = cases.map(|case| case.then.compile(shape, device));
        let mut reads: Vec<Site> = width.keys().copied().collect();
        reads.sort_unstable_by_key(order);
        Ok(Self {
            plan: plan.clone(),
            cases: cases.collect::<Result<_, _>>()?,
            reads,
            width,
            external: None,
            rows: vec![],
            known: BTreeMap::new(),
            fixed: None,
            listening: false,
            pending: false,
        })
    }

    /// With the answers of external conditions: called once for each request with the condition's name, the row and the prompt.
    #[must_use]
    pub fn with_external(
        mut self,
        answer: impl Fn(&str, usize, &[u32]) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.external = Some(Arc::new(answer));
        self
    }

    /// What was decided about the rows of the latest pass; `None` for a row whose prompt has not ended yet.
    #[must_use]
    pub fn decisions(&self) -> Vec<Option<Decision>> {
        match &self.fixed {
            Some(fixed) => fixed.iter().cloned().map(Some).collect(),
            None => self.rows.iter().map(|row| row.decision.clone()).collect(),
        }
    }

    /// When it decides.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.plan.timing
    }

    /// Uses these decisions for the rows of all following passes, instead of reading anything; `None` ends that.
    ///
    /// # Errors
    /// [`SteerError::Gate`] for a decision about another number of cases.
    pub fn set_decisions(&mut self, fixed: Option<Vec<Decision>>) -> Result<(), SteerError> {
        let cases = self.cases.len();
        let misfit = |decision: &Decision| decision.cases.len() != cases;
        if let Some(found) = fixed.iter().flatten().find(|d| misfit(d)) {
            let what = format!(
                "are {} in a decision; the plan has {cases}",
                found.cases.len()
            );
            return Err(fail("cases", what));
        }
        self.fixed = fixed;
        Ok(())
    }

    /// Runs prompts unsteered, `batch` at a time, and decides about each; what is decided is remembered.
    ///
    /// # Errors
    /// [`SteerError::Gate`] for an external condition without answers; and whatever the model reports.
    pub fn decide(
        &mut self,
        model: &dyn CausalLm,
        prompts: &[Vec<u32>],
        batch: usize,
    ) -> Result<Vec<Decision>, SteerError> {
        self.check_external()?;
        let mut decided = vec![Decision::default(); prompts.len()];
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|row| prompts[*row].len());
        let mut listener = self.clone();
        (listener.listening, listener.fixed) = (true, None);
        for chunk in order.chunks(batch.max(1)) {
            let rows: Vec<Vec<u32>> = chunk.iter().map(|row| prompts[*row].clone()).collect();
            let pass = Pass::whole(&rows, Padding::Left, 0)?;
            model.hidden(&pass, None, &mut listener)?;
            for (row, found) in chunk.iter().zip(&listener.rows) {
                let found = found.decision.clone().unwrap_or_default();
                decided[*row] = found;
            }
        }
        self.known = listener.known;
        Ok(decided)
    }

    /// A steering with every case open, or the given ones: what the mixture is made of.
    pub(crate) fn open(&self, cases: &[bool]) -> Vec<Steering> {
        let cases = self.cases.iter().zip(cases).filter(|(_, open)| **open);
        let free = |(steering, _): (&Steering, &bool)| {
            let mut steering = steering.clone();
            steering.set_rows(None, Reach::Everything);
            steering
        };
        cases.map(free).collect()
    }

    pub(crate) fn check_external(&self) -> Result<(), SteerError> {
        let asks = |(name, condition): (&String, &Condition)| {
            matches!(condition, Condition::External).then(|| name.clone())
        };
        match self.plan.conditions.iter().find_map(asks) {
            Some(name) if self.external.is_none() => {
                let what = format!(
                    "`{name}` are external, and no answers were given; use `with_external`"
                );
                Err(fail("conditions", what))
            }
            _ => Ok(()),
        }
    }

    /// Takes in the prompt tokens of a pass.
    fn follow(&mut self, pass: &Pass) {
        if pass.cache_offset() == 0 {
            self.rows = vec![Row::default(); pass.batch()];
        }
        if self.rows.len() == 1 && pass.batch() > 1 {
            // One prompt that goes on in several ways.
            self.rows = vec![self.rows[0].clone(); pass.batch()];
        }
        assert_eq!(
            self.rows.len(),
            pass.batch(),
            "a gate follows the rows of one cache; it has not seen these rows' prompts"
        );
        for token in pass.tokens().filter(|token| token.from_prompt_end() < 0) {
            self.rows[token.row].prompt.push(token.id);
        }
        for (index, row) in self.rows.iter_mut().enumerate() {
            let whole = row.prompt.len() == pass.prompt_len(index);
            if row.decision.is_none() && whole {
                row.decision = self.known.get(&row.prompt).cloned();
            }
        }
    }

    fn reading(&self, pass: &Pass) -> bool {
        let prompt = || pass.tokens().filter(|token| token.from_prompt_end() < 0);
        let silent = self.plan.timing == Timing::SecondPrefill && !self.listening;
        !silent
            && self.fixed.is_none()
            && prompt().any(|token| self.rows[token.row].decision.is_none())
    }

    /// Opens each case for the rows on which it holds.
    fn prepare(&mut self, pass: &Pass, reach: Reach) {
        let rows: Vec<Option<&Decision>> = match &self.fixed {
            Some(fixed) if fixed.len() == 1 => vec![fixed.first(); pass.batch()],
            Some(fixed) => fixed.iter().map(Some).collect(),
            None => self.rows.iter().map(|row| row.decision.as_ref()).collect(),
        };
        let listening = self.listening;
        for (number, steering) in self.cases.iter_mut().enumerate() {
            let open = |row: &Option<&Decision>| {
                let holds = row.is_some_and(|decision| decision.cases[number]);
                f64::from(u8::from(holds && !listening))
            };
            steering.set_rows(Some(rows.iter().map(open).collect()), reach);
            steering.begin(pass);
        }
    }

    /// Adds up what is read at a site, for rows that are not decided.
    fn read(&mut self, site: Site, value: &Tensor<3>, pass: &Pass) {
        let [_, columns, width] = value.dims();
        let reads = |read: GateRead| {
            let gates = self.plan.conditions.values().filter_map(|c| match c {
                Condition::Gate(gate) => Some(gate),
                Condition::External => None,
            });
            gates
                .into_iter()
                .any(|gate| gate.read == read && gate.sites().any(|s| s == site))
        };
        let (last, mean) = (reads(GateRead::LastToken), reads(GateRead::Mean));
        let mut cells = vec![];
        for token in pass.tokens() {
            let at = token.from_prompt_end();
            if self.rows[token.row].decision.is_none() && (at == -1 && last || at < 0 && mean) {
                cells.push(token);
            }
        }
        if cells.is_empty() {
            return;
        }
        let indices: Vec<i64> = cells
            .iter()
            .map(|t| (t.row * columns + t.column) as i64)
            .collect();
        let count = indices.len();
        let flat = value.clone().without_autodiff().flatten::<2>(0, 1);
        let data = TensorData::new(indices, [count]);
        let indices = Tensor::<1, Int>::from_data(data, &flat.device());
        let read: Vec<f64> = flat.select(0, indices).into_data().iter::<f64>().collect();
        for (token, hidden) in cells.iter().zip(read.chunks(width)) {
            // Sums over the prompt, then the last token by itself.
            let sums = self.rows[token.row]
                .sums
                .entry(site)
                .or_insert_with(|| vec![0.0; 2 * width]);
            for (index, x) in hidden.iter().enumerate() {
                sums[index] += x;
                if token.from_prompt_end() == -1 {
                    sums[width + index] = *x;
                }
            }
        }
    }

    /// Decides about rows whose prompt has ended.
    fn decide_rows(&mut self, pass: &Pass) {
        for index in 0..self.rows.len() {
            let row = &self.rows[index];
            if row.decision.is_some() || row.prompt.len() != pass.prompt_len(index) {
                continue;
            }
            let decision = self.judge(index);
            if !row.prompt.is_empty() {
                self.known.insert(row.prompt.clone(), decision.clone());
            }
            self.rows[index].decision = Some(decision);
        }
    }

    fn judge(&self, index: usize) -> Decision {
        let row = &self.rows[index];
        let (mut margins, mut holds) = (BTreeMap::new(), BTreeMap::new());
        for (name, condition) in &self.plan.conditions {
            let fires = match condition {
                Condition::Gate(gate) => {
                    let hidden: Vec<Vec<f64>> = gate
                        .sites()
                        .map(|site| {
                            let width = self.width[&site];
                            let Some(sums) = row.sums.get(&site) else {
                                return vec![f64::NAN; width];
                            };
                            let length = row.prompt.len().max(1) as f64;
                            match gate.read {
                                GateRead::LastToken => sums[width..].to_vec(),
                                GateRead::Mean => {
                                    sums[..width].iter().map(|x| x / length).collect()
                                }
                            }
                        })
                        .collect();
                    let hidden: Vec<&[f64]> = hidden.iter().map(Vec::as_slice).collect();
                    let margin = gate.margin(&hidden);
                    margins.insert(name.clone(), margin);
                    margin >= 0.0
                }
                Condition::External => self
                    .external
                    .as_ref()
                    .is_some_and(|answer| answer(name, index, &row.prompt)),
            };
            holds.insert(name.as_str(), fires);
        }
        let holds = |name: &str| holds.get(name).copied().unwrap_or(false);
        let cases = self.plan.cases.iter();
        Decision {
            cases: cases.map(|case| case.when.holds(&holds)).collect(),
            margins,
        }
    }
}

impl Intervene for GatedSteering {
    /// # Panics
    /// When a pass goes on with a cache whose prompts the gate has not seen, or decisions were set for another number of rows.
    fn begin(&mut self, pass: &Pass) {
        self.pending = false;
        if self.fixed.is_some() {
            return self.prepare(pass, Reach::Everything);
        }
        self.follow(pass);
        let late = self.plan.timing == Timing::LaterLayersThenAll && !self.listening;
        let reading = self.reading(pass);
        if reading && self.reads.is_empty() {
            // Nothing but answers from outside, which are there at once.
            self.decide_rows(pass);
        }
        let prompt = pass.tokens().any(|token| token.from_prompt_end() < 0);
        self.pending = (late && prompt || reading) && !self.reads.is_empty();
        let held = late && self.pending;
        self.prepare(
            pass,
            if held {
                Reach::Generated
            } else {
                Reach::Everything
            },
        );
    }

    fn wants(&self, site: Site) -> bool {
        self.pending && self.reads.contains(&site)
            || self.cases.iter().any(|steering| steering.wants(site))
    }

    fn at(&mut self, site: Site, value: Tensor<3>, pass: &Pass) -> Tensor<3> {
        let here = self.pending && self.reads.contains(&site);
        if here && self.reading(pass) {
            self.read(site, &value, pass);
        }
        let mut value = value;
        for steering in &mut self.cases {
            value = visit(steering, site, value, pass);
        }
        if here && self.reads.last() == Some(&site) {
            self.decide_rows(pass);
            self.pending = false;
            self.prepare(pass, Reach::Everything);
        }
        value
    }

    fn end(&mut self, pass: &Pass) {
        for steering in &mut self.cases {
            steering.end(pass);
        }
    }
}
