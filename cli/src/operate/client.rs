//! The service as an operator's terminal sees it: who asks, where, and what a refusal ends the command with.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::{
    dev::session,
    exit::{self, Exit},
};

/// Where to ask, as whom, and how to show it.
#[derive(Debug, Clone, Args)]
pub struct Remote {
    /// Where the service is; by default that of a running `cargo dev`.
    #[arg(long, env = "HOMEFOOD_URL", global = true)]
    url: Option<String>,
    /// An administrator's token; by default that of a running `cargo dev`.
    #[arg(long, env = "HOMEFOOD_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
    /// Where `cargo dev` keeps its data.
    #[arg(long, default_value_os_t = crate::dev::default_data_dir(), global = true)]
    data_dir: PathBuf,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Asks one service as one administrator.
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    /// Whether JSON is printed.
    pub json: bool,
}

impl Remote {
    /// A client, from what was said or from the session of a running `cargo dev`.
    pub fn client(&self) -> Result<Client> {
        let session = session::read(&self.data_dir);
        let from_session = |pointer: &str| session.as_ref()?.pointer(pointer)?.as_str().map(str::to_owned);
        let url = self.url.clone().or_else(|| from_session("/url"));
        let token = self.token.clone().or_else(|| from_session("/tokens/admin"));
        let missing = |what: &str| Exit::new(exit::USAGE, format!("say --{what}, or run `cargo dev`"));
        Ok(Client {
            http: reqwest::Client::new(),
            url: url.ok_or_else(|| missing("url"))?.trim_end_matches('/').to_owned(),
            token: token.ok_or_else(|| missing("token"))?,
            json: self.json,
        })
    }

    /// Where the service is, for what needs no token.
    pub fn url(&self) -> Result<String> {
        let session = session::read(&self.data_dir);
        let from_session = || Some(session?.pointer("/url")?.as_str()?.to_owned());
        let missing = || Exit::new(exit::USAGE, "say --url, or run `cargo dev`");
        Ok(self.url.clone().or_else(from_session).ok_or_else(missing)?.trim_end_matches('/').to_owned())
    }
}

impl Client {
    /// The whole answer to a query.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        let request = self.http.request(Method::GET, format!("{}/api/v1{path}", self.url)).query(query);
        self.send(request).await
    }

    /// `data` of the answer to an act.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.http.request(Method::POST, format!("{}/api/v1{path}", self.url)).json(body);
        Ok(self.send(request).await?["data"].take())
    }

    /// `data` of the answer to a query.
    pub async fn data(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        Ok(self.get(path, query).await?["data"].take())
    }

    /// Every item of a list, page by page, until there are `limit`.
    pub async fn pages(&self, path: &str, query: &[(&str, String)], limit: usize) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = None;
        while items.len() < limit {
            let mut query = query.to_vec();
            query.push(("limit", (limit - items.len()).min(100).to_string()));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let mut answer = self.get(path, &query).await?;
            if let Value::Array(page) = answer["data"].take() {
                items.extend(page);
            }
            match answer["meta"]["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        Ok(items)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let sent = request.bearer_auth(&self.token).send().await;
        let answer =
            sent.map_err(|error| Exit::new(exit::UNAVAILABLE, format!("{} does not answer: {error}", self.url)))?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(|error| Exit::new(exit::UNAVAILABLE, error.to_string()))?;
        if status < 300 {
            return serde_json::from_slice(&body).with_context(|| format!("{status} without JSON"));
        }
        // A proxy in between answers in words of its own.
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let said = |name: &str| body[name].as_str();
        let nobody_says = format!("{} answers {status}", self.url);
        let what = said("detail").or(said("title")).unwrap_or(&nobody_says);
        let rule = said("rule_name").map(|rule| format!(" ({rule})")).unwrap_or_default();
        Err(Exit::new(code(status), format!("{what}{rule}")).into())
    }
}

fn code(status: u16) -> u8 {
    match status {
        400 => exit::USAGE,
        404 => exit::NOT_FOUND,
        409 | 412 | 422 => exit::CONFLICT,
        429 | 500.. => exit::UNAVAILABLE,
        _ => 1,
    }
}
