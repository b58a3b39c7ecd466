//! Live feeds: one session with each venue.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn binance_closes_candles_on_combined_streams() {
    let venue = venue(VenueKind::Binance, 60, Script::none()).await;
    let mut client = Client::open(&venue, "/stream?streams=btcusd@kline_1m/nosuch@kline_1m").await;
    let closing = client.find(|value| value["data"]["k"]["x"] == true).await;
    assert_eq!(closing["stream"], "btcusd@kline_1m");
    let kline = &closing["data"]["k"];
    let open_ms = kline["t"].as_i64().expect("a time");
    let truth = &venue.truth("BTC-USD", MINUTE_MS, open_ms, open_ms + 1)[0];
    let shown = ["o", "h", "l", "c", "v"].map(|key| kline[key].as_str().unwrap_or(""));
    assert_eq!(shown, [&truth.open, &truth.high, &truth.low, &truth.close, &truth.volume].map(String::as_str));
    assert_eq!(venue.subscribed().len(), 1);
}

#[tokio::test]
async fn binance_subscribes_and_pings() {
    let venue = venue(VenueKind::Binance, 60, Script::none()).await;
    let mut client = Client::open(&venue, "/ws").await;
    client.say(r#"{"method":"SUBSCRIBE","params":["ethusd@kline_1m"],"id":7}"#).await;
    client.find(|value| value["id"] == 7 && value["result"].is_null()).await;
    client.find(|value| value["e"] == "kline" && value["s"] == "ETHUSD").await;
    while !matches!(client.next().await, Some(Message::Ping(_))) {}
    assert!(connect_async(format!("{}/nothing", venue.ws_url())).await.is_err());
}

#[tokio::test]
async fn kraken_sends_snapshot_updates_and_heartbeats() {
    let venue = venue(VenueKind::Kraken, 60, Script::none()).await;
    let mut client = Client::open(&venue, "/v2").await;
    client.find(|value| value["channel"] == "status").await;
    let subscribe = r#"{"method":"subscribe","params":{"channel":"ohlc","symbol":["BTC/USD","NONE/USD"],"interval":1,"snapshot":true},"req_id":121}"#;
    client.say(subscribe).await;
    let ack = client.find(|value| value["success"] == true).await;
    assert_eq!((&ack["req_id"], &ack["result"]["symbol"]), (&121.into(), &"BTC/USD".into()));
    client.find(|value| value["success"] == false && value["error"].is_string()).await;
    let snapshot = client.find(|value| value["type"] == "snapshot").await;
    assert_eq!(snapshot["data"].as_array().map(Vec::len), Some(10));
    let running = snapshot["data"][9]["interval_begin"].clone();
    let next = client.find(|value| value["type"] == "update" && value["data"][0]["interval_begin"] != running).await;
    assert!(next["data"][0]["close"].is_number() && next["data"][0]["symbol"] == "BTC/USD");
    client.find(|value| value["channel"] == "heartbeat").await;
    client.say(r#"{"method":"ping","req_id":1}"#).await;
    client.find(|value| value["method"] == "pong" && value["req_id"] == 1).await;
}

#[tokio::test]
async fn coinbase_numbers_all_its_messages() {
    let venue = venue(VenueKind::Coinbase, 60, lenient()).await;
    let mut client = Client::open(&venue, "/").await;
    client.say(r#"{"type":"subscribe","channel":"heartbeats"}"#).await;
    client.say(r#"{"type":"subscribe","channel":"candles","product_ids":["BTC-USD"]}"#).await;
    client.say(r#"{"type":"subscribe","channel":"market_trades","product_ids":["BTC-USD","ETH-USD"]}"#).await;
    let mut seen = Vec::new();
    let mut expected = 0;
    let last = client.find(|value| {
        assert_eq!(value["sequence_num"], expected);
        expected += 1;
        let kind = value["events"][0]["type"].as_str().unwrap_or("");
        seen.push(format!("{} {kind}", value["channel"].as_str().unwrap_or("")));
        let all = ["heartbeats ", "subscriptions ", "candles snapshot", "market_trades snapshot", "candles update"];
        all.iter().all(|kind| seen.iter().any(|seen| seen == kind))
            && seen.last().is_some_and(|kind| kind == "market_trades update")
    });
    let trade = &last.await["events"][0]["trades"][0];
    assert!(["trade_id", "product_id", "price", "size", "side", "time"].iter().all(|key| trade[key].is_string()));
}

#[tokio::test]
async fn bybit_confirms_every_minute() {
    let venue = venue(VenueKind::Bybit, 1_200, lenient()).await;
    let mut client = Client::open(&venue, "/v5/public/spot").await;
    client.say(r#"{"req_id":"1","op":"subscribe","args":["kline.1.BTCUSD","kline.1.ETHUSD"]}"#).await;
    client.find(|value| value["success"] == true && value["req_id"] == "1").await;
    client.say(r#"{"op":"subscribe","args":["kline.1.NOSUCH"]}"#).await;
    let refusal = client.find(|value| value["success"] == false).await;
    assert_eq!(refusal["ret_msg"], "Invalid topic: kline.1.NOSUCH");
    let eleven = vec!["kline.1.BTCUSD"; 11];
    client.say(&serde_json::json!({ "op": "subscribe", "args": eleven }).to_string()).await;
    client.find(|value| value["success"] == false).await;
    client.say(r#"{"req_id":"9","op":"ping"}"#).await;
    client.find(|value| value["ret_msg"] == "pong").await;
    let mut open_ms = None;
    for _ in 0..60 {
        let confirmed =
            client.find(|value| value["topic"] == "kline.1.BTCUSD" && value["data"][0]["confirm"] == true).await;
        let start_ms = confirmed["data"][0]["start"].as_i64().expect("a time");
        assert!(open_ms.is_none_or(|open_ms: i64| open_ms + MINUTE_MS == start_ms));
        open_ms = Some(start_ms);
    }
}

#[tokio::test]
async fn okx_pushes_flat_rows_of_empty_minutes() {
    let market = Market::new(3, &["BTC-USD"]).with_empty_share(100).with_listed(START_MS - 60 * MINUTE_MS);
    let clock = VirtualClock::starting_at(START_MS - 5_000, 60);
    let venue = MockVenue::start(VenueKind::Okx, market, clock, Script::none()).await.expect("free ports");
    let mut client = Client::open(&venue, "/ws/v5/business").await;
    let subscribe = r#"{"id":"1","op":"subscribe","args":[{"channel":"candle1m","instId":"BTC-USD"}]}"#;
    client.say(subscribe).await;
    client.find(|value| value["event"] == "subscribe").await;
    let closed = client.find(|value| value["data"][0][8] == "1").await;
    assert_eq!((&closed["data"][0][5], &closed["arg"]["instId"]), (&"0".into(), &"BTC-USD".into()));
    client.find(|value| value["data"][0][8] == "0").await;
    client.say("ping").await;
    while client.next().await.and_then(|message| message.into_text().ok()).is_none_or(|text| text.as_str() != "pong") {}
    let mut public = Client::open(&venue, "/ws/v5/public").await;
    public.say(subscribe).await;
    public.find(|value| value["event"] == "error" && value["code"] == "60018").await;
}

#[tokio::test]
async fn okx_drops_the_silent() {
    let market = Market::new(3, &["BTC-USD"]);
    let clock = VirtualClock::starting_at(START_MS, 60);
    let venue = MockVenue::start(VenueKind::Okx, market, clock, Script::none()).await.expect("free ports");
    let mut client = Client::open(&venue, "/ws/v5/business").await;
    while let Some(message) = client.next().await {
        assert!(message.is_close());
    }
    assert_eq!(venue.violations().len(), 1);
}

#[tokio::test]
async fn oanda_streams_prices_and_heartbeats_in_lines() {
    let venue = venue(VenueKind::Oanda, 60, Script::none()).await;
    assert_eq!(get(&venue.stream_url(), "/v3/accounts/1/pricing/stream?instruments=NO_SUCH").await.0, 400);
    let mut stream = TcpStream::connect(venue.stream_url().trim_start_matches("http://")).await.expect("a connection");
    let request = format!(
        "GET /v3/accounts/1/pricing/stream?instruments=BTC_USD%2CETH_USD HTTP/1.1\r\nauthorization: Bearer {OANDA_TOKEN}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("an open connection");
    let mut lines = BufReader::new(stream).lines();
    while lines.next_line().await.expect("a head").is_some_and(|line| !line.is_empty()) {}
    let (mut text, mut heartbeat, mut price) = (String::new(), false, 0);
    let end = venue.clock().now_ms() + 30 * MINUTE_MS;
    while !heartbeat || price < 5 {
        assert!(venue.clock().now_ms() < end, "half an hour without");
        let line =
            timeout(PATIENCE, lines.next_line()).await.expect("a line in time").expect("a line").expect("no end");
        // Chunk sizes stand on lines of their own.
        if line.chars().all(|letter| letter.is_ascii_hexdigit()) {
            continue;
        }
        text.push_str(&line);
        let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
        text.clear();
        heartbeat |= value["type"] == "HEARTBEAT";
        price += usize::from(value["type"] == "PRICE" && value["bids"][0]["price"].is_string());
    }
}

#[tokio::test]
async fn coinbase_snapshot_and_updates_join_without_gap_or_overlap() {
    let venue = venue(VenueKind::Coinbase, 240, lenient()).await;
    let mut client = Client::open(&venue, "/").await;
    client.say(r#"{"type":"subscribe","channel":"market_trades","product_ids":["BTC-USD"]}"#).await;
    let mut ids: Vec<i64> = Vec::new();
    while ids.len() < 60 {
        let message = client.find(|value| value["channel"] == "market_trades").await;
        let trades = message["events"][0]["trades"].as_array().cloned().expect("trades");
        // Newest first.
        let page = trades.iter().rev().filter_map(|trade| trade["trade_id"].as_str()?.parse::<i64>().ok());
        ids.extend(page);
    }
    let all = venue.market().trades("BTC-USD", START_MS - 60 * MINUTE_MS, START_MS + 60 * MINUTE_MS);
    let expected: Vec<i64> = all.iter().map(|trade| trade.id).skip_while(|id| *id != ids[0]).take(ids.len()).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn coinbase_drops_who_does_not_subscribe() {
    let venue = venue(VenueKind::Coinbase, 60, Script::none()).await;
    let mut client = Client::open(&venue, "/").await;
    while client.next().await.is_some() {}
    assert!(venue.violations()[0].contains("no subscription within 5 s"));
}
