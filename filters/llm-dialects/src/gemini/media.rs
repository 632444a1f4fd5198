//! Media types, and base64 in its two alphabets.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::hub::{Part, Source};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Base64 in the standard alphabet. This API takes both alphabets and its Python SDK sends the URL-safe one; other
/// providers know only the standard one.
pub(super) fn standard_base64(data: Cow<'_, str>) -> Cow<'_, str> {
    if memchr::memchr2(b'-', b'_', data.as_bytes()).is_none() {
        return data;
    }
    let mut bytes = data.into_owned().into_bytes();
    for byte in &mut bytes {
        match *byte {
            b'-' => *byte = b'+',
            b'_' => *byte = b'/',
            _ => {}
        }
    }
    // ASCII for ASCII: it stays the text it was.
    Cow::Owned(String::from_utf8(bytes).unwrap_or_default())
}

/// What inline data is to the hub; `None` when it has no word for it (video).
pub(super) fn inline_part<'a>(media_type: Cow<'a, str>, data: Cow<'a, str>) -> Option<Part<'a>> {
    let data = standard_base64(data);
    Some(match family(&media_type) {
        "image" => Part::Image { source: Source::Base64 { media_type, data }, detail: None },
        "audio" => Part::Audio { data, format: audio_format(&media_type) },
        "video" => return None,
        "text" => match text_of(&data) {
            Some(text) => Part::Document { source: Source::Text(Cow::Owned(text)), name: None },
            None => Part::Document { source: Source::Base64 { media_type, data }, name: None },
        },
        _ => Part::Document { source: Source::Base64 { media_type, data }, name: None },
    })
}

/// What a file is to the hub; `None` when it has no word for it (video, audio that is not inline).
pub(super) fn file_part<'a>(uri: Cow<'a, str>, media_type: Option<&str>) -> Option<Part<'a>> {
    let kind = match media_type {
        Some(media_type) => family(media_type).to_owned(),
        None => family(media_type_of_url(&uri)?).to_owned(),
    };
    let source = if is_uploaded(&uri) { Source::File(uri) } else { Source::Url(uri) };
    match kind.as_str() {
        "image" => Some(Part::Image { source, detail: None }),
        "audio" | "video" => None,
        _ => Some(Part::Document { source, name: None }),
    }
}

/// Whether a URI names a file uploaded through the Files API.
pub(super) fn is_uploaded(uri: &str) -> bool {
    uri.starts_with("files/")
        || (uri.starts_with("https://generativelanguage.googleapis.com/") && uri.contains("/files/"))
}

/// The media type the ending of a URL's path tells.
pub(super) fn media_type_of_url(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let name = path.rsplit('/').next().unwrap_or(path);
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "mp4" => "video/mp4",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        _ => return None,
    })
}

/// The format of the hub for an audio type.
fn audio_format(media_type: &str) -> Cow<'static, str> {
    let format = media_type.split(';').next().unwrap_or(media_type).trim();
    let format = format.split_once('/').map_or(format, |(_, format)| format).to_ascii_lowercase();
    match format.as_str() {
        "wav" | "x-wav" | "wave" | "vnd.wave" => Cow::Borrowed("wav"),
        "mp3" | "mpeg" => Cow::Borrowed("mp3"),
        _ => Cow::Owned(format),
    }
}

/// The type of an audio format of the hub.
pub(super) fn audio_type(format: &str) -> Cow<'static, str> {
    match format {
        "wav" => Cow::Borrowed("audio/wav"),
        "mp3" => Cow::Borrowed("audio/mp3"),
        other => Cow::Owned(format!("audio/{other}")),
    }
}

fn family(media_type: &str) -> &str {
    media_type.split_once('/').map_or(media_type, |(family, _)| family)
}

fn text_of(data: &str) -> Option<String> {
    String::from_utf8(BASE64.decode(data).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alphabets() {
        assert!(matches!(standard_base64("aGk+".into()), Cow::Borrowed("aGk+")));
        assert_eq!(standard_base64("a-_=".into()), "a+/=");
    }

    #[test]
    fn inline_data_by_family() {
        assert!(matches!(
            inline_part("audio/x-wav".into(), "AA".into()),
            Some(Part::Audio { format, .. }) if format == "wav"
        ));
        assert!(matches!(
            inline_part("text/plain".into(), "aGk=".into()),
            Some(Part::Document { source: Source::Text(text), .. }) if text == "hi"
        ));
        assert!(inline_part("video/mp4".into(), "AA".into()).is_none());
    }

    #[test]
    fn files_by_uri() {
        assert!(matches!(
            file_part("https://generativelanguage.googleapis.com/v1beta/files/abc".into(), Some("image/png")),
            Some(Part::Image { source: Source::File(_), .. })
        ));
        assert!(matches!(
            file_part("gs://b/doc.pdf".into(), None),
            Some(Part::Document { source: Source::Url(_), .. })
        ));
        assert!(file_part("https://www.youtube.com/watch?v=1".into(), None).is_none());
        assert_eq!(media_type_of_url("https://a.b/c/x.PNG?sig=1.pdf"), Some("image/png"));
    }
}
