//! What goes wrong at a mock venue, and when.
//!
//! Owns the list of faults with their windows of virtual time. A fault applies to what is due, or asked, within its
//! window; which of several messages it hits is decided by their place in time, never by chance, so a run can be
//! repeated. The script breaks nothing itself.

/// The delay from a boundary to the closing message if the script says nothing else.
const CLOSE_DELAY_MS: i64 = 200;

/// How a live connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// By a TCP reset.
    Reset,
    /// By closing TCP, without a close frame.
    Close,
}

/// How a REST request is answered instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestFault {
    /// With this status.
    Status {
        /// The status code.
        code: u16,
        /// Seconds of a `Retry-After` header.
        retry_after_secs: Option<u32>,
    },
    /// With the venue's own way to say that the budget is used up: 429 on Binance, Coinbase and OANDA, and at status
    /// 200 `retCode` 10006 on Bybit, code 50011 on OKX, and `EGeneral:Too many requests` on Kraken.
    OverBudget,
    /// Not at all: the connection stays open.
    Hang,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// So many of a hundred closing messages are lost (venues with a closing flag).
    ClosingLost {
        /// Share in percent.
        percent: u32,
    },
    /// Closing messages come so much later (venues with a closing flag).
    ClosingDelayed {
        /// Beyond the usual delay.
        by_ms: i64,
    },
    /// Connections that are open at the start of the window are cut.
    SocketCut(Cut),
    /// The first data message in the window, of each connection that was open before, is sent by half; then TCP closes.
    HalfFrame,
    /// No data is sent, all else goes on.
    Silent {
        /// Whether connections opened within the window have data.
        heals_on_reconnect: bool,
    },
    /// Nothing is sent and nothing is read.
    Dead {
        /// Whether connections opened within the window are well.
        heals_on_reconnect: bool,
    },
    /// Every data message is sent twice, byte for byte.
    Duplicates,
    /// Messages of a symbol swap: with a closing flag the closing one and the next; without, every second update and
    /// the next one.
    Reordered {
        /// Without a closing flag: also if the next one is of another candle.
        across_candles: bool,
    },
    /// REST requests are answered otherwise.
    Rest(RestFault),
    /// Rows are missing in REST until they are closed for so long; Kraken's running row is that of so long ago.
    RestLag {
        /// Age of the newest row.
        by_ms: i64,
    },
    /// REST shows the newest closed row with the first half of its trades, for so long after its close.
    StaleRow {
        /// Time after the close.
        for_ms: i64,
    },
    /// Beside data come messages nobody knows: JSON of an unknown type, other text, binary, empty.
    UnknownMessages,
    /// Beside data come wrong data.
    BadData,
    /// TCP connections and REST requests are accepted and closed. Live connections go on.
    Refused,
    /// Once per connection a message with a trade is left out and its sequence number with it (Coinbase).
    SequenceJump,
    /// Binance announces its shutdown at the start of the window and closes the connection at its end.
    ServerShutdown,
    /// OANDA's `complete` turns true so long after the close.
    LateComplete {
        /// Time after the close.
        by_ms: i64,
    },
}

/// Something that goes wrong in a window of virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Start of the window.
    pub from_ms: i64,
    /// First millisecond after the window.
    pub to_ms: i64,
    /// What goes wrong.
    pub kind: FaultKind,
}

macro_rules! windows {
    ($($(#[doc = $doc:literal])+ $name:ident($($argument:ident: $type:ty),*) = $kind:expr;)+) => {
        $(
            $(#[doc = $doc])+
            pub fn $name(from_ms: i64, to_ms: i64 $(, $argument: $type)*) -> Self {
                Self { from_ms, to_ms, kind: $kind }
            }
        )+
    };
}

impl Fault {
    windows! {
        /// Loses `percent` of the closing messages.
        closing_lost(percent: u32) = FaultKind::ClosingLost { percent };
        /// Delays closing messages of candles that end in the window.
        closing_delayed(by_ms: i64) = FaultKind::ClosingDelayed { by_ms };
        /// Leaves sockets without data until they are opened anew.
        silent_socket() = FaultKind::Silent { heals_on_reconnect: true };
        /// Leaves all sockets without data.
        silent_venue() = FaultKind::Silent { heals_on_reconnect: false };
        /// Leaves sockets without anything until they are opened anew.
        dead_socket() = FaultKind::Dead { heals_on_reconnect: true };
        /// Leaves all sockets without anything.
        dead_venue() = FaultKind::Dead { heals_on_reconnect: false };
        /// Sends data twice.
        duplicates() = FaultKind::Duplicates;
        /// Swaps messages.
        reordered(across_candles: bool) = FaultKind::Reordered { across_candles };
        /// Answers REST requests otherwise.
        rest(answer: RestFault) = FaultKind::Rest(answer);
        /// Answers REST requests with a status.
        rest_status(code: u16, retry_after_secs: Option<u32>) =
            FaultKind::Rest(RestFault::Status { code, retry_after_secs });
        /// Keeps young rows back.
        rest_lag(by_ms: i64) = FaultKind::RestLag { by_ms };
        /// Shows the newest closed row unfinished.
        stale_row(for_ms: i64) = FaultKind::StaleRow { for_ms };
        /// Sends messages that nobody knows.
        unknown_messages() = FaultKind::UnknownMessages;
        /// Sends wrong data beside the right.
        bad_data() = FaultKind::BadData;
        /// Refuses connections.
        refused() = FaultKind::Refused;
        /// Leaves out one message of Coinbase with its number.
        sequence_jump() = FaultKind::SequenceJump;
        /// Announces Binance's shutdown, which is at the end of the window.
        server_shutdown() = FaultKind::ServerShutdown;
        /// Flips OANDA's `complete` late.
        late_complete(by_ms: i64) = FaultKind::LateComplete { by_ms };
    }

    /// Cuts connections.
    pub fn socket_cut(at_ms: i64, cut: Cut) -> Self {
        Self { from_ms: at_ms, to_ms: at_ms + 1, kind: FaultKind::SocketCut(cut) }
    }

    /// Cuts connections within the next data message.
    pub fn half_frame(at_ms: i64) -> Self {
        Self { from_ms: at_ms, to_ms: i64::MAX, kind: FaultKind::HalfFrame }
    }

    fn holds(&self, at_ms: i64) -> bool {
        (self.from_ms..self.to_ms).contains(&at_ms)
    }
}

/// How a mock venue behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// From a boundary to the closing message.
    pub close_delay_ms: i64,
    /// Whether Binance sends a closing message for a candle without trades. OKX and Bybit always do.
    pub binance_closes_empty: bool,
    /// Whether the venue's request budget is enforced. The budget is counted in virtual time.
    pub enforce_budget: bool,
    /// Whether clients are dropped that don't keep their connection alive as the venue demands, in virtual time, or
    /// send too many messages.
    pub enforce_rules: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self::none()
    }
}

impl Script {
    /// Returns a script in which nothing goes wrong.
    pub fn none() -> Self {
        Self {
            faults: Vec::new(),
            close_delay_ms: CLOSE_DELAY_MS,
            binance_closes_empty: false,
            enforce_budget: false,
            enforce_rules: true,
        }
    }

    /// Adds a fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Returns the first answer that `pick` gives for a fault whose window contains `at_ms`.
    pub(crate) fn at<T>(&self, at_ms: i64, mut pick: impl FnMut(&Fault) -> Option<T>) -> Option<T> {
        self.faults.iter().filter(|fault| fault.holds(at_ms)).find_map(&mut pick)
    }

    pub(crate) fn has(&self, at_ms: i64, kind: FaultKind) -> bool {
        self.at(at_ms, |fault| (fault.kind == kind).then_some(())).is_some()
    }

    /// Returns the first fault that begins in `from_ms..=to_ms`, excluding `from_ms` itself, and for which `pick` has an
    /// answer.
    pub(crate) fn begins<T>(&self, from_ms: i64, to_ms: i64, mut pick: impl FnMut(&Fault) -> Option<T>) -> Option<T> {
        self.faults.iter().filter(|fault| from_ms < fault.from_ms && fault.from_ms <= to_ms).find_map(&mut pick)
    }

    /// Returns whether a connection opened at `opened_ms` gets no data at `at_ms`.
    pub(crate) fn silent(&self, opened_ms: i64, at_ms: i64) -> bool {
        let silent = |fault: &Fault| match fault.kind {
            FaultKind::Silent { heals_on_reconnect } => {
                (!heals_on_reconnect || opened_ms < fault.from_ms).then_some(())
            }
            _ => None,
        };
        self.at(at_ms, silent).is_some()
    }

    /// Returns whether a connection opened at `opened_ms` is dead at `at_ms`.
    pub(crate) fn dead(&self, opened_ms: i64, at_ms: i64) -> bool {
        let dead = |fault: &Fault| match fault.kind {
            FaultKind::Dead { heals_on_reconnect } => (!heals_on_reconnect || opened_ms < fault.from_ms).then_some(()),
            _ => None,
        };
        self.at(at_ms, dead).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_hold_within_their_window() {
        let script = Script::none().with(Fault::duplicates(10, 20)).with(Fault::socket_cut(30, Cut::Reset));
        assert!(!script.has(9, FaultKind::Duplicates) && script.has(10, FaultKind::Duplicates));
        assert!(script.has(19, FaultKind::Duplicates) && !script.has(20, FaultKind::Duplicates));
        let cut =
            |from, to| script.begins(from, to, |fault| matches!(fault.kind, FaultKind::SocketCut(_)).then_some(()));
        assert_eq!((cut(29, 30), cut(30, 99), cut(0, 29)), (Some(()), None, None));
    }

    #[test]
    fn new_socket_heals_what_only_a_socket_has() {
        let script = Script::none().with(Fault::silent_socket(10, 20)).with(Fault::dead_venue(30, 40));
        assert!(script.silent(5, 15) && !script.silent(12, 15));
        assert!(script.dead(5, 35) && script.dead(32, 35));
    }
}
