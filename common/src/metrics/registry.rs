//! The recorder behind the handles, with the table's buckets and help texts.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use super::{Kind, Page, Process, table};

/// Why the recorder could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A histogram's buckets were refused.
    #[error("buckets of {0}: {1}")]
    Buckets(&'static str, String),
    /// The process has a recorder already.
    #[error("metrics are already installed in this process")]
    Twice,
}

/// Installs the recorder of this process. To be called before the first handle is made: a handle
/// made earlier never records.
///
/// # Errors
///
/// [`InstallError`]; both cases are mistakes in the program.
pub fn install(process: Process) -> Result<Page, InstallError> {
    let exposed = || table::ALL.iter().filter(|metric| metric.process.is_none_or(|owner| owner == process));
    let mut builder = PrometheusBuilder::new();
    for metric in exposed() {
        if let Kind::Histogram(bounds) = metric.kind {
            let matcher = Matcher::Full(metric.name.to_owned());
            let refused =
                |error: metrics_exporter_prometheus::BuildError| InstallError::Buckets(metric.name, error.to_string());
            builder = builder.set_buckets_for_metric(matcher, bounds).map_err(refused)?;
        }
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| InstallError::Twice)?;
    for metric in exposed() {
        // The page has plain text, the documentation has markup.
        let help = metric.help.replace('`', "").into();
        metrics::with_recorder(|recorder| match metric.kind {
            Kind::Counter => recorder.describe_counter(metric.name.into(), None, help),
            Kind::Gauge => recorder.describe_gauge(metric.name.into(), None, help),
            Kind::Histogram(_) => recorder.describe_histogram(metric.name.into(), None, help),
        });
    }
    let version = [env!("CARGO_PKG_VERSION"), option_env!("CANDLEWIRE_GIT_SHA").unwrap_or("unknown")];
    table::BUILD_INFO.gauge(&version).set(1.0);
    Ok(Page::new(handle))
}
