//! The notifier as a user runs it: the real program, a real Redis, real HTTP.

mod bench;
mod cluster;
mod commands;
mod damage;
mod delivery;
mod doctor;
mod faults;
mod fleet;
mod hostile;
mod isolation;
mod kills;
mod load;
mod people;
mod pictures;
mod quiet;
mod refusals;
mod reload;
mod startup;
mod telegram;
