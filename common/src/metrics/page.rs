//! The page that Prometheus reads: what was recorded, and what the system tells of the process.
//!
//! The figures of the process have the names that all exporters use, without Candlewire's prefix. They are read
//! when the page is asked for. Nothing is recorded here.

use std::fmt::{Display, Write};

use metrics_exporter_prometheus::PrometheusHandle;
use metrics_process::collector;

/// A figure of the process: name, type, and what it says.
pub(super) type Figure = (&'static str, &'static str, &'static str);

/// What is told of the process, where the system tells it.
pub(super) const PROCESS: [Figure; 6] = [
    ("process_cpu_seconds_total", "counter", "User and system CPU time spent, in seconds."),
    ("process_resident_memory_bytes", "gauge", "Resident memory, in bytes."),
    ("process_open_fds", "gauge", "Open file descriptors."),
    ("process_max_fds", "gauge", "File descriptors that may be open."),
    ("process_threads", "gauge", "Threads."),
    ("process_start_time_seconds", "gauge", "When the process started, in Unix seconds."),
];

/// The metrics page of this process.
#[derive(Clone, Debug)]
pub struct Page {
    recorded: PrometheusHandle,
}

impl Page {
    pub(super) fn new(recorded: PrometheusHandle) -> Self {
        Self { recorded }
    }

    /// The page as it is now, in the text format 0.0.4.
    pub fn render(&self) -> String {
        let mut page = self.recorded.render();
        write_process(&mut page);
        page
    }

    /// Sorts observations into their buckets. To be called every few seconds.
    pub(crate) fn run_upkeep(&self) {
        self.recorded.run_upkeep();
    }
}

fn write_process(page: &mut String) {
    let seen = collector::collect();
    let [cpu, memory, open, max, threads, start] = PROCESS;
    figure(page, cpu, seen.cpu_seconds_total);
    figure(page, memory, seen.resident_memory_bytes);
    figure(page, open, seen.open_fds);
    figure(page, max, seen.max_fds);
    figure(page, threads, seen.threads);
    figure(page, start, seen.start_time_seconds);
}

fn figure(page: &mut String, (name, kind, help): Figure, value: Option<impl Display>) {
    let Some(value) = value else { return };
    // Writing into a string does not fail.
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_tells_of_itself() {
        let mut page = String::new();
        write_process(&mut page);
        for (name, kind, _) in PROCESS {
            assert!(page.contains(&format!("# TYPE {name} {kind}\n{name} ")), "{name} in:\n{page}");
        }
        let cpu = page.lines().find_map(|line| line.strip_prefix("process_cpu_seconds_total ")).unwrap();
        assert!(cpu.parse::<f64>().unwrap() >= 0.0);
    }
}
