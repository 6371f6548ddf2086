//! MIME documents, taken apart by `mail-parser`.

use mail_parser::{HeaderValue, MessageParser, MessagePart, MimeHeaders as _, PartType};

use super::Headers;

/// The leaves of a multipart document in document order, decoded. `None` where it is none.
pub fn parts(bytes: &[u8]) -> Option<Vec<(Headers, Vec<u8>)>> {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    let message = MessageParser::default().parse(&bytes[start..])?;
    let mut leaves = Vec::new();
    for part in &message.parts {
        let content = match &part.body {
            PartType::Multipart(_) => continue,
            PartType::Message(inner) => inner.raw_message().to_vec(),
            _ => part.contents().to_vec(),
        };
        leaves.push((headers(part), content));
    }
    Some(leaves)
}

fn headers(part: &MessagePart<'_>) -> Headers {
    let content_type = part.content_type().map(|declared| {
        let sub = declared.subtype().map(|sub| format!("/{sub}")).unwrap_or_default();
        format!("{}{sub}", declared.ctype()).to_ascii_lowercase()
    });
    let text = |names: &[&str]| {
        part.headers.iter().find(|header| names.iter().any(|name| header.name().eq_ignore_ascii_case(name))).and_then(|header| {
            match &header.value {
                HeaderValue::Text(text) => Some(text.trim().to_owned()),
                HeaderValue::TextList(texts) => Some(texts.join(",")),
                _ => None,
            }
        })
    };
    Headers {
        content_type,
        filename: part.attachment_name().map(str::to_owned),
        merge_type: text(&["Merge-Type", "X-Merge-Type"]),
        launch_index: text(&["Launch-Index"]).and_then(|text| text.parse().ok()),
    }
}
