use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{
    LolaOptions, Parameters, Repeated,
    agents::{
        AmTftOptions, Mode, NormPlayer, Player, Rounds, pair_all, pair_all_recorded, planned_norms,
    },
    cross_play, cross_play_recorded,
    games::named,
    markov::Model,
    plan::Punishment,
    train, train_recorded,
};

/// A folder of its own that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("firetender-bargain-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// LOLA pairs and their cross-play through a record.
fn lola(path: &Path) -> Result<Vec<u8>, BargainError> {
    let game =
        Repeated::new(named("asym-bos")?, 0.96)?.with_parameters(Parameters::SigmoidNormalised)?;
    let options = LolaOptions {
        pairs: 11,
        steps: 20,
        ..Default::default()
    };
    let mut record = Record::open(path, "eleven pairs")?;
    let trained = train_recorded(&game, &options, "train", &mut record)?;
    assert_eq!(trained, train(&game, &options)?);
    let policies = [0, 1].map(|player| {
        let all = trained.theta[player].iter();
        all.map(|theta| game.policy(player, theta).unwrap())
            .collect::<Vec<_>>()
    });
    let table = cross_play_recorded(&game, &policies, "pairs", &mut record)?;
    assert_eq!(table, cross_play(&game, &policies)?);
    Ok(fs::read(path).unwrap())
}

/// Wherever a run is killed, the run that goes on ends with the same file.
#[test]
fn a_killed_run_ends_with_the_same_file() {
    let folder = Folder::new("killed");
    let whole = lola(&folder.0.join("whole.csv")).unwrap();
    let lines = whole.iter().filter(|b| **b == b'\n').count();
    assert_eq!(lines, 2 + 11 + 121);
    let path = folder.0.join("killed.csv");
    // Inside the head, at ends of lines, inside numbers, and at the very end.
    for kept in (0..whole.len()).step_by(997).chain([
        3,
        40,
        80,
        whole.len() / 2,
        whole.len() - 1,
        whole.len(),
    ]) {
        fs::write(&path, &whole[..kept]).unwrap();
        assert_eq!(lola(&path).unwrap(), whole, "{kept}");
    }
}

/// The work itself dies after some cells: what was done is not done again.
#[test]
fn what_is_known_is_not_computed_again() {
    let folder = Folder::new("known");
    let cells: Vec<[usize; 2]> = (0..1000).map(|i| [i / 40, i % 40]).collect();
    let calls = AtomicUsize::new(0);
    let value = |cell: &[usize; 2]| vec![(cell[0] as f64).sin() / 3.0, cell[1] as f64 * 1e-300];
    let work = |dies: usize| {
        let calls = &calls;
        move |some: &[[usize; 2]]| {
            if some.iter().any(|[i, j]| i * 40 + j >= dies) {
                return Err(BargainError::TooFew {
                    what: "killed".into(),
                });
            }
            calls.fetch_add(some.len(), Ordering::Relaxed);
            Ok(some.iter().map(value).collect())
        }
    };
    let run = |path: &Path, dies: usize| {
        let mut record = Record::open(path, "c").unwrap();
        record.cells("e", &cells, &|v| v.len() == 2, &work(dies))
    };
    let (one, two) = (folder.0.join("a/b/one.csv"), folder.0.join("two.csv"));
    let whole = run(&one, usize::MAX).unwrap();
    assert_eq!(whole, cells.iter().map(value).collect::<Vec<_>>());
    assert!(run(&two, 600).is_err());
    calls.store(0, Ordering::Relaxed);
    assert_eq!(run(&two, usize::MAX).unwrap(), whole);
    assert_eq!(calls.load(Ordering::Relaxed), 1000 - 2 * BATCH);
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    // Nobody else writes meanwhile.
    let held = Record::open(&one, "c").unwrap();
    let error = Record::open(&one, "c").unwrap_err().to_string();
    assert!(error.contains("another run"), "{error}");
    drop(held);
    let mut nowhere = Record::nowhere();
    assert_eq!(
        nowhere
            .cells("e", &cells, &|_| true, &work(usize::MAX))
            .unwrap(),
        whole
    );
}

#[test]
fn other_experiments_and_damage_are_refused() {
    let folder = Folder::new("refused");
    let path = folder.0.join("r.csv");
    lola(&path).unwrap();
    let error = Record::open(&path, "twelve pairs").unwrap_err();
    assert!(
        matches!(error, BargainError::OtherExperiment { .. }),
        "{error}"
    );
    assert!(!error.to_string().contains('\n'));
    let good = fs::read_to_string(&path).unwrap();
    let refused = |text: &[u8]| {
        fs::write(&path, text).unwrap();
        let error = lola(&path).unwrap_err();
        assert!(matches!(error, BargainError::Parse { .. }), "{error}");
        // What is refused is left as it was.
        assert_eq!(fs::read(&path).unwrap(), text);
        error.to_string()
    };
    assert!(refused(b"hello\n").contains("line 1"));
    assert!(refused(b"\xff\xfe\n").contains("line 1"));
    assert!(refused(good.replacen("experiment", "x", 1).as_bytes()).contains("line 2"));
    assert!(refused(good.replacen("train,1,1", "train,2,1", 1).as_bytes()).contains("line 4"));
    assert!(refused(good.replacen("train,1,1", "train,-1,1", 1).as_bytes()).contains("line 4"));
    assert!(refused(good.replacen("train,0,0,", "train,0,0,1 ", 1).as_bytes()).contains("line 3"));
    assert!(
        refused(good.replacen("train,0,0,", "train,0,0,NaN ", 1).as_bytes()).contains("finite")
    );
    assert!(refused(good.replacen("train,0,0,", "train,0,0,,", 1).as_bytes()).contains("columns"));
    assert!(Record::open(&path, "two\nlines").is_err());
    let mut record = Record::nowhere();
    let nan = |c: &[[usize; 2]]| Ok(c.iter().map(|_| vec![f64::NAN]).collect());
    assert!(record.cells("e", &[[0, 0]], &|_| true, &nan).is_err());
    assert!(record.cells("a,b", &[], &|_| true, &nan).is_err());
}

/// Pairings of players with norms keep all that an episode can pay.
#[test]
fn pairings_go_on_to_the_same_scores() {
    let folder = Folder::new("pairings");
    let model = Model::of(&named("asym-bos").unwrap()).unwrap();
    let norms = planned_norms(&model, Punishment::Minimax, [0.0; 2], 20, &[0, 1]).unwrap();
    let players: Vec<Player> = norms
        .into_iter()
        .map(|[u, e]| {
            let both = vec![u.into(), e.into()];
            Player::Norms(
                NormPlayer::new(both, Mode::random_switch(0.7), AmTftOptions::default()).unwrap(),
            )
        })
        .collect();
    let rounds = Rounds {
        steps: 5,
        episodes: 3,
        seed: 0,
        exact: true,
        remember: false,
    };
    let path = folder.0.join("p.csv");
    let run = || {
        let mut record = Record::open(&path, "c").unwrap();
        pair_all_recorded(&model, [&players, &players], &rounds, "all", &mut record).unwrap()
    };
    let direct = pair_all(&model, [&players, &players], &rounds).unwrap();
    let first = run();
    let text = fs::read_to_string(&path).unwrap();
    let cut = text.rfind("all,1,0").unwrap();
    fs::write(&path, &text[..cut + 9]).unwrap();
    let second = run();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        assert_eq!(first.outcomes(i, j), direct.outcomes(i, j));
        assert_eq!(second.outcomes(i, j), direct.outcomes(i, j));
    }
}
