//! Sends a message to the address of a rule.

use bytes::Bytes;

use super::context::Context;
use super::message::{Message, signature};
use crate::outbound::web::WebClient;
use tallycam_base::Fault;
use tallycam_config::{NotifyRule, RuleTo};

/// Sends `message` by `rule`. Returns what the other side answered.
///
/// # Errors
/// It has not arrived, in words.
pub(super) async fn deliver(
    client: &mut WebClient,
    rule: &NotifyRule,
    context: &Context,
    message: &Message,
) -> Result<String, Fault> {
    match rule.to {
        RuleTo::Webhook => {
            let body = message.cloud_event(&context.page, &rule.name);
            let secret = rule.secret.as_deref();
            let signed = secret.map(|secret| ("x-tallycam-signature", signature(secret, &body)));
            let fields: Vec<_> = signed.into_iter().collect();
            let answer = client.post(&rule.address, "application/cloudevents+json", &fields, body).await?;
            answer.accepted(rule.host())
        }
        RuleTo::Ntfy => {
            let (kind, fields, body) = ntfy(rule, message);
            client.post(&rule.address, kind, &fields, body).await?.accepted(rule.host())
        }
    }
}

/// Media type, header fields and body of a message for ntfy (docs.ntfy.sh/publish): the text, or the picture with the
/// text in a field.
fn ntfy(rule: &NotifyRule, message: &Message) -> (&'static str, Vec<(&'static str, String)>, Bytes) {
    let mut fields = vec![("x-title", rule.name.clone()), ("x-click", message.link.clone())];
    if let Some(token) = &rule.secret {
        fields.push(("authorization", format!("Bearer {token}")));
    }
    match &message.picture {
        None => ("text/plain; charset=utf-8", fields, message.text.clone().into()),
        Some(picture) => {
            fields.push(("x-message", message.text.clone()));
            fields.push(("x-filename", String::from("crossing.jpg")));
            ("image/jpeg", fields, picture.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ntfy_gets_plain_text_or_the_picture() {
        let text = "[[notify]]\nname = \"Shop\"\nwhen = \"crossing\"\nto = \"ntfy\"\naddress = \"https://ntfy.sh/x\"\n\
            secret = \"tk_12345678\"\n";
        let read = tallycam_config::Config::from_text("config.toml".as_ref(), text, &[], []).unwrap();
        let mut message = Message {
            id: String::from("1"),
            kind: "crossing",
            at_us: 1,
            text: String::from("Tür: person in"),
            link: String::from("http://gate.local/counts"),
            crossing: None,
            picture: None,
        };
        let (kind, fields, body) = ntfy(&read.config.notify[0], &message);
        assert_eq!((kind, &body[..]), ("text/plain; charset=utf-8", "Tür: person in".as_bytes()));
        assert!(fields.contains(&("authorization", String::from("Bearer tk_12345678"))), "{fields:?}");
        message.picture = Some(Bytes::from_static(b"jpeg"));
        let (kind, fields, body) = ntfy(&read.config.notify[0], &message);
        assert_eq!((kind, &body[..]), ("image/jpeg", &b"jpeg"[..]));
        assert!(fields.contains(&("x-message", message.text)), "{fields:?}");
    }
}
