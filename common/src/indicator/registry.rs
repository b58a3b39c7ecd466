//! The registry: every indicator by its name. A new one is its file, and a line here.

use super::arguments::Arguments;
use super::bytes::Bytes;
use super::kernel::{About, Kernel, Reach};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::window::Window;
use super::{
    adx, alma, atr, bbands, dema, ema, hma, kama, lsma, macd, rma, rsi, sma, t3, tema, trima, vwma, wma, zlema,
};

macro_rules! registry {
    ($($name:ident: $kernel:ty,)*) => {
        /// The indicators there are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Name {
            $($name,)*
        }

        /// An indicator's state.
        #[derive(Clone, Debug, PartialEq)]
        pub(super) enum State {
            $($name($kernel),)*
        }

        impl Name {
            /// Every indicator, in the order they are listed.
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            pub(super) fn about(self) -> &'static About {
                match self {
                    $(Self::$name => const { &<$kernel>::ABOUT },)*
                }
            }

            pub(super) fn check(self, arguments: &Arguments) -> Result<(), &'static str> {
                match self {
                    $(Self::$name => <$kernel>::check(arguments),)*
                }
            }

            pub(super) fn reach(self, arguments: &Arguments) -> Reach {
                match self {
                    $(Self::$name => <$kernel>::reach(arguments),)*
                }
            }

            pub(super) fn start(self, arguments: &Arguments) -> State {
                match self {
                    $(Self::$name => State::$name(<$kernel as Kernel>::new(arguments)),)*
                }
            }
        }

        impl State {
            #[inline]
            pub(super) fn step(&mut self, sample: &Sample, past: &Window) {
                match self {
                    $(Self::$name(kernel) => step(kernel, sample, past),)*
                }
            }

            #[inline]
            pub(super) fn reading(&self, output: usize, scale: u8) -> Option<Reading> {
                match self {
                    $(Self::$name(kernel) => reading(kernel, output, scale),)*
                }
            }

            pub(super) fn rescale(&mut self, finer: Finer) {
                match self {
                    $(Self::$name(kernel) => kernel.rescale(finer),)*
                }
            }

            pub(super) fn save(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name(kernel) => kernel.save(out),)*
                }
            }

            pub(super) fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
                match self {
                    $(Self::$name(kernel) => kernel.load(bytes),)*
                }
            }
        }
    };
}

/// Each kernel by itself: all of them in one function would save as many registers as the largest needs, each time.
#[inline(never)]
fn step<K: Kernel>(kernel: &mut K, sample: &Sample, past: &Window) {
    kernel.step(sample, past);
}

#[inline(never)]
fn reading<K: Kernel>(kernel: &K, output: usize, scale: u8) -> Option<Reading> {
    kernel.reading(output, scale)
}

// Large states are boxed, so that a small one does not take their room.
registry! {
    Sma: sma::Sma,
    Ema: ema::Ema,
    Wma: wma::Wma,
    Rma: rma::Rma,
    Dema: dema::Dema,
    Tema: Box<tema::Tema>,
    Trima: Box<trima::Trima>,
    Hma: Box<hma::Hma>,
    Kama: kama::Kama,
    Zlema: zlema::Zlema,
    T3: Box<t3::T3>,
    Alma: alma::Alma,
    Vwma: vwma::Vwma,
    Lsma: lsma::Lsma,
    Atr: atr::Atr,
    Rsi: rsi::Rsi,
    Macd: Box<macd::Macd>,
    Bbands: bbands::Bbands,
    Adx: Box<adx::Adx>,
}
