//! The page on indicators against the registry.

use candlewire_common::indicator::Listing;

#[test]
fn the_page_has_a_row_for_every_indicator() {
    let page = include_str!("../../../docs/INDICATORS.md");
    let mut rows =
        page.lines().filter(|line| line.starts_with("| `")).filter(|line| line.contains("(n") || line.contains("(f"));
    for listing in Listing::all() {
        let row = rows.next().unwrap_or_default();
        let formula = listing.formula.replace('|', "\\|");
        let (usage, formula) = (format!("| `{}` |", listing.usage()), format!("| {formula} |"));
        assert!(row.starts_with(&usage) && row.contains(&formula), "{row:?} is not the row of {usage} {formula}");
        for ending in listing.further {
            assert!(page.contains(&format!("`.{ending}`")), ".{ending} of {}", listing.name);
        }
    }
    assert_eq!(rows.next(), None);
}
