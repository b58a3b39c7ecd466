//! What of a line is between two heights.
//!
//! Pure. A line that leaves the picture is cut just at its edge, so that it neither runs along it nor over the header.

/// The parts of a line with a value at each whole place, where it has one, that are between `low` and `high`: runs of
/// places and values.
pub(super) fn runs(values: &[Option<f64>], low: f64, high: f64) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    for (at, pair) in values.windows(2).enumerate() {
        let Some((from, to)) = pair[0].zip(pair[1]) else { continue };
        let at = at as f64;
        let Some([begin, end]) = segment([(at, from), (at + 1.0, to)], low, high) else { continue };
        if begin == end {
            continue;
        }
        match runs.last_mut().filter(|run| run.last() == Some(&begin)) {
            Some(run) => run.push(end),
            None => runs.push(vec![begin, end]),
        }
    }
    runs
}

/// The part of a segment that is between two heights.
fn segment([from, to]: [(f64, f64); 2], low: f64, high: f64) -> Option<[(f64, f64); 2]> {
    if from.1.max(to.1) < low || from.1.min(to.1) > high {
        return None;
    }
    let cut = |end: (f64, f64)| {
        let height = end.1.clamp(low, high);
        if height.total_cmp(&end.1).is_eq() {
            return end;
        }
        (from.0 + (to.0 - from.0) * (height - from.1) / (to.1 - from.1), height)
    };
    Some([cut(from), cut(to)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_it_leaves() {
        let values = [None, Some(1.0), Some(3.0), Some(5.0), Some(4.0), Some(1.0), None, Some(2.0), Some(0.0)];
        let expected =
            [vec![(1.0, 1.0), (2.0, 3.0), (2.5, 4.0)], vec![(4.0, 4.0), (5.0, 1.0)], vec![(7.0, 2.0), (7.5, 1.0)]];
        assert_eq!(runs(&values, 1.0, 4.0), expected);
        assert_eq!(runs(&[Some(5.0), Some(9.0)], 1.0, 4.0), Vec::<Vec<(f64, f64)>>::new());
    }
}
