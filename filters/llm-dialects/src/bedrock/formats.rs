//! Media types here, format names there.

use std::borrow::Cow;

/// Media type and format name of images (`ImageFormat`). Misspellings that other providers forgive come later.
const IMAGES: [(&str, &str); 5] = [
    ("image/png", "png"),
    ("image/jpeg", "jpeg"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("image/jpg", "jpeg"),
];

/// Media type and format name of documents (`DocumentFormat`).
const DOCUMENTS: [(&str, &str); 10] = [
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
    ("text/x-markdown", "md"),
];

/// Audio formats (`AudioFormat`).
const AUDIO: [&str; 15] = [
    "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm",
    "webm",
];

/// The format name of an image.
pub(super) fn image(media_type: &str) -> Option<&'static str> {
    format_of(&IMAGES, media_type)
}

/// The format name of a document.
pub(super) fn document(media_type: &str) -> Option<&'static str> {
    format_of(&DOCUMENTS, media_type)
}

/// The media type of an image format.
pub(super) fn image_type(format: &str) -> Option<&'static str> {
    IMAGES.iter().find(|(_, name)| *name == format).map(|(media_type, _)| *media_type)
}

/// The media type of a document format.
pub(super) fn document_type(format: &str) -> Option<&'static str> {
    DOCUMENTS.iter().find(|(_, name)| *name == format).map(|(media_type, _)| *media_type)
}

/// The image format the name of a file ends in.
pub(super) fn image_by_name(name: &str) -> Option<&'static str> {
    let extension = extension(name);
    let extension = if extension == "jpg" { "jpeg".into() } else { extension };
    IMAGES.iter().find(|(_, format)| *format == extension).map(|(_, format)| *format)
}

/// The document format the name of a file ends in.
pub(super) fn document_by_name(name: &str) -> Option<&'static str> {
    let extension = extension(name);
    let extension = if extension == "htm" { "html".into() } else { extension };
    DOCUMENTS.iter().find(|(_, format)| *format == extension).map(|(_, format)| *format)
}

/// The audio format called `format`.
pub(super) fn audio(format: &str) -> Option<&'static str> {
    AUDIO.into_iter().find(|known| *known == format)
}

/// Whether documents of this format are text, which models of others get as text.
pub(super) fn is_text(format: &str) -> bool {
    matches!(format, "txt" | "md" | "csv" | "html")
}

/// A document name the API takes: letters, digits, single spaces, hyphens, parentheses and square brackets, at most 200
/// characters. Others become hyphens.
pub(super) fn document_name(name: &str) -> Cow<'_, str> {
    const LONGEST: usize = 200;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '(' | ')' | '[' | ']' | ' ');
    let name = name.trim();
    if name.is_empty() {
        return Cow::Borrowed("document");
    }
    if name.len() <= LONGEST && name.chars().all(allowed) && !name.contains("  ") {
        return Cow::Borrowed(name);
    }
    let mut fitting = String::with_capacity(name.len());
    for c in name.chars().take(LONGEST) {
        match c {
            c if c.is_whitespace() => {
                if !fitting.ends_with(' ') {
                    fitting.push(' ');
                }
            }
            c => fitting.push(if allowed(c) { c } else { '-' }),
        }
    }
    Cow::Owned(fitting.trim_end().to_owned())
}

fn format_of(table: &'static [(&str, &str)], media_type: &str) -> Option<&'static str> {
    // `text/plain; charset=utf-8` is text, too.
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    table.iter().find(|(known, _)| *known == media_type).map(|(_, format)| *format)
}

fn extension(name: &str) -> String {
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        assert_eq!(image("image/JPG"), Some("jpeg"));
        assert_eq!(image_type("jpeg"), Some("image/jpeg"));
        assert_eq!(image("image/svg+xml"), None);
        assert_eq!(document("text/plain; charset=utf-8"), Some("txt"));
        assert_eq!(document_by_name("s3://bucket/a/Report.PDF"), Some("pdf"));
        assert_eq!(image_by_name("s3://bucket/photo.jpg"), Some("jpeg"));
        assert_eq!(image_by_name("photo"), None);
    }

    #[test]
    fn document_names_are_made_fit() {
        for (name, fitting) in [
            ("Report (2026) [final]", "Report (2026) [final]"),
            ("q3_report.pdf", "q3-report-pdf"),
            ("a  b\tc", "a b c"),
            ("  ", "document"),
            ("Über uns", "-ber uns"),
        ] {
            assert_eq!(document_name(name), fitting, "{name}");
        }
        assert_eq!(document_name(&"x".repeat(500)).len(), 200);
    }
}
