//! The tables, as Markdown.

use firetender_measure::{Failure, Median};
use firetender_report::{Align, Cell, Column, Table};

use crate::{Arguments, ours, overhead::Cost, peer};

/// Limits on seconds with a hook divided by seconds without, by the name of the hook.
const LIMITS: [(&str, f64); 3] = [
    ("empty plan", 1.01),
    ("one steered layer", 1.03),
    ("all layers steered", 1.10),
];

/// Both sides, and torch's seconds divided by ours.
pub(crate) fn speed(
    arguments: &Arguments,
    ours: &[ours::Speed],
    theirs: &[peer::Speed],
) -> Result<String, Failure> {
    let (prefill, decode) = (arguments.prefill, arguments.decode);
    let mut table = Table::new([
        Column::new("", Align::Left),
        Column::new("Firetender", Align::Right),
        Column::new("torch", Align::Right),
        Column::new("torch ÷ Firetender", Align::Right),
    ])?;
    let mut seconds =
        |name: String, tokens: Option<usize>, ours: Option<f64>, theirs: Option<f64>| {
            let show = |seconds: f64| match tokens {
                Some(tokens) => format!("{seconds:.2} s ({:.0} tokens/s)", tokens as f64 / seconds),
                None => format!("{seconds:.2} s"),
            };
            table.push(row(name, ours, theirs, &show))
        };
    let prompt = (
        median(ours, |o| Some(o.prefill)),
        median(theirs, |t| Some(t.prefill_last.seconds)),
    );
    seconds(
        format!("prefill of {prefill} tokens"),
        Some(prefill),
        prompt.0,
        prompt.1,
    )?;
    for (index, context) in arguments.contexts().iter().enumerate() {
        let ours = median(ours, |o| o.decode.get(index).copied());
        let theirs = median(theirs, |t| t.decode.get(index).map(|d| d.seconds));
        seconds(
            format!("decode of {decode} tokens after {context}"),
            Some(decode),
            ours,
            theirs,
        )?;
    }
    let first = (
        median(ours, |o| Some(o.load_to_first_token)),
        median(theirs, |t| Some(t.load_to_first_token)),
    );
    seconds("load to first token".into(), None, first.0, first.1)?;

    let weights = median(ours, |o| Some(o.weight_bytes)).unwrap_or(f64::NAN);
    let show = |bytes: f64| {
        format!(
            "{:.0} MB ({:.2} × the weights)",
            bytes / 1e6,
            bytes / weights
        )
    };
    table.push(row(
        "most memory until the first token".into(),
        median(ours, |o| o.loaded_peak_bytes),
        None,
        &show,
    ))?;
    let most = (
        median(ours, |o| o.peak_bytes),
        median(theirs, |t| Some(t.peak_resident_bytes)),
    );
    table.push(row("most memory".into(), most.0, most.1, &show))?;

    let versions = theirs.first().map_or_else(
        || "torch was not run".to_owned(),
        |t| {
            format!(
                "torch {} with transformers {} ({} attention)",
                t.torch, t.transformers, t.attention
            )
        },
    );
    let loads = ours.iter().filter_map(|o| o.load_average);
    let loads = loads.chain(theirs.iter().flat_map(|t| t.load_average.iter().copied()));
    let busiest = loads.fold(0.0, f64::max);
    let (threads, rounds, runs) = (arguments.threads, arguments.rounds, arguments.runs);
    Ok(format!(
        "{}\n{threads} threads, f32, batch 1; medians of {rounds} processes, of {runs} runs in each (loading: one); {versions}; files in \
         the page cache; highest load average {busiest:.1}{}.\n",
        table.to_markdown(),
        if busiest > threads as f64 + 1.0 {
            ", so the machine was busy with other work: measure again"
        } else {
            ""
        }
    ))
}

/// The costs of hooks.
pub(crate) fn costs(arguments: &Arguments, costs: &[Cost]) -> Result<String, Failure> {
    let mut table = Table::new([
        Column::new("hook", Align::Left),
        Column::new("one token", Align::Right),
        Column::new(format!("prompt of {}", arguments.hook_prompt), Align::Right),
        Column::new("limit", Align::Right),
    ])?;
    let percent = |m: Median| {
        let p = |ratio: f64| 100.0 * (ratio - 1.0);
        format!(
            "{:+.2} % ({:+.2} to {:+.2})",
            p(m.value),
            p(m.low),
            p(m.high)
        )
    };
    for cost in costs {
        let limit = LIMITS.iter().find(|(name, _)| *name == cost.hook);
        let limit = limit.map_or(Cell::Missing, |(_, limit)| {
            format!("{:.0} %", 100.0 * (limit - 1.0)).into()
        });
        table.push([
            cost.hook.clone().into(),
            percent(cost.token).into(),
            percent(cost.prompt).into(),
            limit,
        ])?;
    }
    Ok(format!(
        "{}\nMore time than the same pass untouched: medians over {} blocks of four single-token passes after {} tokens, and {} blocks of \
         four passes over the prompt, in turn, with 95 % intervals; `untouched` against itself shows the noise. {} threads{}.\n",
        table.to_markdown(),
        arguments.blocks,
        arguments.hook_prompt,
        arguments.prefill_blocks,
        arguments.threads,
        ours::load_average().map_or_else(String::new, |load| format!(", load average {load:.1}")),
    ))
}

fn row(
    name: String,
    ours: Option<f64>,
    theirs: Option<f64>,
    show: &dyn Fn(f64) -> String,
) -> [Cell; 4] {
    let cell = |value: Option<f64>| value.map_or(Cell::Missing, |v| show(v).into());
    let ratio = ours
        .zip(theirs)
        .map_or(Cell::Missing, |(o, t)| format!("{:.2}", t / o).into());
    [name.into(), cell(ours), cell(theirs), ratio]
}

fn median<T>(of: &[T], value: impl Fn(&T) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = of.iter().filter_map(value).collect();
    (!values.is_empty()).then(|| Median::of(&values).value)
}
