//! Who the programs are to Redis: user and password.

use redis::ConnectionInfo;
use secrecy::ExposeSecret;

use crate::config::RedisAccess;
use crate::exit::Fault;

/// Adds the configured user and password where the URL has none of its own.
///
/// # Errors
///
/// [`Fault::Usage`] when the file with the password can't be read.
pub(crate) fn lay(info: ConnectionInfo, access: &RedisAccess) -> Result<ConnectionInfo, Fault> {
    // The client library would tell its name to each connection: a command more that every ACL user had to be allowed.
    let mut settings = info.redis_settings().clone().set_skip_set_lib_name();
    if let Some(username) = access.username.as_ref().filter(|_| settings.username().is_none()) {
        settings = settings.set_username(username);
    }
    if let Some(password) = access.password.as_ref().filter(|_| settings.password().is_none()) {
        let password = password.read().map_err(|error| Fault::Usage(format!("redis.password: {error}")))?;
        settings = settings.set_password(password.expose_secret());
    }
    Ok(info.set_redis_settings(settings))
}
