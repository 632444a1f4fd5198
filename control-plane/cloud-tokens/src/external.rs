//! Tokens of other platforms, exchanged for Google's: <https://google.aip.dev/auth/4117>.

use serde_json::{Map, Value};
use translate::{SubjectPlace, SubjectToken};

use crate::fetcher::{ask, token_in};
use crate::{Error, FetchedToken, Fetcher};

/// Exchanges the platform's token (RFC 8693). `(audience, kind)` are those of the identity pool and of the token.
pub(crate) async fn exchange(
    fetcher: &Fetcher,
    (audience, kind): (&str, &str),
    token_uri: &str,
    subject: &SubjectToken,
    scope: &str,
) -> Result<FetchedToken, Error> {
    let token = find(fetcher, subject).await?;
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", audience),
        ("scope", scope),
        ("subject_token_type", kind),
        ("subject_token", &token),
    ];
    let answer = ask(token_uri, fetcher.internet()?.post(token_uri).form(&form)).await?;
    token_in(token_uri, &answer, "access_token")
}

/// The platform's token. It is read anew every time: somebody renews it.
async fn find(fetcher: &Fetcher, subject: &SubjectToken) -> Result<String, Error> {
    let (what, text) = match &subject.place {
        SubjectPlace::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| Error::Credential {
                what: path.clone(),
                reason: format!("cannot be read: {error}"),
            })?;
            (path, text)
        }
        SubjectPlace::Url { url, headers } => {
            let request = fetcher.nearby()?.get(url);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
            (url, ask(url, request).await?)
        }
    };
    let problem = |reason: String| Error::Credential { what: what.clone(), reason };
    let token = match &subject.field {
        None => text,
        Some(field) => {
            let fields: Map<String, Value> =
                serde_json::from_str(&text).map_err(|_| problem("is not a JSON object".to_owned()))?;
            let token = fields.get(field).and_then(Value::as_str);
            token.ok_or_else(|| problem(format!("has no text in its field `{field}`")))?.to_owned()
        }
    };
    let token = token.trim();
    if token.is_empty() { Err(problem("holds no token".to_owned())) } else { Ok(token.to_owned()) }
}
