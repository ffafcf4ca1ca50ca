//! A load run as one HTML page that needs nothing else: figures, charts drawn here, and the table of all latencies.

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use serde_json::json;

use super::chart::{self, Line};
use super::{order, rows};
use crate::load::histograms::Latency;
use crate::load::result::{CALL, LoadResult};
use crate::protocol::vocabulary::OperationName;

/// More lines can't be told apart.
const LINES_MAX: usize = 8;

#[derive(Serialize)]
struct Chart {
    title: &'static str,
    svg: String,
    legend: Vec<Legend>,
    caption: &'static str,
}

#[derive(Serialize)]
struct Legend {
    name: String,
    colour: usize,
    dashed: bool,
}

#[derive(Serialize)]
struct Fact {
    name: &'static str,
    value: String,
}

/// The page.
#[must_use]
pub fn page(result: &LoadResult) -> String {
    let setting = &result.setting;
    let judged = &result.judged;
    let right = result.is_right();
    let verdict = match right {
        true => format!("{} calls judged, nothing wrong", judged.calls),
        false => format!("{} of {} calls judged were wrong", judged.wrong, judged.calls),
    };
    let rows = rows(result);
    let subtitle = format!(
        "{} calls a second ({}) for {} s after {} s of warm-up, seed {}, {} casts, connections {}",
        setting.rate,
        setting.spacing,
        setting.duration_seconds,
        setting.warm_up_seconds,
        setting.seed,
        result.population,
        if result.connections_kept { "kept" } else { "churned" },
    );
    let context = json!({
        "title": format!("{} against {}", setting.work, setting.target),
        "subtitle": subtitle,
        "right": right,
        "verdict": verdict,
        "complaints": result.health.complaints(),
        "facts": facts(result),
        "charts": charts(result),
        "rows": &rows[1..],
        "errors": result.errors.iter().map(|(error, count)| format!("{count} × {error}")).collect::<Vec<_>>(),
        "examples": judged.examples,
        "traces": judged.traces,
        "version": env!("CARGO_PKG_VERSION"),
    });
    let mut environment = Environment::new();
    // What a server says ends up in here: it is text and never markup.
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment
        .template_from_str(include_str!("page.html"))
        .and_then(|template| template.render(Value::from(Serde(context))))
        .expect("the template is part of the program, and all that it names is given")
}

fn facts(result: &LoadResult) -> Vec<Fact> {
    let counts = &result.counts;
    let fact = |name, value: String| Fact { name, value };
    let call = result.latencies.get(CALL).map(|measured| &measured.from_planned);
    let quantile = |quantile: f64| call.map_or("–".to_owned(), |call| format!("{:.1} ms", call.quantile(quantile)));
    let share = |share: Option<f64>| share.map_or("unknown".to_owned(), |share| format!("{:.0} %", share * 100.0));
    vec![
        fact("completed", format!("{} of {}", counts.completed, counts.planned)),
        fact("calls a second", format!("{:.1}", result.throughput())),
        fact("call, p50", quantile(0.5)),
        fact("call, p99", quantile(0.99)),
        fact("failed operations", format!("{} of {}", counts.errors, counts.operations)),
        fact("late, dropped, stuck", format!("{}, {}, {}", counts.late, counts.dropped, counts.stuck)),
        fact("generator busy", share(result.health.busy())),
        fact("its lag, p99", format!("{:.2} ms", result.health.lag.quantile(0.99))),
    ]
}

fn charts(result: &LoadResult) -> Vec<Chart> {
    let mut charts = Vec::new();
    if let Some(call) = result.latencies.get(CALL) {
        let lines =
            vec![curve("from the plan", &call.from_planned, false), curve("from sending", &call.from_sent, true)];
        charts.push(percentiles("The whole call", lines, "How long calls took, from the plan and from sending. Where the two part, the generator had to wait, and a tool that counts from sending would not show it."));
    }
    let is_operation = |name: &str| OperationName::ALL.iter().any(|known| known.to_string() == name);
    let names: Vec<&String> = order(result).into_iter().filter(|name| *name != CALL).collect();
    let (operations, events): (Vec<&String>, Vec<&String>) = names.into_iter().partition(|name| is_operation(name));
    for (title, names, caption) in [
        ("Operations", operations, "From the plan until the answer."),
        (
            "Events",
            events,
            "From the plan of the call that led to an event until the other device heard it; a timeout from its deadline.",
        ),
    ] {
        let lines: Vec<Line> = names
            .into_iter()
            .take(LINES_MAX)
            .map(|name| curve(name, &result.latencies[name].from_planned, false))
            .collect();
        if !lines.is_empty() {
            charts.push(percentiles(title, lines, caption));
        }
    }
    let over_time = |value: fn(&crate::load::result::Second) -> u64| {
        result.seconds.iter().enumerate().map(|(second, it)| (second as f64, value(it) as f64)).collect::<Vec<_>>()
    };
    if result.seconds.len() > 1 {
        let line = |name: &str, points, dashed| Line { name: name.to_owned(), points, dashed };
        let lines = vec![
            line("completed", over_time(|second| second.completed), false),
            line("planned", over_time(|second| second.planned), true),
            line("failed operations", over_time(|second| second.errors), false),
        ];
        charts.push(Chart {
            title: "Calls a second",
            svg: chart::over_time(&lines, "a second"),
            legend: legend(&lines),
            caption: "Second by second after the warm-up; what lies beyond the duration came to its end late.",
        });
        let slowest = vec![line(
            "slowest call",
            result
                .seconds
                .iter()
                .enumerate()
                .map(|(second, it)| (second as f64, it.slowest_us as f64 / 1000.0))
                .collect(),
            false,
        )];
        charts.push(Chart {
            title: "The slowest call of each second",
            svg: chart::over_time(&slowest, "ms"),
            legend: legend(&slowest),
            caption: "From the plan, by the second in which the call came to its end.",
        });
    }
    charts
}

fn curve(name: &str, latency: &Latency, dashed: bool) -> Line {
    Line { name: name.to_owned(), points: latency.curve(), dashed }
}

fn percentiles(title: &'static str, lines: Vec<Line>, caption: &'static str) -> Chart {
    Chart { title, svg: chart::by_percentile(&lines), legend: legend(&lines), caption }
}

fn legend(lines: &[Line]) -> Vec<Legend> {
    let entry = |(colour, line): (usize, &Line)| Legend { name: line.name.clone(), colour, dashed: line.dashed };
    lines.iter().enumerate().map(entry).collect()
}
