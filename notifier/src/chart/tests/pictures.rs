//! Pictures against those that were looked at and stored.
//!
//! `CHARTS_STORE=1 cargo test -p notifier chart::tests::pictures` stores them anew: look at them before committing.

use std::path::PathBuf;

use candlewire_common::signal::Direction;

use super::scene::{self, Scene, candle};
use crate::chart::canvas::{HEIGHT, WIDTH};
use crate::chart::model::{Chart, LevelKind};
use crate::chart::picture::{LAYERS, draw, draw_layers};

/// How many pixels may differ: floats are rounded differently on other machines, at edges.
const DIFFERING_MAX: usize = 60;
/// The difference of a channel from which on a pixel differs.
const DIFFERENCE: u8 = 40;
/// What a picture may weigh.
const BYTES_MAX: usize = 60_000;

/// Something that makes a chart another one.
type Change = fn(&mut Chart);

fn stored(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/charts/{name}.png"))
}

/// The pixels of a PNG, three bytes each.
fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let frame = reader.next_frame(&mut pixels).expect("a frame");
    assert_eq!((frame.width, frame.height, frame.color_type), (WIDTH, HEIGHT, png::ColorType::Rgb));
    pixels
}

fn differing(one: &[u8], other: &[u8]) -> usize {
    decode(one)
        .chunks(3)
        .zip(decode(other).chunks(3))
        .map(|(one, other)| one.iter().zip(other).any(|(one, other)| one.abs_diff(*other) >= DIFFERENCE))
        .filter(|differs| *differs)
        .count()
}

fn picture(chart: &Chart) -> Vec<u8> {
    draw(chart).expect("a picture")
}

#[test]
fn pictures_are_those_that_were_looked_at() {
    let store = std::env::var_os("CHARTS_STORE").is_some();
    for scene in scene::all() {
        let bytes = picture(&scene.chart());
        assert!(bytes.len() < BYTES_MAX, "{}: {} bytes", scene.name, bytes.len());
        if store {
            std::fs::write(stored(scene.name), &bytes).expect("a file");
        }
        let known = std::fs::read(stored(scene.name)).expect("a stored picture");
        let differing = differing(&bytes, &known);
        assert!(differing <= DIFFERING_MAX, "{}: {differing} pixels differ", scene.name);
    }
}

#[test]
fn a_picture_that_lacks_anything_is_noticed() {
    let scene = scene::all().into_iter().find(|scene| scene.name == "golden").expect("a scene");
    let known = std::fs::read(stored(scene.name)).expect("a stored picture");
    let chart = scene.chart();
    let notice = |what: &str, bytes: &[u8]| {
        let differing = differing(bytes, &known);
        assert!(differing > 2 * DIFFERING_MAX, "{what}: only {differing} pixels differ");
    };
    for without in 0..LAYERS.len() {
        let layers = LAYERS.into_iter().enumerate().filter(|(at, _)| *at != without).map(|(_, layer)| layer);
        notice(&format!("layer {without}"), &draw_layers(&chart, layers).expect("a picture"));
    }
    let changes: [(&str, Change); 5] = [
        ("fast", |chart| chart.traces[0].values.fill(None)),
        ("slow", |chart| chart.traces[1].values.fill(None)),
        ("stop", |chart| chart.levels.retain(|level| level.kind != LevelKind::Stop)),
        ("side", |chart| chart.direction = Direction::Sell),
        ("candle", |chart| chart.bars.truncate(99)),
    ];
    for (what, change) in changes {
        let mut other = chart.clone();
        change(&mut other);
        notice(what, &picture(&other));
    }
}

#[test]
fn the_same_chart_is_the_same_picture() {
    let scene = &scene::all()[0];
    assert_eq!(picture(&scene.chart()), picture(&scene.chart()));
}

#[test]
fn whatever_the_candles_there_is_a_picture() {
    let random = &mut fastrand::Rng::with_seed(7);
    let scales = [0, 2, 8, 17, 24];
    for round in 0..40 {
        let scale = scales[round % scales.len()];
        let most = 10_i64.pow(random.u32(0..18));
        let mut prices = || random.i64(-most..=most);
        let mut all: Vec<_> = (0..5).map(|_| [prices(), prices(), prices(), prices()]).collect();
        let mut times: Vec<i64> = (0..all.len()).map(|_| random.i64(1..=8_000_000_000_000_000)).collect();
        times.sort_unstable();
        times.dedup();
        if round % 7 == 0 {
            all.fill([most; 4]);
        }
        let candles = times.iter().zip(all).map(|(opened, [one, other, open, close])| {
            let (low, high) = (one.min(other).min(open).min(close), one.max(other).max(open).max(close));
            candle(*opened, [open, high, low, close], scale)
        });
        let (lines, name) = (Some(("sma(2)", "ema(3)")), "random");
        let direction = if random.bool() { "buy" } else { "sell" }.parse().expect("a direction");
        let mut scene = Scene::new(name, "csv:X:1s", direction, lines, candles.collect());
        let mut any = || [0.0, -0.0, 1e-300, -1e300, f64::MAX, f64::MIN, 1.0][random.usize(0..7)];
        (scene.signal.stop_loss, scene.signal.take_profit) = (Some(any()), Some(any()));
        scene.signal.strategy = (0..random.usize(0..200)).map(|_| random.char(..)).collect();
        assert!(picture(&scene.chart()).starts_with(b"\x89PNG"));
    }
}
