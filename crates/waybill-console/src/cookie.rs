//! Our two cookies: the session's token, and the seed of form tokens. Both are kept from scripts and
//! from other sites' requests; over TLS their names bind them to this host alone (RFC 6265bis,
//! 4.1.3.2).

use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HeaderValue, SET_COOKIE};

/// What they are called here.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The session's.
    pub(crate) session: String,
    /// The forms'.
    pub(crate) form: String,
    /// Whether browsers reach us over TLS.
    pub(crate) secure: bool,
}

impl Names {
    pub(crate) fn new(secure: bool) -> Self {
        let prefix = if secure { "__Host-" } else { "" };
        Self { session: format!("{prefix}waybill-session"), form: format!("{prefix}waybill-form"), secure }
    }
}

/// The value of cookie `name`: 64 hexadecimal digits, as we made it; none otherwise.
pub(crate) fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = pairs
        .flat_map(|pairs| pairs.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name);
    let (_, value) = values.next()?;
    let is_ours = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours.then(|| value.to_owned())
}

/// Sets a cookie until the browser is closed.
pub(crate) fn set(headers: &mut HeaderMap, name: &str, value: &str, secure: bool) {
    put(headers, name, value, secure, "");
}

/// Takes a cookie back.
pub(crate) fn clear(headers: &mut HeaderMap, name: &str, secure: bool) {
    put(headers, name, "", secure, "; Max-Age=0");
}

fn put(headers: &mut HeaderMap, name: &str, value: &str, secure: bool, more: &str) {
    let secure = if secure { "; Secure" } else { "" };
    // Strict: no request that another site causes carries them
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.append(SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_set_and_read_again() {
        let (mut headers, value) = (HeaderMap::new(), "a".repeat(64));
        set(&mut headers, &Names::new(true).session, &value, true);
        let cookie = headers[SET_COOKIE].to_str().unwrap().to_owned();
        assert_eq!(
            cookie,
            format!("__Host-waybill-session={value}; Path=/; HttpOnly; SameSite=Strict; Secure")
        );
        let mut back = HeaderMap::new();
        back.insert(COOKIE, HeaderValue::from_str(&format!("x=1; waybill-form={value}")).unwrap());
        assert_eq!(read(&back, "waybill-form"), Some(value));
        assert_eq!(read(&back, "x"), None, "not ours");
        assert_eq!(read(&back, "form"), None);
    }
}
