//! The vendor's UserSig: a token that proves a user id to a service that knows the application's secret.
//!
//! The format is the public TLSSigAPIv2: JSON with a HMAC-SHA256 over its fields, deflated, in a variant of base64 that
//! puts `*`, `-` and `_` for `+`, `/` and `=`. This module verifies; it issues tokens for tests and examples only.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What verifies the tokens of one application.
#[derive(Clone)]
pub struct UserSigKey {
    sdk_app_id: u64,
    secret: Vec<u8>,
}

/// Why a token is refused. Says nothing of the secret, and does not repeat the token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UserSigError {
    /// Not in the format.
    #[error("the UserSig is malformed")]
    Malformed,
    /// Signed for another application or user, or not by this secret.
    #[error("the UserSig is not valid for this user and application")]
    Forged,
    /// Too old.
    #[error("the UserSig has expired")]
    Expired,
}

/// No token is longer when inflated.
const INFLATED_BYTES_MAX: u64 = 8192;

#[derive(Serialize, Deserialize)]
struct Document {
    #[serde(rename = "TLS.ver")]
    version: String,
    #[serde(rename = "TLS.identifier")]
    identifier: String,
    #[serde(rename = "TLS.sdkappid")]
    sdk_app_id: u64,
    #[serde(rename = "TLS.expire")]
    expire: u64,
    #[serde(rename = "TLS.time")]
    time: u64,
    #[serde(rename = "TLS.userbuf", default, skip_serializing_if = "Option::is_none")]
    user_buffer: Option<String>,
    #[serde(rename = "TLS.sig")]
    signature: String,
}

impl Document {
    /// What is signed.
    fn content(&self) -> String {
        let mut content = format!(
            "TLS.identifier:{}\nTLS.sdkappid:{}\nTLS.time:{}\nTLS.expire:{}\n",
            self.identifier, self.sdk_app_id, self.time, self.expire
        );
        if let Some(buffer) = &self.user_buffer {
            content.push_str(&format!("TLS.userbuf:{buffer}\n"));
        }
        content
    }
}

impl UserSigKey {
    /// The key of an application.
    #[must_use]
    pub fn new(sdk_app_id: u64, secret: impl Into<Vec<u8>>) -> Self {
        Self { sdk_app_id, secret: secret.into() }
    }

    fn mac(&self, content: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(content.as_bytes());
        mac
    }

    /// Whether the token proves `user_id` at `unix_seconds`.
    ///
    /// # Errors
    /// When it does not, and in which of three ways.
    pub fn verify(&self, user_sig: &str, user_id: &str, unix_seconds: u64) -> Result<(), UserSigError> {
        let document = read(user_sig).ok_or(UserSigError::Malformed)?;
        let signature = STANDARD.decode(&document.signature).map_err(|_| UserSigError::Malformed)?;
        if document.version != "2.0" {
            return Err(UserSigError::Malformed);
        }
        // In constant time: how much of a guess is right must not show.
        let signed = self.mac(&document.content()).verify_slice(&signature).is_ok();
        if !signed || document.identifier != user_id || document.sdk_app_id != self.sdk_app_id {
            return Err(UserSigError::Forged);
        }
        if document.time.saturating_add(document.expire) <= unix_seconds {
            return Err(UserSigError::Expired);
        }
        Ok(())
    }

    /// A token for `user_id`, good for `expire` seconds from `unix_seconds` on.
    #[must_use]
    pub fn issue(&self, user_id: &str, unix_seconds: u64, expire: u64) -> String {
        let mut document = Document {
            version: "2.0".to_owned(),
            identifier: user_id.to_owned(),
            sdk_app_id: self.sdk_app_id,
            expire,
            time: unix_seconds,
            user_buffer: None,
            signature: String::new(),
        };
        document.signature = STANDARD.encode(self.mac(&document.content()).finalize().into_bytes());
        let json = serde_json::to_vec(&document).expect("strings and numbers");
        let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        deflate.write_all(&json).expect("a vector takes everything");
        let deflated = deflate.finish().expect("a vector takes everything");
        STANDARD.encode(deflated).replace('+', "*").replace('/', "-").replace('=', "_")
    }
}

fn read(user_sig: &str) -> Option<Document> {
    let deflated = STANDARD.decode(user_sig.replace('*', "+").replace('-', "/").replace('_', "=")).ok()?;
    let mut json = Vec::new();
    let mut inflate = flate2::read::ZlibDecoder::new(&*deflated).take(INFLATED_BYTES_MAX + 1);
    inflate.read_to_end(&mut json).ok()?;
    // Neither too much in it nor anything behind it: no token has two forms.
    if json.len() as u64 > INFLATED_BYTES_MAX || inflate.get_ref().total_in() != deflated.len() as u64 {
        return None;
    }
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests;
