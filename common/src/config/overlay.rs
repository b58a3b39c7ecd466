//! The environment laid over the file, and the way back from a value to where it came from.
//!
//! `CANDLEWIRE__REDIS__URL` is `redis.url`; in a list of tables a level is an index or a name
//! (`CANDLEWIRE__RECIPIENTS__PHONE__BOT_TOKEN`). A variable that ends in `_FILE` names a file that
//! holds the value. The names of older deployments (`REDIS_URL`, `CACHE_ENABLED` …) are mapped here.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml::Value;

use super::error::{ConfigError, Problem};
use super::redis::DEFAULT_URL;
use super::secret::{HIDDEN, has_credentials, is_recipient_url, is_secret_key, may_be_secret_key};

const PREFIX: &str = "CANDLEWIRE__";

/// The merged tree, with the variable that each overlaid key came from.
pub(super) struct Overlay {
    tree: toml::Table,
    variables: BTreeMap<String, String>,
}

impl Overlay {
    /// Lays the environment over a file's table.
    pub(super) fn lay(table: toml::Table, environment: &[(String, String)]) -> Result<Self, ConfigError> {
        let mut overlay = Self { tree: table, variables: BTreeMap::new() };
        let lookup = |name: &str| read_variable(environment, name);
        overlay.lay_legacy_cache(&lookup)?;
        overlay.lay_legacy_redis(&lookup)?;
        let mut own: Vec<&(String, String)> = environment.iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        own.sort();
        for (variable, value) in own {
            let path: Vec<String> = variable[PREFIX.len()..].split("__").map(str::to_ascii_lowercase).collect();
            overlay.lay_variable(variable, &path, value)?;
        }
        overlay.lay_redis_parts(&lookup)?;
        Ok(overlay)
    }

    fn lay_variable(&mut self, variable: &str, path: &[String], value: &str) -> Result<(), ConfigError> {
        let Some((last, parents)) = path.split_last() else { return Ok(()) };
        if path.iter().any(String::is_empty) {
            return Err(ConfigError::new(format!("environment variable {variable} names no key")));
        }
        let (last, value) = match last.strip_suffix("_file") {
            Some(plain) if !is_key_of_its_own(path) => (plain.to_owned(), read_file(variable, value)?),
            _ => (last.clone(), value.to_owned()),
        };
        if parents == ["redis"] && last == "password" {
            self.drop_redis_password();
        }
        let mut full = parents.to_vec();
        full.push(last);
        let key = place(&mut self.tree, &full, Value::String(value))
            .ok_or_else(|| ConfigError::new(format!("environment variable {variable} names no key that exists")))?;
        self.variables.insert(key, variable.to_owned());
        Ok(())
    }

    /// Takes the file's own password away, however it is given there, for the environment's to come in its place.
    fn drop_redis_password(&mut self) {
        if let Some(Value::Table(redis)) = self.tree.get_mut("redis") {
            redis.remove("password");
            redis.remove("password_file");
        }
    }

    fn set(&mut self, table: &str, name: &str, variable: &str, value: Value) {
        let entry = self.tree.entry(table).or_insert_with(|| Value::Table(toml::Table::new()));
        if let Value::Table(table) = entry {
            table.insert(name.to_owned(), value);
        }
        self.variables.insert(format!("{table}.{name}"), variable.to_owned());
    }

    fn lay_legacy_cache(&mut self, lookup: &Lookup) -> Result<(), ConfigError> {
        if let Some(value) = lookup("CACHE_ENABLED")? {
            self.set("cache", "enabled", "CACHE_ENABLED", Value::String(value));
        }
        // The last processed time lives in the state hash, so the longer of the two holds.
        let mut longest: Option<(u64, &str)> = None;
        for variable in ["CACHE_TTL_MA_STATE", "CACHE_TTL_LAST_PROCESSED"] {
            let Some(value) = lookup(variable)? else { continue };
            let seconds = value.trim().parse().map_err(|_| {
                ConfigError::new(format!(
                    "cache.ma_state_ttl = {value:?} (from {variable}): not a whole number of seconds"
                ))
            })?;
            longest = longest.max(Some((seconds, variable)));
        }
        if let Some((seconds, variable)) = longest {
            self.set("cache", "ma_state_ttl", variable, Value::String(format!("{seconds}s")));
        }
        Ok(())
    }

    fn lay_legacy_redis(&mut self, lookup: &Lookup) -> Result<(), ConfigError> {
        if let Some(value) = lookup("REDIS_URL")? {
            self.set("redis", "url", "REDIS_URL", Value::String(value));
        }
        Ok(())
    }

    /// Lays `REDIS_HOST REDIS_PORT REDIS_DB` over a URL that no variable gave, and `REDIS_PASSWORD`
    /// into any URL that has none. Of a cluster's list the password alone is laid: there is no one host.
    fn lay_redis_parts(&mut self, lookup: &Lookup) -> Result<(), ConfigError> {
        let given = self.variables.contains_key("redis.url");
        let current = self.tree.get("redis").and_then(|redis| redis.get("url"));
        let current = match current {
            None => DEFAULT_URL,
            Some(Value::String(url)) if !url.contains(',') => url,
            Some(list) => return self.lay_password_over(&list.clone(), lookup),
        };
        let Ok(mut url) = url::Url::parse(current) else { return Ok(()) };
        let mut changed = None;
        for variable in ["REDIS_HOST", "REDIS_PORT", "REDIS_DB", "REDIS_PASSWORD"] {
            let Some(value) = lookup(variable)?.filter(|value| !value.is_empty()) else { continue };
            let fits = match variable {
                "REDIS_PASSWORD" if self.variables.contains_key("redis.password") => continue,
                "REDIS_PASSWORD" if given && url.password().is_some() => continue,
                "REDIS_PASSWORD" => url.set_password(Some(&value)).is_ok(),
                _ if given => continue,
                "REDIS_HOST" => url.set_host(Some(&value)).is_ok(),
                "REDIS_PORT" => value.parse().is_ok_and(|port| url.set_port(Some(port)).is_ok()),
                _ => {
                    url.set_path(&value);
                    value.parse::<u16>().is_ok()
                }
            };
            if !fits {
                let shown = if variable == "REDIS_PASSWORD" { HIDDEN.to_owned() } else { format!("{value:?}") };
                return Err(ConfigError::new(format!(
                    "redis.url = {shown} (from {variable}): does not fit into a redis URL"
                )));
            }
            changed = Some(variable);
        }
        if let Some(variable) = changed {
            self.set("redis", "url", variable, Value::String(url.to_string()));
        }
        Ok(())
    }

    fn lay_password_over(&mut self, list: &Value, lookup: &Lookup) -> Result<(), ConfigError> {
        let Some(password) = lookup("REDIS_PASSWORD")?.filter(|value| !value.is_empty()) else { return Ok(()) };
        if self.variables.contains_key("redis.password") {
            return Ok(());
        }
        let urls: Vec<&str> = match list {
            Value::String(text) => text.split(',').map(str::trim).collect(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => return Ok(()),
        };
        let with_password = |text: &str| {
            let mut url = url::Url::parse(text).ok().filter(|url| url.password().is_none())?;
            url.set_password(Some(&password)).ok().map(|()| url.to_string())
        };
        let laid = urls.into_iter().map(|text| with_password(text).unwrap_or_else(|| text.to_owned()));
        let list = Value::Array(laid.map(Value::String).collect());
        self.set("redis", "url", "REDIS_PASSWORD", list);
        Ok(())
    }

    /// Reads the tree as `T`, refusing keys that `T` does not know.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let mut unknown = None;
        let mut note = |path: serde_ignored::Path<'_>| {
            unknown.get_or_insert_with(|| spell(&path));
        };
        let tree = Value::Table(self.tree.clone());
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(tree, &mut track);
        let read = T::deserialize(serde_ignored::Deserializer::new(tracked, &mut note));
        let read = read.map_err(|error| {
            let key = super::error::Key(track.path().to_string());
            // The parser quotes the value in its message.
            let what = if self.is_hidden(&key.0) { "not a valid value" } else { error.message() };
            self.explain(key.problem(what))
        })?;
        match unknown {
            Some(key) if may_be_secret_key(&key) => {
                Err(ConfigError::new(format!("{key}: unknown key{}", self.from(&key))))
            }
            Some(key) => Err(self.explain(super::error::Key(key).problem("unknown key"))),
            None => Ok(read),
        }
    }

    /// Names the variable that a value came from, if one did: a list comes from one as a whole.
    fn from(&self, key: &str) -> String {
        let list = key.rfind('[').map(|end| &key[..end]);
        let variable = self.variables.get(key).or_else(|| self.variables.get(list?));
        variable.map(|variable| format!(" (from {variable})")).unwrap_or_default()
    }

    /// Whether the value under a key must not be shown.
    fn is_hidden(&self, key: &str) -> bool {
        is_secret_key(key)
            || is_recipient_url(key)
            || !is_formula(key) && look_up(&self.tree, key).is_some_and(|value| has_credentials(&value.to_string()))
    }

    /// Says what is wrong in one line, with the value where it may be shown.
    pub(super) fn explain(&self, problem: Problem) -> ConfigError {
        let Problem { key, what } = problem;
        let value = match look_up(&self.tree, &key.0) {
            None | Some(Value::Table(_)) => String::new(),
            Some(Value::Array(items)) if items.iter().any(Value::is_table) => String::new(),
            Some(_) if self.is_hidden(&key.0) => format!(" = {HIDDEN}"),
            Some(value) => format!(" = {value}"),
        };
        let from = self.from(&key.0);
        ConfigError::new(format!("{}{value}{from}: {}", key.0, what.trim().replace('\n', ", ")))
    }
}

/// Whether a key that ends in `_file` is one of the configuration: where the program itself opens the file later,
/// as it does with another process's secrets, and with certificates.
fn is_key_of_its_own(path: &[String]) -> bool {
    let [table, .., last] = path else { return false };
    match table.as_str() {
        "recipients" | "sources" => true,
        "redis" => ["ca_file", "cert_file", "key_file"].contains(&last.as_str()),
        _ => false,
    }
}

type Lookup<'a> = dyn Fn(&str) -> Result<Option<String>, ConfigError> + 'a;

/// A variable's value, or the content of the file that `{name}_FILE` names.
fn read_variable(environment: &[(String, String)], name: &str) -> Result<Option<String>, ConfigError> {
    let find = |name: &str| environment.iter().find(|(key, value)| key == name && !value.is_empty());
    if let Some((_, value)) = find(name) {
        return Ok(Some(value.clone()));
    }
    let variable = format!("{name}_FILE");
    find(&variable).map(|(_, path)| read_file(&variable, path)).transpose()
}

fn read_file(variable: &str, path: &str) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path);
    text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
        .map_err(|error| ConfigError::new(format!("environment variable {variable} names file {path:?}: {error}")))
}

/// Puts a value at a path, making tables on the way, and answers with the key as the file would
/// spell it. Lists of tables are entered by index or by the table's name.
fn place(table: &mut toml::Table, path: &[String], value: Value) -> Option<String> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return Some(first.clone());
    }
    match table.entry(first.clone()).or_insert_with(|| Value::Table(toml::Table::new())) {
        Value::Table(inner) => Some(format!("{first}.{}", place(inner, rest, value)?)),
        Value::Array(items) => {
            let (item, rest) = rest.split_first()?;
            let index = match item.parse() {
                Ok(index) => index,
                Err(_) => items.iter().position(|table| is_named(table, item))?,
            };
            let inner = items.get_mut(index)?.as_table_mut()?;
            Some(format!("{first}[{index}].{}", place(inner, rest, value)?))
        }
        _ => None,
    }
}

/// Whether a table is the one that a variable's level means: names are compared as a shell can
/// write them, so `golden-cross` is `GOLDEN_CROSS`.
fn is_named(table: &Value, level: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    ["name", "venue"]
        .iter()
        .any(|key| table.get(key).and_then(Value::as_str).is_some_and(|name| plain(name) == plain(level)))
}

/// Whether the value is a formula, in which an `@` means a timeframe.
fn is_formula(key: &str) -> bool {
    ["strategies[", "indicators["].iter().any(|table| key.starts_with(table))
}

/// Follows a key such as `recipients[0].url`.
fn look_up<'a>(tree: &'a toml::Table, key: &str) -> Option<&'a Value> {
    let mut steps = key.split(['.', '[']).map(|step| step.trim_end_matches(']'));
    let mut value = tree.get(steps.next()?)?;
    for step in steps {
        value = match value {
            Value::Table(table) => table.get(step)?,
            Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            // A lone text stands for a list of texts.
            Value::String(_) if step.parse::<usize>().is_ok() => value,
            _ => return None,
        };
    }
    Some(value)
}

/// Spells a path of `serde_ignored` as keys are spelled everywhere else.
fn spell(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", spell(parent)),
        Path::Map { parent, key } => {
            let parent = spell(parent);
            if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") }
        }
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => spell(parent),
    }
}
