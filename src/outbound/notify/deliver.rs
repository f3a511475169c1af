//! Sends a message to the address of a rule.

use bytes::Bytes;

use super::context::Context;
use super::message::{Message, signature};
use crate::outbound::letter::Letter;
use crate::outbound::mail;
use crate::outbound::mqtt::MqttHandle;
use crate::outbound::web::{WebAnswer, WebClient};
use tallycam_base::Fault;
use tallycam_config::{NotifyRule, RuleTo};

/// Sends messages, and keeps the connection for the next one.
#[derive(Debug, Default)]
pub(super) struct Courier {
    web: WebClient,
}

impl Courier {
    /// Sends `message` by `rule`. Returns what the other side answered.
    ///
    /// # Errors
    /// It has not arrived, in words.
    pub(super) async fn deliver(
        &mut self,
        mqtt: &MqttHandle,
        rule: &NotifyRule,
        context: &Context,
        message: &Message,
    ) -> Result<String, Fault> {
        match rule.to {
            RuleTo::Mqtt => {
                mqtt.publish(&rule.address, message.cloud_event(&context.page, &rule.name).to_vec()).await
            }
            RuleTo::Webhook => self.webhook(rule, context, message).await,
            RuleTo::Ntfy => self.ntfy(rule, context, message).await,
            RuleTo::Email => email(rule, context, message).await,
        }
    }

    async fn webhook(
        &mut self,
        rule: &NotifyRule,
        context: &Context,
        message: &Message,
    ) -> Result<String, Fault> {
        let body = message.cloud_event(&context.page, &rule.name);
        let secret = rule.secret.as_deref();
        let signed = secret.map(|secret| ("x-tallycam-signature", signature(secret, &body)));
        let fields: Vec<_> = signed.into_iter().collect();
        let post =
            self.web.post(&rule.address, &context.limit, "application/cloudevents+json", &fields, body);
        accepted(post.await?, rule)
    }

    async fn ntfy(
        &mut self,
        rule: &NotifyRule,
        context: &Context,
        message: &Message,
    ) -> Result<String, Fault> {
        let (kind, fields, body) = ntfy(rule, message, message.picture.as_ref());
        let mut answer = self.web.post(&rule.address, &context.limit, kind, &fields, body).await?;
        // A server may take no attachments.
        if message.picture.is_some() && matches!(answer.status, 400 | 404 | 413 | 415) {
            let (kind, fields, body) = ntfy(rule, message, None);
            answer = self.web.post(&rule.address, &context.limit, kind, &fields, body).await?;
        }
        accepted(answer, rule)
    }
}

async fn email(rule: &NotifyRule, context: &Context, message: &Message) -> Result<String, Fault> {
    let server = rule.mail_server().ok_or_else(|| Fault::wrong("the rule names no mail server"))?;
    let sign_in = rule.user.clone().zip(rule.secret.clone());
    mail::send(&server, &context.limit, sign_in, &letter(rule, context, message)).await
}

fn letter(rule: &NotifyRule, context: &Context, message: &Message) -> Letter {
    let user = rule.user.as_ref().filter(|user| user.contains('@'));
    Letter {
        id: message.id.clone(),
        from: rule.from.as_ref().or(user).unwrap_or(&rule.address).clone(),
        from_name: context.camera.clone(),
        to: rule.address.clone(),
        subject: message.text.clone(),
        text: format!("{}\n\n{}\n\n{}\n", message.text, message.link, rule.name),
        picture: message.picture.clone(),
    }
}

/// The answer in words. The path of the rule's address is a secret, and an answer may repeat it.
fn accepted(answer: WebAnswer, rule: &NotifyRule) -> Result<String, Fault> {
    let path =
        rule.address.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
    let hide = |text: String| match path.filter(|path| !path.is_empty()) {
        Some(path) => text.replace(path, "***"),
        None => text,
    };
    answer.accepted(rule.host()).map(hide).map_err(|fault| Fault { what: hide(fault.what), ..fault })
}

/// Media type, header fields and body of a message for ntfy (docs.ntfy.sh/publish): the text, or the picture with the
/// text in a field.
fn ntfy(
    rule: &NotifyRule,
    message: &Message,
    picture: Option<&Bytes>,
) -> (&'static str, Vec<(&'static str, String)>, Bytes) {
    let mut fields = vec![("x-title", rule.name.clone()), ("x-click", message.link.clone())];
    if let Some(token) = &rule.secret {
        fields.push(("authorization", format!("Bearer {token}")));
    }
    match picture {
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
    fn an_answer_that_repeats_the_path_of_the_address_does_not_show_it() {
        let text = "[[notify]]\nname = \"Shop\"\nwhen = \"crossing\"\nto = \"webhook\"\n\
            address = \"http://hooks.example.org/s3cret/1\"\n";
        let read = tallycam_config::Config::from_text("config.toml".as_ref(), text, &[], []).unwrap();
        let rule = &read.config.notify[0];
        let answer = |status, text: &str, location: Option<&str>| WebAnswer {
            status,
            text: text.into(),
            location: location.map(str::to_owned),
        };
        let moved = answer(301, "", Some("https://hooks.example.org/s3cret/1"));
        let told = [
            accepted(answer(404, "no POST /s3cret/1 here", None), rule).unwrap_err().what,
            accepted(moved, rule).unwrap_err().what,
            accepted(answer(200, "took /s3cret/1", None), rule).unwrap(),
        ];
        assert!(told.iter().all(|told| told.contains("***") && !told.contains("s3cret")), "{told:?}");
    }

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
        let (kind, fields, body) = ntfy(&read.config.notify[0], &message, None);
        assert_eq!((kind, &body[..]), ("text/plain; charset=utf-8", "Tür: person in".as_bytes()));
        assert!(fields.contains(&("authorization", String::from("Bearer tk_12345678"))), "{fields:?}");
        message.picture = Some(Bytes::from_static(b"jpeg"));
        let (kind, fields, body) = ntfy(&read.config.notify[0], &message, message.picture.as_ref());
        assert_eq!((kind, &body[..]), ("image/jpeg", &b"jpeg"[..]));
        assert!(fields.contains(&("x-message", message.text)), "{fields:?}");
    }
}
