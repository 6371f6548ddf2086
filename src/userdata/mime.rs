//! MIME messages: several parts in one user-data.

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::DecodePaddingMode;
use base64::Engine as _;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Header, Message, MessageParser, MessagePart, MimeHeaders as _, PartType};

use crate::config::node::Origin;

use super::{sniff, Headers, Unpacking};

/// How far cloud-init looks for the header `MIME-Version`.
const LOOKED_AT: usize = 4096;

/// Whether the text is a MIME message. A text that says by its first characters that it is something else is not, whatever it
/// contains.
pub(super) fn is_message(text: &[u8]) -> bool {
    let start = text[..text.len().min(LOOKED_AT)].to_ascii_lowercase();
    let header = b"mime-version:";
    start.windows(header.len()).any(|window| window == header) && sniff::kind(text).is_none()
}

/// Gives each part that is no container to `unpacking`, in the order of the document, nested ones included.
pub(super) fn each_part(text: &[u8], unpacking: &mut Unpacking<'_, '_>) {
    let before = (unpacking.seen, unpacking.out.others.len());
    if let Some(message) = MessageParser::default().parse(text.trim_ascii_start()) {
        leaves(&message, unpacking);
    }
    if (unpacking.seen, unpacking.out.others.len()) == before {
        let place = Origin::new(unpacking.blob.as_str(), 1, 1);
        unpacking
            .report
            .error("mime", "this is a MIME message, but there is no part in it")
            .at(&place)
            .help("its `Content-Type: multipart/mixed` header must name the `boundary` that stands between the parts");
    }
}

fn leaves(message: &Message<'_>, unpacking: &mut Unpacking<'_, '_>) {
    for part in &message.parts {
        let headers = headers(message, part);
        match &part.body {
            PartType::Message(inner) => leaves(inner, unpacking),
            PartType::Multipart(_) => {}
            // A container whose boundary is missing.
            _ if headers.mime_type.starts_with("multipart/") => {}
            _ => unpacking.part(decoded(message, part), headers),
        }
    }
}

fn headers(message: &Message<'_>, part: &MessagePart<'_>) -> Headers {
    let mime_type = part.content_type().map(|declared| {
        let subtype = declared.subtype().unwrap_or("plain");
        format!("{}/{subtype}", declared.ctype()).to_ascii_lowercase()
    });
    let named = |name: &str| {
        let header = part.headers.iter().find(|header| header.name().eq_ignore_ascii_case(name))?;
        header.value().as_text().map(|text| text.trim().to_string()).filter(|text| !text.is_empty())
    };
    let raw = |header: &Header<'_>| {
        let text = message.raw_message.get(header.offset_start as usize..header.offset_end as usize)?;
        Some((header.name().to_owned(), String::from_utf8_lossy(text).trim().to_owned()))
    };
    Headers {
        mime_type: mime_type.unwrap_or_else(|| "text/plain".into()),
        file_name: part.attachment_name().map(str::to_string).filter(|name| !name.is_empty()),
        merge_type: named("Merge-Type").or_else(|| named("X-Merge-Type")),
        launch_index: named("Launch-Index").and_then(|index| index.parse().ok()),
        all: part.headers.iter().filter_map(raw).collect(),
    }
}

/// The bytes of a part. The declared character set does not count: as in cloud-init, text is UTF-8, and scripts stay as
/// they are byte for byte.
fn decoded(message: &Message<'_>, part: &MessagePart<'_>) -> Option<Vec<u8>> {
    let raw = message.raw_message.get(part.offset_body as usize..part.offset_end as usize)?;
    // `part.encoding` is reset where the parser cannot decode.
    match part.content_transfer_encoding().unwrap_or_default().to_ascii_lowercase().as_str() {
        "quoted-printable" => quoted_printable_decode(raw),
        "base64" => {
            let data: Vec<u8> = raw.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let lenient =
                GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::Indifferent);
            GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(data).ok()
        }
        _ => Some(raw.to_vec()),
    }
}
