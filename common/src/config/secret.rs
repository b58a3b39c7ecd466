//! Which values are secret: by the name of their key, or by what they look like.

/// What stands in a message where a secret would.
pub(super) const HIDDEN: &str = "(hidden)";

/// Whether the value under `key` must never be printed.
pub(super) fn is_secret_key(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase();
    ["token", "secret", "password", "passwd", "apikey", "api_key"].iter().any(|word| last.contains(word))
}

/// Whether an unknown key may be a misspelt secret: so many are short slips of these words.
pub(super) fn may_be_secret_key(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase();
    let holds_secrets = ["recipient", "source"].iter().any(|table| key.starts_with(table));
    holds_secrets || ["tok", "sec", "pas", "pw", "key", "cred", "auth"].iter().any(|word| last.contains(word))
}

/// Whether a recipient's URL is meant: whoever knows a webhook's path can post to it.
pub(super) fn is_recipient_url(key: &str) -> bool {
    key.starts_with("recipients[") && key.ends_with("].url")
}

/// Whether a text may carry credentials whatever its key: `scheme://user:password@host`, also misspelt.
pub(super) fn has_credentials(text: &str) -> bool {
    text.contains('@') || text.contains("whsec_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognised() {
        for key in ["recipients[0].bot_token", "recipients[0].secret", "redis.password", "sources[1].token_file"] {
            assert!(is_secret_key(key), "{key}");
        }
        assert!(!is_secret_key("redis.url"));
        assert!(is_recipient_url("recipients[3].url") && !is_recipient_url("redis.url"));
        assert!(may_be_secret_key("redis.pasword") && may_be_secret_key("recipients[0].speed"));
        assert!(!may_be_secret_key("redis.speed"));
        assert!(has_credentials("redis://:hunter2@host:6379"));
        assert!(has_credentials("redis://a,redis://u:p@b"));
        assert!(!has_credentials("redis://127.0.0.1:6379/0"));
        assert!(has_credentials("u:hunter2@host:6379/0"));
    }
}
