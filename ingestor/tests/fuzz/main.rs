//! The fuzz targets on their corpus, and on a million inputs made from it, which are the same each time.
//!
//! `fuzz/` looks farther, with `cargo fuzz`. What it found belongs into the corpus, and is then tried here.

mod corpus;
mod mutation;
#[path = "../../../fuzz/src/lib.rs"]
pub mod targets;

use std::panic::{catch_unwind, resume_unwind};
use std::thread;

use crate::corpus::Seed;
use crate::mutation::Mutations;

/// Each thread makes inputs of its own.
const THREADS: u64 = 2;

/// One of the fuzz targets.
struct Target {
    name: &'static str,
    run: fn(&[u8]) -> usize,
    /// How many inputs are made for it.
    inputs: u64,
}

const TARGETS: [Target; 3] = [
    Target { name: "feed", run: targets::feed::run, inputs: 480_000 },
    Target { name: "rest", run: targets::rest::run, inputs: 400_000 },
    Target { name: "pages", run: targets::pages::run, inputs: 120_000 },
];

impl Target {
    /// Runs one input; a panic names it.
    fn run(&self, input: &[u8]) -> usize {
        let run = self.run;
        catch_unwind(|| run(input)).unwrap_or_else(|_| panic!("{} broke on {}", self.name, input.escape_ascii()))
    }

    /// Runs inputs made of the seeds; tells how many held data.
    fn mutate(&self, seeds: &[Seed], seed: u64) -> u64 {
        let mut mutations = Mutations::new(seeds, seed);
        (0..self.inputs / THREADS).map(|_| u64::from(self.run(mutations.next()) > 0)).sum()
    }
}

#[test]
fn every_seed_is_read_and_each_venue_has_one_that_holds_data() {
    for target in TARGETS {
        let mut venues: Vec<u8> = Vec::new();
        for Seed { name, input } in corpus::seeds(target.name).unwrap() {
            if target.run(&input) > 0 {
                venues.extend(input.first());
            } else {
                assert!(!name.ends_with("data"), "{}/{name} holds no data", target.name);
            }
        }
        for digit in b'0'..=b'5' {
            assert!(venues.contains(&digit), "{}: no data of venue {}", target.name, digit.escape_ascii());
        }
    }
}

#[test]
fn a_million_mutations_break_no_word_of_a_venue() {
    for target in &TARGETS {
        let seeds = &corpus::seeds(target.name).unwrap();
        let with_data: u64 = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|seed| scope.spawn(move || target.mutate(seeds, seed))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).sum()
        });
        // Inputs that hold nothing that can be read try little.
        assert!(with_data * 10 > target.inputs, "{}: {with_data} of {} held data", target.name, target.inputs);
    }
    let inputs: u64 = TARGETS.iter().map(|target| target.inputs).sum();
    assert!(inputs >= 1_000_000);
}
