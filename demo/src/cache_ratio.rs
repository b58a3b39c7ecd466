//! How often the worker found an indicator state instead of computing it again.

use candlewire_testkit::MetricsPage;

/// Look-ups of an indicator state, over memory and Redis together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CacheRatio {
    /// Look-ups.
    pub requests: f64,
    /// Those that memory or Redis answered.
    pub hits: f64,
}

impl CacheRatio {
    /// Reads a worker's metrics. Memory is asked first, so what it sees are all requests; a look-up that
    /// it can't answer and Redis can is still one hit.
    pub fn read(worker: &MetricsPage) -> Self {
        let count = |tier, result| {
            let labels = [("tier", tier), ("result", result)];
            worker.value("candlewire_state_cache_requests_total", &labels).unwrap_or(0.0)
        };
        let in_memory = count("memory", "hit");
        Self { requests: in_memory + count("memory", "miss"), hits: in_memory + count("redis", "hit") }
    }

    /// Returns the hits in percent, `None` before the first look-up.
    pub fn percent(self) -> Option<f64> {
        (self.requests > 0.0).then(|| 100.0 * self.hits / self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_of_either_tier_is_one_hit() -> anyhow::Result<()> {
        let page = MetricsPage::parse(
            "candlewire_state_cache_requests_total{tier=\"memory\",result=\"hit\"} 90\n\
             candlewire_state_cache_requests_total{tier=\"memory\",result=\"miss\"} 10\n\
             candlewire_state_cache_requests_total{tier=\"redis\",result=\"hit\"} 6\n\
             candlewire_state_cache_requests_total{tier=\"redis\",result=\"miss\"} 4\n",
        )?;
        assert_eq!(CacheRatio::read(&page).percent(), Some(96.0));
        assert_eq!(CacheRatio::read(&MetricsPage::default()).percent(), None);
        Ok(())
    }
}
