//! The reference's text for a recipe: `[(7,23.0),(13,-15.2)]`, or `None`.
//!
//! The reference evaluates such text, found in file names, as code. Here it is a small grammar: a list of pairs of a number from the
//! list and a float as Python writes it (sign, exponent, `-0.0`, and with NumPy 2 `np.float64(23.0)`). Blanks are allowed; nothing else is.

use super::{Step, SubPolicy};
use crate::{Op, OpSpace, TtaError};

/// No published recipe has more than four.
const MOST_OPS: usize = 64;

/// Reads a recipe; `None` is the central crop. A name may stand for its number: `[("Solarize",23.0)]`.
///
/// ```
/// use firetender_tta::{OpSpace, parse_sub_policy};
/// let space = OpSpace::gps_cifar();
/// assert!(parse_sub_policy("None", &space)?.is_central());
/// assert_eq!(parse_sub_policy("[(5,np.float64(-1e-3))]", &space)?.ops[0].1, -0.001);
/// assert!(parse_sub_policy("[(99,1.0)]", &space).is_err());
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// [`TtaError::Text`] with the place; [`TtaError::UnknownOp`] for a number or name that the space does not have.
pub fn parse_sub_policy(text: &str, space: &OpSpace) -> Result<SubPolicy, TtaError> {
    let mut reader = Reader { text, at: 0 };
    reader.blanks();
    if reader.takes("None") {
        reader.end()?;
        return Ok(SubPolicy::central());
    }
    reader.expect('[')?;
    let mut ops = vec![];
    reader.blanks();
    if !reader.takes("]") {
        loop {
            ops.push(reader.step(space)?);
            if ops.len() > MOST_OPS {
                return Err(reader.error(format!("more than {MOST_OPS} operations")));
            }
            reader.blanks();
            if reader.takes("]") {
                break;
            }
            reader.expect(',')?;
            reader.blanks();
            // Python allows a comma before the end.
            if reader.takes("]") {
                break;
            }
        }
    }
    reader.end()?;
    Ok(SubPolicy::new(ops))
}

/// Writes a recipe as the reference does, with magnitudes as Python's `repr`.
///
/// ```
/// use firetender_tta::{OpSpace, format_sub_policy, parse_sub_policy};
/// let space = OpSpace::gps_cifar();
/// let text = "[(7,23.0),(13,-15.2)]";
/// assert_eq!(format_sub_policy(&parse_sub_policy(text, &space)?, &space)?, text);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// [`TtaError::UnknownOp`] for an operation that the space does not have; [`TtaError::Options`] for a fixed frame or probabilities, which the
/// reference cannot say.
pub fn format_sub_policy(recipe: &SubPolicy, space: &OpSpace) -> Result<String, TtaError> {
    if recipe.is_central() {
        return Ok("None".into());
    }
    if recipe.probabilities.iter().any(|p| *p < 1.0) {
        return Err(TtaError::option(
            "probabilities",
            format!("{:?}", recipe.probabilities),
            "operations that are always done: the reference's text has no other",
        ));
    }
    if recipe.frame != super::Frame::Random {
        return Err(TtaError::option(
            "frame",
            format!("{:?}", recipe.frame),
            "operations in the random frame, or the central crop: the reference's text has no other",
        ));
    }
    let steps = recipe
        .ops
        .iter()
        .map(|Step(op, m)| Ok(format!("({},{})", space.index_of(*op)?, python_float(*m))))
        .collect::<Result<Vec<_>, TtaError>>()?;
    Ok(format!("[{}]", steps.join(",")))
}

/// Python's `repr` of a float: the shortest digits that read back, scientific below 1e-4 and from 1e16 on.
pub(crate) fn python_float(x: f64) -> String {
    if x == 0.0 || (1e-4..1e16).contains(&x.abs()) {
        return format!("{x:?}");
    }
    let text = format!("{x:e}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, size) = match exponent.strip_prefix('-') {
        Some(size) => ('-', size),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{size:0>2}")
}

struct Reader<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn takes(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        if found {
            self.at += what.len();
        }
        found
    }

    fn expect(&mut self, what: char) -> Result<(), TtaError> {
        self.blanks();
        if self.takes(what.encode_utf8(&mut [0; 4])) {
            return Ok(());
        }
        let found = self.rest().chars().next();
        Err(self.error(match found {
            Some(found) => format!("{found:?}; expected {what:?}"),
            None => format!("the text ends; expected {what:?}"),
        }))
    }

    fn end(&mut self) -> Result<(), TtaError> {
        self.blanks();
        match self.rest().chars().next() {
            None => Ok(()),
            Some(found) => Err(self.error(format!("{found:?} after the end of the recipe"))),
        }
    }

    fn error(&self, what: String) -> TtaError {
        TtaError::Text {
            at: self.text[..self.at].chars().count(),
            what,
        }
    }

    /// Everything up to one of these, without blanks around.
    fn until(&mut self, stops: &[char]) -> &'a str {
        self.blanks();
        let rest = self.rest();
        let end = rest.find(stops).unwrap_or(rest.len());
        self.at += end;
        rest[..end].trim_end()
    }

    fn step(&mut self, space: &OpSpace) -> Result<Step, TtaError> {
        self.expect('(')?;
        self.blanks();
        let wrapped = ["np.int64(", "numpy.int64(", "int64("]
            .into_iter()
            .any(|open| self.takes(open));
        let place = self.at;
        let word = self.until(&[',', ')', '(', '[', ']']);
        if wrapped {
            self.expect(')')?;
        }
        let op = if let Ok(index) = word.parse::<usize>() {
            space.at(index)?.op
        } else {
            let name = word.trim_matches(['"', '\'']);
            let op = Op::from_name(name).or_else(|| space.named(name));
            let op = op.filter(|_| !name.is_empty());
            let Some(op) = op else {
                self.at = place;
                let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if name.chars().all(fine) && !name.is_empty() {
                    return Err(TtaError::UnknownOp {
                        found: name.chars().take(40).collect(),
                        known: format!(
                            "numbers 0 to {}, or names",
                            space.ops.len().saturating_sub(1)
                        ),
                    });
                }
                return Err(self.error("no operation; expected its number".into()));
            };
            space.range(op)?.op
        };
        self.expect(',')?;
        self.blanks();
        let wrapped = ["np.float64(", "numpy.float64(", "float64("]
            .into_iter()
            .any(|open| self.takes(open));
        let place = self.at;
        let number = self.until(&[',', ')', '(', '[', ']']);
        let Some(magnitude) = float(number) else {
            self.at = place;
            let shown: String = number.chars().take(40).collect();
            return Err(self.error(format!("{shown:?}; expected a finite magnitude")));
        };
        if wrapped {
            self.expect(')')?;
        }
        self.expect(')')?;
        Ok(Step(op, magnitude))
    }
}

/// A finite float as Python writes it.
fn float(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let value: f64 = text.parse().ok()?;
    (plain && value.is_finite()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<SubPolicy, TtaError> {
        parse_sub_policy(text, &OpSpace::gps_cifar())
    }

    #[test]
    fn python_spellings() {
        for (text, m) in [
            ("[(7,23.0)]", 23.0),
            (" [ ( 7 , -0.0 ) ] ", -0.0),
            ("[(7,1e-05)]", 1e-5),
            ("[(7,+2.5E+1),]", 25.0),
            ("[(7,np.float64(23.25))]", 23.25),
            ("[(np.int64(7),np.float64(1.0))]", 1.0),
            ("[('Solarize',4)]", 4.0),
        ] {
            let found = parse(text).unwrap();
            assert_eq!(found.ops.len(), 1, "{text}");
            assert_eq!(found.ops[0].0, Op::Solarize);
            assert_eq!(found.ops[0].1.to_bits(), f64::to_bits(m), "{text}");
        }
        assert_eq!(parse("[]").unwrap(), SubPolicy::new(vec![]));
    }

    #[test]
    fn everything_else_is_an_error_with_a_place() {
        for text in [
            "",
            "none",
            "[",
            "[(7,23.0)",
            "[(7,23.0)] x",
            "[(7,nan)]",
            "[(7,inf)]",
            "[(7,1e999)]",
            "[(7)]",
            "[(7,23.0,1)]",
            "[7,23.0]",
            "(7,23.0)",
            "[(-1,2.0)]",
            "[(15,2.0)]",
            "[(7,__import__('os'))]",
            "[(7,np.float64(3.0)]",
            "[(Eval,3.0)]",
            "[(,3.0)]",
            "[(7,0x10)]",
            "[(7,1_0)]",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        match parse("[(7,23.0),(8,é)]") {
            Err(TtaError::Text { at: 13, .. }) => {}
            other => panic!("{other:?}"),
        }
        let long = format!("[{}]", "(0,1.0),".repeat(100));
        assert!(parse(&long).is_err());
    }

    #[test]
    fn floats_as_python_prints_them() {
        for (x, text) in [
            (23.0, "23.0"),
            (-0.0, "-0.0"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e16, "1e+16"),
            (1.25e300, "1.25e+300"),
            (0.0001, "0.0001"),
            (5.324660032881642, "5.324660032881642"),
        ] {
            assert_eq!(python_float(x), text);
        }
    }

    proptest! {
        #[test]
        fn texts_round_trip(ops in prop::collection::vec((0_usize..15, any::<f64>().prop_filter("finite", |m| m.is_finite())), 0..4)) {
            let space = OpSpace::gps_cifar();
            let recipe = SubPolicy::new(ops.iter().map(|(at, m)| Step(space.ops[*at].op, *m)).collect());
            let back = parse(&format_sub_policy(&recipe, &space).unwrap()).unwrap();
            for (a, b) in recipe.ops.iter().zip(&back.ops) {
                prop_assert_eq!((a.0, a.1.to_bits()), (b.0, b.1.to_bits()));
            }
            prop_assert_eq!(recipe.ops.len(), back.ops.len());
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = parse(&text);
        }
    }
}
