//! An hour as a plot: inline SVG without a script, readable without eyes (its title says the last,
//! the least and the most).

use std::fmt::Write as _;

/// Width and height of the drawing, in its own units.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 60.0;
/// Points of one line, at most.
const POINTS_MAX: usize = 120;

/// A line to draw.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The class that says how it is drawn.
    pub(crate) class: &'static str,
    /// Its points.
    pub(crate) points: String,
}

/// A plot.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    /// Its stable id.
    pub(crate) id: &'static str,
    /// What it shows.
    pub(crate) title: &'static str,
    /// The page behind it.
    pub(crate) href: &'static str,
    /// In words.
    pub(crate) summary: String,
    /// Its lines; none: there is nothing to draw yet.
    pub(crate) lines: Vec<Line>,
}

/// Draws series of equal length over the same time; the scale begins at 0.
pub(crate) fn draw(
    id: &'static str,
    title: &'static str,
    href: &'static str,
    series: &[(&'static str, &'static str, Vec<f64>)],
) -> Plot {
    let series: Vec<_> = series.iter().map(|(class, name, values)| (*class, *name, thin(values))).collect();
    let most = series.iter().flat_map(|(.., values)| values).copied().fold(1.0, f64::max);
    let mut summary = String::new();
    let mut lines = Vec::new();
    for (class, name, values) in &series {
        let (Some(last), true) = (values.last(), values.len() > 1) else { continue };
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = values.iter().copied().fold(0.0, f64::max);
        if !summary.is_empty() {
            summary.push_str("; ");
        }
        let _ = write!(summary, "{name}: {} now, {} to {}", short(*last), short(lowest), short(highest));
        lines.push(Line { class, points: points(values, most) });
    }
    Plot { id, title, href, summary, lines }
}

fn points(values: &[f64], most: f64) -> String {
    let step = WIDTH / number(values.len() - 1);
    let mut text = String::new();
    for (at, value) in values.iter().enumerate() {
        let _ = write!(text, "{:.1},{:.1} ", step * number(at), HEIGHT - 1.0 - value / most * (HEIGHT - 2.0));
    }
    text.trim_end().to_owned()
}

/// The highest of each bundle of values, so that no peak is lost.
fn thin(values: &[f64]) -> Vec<f64> {
    let bundle = values.len().div_ceil(POINTS_MAX).max(1);
    values.chunks(bundle).map(|chunk| chunk.iter().copied().fold(0.0, f64::max)).collect()
}

fn short(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
const fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_says_in_words_what_it_draws() {
        let plot = draw("p", "t", "/", &[("one", "accepted", vec![0.0, 10.0, 5.0])]);
        assert_eq!(plot.summary, "accepted: 5 now, 0 to 10");
        assert_eq!(plot.lines[0].points, "0.0,59.0 150.0,1.0 300.0,30.0");
        let empty = draw("p", "t", "/", &[("one", "accepted", vec![])]);
        assert!(empty.lines.is_empty() && empty.summary.is_empty());
    }

    #[test]
    fn peaks_are_kept_when_points_are_bundled() {
        let mut values = vec![1.0; 720];
        values[333] = 99.0;
        let thinned = thin(&values);
        assert!(thinned.len() <= POINTS_MAX && thinned.contains(&99.0));
    }
}
