//! Faults of live connections.

use super::super::{Cut, Fault};
use super::*;

const ALWAYS: (i64, i64) = (0, i64::MAX);
const STREAM: &str = "/ws/btcusd@kline_1m";

#[tokio::test]
async fn lost_closings_never_come() {
    let script = Script::none().with(Fault::closing_lost(ALWAYS.0, ALWAYS.1, 100));
    let venue = venue(VenueKind::Binance, 240, script).await;
    let mut client = Client::open(&venue, STREAM).await;
    let mut last_ms = 0;
    while last_ms < START_MS + 10 * MINUTE_MS {
        let kline = client.find(|value| value["e"] == "kline").await;
        assert_eq!(kline["k"]["x"], false);
        last_ms = kline["k"]["t"].as_i64().expect("a time");
    }
}

#[tokio::test]
async fn cuts_and_half_frames_end_the_connection() {
    let at_ms = START_MS + 30_000;
    for fault in [Fault::socket_cut(at_ms, Cut::Reset), Fault::socket_cut(at_ms, Cut::Close), Fault::half_frame(at_ms)]
    {
        let venue = venue(VenueKind::Binance, 60, Script::none().with(fault)).await;
        let mut client = Client::open(&venue, STREAM).await;
        let mut messages = 0;
        while let Some(message) = client.next().await {
            assert!(!message.is_close());
            messages += 1;
        }
        assert!(messages > 0 && venue.clock().now_ms() >= at_ms);
        Client::open(&venue, STREAM).await.find(|value| value["k"]["x"] == true).await;
        assert_eq!(venue.connections(), 2);
    }
}

#[tokio::test]
async fn silent_sockets_ping_and_new_ones_heal() {
    let venue = venue(VenueKind::Binance, 60, Script::none()).await;
    let mut client = Client::open(&venue, STREAM).await;
    client.find(|value| value["e"] == "kline").await;
    let from_ms = venue.clock().now_ms() + 1;
    venue.set_script(Script::none().with(Fault::silent_socket(from_ms, i64::MAX)));
    // What was due before the window may come a moment later.
    venue.clock().sleep_until(from_ms + MINUTE_MS).await;
    let mut pings = 0;
    while pings < 5 {
        let message = client.next().await.expect("no end");
        pings += usize::from(message.is_ping());
        let value: Value = message.to_text().ok().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        assert!(value["E"].as_i64().is_none_or(|ms| ms < from_ms + MINUTE_MS), "{value}");
    }
    Client::open(&venue, STREAM).await.find(|value| value["e"] == "kline").await;
}

#[tokio::test]
async fn dead_sockets_do_not_even_pong() {
    let venue = venue(VenueKind::Okx, 60, lenient()).await;
    let mut client = Client::open(&venue, "/ws/v5/business").await;
    client.say("ping").await;
    assert!(client.next().await.is_some_and(|message| message.is_text()));
    venue.set_script(lenient().with(Fault::dead_socket(venue.clock().now_ms() + 1, i64::MAX)));
    venue.clock().sleep_until(venue.clock().now_ms() + 5_000).await;
    client.say("ping").await;
    assert!(timeout(Duration::from_millis(300), client.0.next()).await.is_err());
    let mut healed = Client::open(&venue, "/ws/v5/business").await;
    healed.say("ping").await;
    assert!(healed.next().await.is_some_and(|message| message.is_text()));
}

#[tokio::test]
async fn duplicates_and_swaps_are_of_data() {
    let script = Script::none().with(Fault::duplicates(ALWAYS.0, ALWAYS.1));
    let twice = venue(VenueKind::Kraken, 60, script).await;
    let mut client = Client::open(&twice, "/v2").await;
    client.say(r#"{"method":"subscribe","params":{"channel":"ohlc","symbol":["BTC/USD"],"interval":1}}"#).await;
    let first = client.find(|value| value["type"] == "update" && value["channel"] == "ohlc").await;
    assert_eq!(client.find(|value| value["channel"] == "ohlc").await, first);

    let script = Script::none().with(Fault::reordered(ALWAYS.0, ALWAYS.1, false));
    let swapped = venue(VenueKind::Binance, 60, script).await;
    let mut client = Client::open(&swapped, STREAM).await;
    let mut newest_ms = 0;
    let closing = client.find(|value| {
        let open_ms = value["k"]["t"].as_i64().unwrap_or(0);
        newest_ms = newest_ms.max(open_ms);
        value["k"]["x"] == true
    });
    let open_ms = closing.await["k"]["t"].as_i64().expect("a time");
    assert!(newest_ms > open_ms);
}

#[tokio::test]
async fn odd_messages_stand_beside_good_ones() {
    let (from, to) = ALWAYS;
    let script = lenient().with(Fault::unknown_messages(from, to)).with(Fault::bad_data(from, to));
    let venue = venue(VenueKind::Bybit, 60, script).await;
    let mut client = Client::open(&venue, "/v5/public/spot").await;
    client.say(r#"{"op":"subscribe","args":["kline.1.BTCUSD","kline.1.ETHUSD"]}"#).await;
    let mut odd = [false; 6];
    while odd.contains(&false) {
        let message = client.next().await.expect("no end");
        let text = message.to_text().unwrap_or("\u{0}").to_owned();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let candle = &value["data"][0];
        odd[0] |= message.is_binary();
        odd[1] |= message.is_text() && text.is_empty();
        odd[2] |= value["type"] == "mystery";
        odd[3] |= value["topic"].as_str().is_some_and(|topic| topic.ends_with("NOSUCH/THING"));
        odd[4] |= candle["start"].as_i64().is_some_and(|ms| ms > 4_000_000_000_000);
        odd[5] |= candle["close"] == "abc";
    }
}

#[tokio::test]
async fn coinbase_skips_a_number() {
    let venue = venue(VenueKind::Coinbase, 60, lenient().with(Fault::sequence_jump(START_MS, i64::MAX))).await;
    let mut client = Client::open(&venue, "/").await;
    client.say(r#"{"type":"subscribe","channel":"market_trades","product_ids":["BTC-USD","ETH-USD"]}"#).await;
    let mut expected = 0;
    client
        .find(|value| {
            let number = value["sequence_num"].as_i64().expect("a number");
            expected += 1;
            number == expected
        })
        .await;
}

#[tokio::test]
async fn binance_announces_its_shutdown() {
    let script = Script::none().with(Fault::server_shutdown(START_MS, START_MS + 10_000));
    let venue = venue(VenueKind::Binance, 60, script).await;
    let mut client = Client::open(&venue, STREAM).await;
    client.find(|value| value["e"] == "serverShutdown").await;
    while client.next().await.is_some() {}
    assert!(venue.clock().now_ms() >= START_MS + 10_000);
}

#[tokio::test]
async fn refused_venue_is_gone_for_all() {
    let venue = venue(VenueKind::Okx, 1, Script::none().with(Fault::refused(ALWAYS.0, ALWAYS.1))).await;
    assert!(connect_async(format!("{}/ws/v5/business", venue.ws_url())).await.is_err());
    assert_eq!(venue.connections(), 0);
    venue.set_script(Script::none());
    Client::open(&venue, "/ws/v5/business").await;
}
