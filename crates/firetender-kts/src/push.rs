//! A draw made into numbers: what is added to the residual stream of a minibatch.

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Tensor, TensorData};
use firetender_hooks::{Intervene, Pass, Selection, Site};
use firetender_steer::{SteeringVector, TokenRule};

use crate::KtsError;

/// Directions times strengths, one set for all rows of a minibatch or one for each row. Added to real tokens that the rule
/// selects; nothing at all is computed where every strength is zero.
///
/// ```
/// use std::collections::BTreeMap;
/// use firetender_hooks::SiteKind;
/// use firetender_kts::Push;
/// use firetender_steer::SteeringVector;
/// let directions = BTreeMap::from([(1, vec![1.0, 0.0])]);
/// let vector = SteeringVector::new("up", "down", SiteKind::ResidPost, 2, 4, directions).unwrap();
/// assert!(Push::one(&vector, 0.0).is_nothing());
/// assert!(!Push::rows(&[Some((&vector, 0.5)), None]).unwrap().is_nothing());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    rows: usize,
    /// Row-major `[rows, width]` for each site.
    shifts: BTreeMap<Site, Vec<f32>>,
    tokens: TokenRule,
    padding: bool,
}

impl Push {
    /// Nothing is added.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            rows: 1,
            shifts: BTreeMap::new(),
            tokens: TokenRule::all(),
            padding: false,
        }
    }

    /// The same for all rows.
    #[must_use]
    pub fn one(vector: &SteeringVector, strength: f64) -> Self {
        let mut push = Self::nothing();
        if strength != 0.0 {
            for (layer, direction) in vector.directions() {
                let shift = scaled(direction, strength);
                push.shifts.insert(vector.site().at(*layer), shift);
            }
        }
        push
    }

    /// A vector and its strength, or nothing, for each row. The vectors may be at different sites.
    ///
    /// # Errors
    /// [`KtsError::Input`] when there are no rows, or two vectors of one site differ in width.
    pub fn rows(rows: &[Option<(&SteeringVector, f64)>]) -> Result<Self, KtsError> {
        let mut push = Self::nothing();
        push.rows = rows.len();
        for (row, (vector, strength)) in rows
            .iter()
            .enumerate()
            .filter_map(|(i, r)| Some((i, r.as_ref()?)))
        {
            if *strength == 0.0 {
                continue;
            }
            for (layer, direction) in vector.directions() {
                let width = direction.len();
                let site = vector.site().at(*layer);
                let all = push
                    .shifts
                    .entry(site)
                    .or_insert_with(|| vec![0.0; rows.len() * width]);
                if all.len() != rows.len() * width {
                    let what = format!("vectors of different widths at {site}");
                    return Err(KtsError::Input { what });
                }
                all[row * width..(row + 1) * width].copy_from_slice(&scaled(direction, *strength));
            }
        }
        if rows.is_empty() {
            let what = "a push for no rows".into();
            return Err(KtsError::Input { what });
        }
        Ok(push)
    }

    /// At the tokens that a rule selects only.
    #[must_use]
    pub fn at_tokens(mut self, tokens: TokenRule) -> Self {
        self.tokens = tokens;
        self
    }

    /// At every column, padding too: what the reference's training does.
    #[must_use]
    pub fn with_padding(mut self) -> Self {
        self.padding = true;
        self
    }

    /// Whether nothing is added anywhere.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.shifts.is_empty()
    }

    /// The intervention, with its numbers on a device and free of any gradient graph.
    #[must_use]
    pub fn hook(&self, device: &Device) -> PushHook {
        let device = device.clone().without_autodiff();
        let shifts = self.shifts.iter().map(|(site, values)| {
            let shape = [self.rows, 1, values.len() / self.rows];
            let data = TensorData::new(values.clone(), shape);
            (*site, Tensor::from_data(data, (&device, DType::F32)))
        });
        PushHook {
            shifts: shifts.collect(),
            tokens: self.tokens.clone(),
            padding: self.padding,
            device,
            selection: Selection::Nothing,
        }
    }
}

fn scaled(direction: &[f32], strength: f64) -> Vec<f32> {
    direction
        .iter()
        .map(|x| (f64::from(*x) * strength) as f32)
        .collect()
}

/// A [`Push`] on its device.
#[derive(Debug)]
pub struct PushHook {
    shifts: BTreeMap<Site, Tensor<3>>,
    tokens: TokenRule,
    padding: bool,
    device: Device,
    selection: Selection,
}

impl Intervene for PushHook {
    fn begin(&mut self, pass: &Pass) {
        self.selection = if self.shifts.is_empty() {
            Selection::Nothing
        } else if self.padding {
            Selection::All
        } else {
            pass.select(&self.device, |token| self.tokens.selects(token))
        };
    }

    fn wants(&self, site: Site) -> bool {
        !matches!(self.selection, Selection::Nothing) && self.shifts.contains_key(&site)
    }

    fn at(&mut self, site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
        let Some(shift) = self.shifts.get(&site) else {
            return value;
        };
        match &self.selection {
            Selection::Nothing => value,
            Selection::All => value + shift.clone(),
            Selection::Some(mask) => value + shift.clone() * mask.clone(),
        }
    }
}
