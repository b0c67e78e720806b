//! Means that a few odd pairs cannot move.

/// The mean of each column without the `share` smallest and largest numbers of it; ½ is the median.
pub(crate) fn trimmed_mean(rows: &[f64], width: usize, share: f64) -> Vec<f64> {
    let count = rows.len() / width;
    let cut = ((share * count as f64) as usize).min((count - 1) / 2);
    let mut column = vec![0.0; count];
    (0..width)
        .map(|j| {
            for (x, row) in column.iter_mut().zip(rows.chunks(width)) {
                *x = row[j];
            }
            column.sort_unstable_by(f64::total_cmp);
            let kept = &column[cut..count - cut];
            kept.iter().sum::<f64>() / kept.len() as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_numbers_are_left_out_and_half_is_the_median() {
        let rows = [1.0, 2.0, 3.0, 4.0, 1000.0];
        assert_eq!(trimmed_mean(&rows, 1, 0.2), [3.0]);
        assert_eq!(trimmed_mean(&rows, 1, 0.0), [202.0]);
        assert_eq!(trimmed_mean(&rows, 1, 0.5), [3.0]);
        assert_eq!(trimmed_mean(&rows[..4], 1, 0.5), [2.5]);
        assert_eq!(trimmed_mean(&[7.0, -1.0], 2, 0.5), [7.0, -1.0]);
    }
}
