//! REST answers, compared with the samples of the documentation.

use super::super::{Fault, RestFault};
use super::*;

/// Ten minutes that are over when they are asked for.
const FROM_MS: i64 = START_MS - 30 * MINUTE_MS;
const TO_MS: i64 = START_MS - 20 * MINUTE_MS;

/// Paths that ask for those ten minutes of `BTC-USD`.
fn path(kind: VenueKind) -> String {
    let (from, to) = (FROM_MS, TO_MS);
    match kind {
        VenueKind::Binance => {
            format!("/api/v3/klines?symbol=BTCUSD&interval=1m&startTime={from}&endTime={}&limit=1000", to - 1)
        }
        VenueKind::Kraken => format!("/0/public/OHLC?pair=XBTUSD&interval=1&since={}", from / 1_000 - 60),
        VenueKind::Coinbase => format!(
            "/api/v3/brokerage/market/products/BTC-USD/candles?start={}&end={}&granularity=ONE_MINUTE",
            from / 1_000,
            to / 1_000 - 60
        ),
        VenueKind::Bybit => {
            format!("/v5/market/kline?category=spot&symbol=BTCUSD&interval=1&start={from}&end={}&limit=1000", to - 1)
        }
        VenueKind::Okx => {
            format!("/api/v5/market/candles?instId=BTC-USD&bar=1m&before={}&after={to}&limit=300", from - 1)
        }
        VenueKind::Oanda => {
            format!("/v3/instruments/BTC_USD/candles?granularity=M1&price=M&from={}&to={}", from / 1_000, to / 1_000)
        }
    }
}

/// Returns the rows of an answer as open time (as written) and open, high, low, close, volume.
fn rows(kind: VenueKind, body: &Value) -> Vec<(String, [String; 5])> {
    let list = match kind {
        VenueKind::Binance => body,
        VenueKind::Kraken => &body["result"]["XXBTZUSD"],
        VenueKind::Coinbase | VenueKind::Oanda => &body["candles"],
        VenueKind::Bybit => &body["result"]["list"],
        VenueKind::Okx => &body["data"],
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |row: &Value| {
        let cells = match kind {
            VenueKind::Kraken => [0, 1, 2, 3, 4, 6].map(|at| text(&row[at])),
            VenueKind::Coinbase => ["start", "open", "high", "low", "close", "volume"].map(|key| text(&row[key])),
            VenueKind::Oanda => {
                let [o, h, l, c] = ["o", "h", "l", "c"].map(|key| text(&row["mid"][key]));
                [text(&row["time"]), o, h, l, c, text(&row["volume"])]
            }
            _ => [0, 1, 2, 3, 4, 5].map(|at| text(&row[at])),
        };
        let [time, cells @ ..] = cells;
        (time, cells)
    };
    list.as_array().expect("a list").iter().map(row).collect()
}

#[tokio::test]
async fn settled_rows_are_the_truth() {
    for kind in VenueKind::ALL {
        let venue = venue(kind, 1, Script::none()).await;
        let (status, body) = get(&venue.rest_url(), &path(kind)).await;
        assert_eq!(status, 200, "{kind:?} {body}");
        let mut rows = rows(kind, &body);
        if matches!(kind, VenueKind::Coinbase | VenueKind::Bybit | VenueKind::Okx) {
            rows.reverse();
        }
        let truth = venue.truth("BTC-USD", MINUTE_MS, FROM_MS, TO_MS);
        assert!(truth.len() >= 7, "{kind:?}");
        if kind == VenueKind::Kraken {
            // It has all rows up to the running one.
            assert_eq!(rows.len(), 30);
            assert_eq!(body["result"]["last"], (START_MS - 2 * MINUTE_MS) / 1_000);
            rows.truncate(10);
        }
        let shown: Vec<_> = rows.into_iter().map(|(_, cells)| cells).collect();
        let expected: Vec<_> = truth.into_iter().map(|c| [c.open, c.high, c.low, c.close, c.volume]).collect();
        assert_eq!(shown, expected, "{kind:?}");
        let asked = &venue.requests()[0];
        assert_eq!((asked.status, asked.symbol.as_deref()), (200, Some("BTC-USD")));
        assert!(asked.rows.contains(&(FROM_MS + 2 * MINUTE_MS)) || !kind.shows_empty());
    }
}

#[tokio::test]
async fn wrong_requests_have_the_venues_own_answer() {
    let cases = [
        (VenueKind::Binance, "/api/v3/klines?symbol=NOSUCH&interval=1m", 400, "/code", "-1121"),
        (VenueKind::Binance, "/api/v3/klines?symbol=BTCUSD&interval=1M", 400, "/code", "-1120"),
        (VenueKind::Binance, "/api/v3/klines?symbol=BTCUSD", 400, "/code", "-1102"),
        (VenueKind::Kraken, "/0/public/OHLC?pair=NOSUCH", 200, "/error/0", "\"EQuery:Unknown asset pair\""),
        (
            VenueKind::Coinbase,
            "/api/v3/brokerage/market/products/BTC-USD/candles?start=0&end=21000&granularity=ONE_MINUTE",
            400,
            "/error",
            "\"INVALID_ARGUMENT\"",
        ),
        (VenueKind::Bybit, "/v5/market/kline?symbol=BTCUSD&interval=1", 200, "/retCode", "10001"),
        (VenueKind::Okx, "/api/v5/market/candles?instId=NOSUCH", 200, "/code", "\"51001\""),
        (
            VenueKind::Oanda,
            "/v3/instruments/NO_SUCH/candles",
            400,
            "/errorMessage",
            "\"Invalid value specified for 'instrument'\"",
        ),
    ];
    for (kind, path, status, pointer, expected) in cases {
        let venue = venue(kind, 1, Script::none()).await;
        let (answered, body) = get(&venue.rest_url(), path).await;
        assert_eq!(answered, status, "{path} {body}");
        assert_eq!(body.pointer(pointer).map(Value::to_string).as_deref(), Some(expected), "{path}");
        assert_eq!(get(&venue.rest_url(), "/nothing").await.0, 404);
    }
}

#[tokio::test]
async fn kraken_trades_are_paged_without_loss() {
    let venue = venue(VenueKind::Kraken, 1, Script::none()).await;
    let expected = venue.market().trades("BTC-USD", START_MS - 60 * MINUTE_MS, START_MS - 10 * MINUTE_MS);
    let mut since = ((START_MS - 60 * MINUTE_MS) * 1_000_000 - 1).to_string();
    let mut ids = Vec::new();
    while ids.len() < expected.len() {
        let (_, body) = get(&venue.rest_url(), &format!("/0/public/Trades?pair=XBTUSD&since={since}&count=50")).await;
        let page = body["result"]["XXBTZUSD"].as_array().cloned().expect("trades");
        ids.extend(page.iter().filter_map(|row| row[6].as_i64()));
        since = body["result"]["last"].as_str().expect("a cursor").to_owned();
    }
    ids.truncate(expected.len());
    assert_eq!(ids, expected.iter().map(|trade| trade.id).collect::<Vec<_>>());
}

#[tokio::test]
async fn running_rows_bear_their_flag() {
    let okx = venue(VenueKind::Okx, 1, Script::none()).await;
    let (_, body) = get(&okx.rest_url(), "/api/v5/market/candles?instId=BTC-USD&limit=2").await;
    assert_eq!((&body["data"][0][8], &body["data"][1][8]), (&"0".into(), &"1".into()));
    let late = Script::none().with(Fault::late_complete(0, i64::MAX, 3_600_000));
    let oanda = venue(VenueKind::Oanda, 1, late).await;
    let (_, body) = get(&oanda.rest_url(), "/v3/instruments/BTC_USD/candles?granularity=M1&count=100").await;
    let complete = |at: usize| body["candles"][at]["complete"].as_bool();
    assert_eq!((complete(0), complete(99)), (Some(true), Some(false)));
    assert_eq!(complete(50), Some(false), "less than an hour after the close");
}

#[tokio::test]
async fn lag_and_staleness_are_of_the_newest_rows() {
    let newest = "/api/v3/klines?symbol=BTCUSD&interval=1m&limit=3";
    let lagging = venue(VenueKind::Binance, 1, Script::none().with(Fault::rest_lag(0, i64::MAX, 120_000))).await;
    get(&lagging.rest_url(), newest).await;
    assert_eq!(lagging.requests()[0].rows.last(), Some(&(START_MS - 4 * MINUTE_MS)));
    let stale = venue(VenueKind::Binance, 1, Script::none().with(Fault::stale_row(0, i64::MAX, 60_000))).await;
    let rows = rows(VenueKind::Binance, &get(&stale.rest_url(), newest).await.1);
    let truth = stale.truth("BTC-USD", MINUTE_MS, START_MS - 3 * MINUTE_MS, START_MS - MINUTE_MS);
    assert_eq!(rows[0].1[4], truth[0].volume);
    assert_ne!(rows[1].1[4], truth[1].volume);
}

#[tokio::test]
async fn faults_and_budgets_answer_as_each_venue_does() {
    let over = Script::none().with(Fault::rest(0, i64::MAX, RestFault::OverBudget));
    for (kind, status) in VenueKind::ALL.into_iter().zip([429, 200, 429, 200, 200, 429]) {
        let venue = venue(kind, 1, over.clone()).await;
        assert_eq!(get(&venue.rest_url(), &path(kind)).await.0, status, "{kind:?}");
    }
    let script = Script::none().with(Fault::rest_status(0, i64::MAX, 503, Some(7)));
    let kraken = venue(VenueKind::Kraken, 1, Script { enforce_budget: true, ..Script::none() }).await;
    for _ in 0..3 {
        get(&kraken.rest_url(), &path(VenueKind::Kraken)).await;
    }
    let (_, body) = get(&kraken.rest_url(), &path(VenueKind::Kraken)).await;
    assert_eq!(body["error"][0], "EGeneral:Too many requests");
    assert!(!kraken.violations().is_empty());
    kraken.set_script(script);
    let (head, _) = get_text(&kraken.rest_url(), &path(VenueKind::Kraken)).await;
    assert!(head.starts_with("HTTP/1.1 503") && head.contains("Retry-After: 7"), "{head}");
}
