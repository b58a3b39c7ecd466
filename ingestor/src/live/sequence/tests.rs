mod model;
mod simulation;

use std::time::Duration;

use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

use self::model::{number, open};
use super::{Ended, Learned, Purpose, Refused, Rules, Sequence, Step, UNHEARD_MAX, WAITING_MAX};
use crate::grid::Grid;
use crate::venue::answer::{Row, RowState};
use crate::venue::event::Trade;
use crate::venue::profile::{Closing, Hours, Week};
use crate::venue::{Live, Span};

const SOON: Closing = Closing::Followed { patience: Some(Duration::from_millis(250)) };

fn rules(closing: Closing) -> Rules {
    Rules {
        grid: Grid::new(Timeframe::M1, Week::Monday),
        closing,
        live: Live::Bars,
        omits_empty: false,
        calendar: Hours::Always,
        grace: Duration::from_secs(5),
        warmup: 3,
    }
}

/// A series that holds minute 9, and a feed that has been there since minute 5.
fn following(rules: Rules) -> Sequence {
    let mut sequence = Sequence::new(rules);
    sequence.connected(open(5));
    sequence.resume(Some(open(9)), at(10, 6_000));
    sequence
}

/// So many milliseconds after a minute began.
fn at(minute: i64, millis: i64) -> UnixMillis {
    UnixMillis(open(minute).0 + millis)
}

fn bar(volume: i64) -> Bar {
    let [open, high, low, close, volume] = [10, 10 + volume, 9, 10, volume].map(number);
    Bar { open, high, low, close, volume }
}

fn row(minute: i64, volume: i64, state: RowState) -> Row {
    Row { open_time: open(minute), bar: bar(volume), state }
}

fn published(minute: i64, volume: i64, learned: Learned) -> Step {
    Step::Publish(ClosedCandle::new(open(minute), bar(volume), open(minute + 1)).unwrap(), learned)
}

fn span(first: i64, last: i64) -> Span {
    Span { first: open(first), last: open(last) }
}

fn advance(sequence: &mut Sequence, now: UnixMillis) -> Vec<Step> {
    let mut steps = Vec::new();
    sequence.advance(now, &mut steps);
    steps
}

/// Takes a closing message.
fn close(sequence: &mut Sequence, minute: i64, volume: i64, now: UnixMillis) -> Vec<Step> {
    assert_eq!(sequence.bar(open(minute), bar(volume), true, now), Ok(()));
    advance(sequence, now)
}

/// Takes a forming bar.
fn form(sequence: &mut Sequence, minute: i64, volume: i64, now: UnixMillis) -> Vec<Step> {
    assert_eq!(sequence.bar(open(minute), bar(volume), false, now), Err(Refused::Forming));
    advance(sequence, now)
}

/// What is asked at `now`.
fn question(sequence: &Sequence, now: UnixMillis) -> Option<(Purpose, Span)> {
    sequence.wants(now).map(|want| (want.purpose, want.span))
}

/// Asks what is wanted at `now`, and answers at once.
fn answer(sequence: &mut Sequence, now: UnixMillis, rows: &[Row]) -> Vec<Step> {
    let want = sequence.wants(now).unwrap();
    let id = sequence.ask(want, now);
    let mut steps = Vec::new();
    sequence.rows(id, rows, None, now, &mut steps, |_| ());
    sequence.ended(id, Ended::Answered, now, &mut steps);
    sequence.advance(now, &mut steps);
    steps
}

#[test]
fn a_closing_message_lets_its_candle_out_once() {
    let mut sequence = following(rules(Closing::Marked));
    assert_eq!(form(&mut sequence, 10, 1, at(10, 7_000)), []);
    assert_eq!(close(&mut sequence, 10, 2, at(11, 4)), [published(10, 2, Learned::Feed)]);
    assert_eq!(sequence.bar(open(10), bar(2), true, at(11, 5)), Err(Refused::Duplicate));
    assert!(sequence.revises(open(10), &bar(3)) && !sequence.revises(open(10), &bar(2)));
}

#[test]
fn closing_messages_in_the_wrong_order_go_out_in_order() {
    let mut sequence = following(rules(Closing::Marked));
    assert_eq!(close(&mut sequence, 11, 1, at(12, 1)), [Step::Gap(span(10, 10))]);
    let both = [published(10, 1, Learned::Feed), published(11, 1, Learned::Feed)];
    assert_eq!(close(&mut sequence, 10, 1, at(12, 2)), both);
}

#[test]
fn a_gap_is_asked_for_exactly_and_told_once() {
    let mut sequence = following(rules(Closing::Marked));
    let now = at(14, 1);
    assert_eq!(close(&mut sequence, 13, 4, now), [Step::Gap(span(10, 12)), Step::Stale]);
    assert_eq!(question(&sequence, now), Some((Purpose::Gap, span(10, 12))));
    // REST is behind: what it has goes out, the rest is asked for at once, then after a pause.
    let first = answer(&mut sequence, now, &[row(10, 1, RowState::Unsaid)]);
    assert_eq!(first, [Step::Fresh, published(10, 1, Learned::Rest)]);
    assert_eq!(question(&sequence, now), Some((Purpose::Gap, span(11, 12))));
    assert_eq!(answer(&mut sequence, now, &[]), []);
    assert_eq!((question(&sequence, now), sequence.wake_at(now)), (None, Some(at(14, 501))));
    let rows = [row(11, 2, RowState::Unsaid), row(12, 3, RowState::Unsaid)];
    let learned = Learned::Rest;
    let rest = [published(11, 2, learned), published(12, 3, learned), published(13, 4, Learned::Feed)];
    assert_eq!(answer(&mut sequence, at(14, 501), &rows), rest);
}

#[test]
fn a_hole_of_the_venue_is_passed_over_after_patience() {
    let mut sequence = following(rules(Closing::Marked));
    close(&mut sequence, 11, 1, at(12, 0));
    let mut now = at(12, 0);
    let mut steps = Vec::new();
    while steps.is_empty() && now < at(20, 0) {
        if sequence.wants(now).is_some() {
            steps = answer(&mut sequence, now, &[]);
        } else {
            now = sequence.wake_at(now).unwrap();
            steps = advance(&mut sequence, now);
        }
        steps.retain(|step| !matches!(step, Step::Stale));
    }
    assert_eq!(now, at(17, 0));
    assert_eq!(steps, [Step::Hole(span(10, 10)), Step::Fresh, published(11, 1, Learned::Feed)]);
}

#[test]
fn a_closing_message_that_never_comes_is_made_up_for_after_the_grace_period() {
    let mut sequence = following(rules(Closing::Marked));
    form(&mut sequence, 10, 2, at(10, 59_000));
    assert_eq!((sequence.wants(at(11, 4_999)), sequence.wake_at(at(11, 0))), (None, Some(at(11, 5_000))));
    // A row without what the feed told is from before; so is one that was asked for too soon.
    assert_eq!(answer(&mut sequence, at(11, 5_000), &[row(10, 1, RowState::Unsaid)]), []);
    assert_eq!(sequence.wake_at(at(11, 5_000)), Some(at(11, 6_000)));
    let steps = answer(&mut sequence, at(11, 6_000), &[row(10, 2, RowState::Unsaid)]);
    assert_eq!(steps, [published(10, 2, Learned::Rest)]);
}

#[test]
fn an_answer_tells_of_the_time_when_it_was_asked() {
    let mut sequence = following(rules(SOON));
    form(&mut sequence, 10, 2, at(10, 59_000));
    sequence.interrupted();
    sequence.connected(at(10, 59_500));
    form(&mut sequence, 11, 1, at(11, 100));
    let want = super::Want { span: span(10, 10), purpose: Purpose::Confirm };
    let id = sequence.ask(want, at(11, 100));
    let mut steps = Vec::new();
    sequence.rows(id, &[row(10, 2, RowState::Unsaid)], None, at(11, 8_000), &mut steps, |_| ());
    assert_eq!(steps, []);
}

#[test]
fn warm_up_gives_exactly_as_many_as_are_wanted() {
    let mut sequence = Sequence::new(rules(Closing::Marked));
    sequence.resume(None, at(10, 2_000));
    // Minute 9 is over, but its closing message may still come.
    assert_eq!(question(&sequence, at(10, 2_000)), Some((Purpose::Warmup, span(6, 8))));
    let rows = [6, 7, 8].map(|minute| row(minute, 1, RowState::Unsaid));
    let mut expected = [6, 7, 8].map(|minute| published(minute, 1, Learned::Rest)).to_vec();
    expected.push(Step::Warmed { found: 3, wanted: 3 });
    assert_eq!(answer(&mut sequence, at(10, 2_000), &rows), expected);
    assert_eq!(close(&mut sequence, 9, 1, at(10, 2_500)), [published(9, 1, Learned::Feed)]);
}

#[test]
fn a_bad_row_ends_the_history_and_is_asked_for_again() {
    let mut sequence = Sequence::new(rules(Closing::Marked));
    let now = at(10, 2_000);
    sequence.resume(None, now);
    let rows = [row(6, 1, RowState::Unsaid), row(7, -1, RowState::Unsaid), row(8, 1, RowState::Unsaid)];
    let expected = [published(6, 1, Learned::Rest), Step::Warmed { found: 1, wanted: 3 }];
    assert_eq!(answer(&mut sequence, now, &rows)[..2], expected);
    assert_eq!(question(&sequence, now), Some((Purpose::Overdue, span(7, 8))));
}

#[test]
fn a_sparse_warm_up_reaches_further_back() {
    let mut sequence = Sequence::new(Rules { omits_empty: true, ..rules(Closing::Marked) });
    let now = at(10, 6_000);
    sequence.resume(None, now);
    assert_eq!(answer(&mut sequence, now, &[row(8, 1, RowState::Unsaid)]), []);
    assert_eq!(question(&sequence, now), Some((Purpose::Warmup, span(3, 6))));
    let rows = [3, 4, 6].map(|minute| row(minute, 1, RowState::Unsaid));
    let mut expected = [4, 6, 8].map(|minute| published(minute, 1, Learned::Rest)).to_vec();
    expected.push(Step::Warmed { found: 3, wanted: 3 });
    assert_eq!(answer(&mut sequence, now, &rows), expected);
}

#[test]
fn to_resume_is_to_ask_for_what_is_missing_and_to_resume_earlier_repeats_it() {
    let mut sequence = following(rules(Closing::Marked));
    for _ in 0..2 {
        sequence.resume(Some(open(7)), at(10, 6_000));
        assert_eq!(question(&sequence, at(10, 6_000)), Some((Purpose::Overdue, span(8, 9))));
        let stale = answer(&mut sequence, at(10, 6_000), &[row(8, 1, RowState::Closed), row(9, 1, RowState::Closed)]);
        assert_eq!(stale, [published(8, 1, Learned::Rest), published(9, 1, Learned::Rest)]);
    }
}

#[test]
fn what_the_feed_told_takes_its_place_unless_rest_corrects_it_in_time() {
    for (shown, unconfirmed, expected, due) in [
        (Some(2), false, published(10, 2, Learned::Rest), 100),
        (Some(3), false, published(10, 3, Learned::Rest), 100),
        (Some(1), false, published(10, 2, Learned::Feed), 350),
        (None, false, published(10, 2, Learned::Feed), 350),
        (None, true, published(10, 2, Learned::Feed), 140),
    ] {
        let mut sequence = following(rules(SOON));
        form(&mut sequence, 10, 2, at(10, 59_000));
        assert_eq!(form(&mut sequence, 11, 1, at(11, 100)), []);
        assert_eq!(question(&sequence, at(11, 100)), Some((Purpose::Confirm, span(10, 10))));
        let mut steps = Vec::new();
        if unconfirmed {
            sequence.unconfirmed();
        } else {
            let rows: Vec<Row> = shown.into_iter().map(|volume| row(10, volume, RowState::Unsaid)).collect();
            steps = answer(&mut sequence, at(11, 100), &rows);
        }
        if steps.is_empty() {
            assert_eq!(advance(&mut sequence, at(11, due - 1)), []);
            steps = advance(&mut sequence, at(11, due));
        }
        assert_eq!(steps, [expected]);
    }
}

#[test]
fn a_bar_of_trades_takes_its_place_only_where_none_was_missed() {
    let closing = Closing::Followed { patience: None };
    for (connected, overtaken, whole) in [(at(10, 0), false, true), (at(10, 1), false, false), (at(10, 0), true, false)]
    {
        let mut sequence = Sequence::new(Rules { live: Live::Trades, ..rules(closing) });
        sequence.connected(connected);
        sequence.resume(Some(open(9)), at(10, 1));
        let ids = if overtaken { [3, 2, 4] } else { [2, 2, 4] };
        for (id, now) in ids.into_iter().zip([at(10, 10), at(10, 20), at(11, 10)]) {
            let trade = Some(Trade { size: number(1), id });
            assert_eq!(sequence.price(now, number(10), trade, now), Ok(()));
            assert_eq!(advance(&mut sequence, now), []);
        }
        let taken = advance(&mut sequence, at(11, 5_000));
        assert_eq!(taken.len(), usize::from(whole), "{taken:?}");
        assert_eq!(sequence.wants(at(11, 5_000)).is_some(), !whole);
    }
}

#[test]
fn a_venue_of_rest_alone_is_asked_soon_and_each_second() {
    let mut sequence = following(Rules { live: Live::Prices, ..rules(Closing::Rest) });
    assert_eq!(sequence.price(at(10, 9_000), number(1), None, at(10, 9_000)), Ok(()));
    assert_eq!(sequence.wake_at(at(10, 10_000)), Some(at(11, 300)));
    assert_eq!(answer(&mut sequence, at(11, 300), &[row(10, 1, RowState::Forming)]), []);
    assert_eq!(sequence.wake_at(at(11, 300)), Some(at(11, 1_300)));
    let steps = answer(&mut sequence, at(11, 1_300), &[row(10, 1, RowState::Closed)]);
    assert_eq!(steps, [published(10, 1, Learned::Rest)]);
}

#[test]
fn an_empty_minute_that_rest_leaves_out_is_asked_for_once_and_holds_nothing_up() {
    let mut sequence = following(Rules { omits_empty: true, ..rules(Closing::Marked) });
    assert_eq!(answer(&mut sequence, at(11, 5_000), &[]), []);
    assert_eq!(sequence.wake_at(at(11, 5_000)), Some(at(12, 5_000)));
    assert_eq!(close(&mut sequence, 11, 1, at(12, 1)), [published(11, 1, Learned::Feed)]);
}

#[test]
fn a_feed_that_tells_nothing_of_what_rest_shows_is_unheard() {
    let mut sequence = following(rules(Closing::Marked));
    let minutes = i64::from(UNHEARD_MAX);
    for minute in 10..10 + minutes {
        let steps = answer(&mut sequence, at(minute + 1, 5_000), &[row(minute, 1, RowState::Unsaid)]);
        assert_eq!(steps.contains(&Step::Unheard), minute == 9 + minutes);
    }
}

#[test]
fn a_series_without_candles_is_stale_until_one_comes() {
    let mut sequence = following(rules(Closing::Marked));
    assert_eq!(advance(&mut sequence, at(12, 5_999)), []);
    assert_eq!(advance(&mut sequence, at(12, 6_000)), [Step::Stale]);
    assert_eq!(advance(&mut sequence, at(12, 6_001)), []);
    assert_eq!(close(&mut sequence, 10, 1, at(12, 6_002)), [Step::Fresh, published(10, 1, Learned::Feed)]);
}

#[test]
fn a_row_that_changes_what_is_out_is_a_revision_once_it_is_final() {
    for (state, revised) in [(RowState::Closed, true), (RowState::Unsaid, false), (RowState::Forming, false)] {
        let mut sequence = following(rules(Closing::Marked));
        close(&mut sequence, 10, 2, at(11, 1));
        let want = super::Want { span: span(10, 11), purpose: Purpose::Overdue };
        let id = sequence.ask(want, at(11, 2));
        let mut steps = Vec::new();
        sequence.rows(id, &[row(10, 1, state)], None, at(11, 3), &mut steps, |_| ());
        assert_eq!(steps == [Step::Revised(open(10))], revised);
    }
}

#[test]
fn a_candle_that_is_called_closed_too_early_waits_for_its_end() {
    let mut sequence = following(rules(Closing::Marked));
    assert_eq!(close(&mut sequence, 10, 1, UnixMillis(open(11).0 - 3_000)), []);
    assert_eq!(sequence.wake_at(UnixMillis(open(11).0 - 3_000)), Some(open(11)));
    // The true closing message comes in time, or a forming bar shows that the early one was wrong.
    assert_eq!(close(&mut sequence, 10, 2, at(11, 0)), [published(10, 2, Learned::Feed)]);
    assert_eq!(close(&mut sequence, 11, 3, UnixMillis(open(12).0 - 1)), []);
    assert_eq!(advance(&mut sequence, open(12)), [published(11, 3, Learned::Feed)]);
    assert_eq!(close(&mut sequence, 12, 4, UnixMillis(open(13).0 - 3_000)), []);
    assert_eq!(sequence.bar(open(12), bar(5), false, UnixMillis(open(13).0 - 2_000)), Err(Refused::Forming));
    assert_eq!(advance(&mut sequence, at(13, 0)), []);
}

#[test]
fn what_a_young_snapshot_shows_is_confirmed_by_rest() {
    let mut sequence = following(rules(SOON));
    // An older one counts at once; the youngest may have been pictured before its last trade.
    assert_eq!(close(&mut sequence, 10, 1, at(12, 100)), [published(10, 1, Learned::Feed)]);
    assert_eq!(close(&mut sequence, 11, 2, at(12, 100)), []);
    assert_eq!(form(&mut sequence, 12, 1, at(12, 100)), []);
    assert_eq!(advance(&mut sequence, at(12, 4_999)), []);
    assert_eq!(question(&sequence, at(12, 5_000)), Some((Purpose::Overdue, span(11, 11))));
    let steps = answer(&mut sequence, at(12, 5_000), &[row(11, 3, RowState::Closed)]);
    assert_eq!(steps, [published(11, 3, Learned::Rest)]);
}

#[test]
fn a_row_that_only_needs_time_is_asked_for_again_when_it_is_believed() {
    let grid = Grid::new(Timeframe::S1, Week::Monday);
    let mut sequence = Sequence::new(Rules { grid, ..rules(Closing::Marked) });
    let second = |second: i64| UnixMillis(open(10).0 + second * 1_000);
    sequence.resume(Some(second(0)), second(1));
    let later = ClosedCandle::new(second(2), bar(3), second(9)).unwrap();
    assert_eq!(sequence.closed(later), Ok(()));
    let now = UnixMillis(second(3).0 + 200);
    let missing = Span { first: second(1), last: second(1) };
    assert_eq!(advance(&mut sequence, now), [Step::Gap(missing)]);
    let row = Row { open_time: second(1), bar: bar(2), state: RowState::Unsaid };
    assert_eq!(answer(&mut sequence, now, &[row]), []);
    // The grace period after its end, to the millisecond, however often it was asked for before.
    assert_eq!((question(&sequence, second(6)), sequence.wake_at(second(6))), (None, Some(second(7))));
    let steps = answer(&mut sequence, second(7), &[row]);
    let opens = steps.iter().map(|step| match step {
        Step::Publish(candle, _) => candle.open_time(),
        other => panic!("{other:?}"),
    });
    assert_eq!(opens.collect::<Vec<_>>(), [second(1), second(2)]);
}

#[test]
fn what_failed_is_asked_again_once_the_feed_is_back() {
    let mut sequence = following(rules(Closing::Marked));
    let mut steps = Vec::new();
    for minute in [11, 13, 15, 17] {
        let now = at(minute, 5_000);
        let want = sequence.wants(now).unwrap();
        let id = sequence.ask(want, now);
        sequence.ended(id, Ended::Failed, now, &mut steps);
    }
    let failed = at(17, 6_000);
    assert_eq!(question(&sequence, failed), None);
    sequence.connected(failed);
    assert!(question(&sequence, failed).is_some());
}

#[test]
fn nothing_is_given_up_on_while_rest_does_not_answer() {
    let mut sequence = following(rules(Closing::Marked));
    assert_eq!(close(&mut sequence, 12, 1, at(13, 0)), [Step::Gap(span(10, 11)), Step::Stale]);
    let mut steps = Vec::new();
    for minute in 14..40 {
        let now = at(minute, 0);
        let want = sequence.wants(now).unwrap();
        let id = sequence.ask(want, now);
        sequence.ended(id, Ended::Failed, now, &mut steps);
        sequence.advance(now, &mut steps);
    }
    // The first answer after it may come from a REST that is still behind: its patience begins there.
    assert_eq!(answer(&mut sequence, at(40, 0), &[]), []);
    assert_eq!(advance(&mut sequence, at(44, 59_999)), []);
    steps.retain(|step| !matches!(step, Step::Stale));
    assert_eq!(steps, []);
    let passed_over = [Step::Hole(span(10, 11)), Step::Fresh, published(12, 1, Learned::Feed)];
    assert_eq!(advance(&mut sequence, at(45, 0)), passed_over);
}

#[test]
fn a_row_is_judged_by_the_venues_clock_where_that_is_behind() {
    for (venue_time, believed) in [(None, true), (Some(at(11, 4_000)), false), (Some(at(11, 5_000)), true)] {
        let mut sequence = following(rules(Closing::Marked));
        let now = at(11, 5_000);
        let id = sequence.ask(sequence.wants(now).unwrap(), now);
        let mut steps = Vec::new();
        sequence.rows(id, &[row(10, 1, RowState::Unsaid)], venue_time, now, &mut steps, |_| ());
        assert_eq!(steps == [published(10, 1, Learned::Rest)], believed, "{venue_time:?}");
    }
}

#[test]
fn candles_beyond_what_may_wait_come_back_by_rest() {
    let mut sequence = following(rules(Closing::Marked));
    let last = 11 + i64::try_from(WAITING_MAX).unwrap();
    for minute in 11..=last {
        let candle = ClosedCandle::new(open(minute), bar(1), open(minute + 1)).unwrap();
        assert_eq!(sequence.closed(candle), Ok(()));
    }
    advance(&mut sequence, at(last + 1, 1));
    let steps = answer(&mut sequence, at(last + 1, 1), &[row(10, 1, RowState::Closed)]);
    // Also the missing one, and that there are candles again.
    assert_eq!(steps.len(), WAITING_MAX + 2);
    assert_eq!(question(&sequence, at(last + 1, 5_000)), Some((Purpose::Overdue, span(last, last))));
}

#[test]
fn times_beyond_all_bounds_do_no_harm() {
    for held in [i64::MIN, i64::MIN + 1, 0, i64::MAX - 1, i64::MAX] {
        for closing in [Closing::Marked, SOON, Closing::Rest] {
            for now in [UnixMillis(0), at(10, 0), UnixMillis(i64::MAX)] {
                let mut sequence = following(rules(closing));
                sequence.resume(Some(UnixMillis(held)), now);
                advance(&mut sequence, now);
                assert!(sequence.bar(UnixMillis(held), bar(1), true, at(10, 0)).is_err());
                let _ = (sequence.wants(now), sequence.wake_at(now));
            }
        }
    }
}
