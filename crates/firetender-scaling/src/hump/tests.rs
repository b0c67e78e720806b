use super::*;
use approx::{assert_abs_diff_eq, assert_relative_eq};

#[test]
fn pythia_has_no_u() {
    let x: Vec<f64> = [70e6_f64, 160e6, 410e6, 1e9, 1.4e9, 2.8e9, 6.9e9, 12e9]
        .iter()
        .map(|size| size.log10())
        .collect();
    // p of U, p of inverted U, place of the extremum: specification 8.4.
    let table: [(&[f64], f64, [f64; 3]); 3] = [
        (
            &[817.0, 794.0, 780.0, 730.0, 721.0, 732.0, 649.0, 614.0],
            936.0,
            [0.99793, 0.81311, 7.2929],
        ),
        (
            &[158.0, 175.0, 138.0, 172.0, 134.0, 105.0, 143.0, 76.0],
            315.0,
            [0.91163, 0.44033, 8.0514],
        ),
        (
            &[137.0, 137.0, 138.0, 137.0, 137.0, 137.0, 135.0, 142.0],
            300.0,
            [0.26352, 0.84177, 8.6987],
        ),
    ];
    for (counts, n, [p_u, p_hill, extremum]) in table {
        let y: Vec<f64> = counts.iter().map(|c| c / n).collect();
        let found = lind_mehlum(&x, &y, 0.95).unwrap();
        assert_abs_diff_eq!(found.p_u, p_u, epsilon = 5.1e-6);
        assert_abs_diff_eq!(found.p_inverted_u, p_hill, epsilon = 5.1e-6);
        assert_abs_diff_eq!(found.extremum, extremum, epsilon = 5.1e-5);
    }
}

#[test]
fn negating_swaps_the_two_and_shifting_x_moves_the_extremum() {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.5];
    let y = [4.1, 1.9, 0.9, 1.2, 2.1, 4.0];
    let negated = y.map(|v| -v);
    let (found, other) = (
        lind_mehlum(&x, &y, 0.95).unwrap(),
        lind_mehlum(&x, &negated, 0.95).unwrap(),
    );
    assert_relative_eq!(found.p_u, other.p_inverted_u, max_relative = 1e-9);
    let moved = lind_mehlum(&x.map(|v| v + 100.0), &y, 0.95).unwrap();
    assert_relative_eq!(moved.extremum, found.extremum + 100.0, max_relative = 1e-9);
    assert_relative_eq!(moved.p_u, found.p_u, max_relative = 1e-6);
    let (low, high) = found.interval.unwrap();
    assert!(low < found.extremum && found.extremum < high);
}

#[test]
fn fiellers_ends_solve_his_equation() {
    let x = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    let y = [4.1, 1.9, 0.9, 1.2, 2.1, 4.0];
    let rows: Vec<Vec<f64>> = x.iter().map(|x| vec![1.0, *x, x * x]).collect();
    let fit = LeastSquares::fit(&rows, &y).unwrap();
    let (s2, b) = (fit.variance().unwrap(), &fit.coefficients);
    let (low, high) = lind_mehlum(&x, &y, 0.95).unwrap().interval.unwrap();
    let t = t_quantile(0.025, 3.0);
    for theta in [low, high] {
        let slope = b[1] + 2.0 * theta * b[2];
        let v = s2
            * (fit.inverse[1][1]
                + 4.0 * theta * fit.inverse[1][2]
                + 4.0 * theta * theta * fit.inverse[2][2]);
        assert_relative_eq!(slope * slope, t * t * v, max_relative = 1e-6);
    }
}

#[test]
fn a_logarithm_is_no_hill_for_the_two_lines_although_its_quadratic_is_significant() {
    let mut hills = 0;
    for seed in 0..20_usize {
        let x: Vec<f64> = (1..=300).map(|i| f64::from(i) / 30.0).collect();
        let noise = |i: usize| {
            let u = ((i * 2_654_435_761 + seed * 40_503) % 65_536) as f64 / 65_536.0;
            u - 0.5
        };
        let y: Vec<f64> = x
            .iter()
            .enumerate()
            .map(|(i, x)| x.ln() + noise(i))
            .collect();
        let rows: Vec<Vec<f64>> = x.iter().map(|x| vec![1.0, *x, x * x]).collect();
        let quadratic = LeastSquares::fit(&rows, &y).unwrap();
        assert!(quadratic.coefficients[2] / quadratic.standard_error(2).unwrap() < -5.0);
        hills += u32::from(two_lines(&x, &y).unwrap().turn != Turn::None);
    }
    assert!(hills <= 2, "{hills} of 20");
}

#[test]
fn too_little_to_say() {
    assert!(lind_mehlum(&[1.0, 2.0, 3.0], &[1.0, 2.0, 1.0], 0.95).is_none());
    assert!(lind_mehlum(&[1.0; 5], &[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).is_none());
    assert!(two_lines(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 1.0]).is_none());
    assert!(two_lines(&[1.0, 2.0], &[f64::NAN, 1.0]).is_none());
}
