//! The audience: who is told now, and how alerts are queued for them.
//!
//! It changes as a whole when the configuration is read again. Whoever needs it looks at it anew each time.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::queue::Enqueue;
use crate::recipient::Recipient;

/// A recipient and what wakes its task.
#[derive(Clone)]
pub(crate) struct Listener {
    /// Who is told.
    pub(crate) recipient: Arc<Recipient>,
    /// What says that there is something to tell.
    pub(crate) wake: Arc<Notify>,
}

/// Who is told.
pub(crate) struct Audience {
    /// All of them.
    pub(crate) listeners: Vec<Listener>,
    /// What queues alerts.
    pub(crate) enqueue: Enqueue,
}

/// Follows the audience. Cloning is cheap.
pub(crate) type Follow = watch::Receiver<Arc<Audience>>;

/// The audience as it is now.
pub(crate) fn now(follow: &Follow) -> Arc<Audience> {
    Arc::clone(&follow.borrow())
}
