//! The texts in requests, answers and stream events of every API Weir speaks with clients, to be read and replaced.
//!
//! Prompt guards look at text and change it, and know nothing of dialects. [`Views`] gives them the texts of a body in
//! order, each a [`Slot`] with what it is, and writes the body anew with some of them replaced, every other byte kept.
//! [`EventReader`] does so for streams.
//!
//! ```
//! use filter_config::{Endpoint, Scope};
//! use text_views::{Role, Views};
//!
//! let body = br#"{ "model":"m", "messages":[{"role":"user","content":"Call 555-0100."}] }"#;
//! let mut views = Views::of_request(Endpoint::OpenaiChat, body)?;
//! assert_eq!(views.slots()[0].text, "Call 555-0100.");
//! assert_eq!((views.slots()[0].scope, views.slots()[0].role), (Scope::Messages, Role::User));
//! views.replace(0, "Call <PHONE>.")?;
//! views.drop_echoes();
//! assert_eq!(views.into_bytes(), br#"{ "model":"m", "messages":[{"role":"user","content":"Call <PHONE>."}] }"#);
//! # Ok::<(), text_views::Error>(())
//! ```
//!
//! # Streams
//!
//! Events are read in order with one [`EventReader`], and joining the texts of a [`Thread`], without the slots that are
//! snapshots, gives what the whole answer would have in that thread. So what is looked for is found in a stream exactly
//! where it is found in the whole. All text of a choice is one thread, and so is all its reasoning, as clients join
//! both: content blocks do not end them, the end of the message does. A choice that says it is over ends with the first
//! event that is not about it: some providers say so with every piece. [`Views::ends`] says so with the event that
//! brings it: text that is held back must leave before that event. An event whose text becomes empty keeps its shape.
//!
//! # What is looked at
//!
//! | | texts |
//! |---|---|
//! | chat completions | messages, refusals, transcripts, tool calls and results, reasoning in all spellings, predictions |
//! | responses | instructions, values of stored prompts, messages, reasoning, calls and results of every tool |
//! | messages, also counted | system, text, thinking, tool use and results, text documents, search results |
//! | `generateContent`, also counted | system instruction, text, thoughts, calls and responses, code and its output |
//! | `Converse`, also counted | system, text, reasoning, tool use and results, text documents, guarded content |
//! | completions | prompts, suffix, text |
//! | embeddings | inputs, contents, titles |
//! | rerank | query, every string of the documents |
//! | images, audio | prompts, speech to make, transcripts |
//! | detected | what the names of the fields say it is |
//!
//! In requests also what stands under a name that another API has for what is said (`dialects/foreign.rs`).
//! A block of unknown kind is searched for strings under the names that such fields have everywhere; see
//! `dialects/unknown.rs` for the list. No slots are: names, ids, URLs, Base64 data, signatures and encrypted reasoning;
//! what a developer declares instead of saying it (tools, schemas, settings, metadata); error messages; the request that
//! some answers repeat. Files that hold text as Base64, pictures and sound are not looked into.
//!
//! What may hold text but cannot be read is an [`Error::Opaque`]: multipart bodies, lists of token ids, sound, endpoints
//! that pass through. So is a body that breaks the rules of its API ([`Error::WrongType`]): both are the caller's to
//! refuse or to let pass, never silently empty.
//!
//! # Echoes
//!
//! Other fields repeat a text or quote its source. [`Views::drop_echoes`] takes them out, so that SDKs still parse:
//!
//! | | becomes |
//! |---|---|
//! | chat, completions: `logprobs` of a choice | null |
//! | chat: `content` in an annotation's citation | `""` |
//! | responses: `logprobs` of a part or delta | `[]` |
//! | messages: `cited_text` of a citation; in requests all `citations` that have some | `""`; null |
//! | Gemini: `logprobsResult` | null |
//! | Gemini: in `groundingMetadata` the texts of supports and chunks, queries, `renderedContent` | `""` |
//! | Bedrock: `sourceContent` of citations | `""` |
//! | Bedrock: `trace`, `additionalModelResponseFields` | null |
//! | audio: `words`; `logprobs` | `[]`; null |
//!
//! Places in a text (`start_index`) stay, and may then point beside it.
//!
//! # Signed reasoning
//!
//! Providers sign reasoning and refuse a signature over another text. When a reasoning slot of a request is replaced:
//!
//! * **Anthropic, Bedrock**: the whole block goes. Both accept a history without thinking, not thinking without its
//!   signature. Where nothing else would be left of the message, which must not be empty, a text block with the new
//!   text takes its place, or with `[removed]` if that is blank.
//! * **Chat** (`thinking_blocks`, `reasoning_details`, which only gateways read): the block with the signature goes.
//! * **Gemini**: the `thoughtSignature` of the thought goes, also where it stands in a later part of the same thoughts.
//!   It is optional there. That of a function call stays: Gemini demands it, and it vouches for no text.
//! * **Responses**: OpenAI's `encrypted_content` stays. It is no signature: it holds the reasoning itself, which came
//!   from there, the summary may differ, and an item without it is refused. What another provider signed and Weir put
//!   there goes.
//!
//! In answers and events the signature is marked instead, so that nothing a client relies on is missing: see
//! [`llm_dialects::signature::changed`]. The codecs of the next request drop what is marked, with its text. A whole
//! answer is marked by [`Views::into_bytes`]. In streams a signature comes after its text, mostly in another event:
//! [`Views::mark_signatures`] carries from event to event what has been changed. Signatures of Gemini and OpenAI stay, as
//! neither is over the text one sees.
#![forbid(unsafe_code)]

mod collect;
mod dialects;
mod error;
mod json;
mod passage;
mod slot;
mod stream;
mod views;

pub use error::Error;
pub use passage::ChangedReasoning;
pub use slot::{Form, Role, Slot, Thread, ThreadKind};
pub use stream::EventReader;
pub use views::Views;
