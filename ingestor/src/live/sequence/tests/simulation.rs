//! Whole runs against a model of a venue: whatever goes wrong on the way, what goes out is what happened.
//!
//! The driver does only what a driver may: it hands in messages and answers, asks what is wanted, and wakes when
//! told. Where the truth can't be known by any means the model doesn't make it so; see [`Rest::new`] and
//! [`Simulation::tell`].

use std::collections::BTreeMap;
use std::time::Duration;

use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use fastrand::Rng;
use proptest::prelude::*;

use super::model::{Fault, GRACE_MS, MINUTE, Rest, Setting, Truth, minute_of, number, open};
use crate::grid::Grid;
use crate::live::sequence::{Ended, Purpose, Refused, Rules, Sequence, Step};
use crate::venue::answer::Row;
use crate::venue::event::Trade;
use crate::venue::profile::{Closing, Hours, Week};
use crate::venue::{Live, Span};
use candlewire_common::candle::Bar;

/// The faults that keep REST from answering at once with all there is.
const REST_FAULTS: [Fault; 5] = [Fault::Lag, Fault::Stale, Fault::BadRows, Fault::Failing, Fault::Slow];

#[derive(Clone, Debug)]
enum Input {
    Bar(UnixMillis, Bar, bool),
    Price(UnixMillis, i64, Trade),
    Absurd(UnixMillis),
    Interrupted,
    Connected,
    Resume(Option<UnixMillis>),
    Rows(u64, Vec<Row>),
    Ended(u64, Ended),
}

/// From where on candles are due.
#[derive(Clone, Copy, Debug)]
enum Position {
    /// All after this minute.
    After(i64),
    /// All after the first that goes out, or after this minute.
    Warming(i64),
    /// Nothing is due yet.
    Idle,
}

struct Simulation {
    setting: Setting,
    rng: Rng,
    truth: Truth,
    rest: Rest,
    queue: BTreeMap<(i64, u64), Input>,
    inputs: u64,
    sequence: Sequence,
    position: Position,
    resumed_at: i64,
    questions: u32,
    failures: u32,
    /// When each closing message came.
    closings: BTreeMap<i64, i64>,
}

impl Simulation {
    fn new(setting: Setting, warmup: u32, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rules = Rules {
            grid: Grid::new(Timeframe::M1, Week::Monday),
            closing: setting.closing,
            live: setting.live,
            omits_empty: setting.omits_empty,
            calendar: Hours::Always,
            grace: Duration::from_millis(GRACE_MS.unsigned_abs()),
            warmup,
        };
        let (truth, rest) = (Truth::new(&setting, &mut rng), Rest::new(&setting, &mut rng));
        let mut run = Self {
            setting,
            rng,
            truth,
            rest,
            queue: BTreeMap::new(),
            inputs: 0,
            sequence: Sequence::new(rules),
            position: Position::Idle,
            resumed_at: 0,
            questions: 0,
            failures: 0,
            closings: BTreeMap::new(),
        };
        run.plan();
        run
    }

    fn push(&mut self, at: i64, input: Input) {
        self.inputs += 1;
        self.queue.insert((at, self.inputs), input);
    }

    /// What happens whatever the sequence does.
    fn plan(&mut self) {
        let start = open(self.setting.begin).0 + self.rng.i64(0..MINUTE);
        self.push(start, Input::Connected);
        let held = self.rng.bool().then(|| open(self.rng.i64(0..self.setting.begin)));
        let resume = start + self.rng.i64(1..3_000);
        self.push(resume, Input::Resume(held));
        if self.setting.has(Fault::Rewound) {
            let at = self.rng.i64(resume..open(self.setting.end).0);
            let held = self.rng.bool().then(|| open(self.rng.i64(0..minute_of(UnixMillis(at)))));
            self.push(at, Input::Resume(held));
        }
        let cut = self.setting.has(Fault::Cut).then(|| {
            let from = self.rng.i64(start + 1..open(self.setting.end).0);
            from..from + self.rng.i64(1..2 * MINUTE)
        });
        self.tell(start, cut.as_ref());
        if let Some(cut) = cut {
            self.push(cut.start, Input::Interrupted);
            self.push(cut.end, Input::Connected);
        }
    }

    /// All that the feed tells from `start` on, if nothing goes wrong.
    fn messages(&mut self, start: i64) -> Vec<(i64, Input)> {
        let mut messages = Vec::new();
        for minute in self.setting.begin..=self.setting.end {
            for (index, happened) in self.truth.trades(minute).iter().enumerate() {
                let told = match (self.setting.live, self.truth.bar_of(minute, index + 1)) {
                    (Live::Bars, Some(bar)) => Input::Bar(open(minute), bar, false),
                    _ => Input::Price(happened.time, happened.price, happened.trade),
                };
                messages.push((happened.time.0 + 10, told));
            }
            // Venues that mark the closing message may leave it out where nothing happened.
            let is_closed = !self.truth.trades(minute).is_empty() || self.rng.bool();
            if let Some(bar) = self.truth.bar(minute).filter(|_| is_closed && self.setting.closing == Closing::Marked) {
                let at = open(minute + 1).0 + self.rng.i64(1..2_000);
                messages.push((at, Input::Bar(open(minute), bar, true)));
            }
        }
        messages.sort_by_key(|(at, _)| *at);
        messages.retain(|(at, _)| *at > start);
        messages
    }

    /// Puts what the feed tells into the queue, with all that goes wrong.
    fn tell(&mut self, start: i64, cut: Option<&std::ops::Range<i64>>) {
        let messages = self.messages(start);
        let is_followed = matches!(self.setting.closing, Closing::Followed { .. });
        for (index, (at, message)) in messages.iter().enumerate() {
            let mut strikes = |fault| self.setting.has(fault) && self.rng.u8(..6) == 0;
            let is_lost = strikes(Fault::Lost);
            // A message from before a loss that comes after it was noticed tells of a bar that isn't whole.
            let is_swapped = strikes(Fault::Swapped) && !(is_followed && self.setting.has(Fault::Lost));
            let (is_doubled, is_absurd) = (strikes(Fault::Doubled), strikes(Fault::Absurd));
            if is_absurd {
                self.push(*at, Input::Absurd(UnixMillis(*at)));
            }
            if is_lost {
                // What is lost without notice on a venue without a closing message is never known of.
                if is_followed && cut.is_none_or(|cut| !cut.contains(at)) {
                    self.push(*at, Input::Interrupted);
                    self.push(*at, Input::Connected);
                }
                continue;
            }
            let at = if is_swapped { messages.get(index + 1).map_or(*at, |(next, _)| next + 20) } else { *at };
            for at in [Some(at), is_doubled.then_some(at + 5)].into_iter().flatten() {
                if cut.is_none_or(|cut| !cut.contains(&at)) {
                    if let Input::Bar(open_time, _, true) = message {
                        self.closings.entry(minute_of(*open_time)).or_insert(at);
                    }
                    self.push(at, message.clone());
                }
            }
        }
    }

    fn run(&mut self) {
        let end = open(self.setting.end + 6).0;
        let (mut now, mut wakes) = (0, 0);
        loop {
            let wake = self.sequence.wake_at(UnixMillis(now)).map(|wake| wake.0.max(now));
            let input = self.queue.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = wake.into_iter().chain(input).min().filter(|next| *next <= end) else { break };
            wakes = if next > now || input == Some(next) { 0 } else { wakes + 1 };
            assert!(wakes < 5, "busy at {now}: {:?}", self.sequence);
            now = next;
            let mut steps = Vec::new();
            if input == Some(now)
                && let Some((_, input)) = self.queue.pop_first()
            {
                self.take(input, UnixMillis(now), &mut steps);
            }
            self.sequence.advance(UnixMillis(now), &mut steps);
            for step in steps {
                self.check(&step, now);
            }
            self.ask(UnixMillis(now));
        }
        self.check_end(end);
    }

    fn take(&mut self, input: Input, now: UnixMillis, steps: &mut Vec<Step>) {
        match input {
            Input::Bar(open_time, bar, closed) => {
                let taken = self.sequence.bar(open_time, bar, closed, now);
                assert!(
                    matches!(taken, Ok(()) | Err(Refused::Forming | Refused::Duplicate | Refused::Late)),
                    "{taken:?}"
                );
            }
            Input::Price(time, price, trade) => {
                assert_eq!(self.sequence.price(time, number(price), Some(trade), now), Ok(()));
            }
            Input::Absurd(time) => self.absurd(time, now),
            Input::Interrupted => self.sequence.interrupted(),
            Input::Connected => self.sequence.connected(now),
            Input::Resume(held) => {
                self.sequence.resume(held, now);
                self.resumed_at = now.0;
                let newest = minute_of(UnixMillis(now.0 - GRACE_MS)) - 1;
                self.position = match held {
                    Some(held) => Position::After(minute_of(held)),
                    None => Position::Warming(newest),
                };
            }
            Input::Rows(id, rows) => self.sequence.rows(id, &rows, None, now, steps, |refused| {
                assert!(matches!(refused, Refused::Candle(_)), "{refused}");
            }),
            Input::Ended(id, ended) => self.sequence.ended(id, ended, now, steps),
        }
    }

    /// Nothing of this may have any effect.
    fn absurd(&mut self, time: UnixMillis, now: UnixMillis) {
        let (one, minute) = (number(1), open(minute_of(time)));
        let flat = Bar { open: one, high: one, low: one, close: one, volume: one };
        let before = format!("{:?}", self.sequence);
        for is_closed in [true, false] {
            for (open_time, bar) in [
                (minute, Bar { low: number(2), ..flat }),
                (minute, Bar { volume: number(-1), ..flat }),
                (UnixMillis(minute.0 + 1), flat),
                (UnixMillis(i64::MIN), flat),
                (UnixMillis(i64::MAX), flat),
                (open(minute_of(time) + 3), flat),
            ] {
                assert!(self.sequence.bar(open_time, bar, is_closed, now).is_err());
            }
        }
        // Closed, says the venue, though it has hardly begun.
        if time.0 - minute.0 < MINUTE / 2 {
            assert!(self.sequence.bar(minute, flat, true, now).is_err());
        }
        let trade = |size| Some(Trade { size: number(size), id: u64::MAX });
        for time in [i64::MIN, 0, i64::MAX, now.0 + 2 * MINUTE] {
            assert!(self.sequence.price(UnixMillis(time), one, trade(1), now).is_err());
        }
        assert!(self.sequence.price(time, one, trade(-1), now).is_err());
        assert_eq!(format!("{:?}", self.sequence), before);
    }

    fn ask(&mut self, now: UnixMillis) {
        let Some(want) = self.sequence.wants(now) else { return };
        if want.purpose == Purpose::Confirm && self.setting.has(Fault::Crowded) && self.rng.bool() {
            self.sequence.unconfirmed();
            return;
        }
        self.questions += 1;
        let id = self.sequence.ask(want, now);
        let latency = if self.setting.has(Fault::Slow) { self.rng.i64(60..9_000) } else { self.rng.i64(60..200) };
        // The rows after the range tell how far the venue has come.
        let beyond = if self.rng.u8(..3) == 0 { open(minute_of(want.span.last) + 1) } else { want.span.last };
        let rows = self.rest.rows(&self.truth, Span { last: beyond, ..want.span }, now);
        let fails = self.setting.has(Fault::Failing) && self.failures < 3 && self.rng.u8(..3) == 0;
        self.failures = if fails { self.failures + 1 } else { 0 };
        let mut at = now.0 + latency;
        for page in rows.chunks(3) {
            if fails && self.rng.bool() {
                break;
            }
            self.push(at, Input::Rows(id, page.to_vec()));
            at += latency / 10;
        }
        self.push(at, Input::Ended(id, if fails { Ended::Failed } else { Ended::Answered }));
    }

    fn check(&mut self, step: &Step, now: i64) {
        let candle = match step {
            Step::Publish(candle, _) => candle,
            Step::Hole(span) => panic!("no candle is missing: {span:?} at {now}"),
            // A row may lack something for longer than the grace period after the feed told all.
            Step::Revised(open_time) if !self.setting.has(Fault::Stale) => {
                panic!("nothing was changed: {open_time} at {now}")
            }
            _ => return,
        };
        let minute = minute_of(candle.open_time());
        assert_eq!(Some(candle.bar()), self.truth.bar(minute), "minute {minute} at {now}");
        let end = open(minute + 1).0;
        assert!(end <= now, "minute {minute} forms at {now}");
        let before = match self.position {
            Position::After(before) => before,
            Position::Warming(newest) => newest.min(minute - 1),
            Position::Idle => panic!("nobody asked for it"),
        };
        assert!(before < minute, "minute {minute} again, after {before}");
        assert_eq!(self.truth.first_in(before + 1..minute), None, "minute {minute} follows {before} at {now}");
        self.position = Position::After(minute);
        if self.setting.has_any(&REST_FAULTS) {
            return;
        }
        let due = (end + GRACE_MS).max(self.resumed_at + 1_000) + 2_000;
        assert!(now <= due, "minute {minute} is late: {now} instead of {due}");
        // Empty candles from before the connection are made sure of first.
        let is_calm = self.setting.faults.is_empty() && before >= self.setting.begin;
        if let Some(closing) = self.closings.get(&minute).filter(|_| is_calm) {
            assert_eq!(*closing, now, "minute {minute} waited");
        }
    }

    fn check_end(&self, end: i64) {
        let (Position::After(last) | Position::Warming(last)) = self.position else { panic!("never began") };
        let newest = minute_of(UnixMillis(end - GRACE_MS - 2_000));
        assert_eq!(self.truth.first_in(last + 1..newest), None, "nothing after {last} at {end}");
        let minutes = u32::try_from(self.setting.end - self.setting.begin + 6).unwrap();
        let questions_max = if self.setting.faults.is_empty() { 40 + 2 * minutes } else { 100 + 30 * minutes };
        assert!(self.questions <= questions_max, "{} questions in {minutes} minutes", self.questions);
    }
}

fn settings() -> impl Strategy<Value = Setting> {
    let soon = Closing::Followed { patience: Some(Duration::from_millis(250)) };
    let kinds = [
        (Closing::Marked, Live::Bars),
        (soon, Live::Bars),
        (soon, Live::Trades),
        (Closing::Followed { patience: None }, Live::Trades),
        (Closing::Rest, Live::Prices),
    ];
    let faults = proptest::sample::subsequence(Fault::ALL.to_vec(), 0..=Fault::ALL.len());
    let faults =
        prop_oneof![1 => Just(Vec::new()), 2 => proptest::sample::subsequence(Fault::ALL.to_vec(), 1..=3), 3 => faults];
    (proptest::sample::select(kinds.to_vec()), any::<bool>(), faults, 8..12_i64, 2..10_i64).prop_map(
        |((closing, live), omits_empty, faults, begin, minutes)| Setting {
            closing,
            live,
            omits_empty,
            faults,
            begin,
            end: begin + minutes,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_out_is_what_happened(setting in settings(), warmup in 0..6_u32, seed in any::<u64>()) {
        Simulation::new(setting, warmup, seed).run();
    }
}
