//! A sequence diagram as SVG that stands inside an HTML page: lanes and arrows are arithmetic.
//!
//! It is narrow enough for a phone: the words of a row stand above its arrow and run across the lanes. Colours are those of
//! the page around it (its custom properties), so light and dark need no second picture.

use std::fmt::Write as _;

use super::ladder::{Ladder, Mark, wrapped};
use crate::time::Instant;
use crate::trace::text::seconds;

/// Wide enough for a few words, narrow enough for a phone.
const WIDTH_MIN: f64 = 400.0;
/// The width of a character of 12 px in the usual fixed-width fonts, on the safe side.
const CHARACTER: f64 = 7.25;
/// Where the times end and the words begin.
const MARGIN: f64 = 62.0;
/// Free space on the right.
const RIGHT: f64 = 10.0;
/// From one line of text to the next.
const LINE: f64 = 16.0;
/// The height of an arrow's own line.
const ARROW: f64 = 16.0;
/// The height of the names at the top.
const HEAD: f64 = 28.0;

/// Draws a diagram.
#[must_use]
pub fn svg(ladder: &Ladder) -> String {
    let Ladder { lanes, rows } = ladder;
    let width_of = |name: &String| name.chars().count() as f64 * CHARACTER;
    // Two neighbours keep two characters between their names.
    let needed: f64 = lanes.iter().map(|name| width_of(name) + 2.0 * CHARACTER).sum();
    let width = (MARGIN + needed + RIGHT).max(WIDTH_MIN);
    let centres = centres(lanes, width);
    let room = ((width - MARGIN - RIGHT) / CHARACTER) as usize;
    let words: Vec<Vec<String>> = rows.iter().map(|row| wrapped(&row.label, room)).collect();
    let heights: Vec<f64> = words.iter().map(|lines| lines.len() as f64 * LINE + ARROW + 8.0).collect();
    let height = HEAD + heights.iter().sum::<f64>() + 6.0;

    let mut svg = String::new();
    let named = escaped(&format!("sequence diagram of {}", lanes.join(", ")));
    let _ = write!(
        svg,
        "<svg class=\"ladder\" role=\"img\" aria-label=\"{named}\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" style=\"min-width:{:.0}px\" xmlns=\"http://www.w3.org/2000/svg\">",
        // On a phone a little smaller rather than cut off.
        width * 0.8
    );
    let mut top = HEAD;
    for (index, height) in heights.iter().enumerate() {
        if index % 2 == 0 {
            let _ = write!(
                svg,
                "<rect class=\"band\" x=\"0\" y=\"{top:.0}\" width=\"{width:.0}\" height=\"{height:.0}\"/>"
            );
        }
        top += height;
    }
    for (name, centre) in lanes.iter().zip(&centres) {
        let class = if name == "server" { "lane server" } else { "lane" };
        let _ = write!(
            svg,
            "<text class=\"{class}\" x=\"{centre:.1}\" y=\"17\" text-anchor=\"middle\">{}</text>",
            escaped(name)
        );
        let _ = write!(svg, "<path class=\"line\" d=\"M{centre:.1} {HEAD}V{height:.0}\"/>");
    }
    let mut top = HEAD;
    let mut before = None;
    for (row, (lines, height)) in rows.iter().zip(words.iter().zip(&heights)) {
        for (index, line) in lines.iter().enumerate() {
            let indent = if index == 0 { 0.0 } else { 2.0 * CHARACTER };
            let (x, y) = (MARGIN + indent, top + 15.0 + index as f64 * LINE);
            let _ = write!(svg, "<text class=\"said\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(line));
        }
        let at = Instant::from_nanos(row.at_nanos);
        if before != Some(at) {
            let _ = write!(
                svg,
                "<text class=\"time\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                MARGIN - 10.0,
                top + 15.0,
                seconds(at)
            );
        }
        before = Some(at);
        let y = top + lines.len() as f64 * LINE + 12.0;
        // A diagram may come from a saved file, whose author is not held to anything.
        if let (Some(from), Some(to)) = (centres.get(row.from), centres.get(row.to)) {
            sign(*from, *to, y, row.mark, &mut svg);
        }
        top += height;
    }
    svg.push_str("</svg>");
    svg
}

/// The middles of the lanes. What is left of the width is shared between them.
fn centres(lanes: &[String], width: f64) -> Vec<f64> {
    let widths: Vec<f64> = lanes.iter().map(|name| name.chars().count() as f64 * CHARACTER + 2.0 * CHARACTER).collect();
    let spare = (width - MARGIN - RIGHT - widths.iter().sum::<f64>()) / lanes.len().max(1) as f64;
    let mut left = MARGIN;
    widths
        .iter()
        .map(|own| {
            let centre = left + (own + spare) / 2.0;
            left += own + spare;
            centre
        })
        .collect()
}

/// An arrow, or what stands for something that a lane does by itself.
fn sign(from: f64, to: f64, y: f64, mark: Mark, svg: &mut String) {
    let class = match mark {
        Mark::Arrives => "arrow",
        Mark::Lost => "arrow lost",
        Mark::Acts => "arrow acts",
        Mark::Changes => "arrow changes",
    };
    let _ = write!(svg, "<g class=\"{class}\">");
    // Towards where the arrow points: 1 to the right, -1 to the left.
    let way = (to - from).signum();
    if from != to {
        let tip = if mark == Mark::Lost { to - way * 12.0 } else { to - way };
        let _ =
            write!(svg, "<circle cx=\"{from:.1}\" cy=\"{y:.1}\" r=\"2.5\"/><path d=\"M{from:.1} {y:.1}H{tip:.1}\"/>");
        if mark == Mark::Arrives {
            let back = tip - way * 8.0;
            let _ =
                write!(svg, "<path class=\"head\" d=\"M{tip:.1} {y:.1}L{back:.1} {:.1}V{:.1}Z\"/>", y - 4.5, y + 4.5);
        }
    }
    let end = if from == to { to } else { to - way * 12.0 };
    match mark {
        Mark::Arrives => {}
        Mark::Lost => {
            let (left, right, above, below) = (end - 5.0, end + 5.0, y - 5.0, y + 5.0);
            let _ = write!(
                svg,
                "<path d=\"M{left:.1} {above:.1}L{right:.1} {below:.1}M{left:.1} {below:.1}L{right:.1} {above:.1}\"/>"
            );
        }
        Mark::Acts => {
            let _ = write!(svg, "<circle class=\"ring\" cx=\"{to:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>");
        }
        Mark::Changes => {
            let (left, right, above, below) = (to - 6.0, to + 6.0, y - 6.0, y + 6.0);
            let _ = write!(
                svg,
                "<path class=\"head\" d=\"M{to:.1} {above:.1}L{right:.1} {y:.1}L{to:.1} {below:.1}L{left:.1} {y:.1}Z\"/>"
            );
        }
    }
    svg.push_str("</g>");
}

/// Text that stands in an element or in quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
