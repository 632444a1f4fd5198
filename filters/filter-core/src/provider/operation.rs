//! What is done with the bodies of an exchange, by the kinds of endpoint on both sides.

use std::borrow::Cow;

use expressions::Context;
use filter_config::{Endpoint, Variant};
use llm_dialects::hub::{Response, StreamOptions, Usage};
use llm_dialects::inspect::{self, AnswerFacts};
use llm_dialects::tool_names::ToolNames;
use llm_dialects::{Dialect, Error, count_tokens, detect, edit, embeddings, output_limit, rerank};
use serde_json::json;

use super::response::Said;
use super::speaks::{Format, Way};
use super::{Attempt, ProviderPlan};
use crate::{endpoints, multipart, tokens};

/// What is done with the bodies of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// They pass in the client's own format; single fields may change.
    Same,
    /// They pass as they are.
    Unlisted,
    /// Chat, translated through the hub; the names of tools were changed on the way.
    Chat { client: Dialect, upstream: Dialect, names: ToolNames },
    /// Embeddings, translated.
    Embeddings {
        client: embeddings::Client,
        provider: embeddings::Provider,
        /// How the client wants its vectors.
        encoding: embeddings::Encoding,
    },
    /// Reranking, translated.
    Rerank {
        client: rerank::Client,
        provider: rerank::Provider,
        /// The client's request, when it wants its documents back.
        request: Option<Vec<u8>>,
    },
    /// A count of tokens, translated.
    CountTokens { client: count_tokens::Format, provider: count_tokens::Format },
    /// A count of tokens made here.
    CountHere(count_tokens::Format),
}

/// What a request becomes.
#[derive(Debug)]
pub(super) enum Sent {
    /// A body for the provider.
    Body {
        bytes: Vec<u8>,
        /// Absent: as the client said.
        content_type: Option<&'static str>,
    },
    /// The answer; no provider is asked.
    Answer(Vec<u8>),
}

const JSON: &str = "application/json";

/// The version of Anthropic's API that Vertex AI wants in the body.
const VERTEX_ANTHROPIC_VERSION: &str = "\"vertex-2023-10-16\"";

impl Operation {
    /// What is done with a request at `client` that goes this way; `None` when the model has no known format there.
    pub(super) fn new(client: Endpoint, client_path: &str, way: Way<'_>, model: &str) -> Option<Self> {
        let format = match way {
            Way::Same(_) => return Some(Self::Same),
            Way::Unlisted => return Some(Self::Unlisted),
            Way::Local => return count_format(client, client_path).map(Self::CountHere),
            Way::Translated(format) => format,
        };
        let upstream = format.endpoint;
        let path = format.path(model, false, client_path).unwrap_or_default();
        if let (Some(client), Some(upstream)) = (endpoints::dialect(client), endpoints::dialect(upstream)) {
            return Some(Self::Chat { client, upstream, names: ToolNames::default() });
        }
        if let (Some(client), Some(provider)) =
            (count_format(client, client_path), count_format(upstream, &path))
        {
            return Some(Self::CountTokens { client, provider });
        }
        if client == Endpoint::CohereRerank {
            let v1 = |path: &str| path.contains("/v1/");
            let client = if v1(client_path) { rerank::Client::CohereV1 } else { rerank::Client::CohereV2 };
            let provider = match upstream {
                Endpoint::BedrockRerank => rerank::Provider::Bedrock,
                Endpoint::VertexRank => rerank::Provider::Vertex,
                _ if v1(&path) => rerank::Provider::CohereV1,
                _ => rerank::Provider::CohereV2,
            };
            return Some(Self::Rerank { client, provider, request: None });
        }
        let client = match client {
            Endpoint::OpenaiEmbeddings => embeddings::Client::OpenAi,
            Endpoint::GeminiEmbedContent => embeddings::Client::GeminiEmbed,
            Endpoint::GeminiBatchEmbedContents => embeddings::Client::GeminiBatch,
            _ => return None,
        };
        let provider = match upstream {
            Endpoint::GeminiEmbedContent => embeddings::Provider::GeminiEmbed,
            Endpoint::GeminiBatchEmbedContents => embeddings::Provider::GeminiBatch,
            Endpoint::VertexEmbeddings => embeddings::Provider::VertexPredict,
            Endpoint::BedrockEmbeddings => embeddings::Provider::of_bedrock_model(model)?,
            _ => embeddings::Provider::OpenAi,
        };
        Some(Self::Embeddings { client, provider, encoding: embeddings::Encoding::default() })
    }
}

/// The format of an endpoint that counts tokens.
fn count_format(endpoint: Endpoint, path: &str) -> Option<count_tokens::Format> {
    match endpoint {
        Endpoint::AnthropicCountTokens => Some(count_tokens::Format::Anthropic),
        // Vertex AI's paths begin with the project; its request has another shape.
        Endpoint::GeminiCountTokens if path.contains("/projects/") => Some(count_tokens::Format::Vertex),
        Endpoint::GeminiCountTokens => Some(count_tokens::Format::Gemini),
        Endpoint::BedrockCountTokens => Some(count_tokens::Format::Bedrock),
        _ => None,
    }
}

/// What an answer becomes.
#[derive(Debug)]
pub(super) struct Answered {
    /// The body and its content type; absent when it passes as it is.
    pub(super) body: Option<(Vec<u8>, &'static str)>,
    pub(super) facts: AnswerFacts,
}

impl Operation {
    /// Both sides chat.
    pub(super) fn is_chat(&self) -> bool {
        matches!(self, Self::Chat { .. })
    }
}

impl Attempt {
    /// Tokens are generated while it lasts, so that usage is to be estimated where the provider does not say it.
    pub(super) fn is_counted(&self) -> bool {
        self.operation.is_chat()
            || (endpoints::limited(self.upstream).is_some() && !self.handoff.traits.background)
    }

    /// Bodies pass in the client's own format.
    pub(super) fn passes(&self) -> bool {
        matches!(self.operation, Operation::Same | Operation::Unlisted)
    }

    /// Answers pass, and may be anything: only chat is sure to be answered with JSON or events.
    pub(super) fn is_opaque(&self) -> bool {
        self.passes() && endpoints::dialect(self.upstream).is_none()
    }

    /// The answer as the client gets it.
    pub(super) fn answer(&self, body: &[u8], said: &Said) -> Result<Answered, Error> {
        let now = said.now;
        match &self.operation {
            Operation::Same | Operation::Unlisted => {
                let facts = match endpoints::dialect(self.upstream) {
                    Some(dialect) => inspect::response(dialect, body)?,
                    None => detect::facts(body),
                };
                Ok(Answered { body: None, facts })
            }
            Operation::Chat { client, upstream, names } => {
                let mut response = upstream.decode_response(body)?;
                if let Some(id) = &said.id {
                    response.id = Cow::Borrowed(id);
                }
                if response.model.is_empty() {
                    response.model = Cow::Borrowed(&self.model);
                }
                names.restore(&mut response);
                let body = if self.handoff.stream {
                    (as_stream(*client, &response, now, self.wants_usage), client.stream_content_type())
                } else {
                    (client.encode_response(&response, now), JSON)
                };
                let facts = AnswerFacts { model: Some(response.model.into_owned()), usage: response.usage };
                Ok(Answered { body: Some(body), facts })
            }
            Operation::Embeddings { client, provider, encoding } => {
                let mut facts = embeddings::facts(*provider, body)?;
                let mut response = embeddings::decode_response(*provider, body)?;
                if let (None, Some(input_uncached)) = (response.input_tokens, said.input_tokens) {
                    response.input_tokens = Some(input_uncached);
                    facts.usage.get_or_insert(Usage { input_uncached, ..Usage::default() });
                }
                let body = embeddings::encode_response(*client, &response, &self.model, *encoding)?;
                Ok(Answered { body: Some((body, JSON)), facts })
            }
            Operation::Rerank { client, provider, request } => {
                let mut response = rerank::decode_response(*provider, body)?;
                let request =
                    request.as_deref().map(|body| rerank::decode_request(*client, body)).transpose()?;
                if let Some(request) = &request {
                    response.fill_documents(&request.documents);
                }
                let facts = AnswerFacts { model: None, usage: response.facts.usage };
                let body = rerank::encode_response(*client, &response, request.is_some());
                Ok(Answered { body: Some((body, JSON)), facts })
            }
            Operation::CountTokens { client, provider } => {
                let count = count_tokens::decode_response(*provider, body)?;
                let body = count_tokens::encode_response(*client, count);
                Ok(Answered { body: Some((body, JSON)), facts: AnswerFacts::default() })
            }
            Operation::CountHere(_) => Ok(Answered { body: None, facts: AnswerFacts::default() }),
        }
    }

    /// Whether a policy changes requests of this kind.
    pub(super) fn has_policy(&self, plan: &ProviderPlan) -> bool {
        endpoints::dialect(self.handoff.client).is_some()
            && !(plan.policy.is_empty_before() && plan.policy.is_empty_after())
    }

    /// The body as the provider gets it.
    pub(super) fn rewrite(
        &mut self,
        plan: &ProviderPlan,
        body: &[u8],
        content_type: &str,
    ) -> Result<Sent, Error> {
        let sent = self.apply_policy(plan, body, content_type)?;
        let sent = self.override_fields(plan, sent)?;
        self.cap_output(sent)
    }

    /// Lets the model generate no more than was reserved for the answer.
    fn cap_output(&self, sent: Sent) -> Result<Sent, Error> {
        match (self.handoff.traits.output_cap, endpoints::limited(self.upstream), sent) {
            (Some(cap), Some(form), Sent::Body { bytes, content_type }) => {
                let answers = output_limit::get(form, &bytes)?.answers;
                let bytes = output_limit::lower(form, bytes, (cap / answers).max(1))?;
                Ok(Sent::Body { bytes, content_type })
            }
            (_, _, sent) => Ok(sent),
        }
    }

    fn apply_policy(&mut self, plan: &ProviderPlan, body: &[u8], content_type: &str) -> Result<Sent, Error> {
        if !self.has_policy(plan) {
            return self.convert(plan, body, content_type);
        }
        let mut context = Context::new();
        let about = json!({
            "requestModel": self.handoff.model,
            "streaming": self.handoff.stream,
            "provider": plan.config.name,
        });
        context.bind("llm", about);
        let client = endpoints::family(self.handoff.client);
        let changed = plan.policy.before(client, body, &context).map_err(dialect_error)?;
        if plan.policy_sets_model {
            self.choose_model(plan, &changed)?;
        }
        let sent = self.convert(plan, &changed, content_type)?;
        let Sent::Body { bytes, content_type } = sent else { return Ok(sent) };
        let upstream = endpoints::family(self.upstream);
        let bytes = plan.policy.after(upstream, &self.model, bytes, &context).map_err(dialect_error)?;
        Ok(Sent::Body { bytes, content_type })
    }

    /// Sets the fields of a body that the provider's format always has.
    fn override_fields(&self, plan: &ProviderPlan, sent: Sent) -> Result<Sent, Error> {
        let way = plan.speaks.way(self.handoff.client, &self.model);
        let (Some(Way::Same(format) | Way::Translated(format)), Sent::Body { bytes, content_type }) =
            (way, &sent)
        else {
            return Ok(sent);
        };
        if format.overrides.is_empty() {
            return Ok(sent);
        }
        let mut object = edit::Object::parse(bytes)?;
        for (field, value) in &format.overrides {
            object.set(field, edit::Text::verbatim(value.as_str()));
        }
        Ok(Sent::Body { bytes: object.into_bytes(), content_type: *content_type })
    }

    /// Takes the model the policy has written into the body.
    fn choose_model(&mut self, plan: &ProviderPlan, body: &[u8]) -> Result<(), Error> {
        let chosen = inspect::request(body)?.model;
        if chosen.is_empty() {
            return Err(inspect::missing_model());
        }
        if *chosen == *self.handoff.model {
            return Ok(());
        }
        self.model = plan.alias(&chosen).to_owned();
        let way = plan.speaks.way(self.handoff.client, &self.model);
        let operation =
            way.and_then(|way| Operation::new(self.handoff.client, &self.handoff.path, way, &self.model));
        let (Some(way), Some(operation)) = (way, operation) else {
            return Err(Error::unsupported("model", format!("the provider does not serve `{chosen}` here")));
        };
        if let Way::Same(format) | Way::Translated(format) = way {
            self.upstream = format.endpoint;
        }
        self.operation = operation;
        Ok(())
    }

    fn convert(&mut self, plan: &ProviderPlan, body: &[u8], content_type: &str) -> Result<Sent, Error> {
        let way = plan.speaks.way(self.handoff.client, &self.model);
        let format = match way {
            Some(Way::Same(format) | Way::Translated(format)) => Some(format),
            _ => None,
        };
        let translated = |bytes| Ok(Sent::Body { bytes, content_type: Some(JSON) });
        match &mut self.operation {
            Operation::Unlisted => Ok(Sent::Body { bytes: body.to_vec(), content_type: None }),
            Operation::Chat { client, upstream, .. } => {
                let (client, upstream) = (*client, *upstream);
                self.translate_chat(client, upstream, format, body)
            }
            Operation::Embeddings { client, provider, encoding } => {
                let request = embeddings::decode_request(*client, body)?;
                *encoding = request.encoding;
                translated(embeddings::encode_request(*provider, &request, &self.model)?)
            }
            Operation::Rerank { client, provider, request: kept } => {
                let request = rerank::decode_request(*client, body)?;
                *kept = request.return_documents.then(|| body.to_vec());
                // Bedrock names models here by ARNs, which have the region in them.
                let model = match (*provider, format.and_then(|format| format.region.as_deref())) {
                    (rerank::Provider::Bedrock, Some(region)) => rerank::model_arn(region, &self.model),
                    _ => Cow::Borrowed(self.model.as_str()),
                };
                translated(rerank::encode_request(*provider, &request, &model)?)
            }
            Operation::CountTokens { client, provider } => {
                let (client, provider) = (*client, *provider);
                translated(self.translate_count(client, provider, body)?)
            }
            Operation::CountHere(format) => {
                let counted = count_tokens::open(*format, body)?;
                let tokens = tokens::of_request(&self.model, &counted.request()?);
                Ok(Sent::Answer(count_tokens::encode_response(*format, tokens)))
            }
            // Signatures the provider would refuse are dropped by the codec; the rest of the body is written anew.
            Operation::Same if self.handoff.traits.foreign_signature => {
                if let Some(dialect) = endpoints::dialect(self.upstream) {
                    return self.translate_chat(dialect, dialect, format, body);
                }
                match count_format(self.upstream, &self.handoff.path) {
                    Some(counted) => translated(vary(format, self.translate_count(counted, counted, body)?)?),
                    None => self.edit(format, body, content_type),
                }
            }
            Operation::Same => self.edit(format, body, content_type),
        }
    }

    fn translate_count(
        &self,
        client: count_tokens::Format,
        provider: count_tokens::Format,
        body: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let counted = count_tokens::open(client, body)?;
        let mut request = counted.request()?;
        request.model = Cow::Borrowed(&self.model);
        count_tokens::encode_request(provider, &mut request)
    }

    fn translate_chat(
        &mut self,
        client: Dialect,
        upstream: Dialect,
        format: Option<&Format>,
        body: &[u8],
    ) -> Result<Sent, Error> {
        let mut request = client.decode_request(body)?;
        request.model = Cow::Borrowed(&self.model);
        if self.handoff.stream && request.stream.is_none() {
            request.stream = Some(StreamOptions { include_usage: true });
        }
        self.wants_usage = request.stream.is_some_and(|stream| stream.include_usage);
        let (bytes, names) = upstream.encode_request(&mut request)?;
        let bytes = vary(format, bytes)?;
        // The answer to a body of the same dialect that was written anew still passes.
        if client != upstream || !names.is_empty() {
            self.operation = Operation::Chat { client, upstream, names };
        }
        Ok(Sent::Body { bytes, content_type: Some(JSON) })
    }

    /// Changes single fields of a body that otherwise passes as it is.
    fn edit(&self, format: Option<&Format>, body: &[u8], content_type: &str) -> Result<Sent, Error> {
        if let Some(boundary) = multipart::boundary(content_type) {
            let bytes = multipart::set_model(body, boundary, &self.model)
                .ok_or_else(|| Error::client("model", "you must provide a model parameter"))?;
            return Ok(Sent::Body { bytes, content_type: None });
        }
        let mut object = edit::Object::parse(body)?;
        if format.is_some_and(|format| !format.model_in_path()) {
            object.set("model", edit::Text::string(&self.model));
            if self.handoff.traits.model_in_path {
                // What Vertex AI wants in the body is refused by the others.
                object.remove("anthropic_version");
            }
        }
        if self.takes_usage_out {
            object.set("stream_options", with_usage(object.get("stream_options"))?);
        }
        let bytes = vary(format, object.into_bytes())?;
        Ok(Sent::Body { bytes, content_type: None })
    }
}

/// The client's fault, as codecs say it.
fn dialect_error(error: request_policy::Error) -> Error {
    match error {
        request_policy::Error::Body(error) => error,
        other => Error::client("", other.to_string()),
    }
}

/// A whole answer for a client that asked for a stream.
fn as_stream(client: Dialect, response: &Response<'_>, now: u64, wants_usage: bool) -> Vec<u8> {
    let mut encoder = client.stream_encoder(now, wants_usage);
    let mut out = Vec::new();
    response.replay(&mut |event| encoder.event(&event, &mut out));
    out
}

/// `stream_options` with usage asked for.
fn with_usage(options: Option<&edit::Text<'_>>) -> Result<edit::Text<'static>, Error> {
    let options = options.map(edit::Text::to_str);
    match options.as_deref() {
        None | Some("null") => Ok(edit::Text::verbatim(r#"{"include_usage":true}"#)),
        Some(options) => {
            let mut object = edit::Object::parse_str(options)
                .map_err(|_| Error::client("stream_options", "must be an object"))?;
            object.set("include_usage", edit::Text::verbatim("true"));
            Ok(edit::Text::verbatim(object.into_text().to_str().into_owned()))
        }
    }
}

/// The body as this provider's variant of the format has it.
fn vary(format: Option<&Format>, body: Vec<u8>) -> Result<Vec<u8>, Error> {
    match format.and_then(|format| format.variant) {
        None => Ok(body),
        Some(Variant::VertexAnthropic) => {
            let mut object = edit::Object::parse(&body)?;
            object.remove("model");
            object.set("anthropic_version", edit::Text::verbatim(VERTEX_ANTHROPIC_VERSION));
            Ok(object.into_bytes())
        }
    }
}
