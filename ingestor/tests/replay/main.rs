//! `ingestor replay`, and `ingestor run` where a file stands in for venues: the real program against a real Redis.

mod bench;
mod cluster;
mod command;
mod outage;
mod pace;
mod repeats;
mod resume;
mod room;
mod stand_in;
