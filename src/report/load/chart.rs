//! Charts as SVG: latency by percentile on two logarithmic axes, and figures over time.
//!
//! They are drawn small, so that they can be read on a phone, and grow with the page. Colours are those of the page, by
//! number.

use std::fmt::Write as _;

/// One line of a chart.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) dashed: bool,
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 250.0;
/// What lies between the edge and the axes: labels stand there.
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 34.0;

/// Where a value from 0 to 1 lies on either axis.
fn place(x: f64, y: f64) -> (f64, f64) {
    (LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM))
}

struct Canvas(String);

impl Canvas {
    fn new(label: &str) -> Self {
        Self(format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">"#))
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let _ = write!(self.0, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#);
    }

    fn grid_x(&mut self, x: f64, label: &str) {
        let ((at, bottom), (_, top)) = (place(x, 0.0), place(x, 1.0));
        let _ = write!(self.0, r#"<path class="grid" d="M{at:.1} {bottom:.1}V{top:.1}"/>"#);
        self.text(at, bottom + 14.0, "middle", label);
    }

    fn grid_y(&mut self, y: f64, label: &str) {
        let ((left, at), (right, _)) = (place(0.0, y), place(1.0, y));
        let _ = write!(self.0, r#"<path class="grid" d="M{left:.1} {at:.1}H{right:.1}"/>"#);
        self.text(left - 5.0, at + 4.0, "end", label);
    }

    fn axes(&mut self, below: &str, above: &str) {
        self.text(WIDTH - RIGHT, HEIGHT - 4.0, "end", below);
        self.text(4.0, 10.0, "start", above);
    }

    fn curve(&mut self, colour: usize, dashed: bool, points: impl Iterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (x, y) in points {
            let (x, y) = place(x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
            let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { 'M' } else { 'L' });
        }
        let dashed = if dashed { " dashed" } else { "" };
        let _ = write!(self.0, r#"<path class="curve{dashed}" style="stroke: var(--c{colour})" d="{path}"/>"#);
    }

    fn end(mut self) -> String {
        self.0.push_str("</svg>");
        self.0
    }
}

/// Latency by percentile: to the right each mark leaves a tenth of the one before it.
pub(super) fn by_percentile(lines: &[Line]) -> String {
    let mut canvas = Canvas::new("latency by percentile");
    let points = || lines.iter().flat_map(|line| &line.points);
    let nines = points().map(|(quantile, _)| left_over(*quantile)).fold(1.0, f64::max);
    let lowest = points().map(|(_, value)| *value).filter(|value| *value > 0.0).fold(f64::MAX, f64::min);
    let highest = points().map(|(_, value)| *value).fold(0.0, f64::max);
    let bottom = if lowest < f64::MAX { lowest.log10().floor() } else { 0.0 };
    let top = highest.max(lowest.min(1.0) * 1.01).log10().ceil().max(bottom + 1.0);
    for decade in bottom as i32..=top as i32 {
        canvas.grid_y((f64::from(decade) - bottom) / (top - bottom), &number(10_f64.powi(decade)));
    }
    let marks = ["0", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"];
    for (nine, label) in marks.iter().enumerate().filter(|(nine, _)| *nine as f64 <= nines) {
        canvas.grid_x(nine as f64 / nines, label);
    }
    canvas.axes("percentile", "ms");
    for (colour, line) in lines.iter().enumerate() {
        let height = |value: f64| (value.max(1e-3).log10() - bottom) / (top - bottom);
        canvas.curve(colour, line.dashed, line.points.iter().map(|(q, value)| (left_over(*q) / nines, height(*value))));
    }
    canvas.end()
}

/// How many tenths of tenths a quantile leaves: 1 for 0.9, 2 for 0.99.
fn left_over(quantile: f64) -> f64 {
    -(1.0 - quantile).max(1e-6).log10()
}

/// Figures over time, from zero.
pub(super) fn over_time(lines: &[Line], unit: &str) -> String {
    let mut canvas = Canvas::new("over time");
    let points = || lines.iter().flat_map(|line| &line.points);
    let last = points().map(|(second, _)| *second).fold(1.0, f64::max);
    let highest = points().map(|(_, value)| *value).fold(0.0, f64::max);
    let step = nice(highest / 4.0);
    let top = (highest / step).ceil().max(1.0) * step;
    for mark in 0..=(top / step).round() as u32 {
        canvas.grid_y(f64::from(mark) * step / top, &number(f64::from(mark) * step));
    }
    let every = nice(last / 5.0).max(1.0);
    for mark in 0..=(last / every) as u32 {
        canvas.grid_x(f64::from(mark) * every / last, &number(f64::from(mark) * every));
    }
    canvas.axes("seconds", unit);
    for (colour, line) in lines.iter().enumerate() {
        canvas.curve(colour, line.dashed, line.points.iter().map(|(second, value)| (second / last, value / top)));
    }
    canvas.end()
}

/// 1, 2 or 5 times a power of ten, and no less than a value.
fn nice(value: f64) -> f64 {
    let value = if value > 0.0 { value } else { 1.0 };
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|nice| *nice >= value).unwrap_or(value)
}

/// As few digits as say it.
fn number(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{} M", value / 1e6),
        value if value >= 1e4 => format!("{} k", value / 1e3),
        value if value >= 1.0 => format!("{value:.0}"),
        0.0 => "0".to_owned(),
        value => format!("{}", (value * 1e6).round() / 1e6),
    }
}
