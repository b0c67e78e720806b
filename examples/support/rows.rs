//! Training rows of the Ember models: whole texts end to end, their loss, and the folder that a trained model becomes.

use std::{fs, path::Path};

use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};
use firetender_ember::{chat, tokenizer};
use firetender_hooks::{Padding, Pass, Untouched};
use firetender_lm::{CausalLm, StoreAs, Transformer, write_atomically};
use tokenizers::Tokenizer;

use crate::Failure;

/// Whole texts end to end, filled up with the padding token. All rows of a set have one length.
pub type Row = Vec<u16>;

/// The id of `<|pad|>`, which is never a target.
pub const PAD: u16 = 2;

/// Texts, as tokens, in rows of one length; a text longer than a row is cut.
///
/// # Errors
/// A text that cannot be encoded.
pub fn pack(
    texts: impl Iterator<Item = Result<Vec<u16>, Failure>>,
    length: usize,
) -> Result<Vec<Row>, Failure> {
    let mut rows: Vec<Row> = vec![];
    let mut row: Row = vec![];
    for ids in texts {
        let ids = ids?;
        if row.len() + ids.len() > length && !row.is_empty() {
            rows.push(std::mem::take(&mut row));
        }
        row.extend(ids);
        row.truncate(length);
    }
    rows.push(row);
    for row in &mut rows {
        row.resize(length, PAD);
    }
    Ok(rows)
}

/// Rows as inputs and shifted targets.
#[derive(Clone, Debug)]
pub struct Batch {
    pass: Pass,
    targets: Tensor<2, Int>,
    weights: Tensor<1>,
}

impl Batch {
    /// Stacks rows.
    ///
    /// # Errors
    /// No rows, or rows of fewer than two tokens.
    pub fn stack(rows: &[Row], device: &Device) -> Result<Self, Failure> {
        let columns = rows.first().map_or(0, |row| row.len().saturating_sub(1));
        let inputs: Vec<Vec<u32>> = rows
            .iter()
            .map(|row| {
                row[..columns.min(row.len())]
                    .iter()
                    .map(|id| (*id).into())
                    .collect()
            })
            .collect();
        let shifted = || rows.iter().flat_map(|row| row.iter().skip(1).copied());
        let cells = rows.len() * columns;
        let targets: Vec<i64> = shifted().map(i64::from).collect();
        let weights: Vec<f32> = shifted().map(|id| f32::from(id != PAD)).collect();
        Ok(Self {
            pass: Pass::whole(&inputs, Padding::Right, PAD.into())?,
            targets: Tensor::from_data(TensorData::new(targets, [cells, 1]), device),
            weights: Tensor::from_data(TensorData::new(weights, [cells]), device),
        })
    }
}

/// Mean negative log-probability of a batch's real tokens.
///
/// # Errors
/// Tokens or positions that the model does not have.
pub fn loss(model: &Transformer, batch: &Batch) -> Result<Tensor<1>, Failure> {
    let logits = model.logits(&batch.pass, None, &mut Untouched)?;
    let [rows, columns, vocab] = logits.dims();
    let log_probs = log_softmax(logits.reshape([rows * columns, vocab]), 1);
    let of_targets: Tensor<1> = log_probs.gather(1, batch.targets.clone()).squeeze_dim(1);
    let weights = batch.weights.clone();
    Ok(-(of_targets * weights.clone()).sum() / weights.sum())
}

/// The same over all rows, weighted by their real tokens.
///
/// # Errors
/// As [`loss`].
pub fn held_out_loss(model: &Transformer, rows: &[Row]) -> Result<f64, Failure> {
    let (mut total, mut count) = (0.0, 0.0);
    for rows in rows.chunks(8) {
        let real = rows
            .iter()
            .flat_map(|row| row.iter().skip(1))
            .filter(|id| **id != PAD)
            .count() as f64;
        let batch = Batch::stack(rows, &model.device())?;
        total += loss(model, &batch)?.into_scalar::<f64>() * real;
        count += real;
    }
    Ok(total / count)
}

/// Writes a Hugging Face folder in 16-bit floats, with the special tokens and the chat template.
///
/// # Errors
/// Whatever cannot be written.
pub fn save(model: &Transformer, tokenizer: &Tokenizer, folder: &Path) -> Result<(), Failure> {
    model.save(folder, StoreAs::F16)?;
    let path = folder.join("config.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
    let id = |token: &str| tokenizer.token_to_id(token);
    json["bos_token_id"] = serde_json::json!(id(chat::BOS));
    json["eos_token_id"] = serde_json::json!([id(chat::EOS), id(chat::END)]);
    json["pad_token_id"] = serde_json::json!(id(chat::PAD));
    write_atomically(&path, format!("{json:#}\n").as_bytes())?;
    write_atomically(
        &folder.join("tokenizer.json"),
        tokenizer::to_json(tokenizer)?.as_bytes(),
    )?;
    let positions = model.shape().max_positions;
    let settings = format!("{:#}\n", chat::tokenizer_config(positions));
    write_atomically(&folder.join("tokenizer_config.json"), settings.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use firetender_lm::ModelConfig;

    #[test]
    fn texts_are_packed_whole_and_the_rest_is_padding() {
        let texts = [vec![5, 6], vec![7, 8], vec![9; 7], vec![3]].map(Ok);
        let rows = pack(texts.into_iter(), 5).unwrap();
        assert_eq!(
            rows,
            [
                vec![5, 6, 7, 8, PAD],
                vec![9; 5],
                vec![3, PAD, PAD, PAD, PAD]
            ]
        );
    }

    #[test]
    fn padding_counts_for_nothing_and_batches_are_weighted_by_their_tokens() {
        let config = ModelConfig::llama(20, 16, 1, 2, 1, 32);
        let model = Transformer::init(&config, 0, &Device::flex()).unwrap();
        let value = |rows: &[Row]| {
            let batch = Batch::stack(rows, &Device::flex()).unwrap();
            loss(&model, &batch).unwrap().into_scalar::<f64>()
        };
        let (long, short) = ([vec![4, 5, 6, 7]], [vec![8, 9, PAD, PAD]]);
        assert!((value(&short) - value(&[vec![8, 9]])).abs() < 1e-6);
        let both = (3.0 * value(&long) + value(&short)) / 4.0;
        let rows = [long, short].concat();
        assert!((value(&rows) - both).abs() < 1e-6);
        assert!((held_out_loss(&model, &rows).unwrap() - both).abs() < 1e-6);
        assert!(Batch::stack(&[], &Device::flex()).is_err());
    }
}
