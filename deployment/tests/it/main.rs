//! What `deploy/` ships, used as an operator would use it.

mod backup;
mod bench;
mod install;
mod tls;
mod users;
