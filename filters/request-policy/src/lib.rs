//! Changes to LLM requests: fields, prompt messages, prompt-cache marks.
//!
//! A [`RequestPolicy`] is compiled once from [`filter_config::RequestPolicy`] and applied twice to each request:
//!
//! | step | on | what |
//! |---|---|---|
//! | [`RequestPolicy::before`] | the client's body | `overrides`, then `transformations` (they see the body as the client sent it, as `llmRequest`, and win over `overrides`), then `defaults` for fields that are not there, then `prompt` |
//! | [`RequestPolicy::after`] | the provider's body, after translation | `prompt_caching`, then `final_transformations` (they see the provider's body, marks included, as `llmRequest`) |
//!
//! What is not touched keeps its bytes, and the same input always gives the same bytes. Bodies may hold 20 MB of
//! base64: they are scanned and copied once per step, and become a tree only when an expression names `llmRequest`,
//! which takes the body's size in memory once more.
#![forbid(unsafe_code)]

mod caching;
mod error;
mod fields;
mod prompt;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use expressions::Context;
use filter_config::PromptCaching;
use llm_dialects::Dialect;
use llm_dialects::edit::Object;

pub use error::Error;

use fields::{Constants, Transformations};
use prompt::Prompt;

/// A compiled request policy.
#[derive(Debug)]
pub struct RequestPolicy {
    overrides: Constants,
    transformations: Transformations,
    defaults: Constants,
    prompt: Prompt,
    caching: Option<PromptCaching>,
    final_transformations: Transformations,
}

impl RequestPolicy {
    /// Compiles a policy.
    ///
    /// # Errors
    /// [`Error::Config`] with the field's path for an expression that does not compile and for a role that is not
    /// `system`, `developer`, `user` or `assistant`.
    pub fn compile(config: &filter_config::RequestPolicy) -> Result<Self, Error> {
        Ok(Self {
            overrides: Constants::new(&config.overrides),
            transformations: Transformations::compile("transformations", &config.transformations)?,
            defaults: Constants::new(&config.defaults),
            prompt: Prompt::compile(&config.prompt)?,
            caching: config.prompt_caching.clone().filter(|on| on.system || on.messages || on.tools),
            final_transformations: Transformations::compile(
                "final_transformations",
                &config.final_transformations,
            )?,
        })
    }

    /// [`Self::before`] changes nothing in any request.
    pub fn is_empty_before(&self) -> bool {
        self.overrides.is_empty()
            && self.transformations.is_empty()
            && self.defaults.is_empty()
            && self.prompt.is_empty()
    }

    /// [`Self::after`] changes nothing in any request.
    pub fn is_empty_after(&self) -> bool {
        self.caching.is_none() && self.final_transformations.is_empty()
    }

    /// Whether an expression of the policy may look at the variable `root`, so that callers need not bind the others.
    /// `llmRequest` is bound here.
    pub fn references(&self, root: &str) -> bool {
        self.transformations.references(root) || self.final_transformations.references(root)
    }

    /// Changes the body of a client's request, which is in `dialect`. `context` holds the variables that expressions
    /// see besides `llmRequest`. Lent when nothing changes.
    ///
    /// An expression that fails removes its field. A field that is null is there, so it keeps `defaults` away.
    ///
    /// # Errors
    /// [`Error::Body`] when the body is no JSON object, names a member twice, or does not have the list that prompt
    /// messages go to.
    pub fn before<'a>(
        &self,
        dialect: Dialect,
        body: &'a [u8],
        context: &Context<'_>,
    ) -> Result<Cow<'a, [u8]>, Error> {
        if self.is_empty_before() {
            return Ok(Cow::Borrowed(body));
        }
        let mut object = Object::parse(body)?;
        let mut changed = self.overrides.set(&mut object);
        changed |= self.transformations.apply(&mut object, body, context)?;
        changed |= self.defaults.add(&mut object);
        changed |= self.prompt.apply(dialect, &mut object)?;
        Ok(if changed { Cow::Owned(object.into_bytes()) } else { Cow::Borrowed(body) })
    }

    /// Changes the body of the request to a provider that speaks `upstream`, for `model` as the provider names it.
    ///
    /// Prompt-cache marks are placed for Anthropic, and for the models on Bedrock that have prompt caching. OpenAI and
    /// Gemini cache prompts by themselves and have no marks. A body whose shape is not understood gets no marks: they
    /// save money, but the request is as good without.
    ///
    /// # Errors
    /// [`Error::Body`] when there are `final_transformations` and the body is no JSON object.
    pub fn after(
        &self,
        upstream: Dialect,
        model: &str,
        body: Vec<u8>,
        context: &Context<'_>,
    ) -> Result<Vec<u8>, Error> {
        let body = match &self.caching {
            Some(policy) => caching::place(policy, upstream, model, body),
            None => body,
        };
        if self.final_transformations.is_empty() {
            return Ok(body);
        }
        let mut object = Object::parse(&body)?;
        let changed = self.final_transformations.apply(&mut object, &body, context)?;
        Ok(if changed { object.into_bytes() } else { body })
    }
}
