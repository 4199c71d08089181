//! One person's HTTP client.

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

use super::wait::{SOON_SECS, eventually};

/// Speaks to one instance as one person, or as nobody.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(http: reqwest::Client, url: &str, token: Option<&str>) -> Self {
        Self { http, url: url.to_owned(), token: token.map(str::to_owned) }
    }

    /// The same person at another instance.
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Any request at all.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// `Err` when nobody answered.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// A command under a key, sent again under it as long as the service is overtaxed: what it asks its callers to do.
    #[track_caller]
    pub fn post_answered(&self, path: &str, body: &Value, key: &str) -> impl Future<Output = Answer> {
        eventually(SOON_SECS, move || async move {
            let answer = self.post_once(path, body, key).await;
            if answer.status == 503 { Err(answer.text()) } else { Ok(answer) }
        })
    }

    /// A command under a key.
    pub async fn post_once(&self, path: &str, body: &Value, key: &str) -> Answer {
        self.send(self.request(Method::POST, path).header("Idempotency-Key", key).json(body)).await
    }
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The same answer, which must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// `data` of a success.
    #[track_caller]
    pub fn data(&self) -> Value {
        let json = self.json();
        assert_eq!(json["success"], true, "{json}");
        json["data"].clone()
    }

    /// A refusal in the one shape that refusals have.
    #[track_caller]
    pub fn expect_problem(self, status: u16, error_code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["error_code"], error_code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["success"], false, "{problem}");
        let slug = error_code.to_ascii_lowercase().replace('_', "-");
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{problem}");
        assert!(problem["title"].is_string() && problem["correlation_id"].is_string(), "{problem}");
        answer
    }

    /// A refusal by a rule of the business.
    #[track_caller]
    pub fn expect_rule(self, rule: &str) -> Self {
        let answer = self.expect_problem(422, "BUSINESS_RULE_VIOLATION");
        assert_eq!(answer.json()["rule_name"], rule, "{}", answer.text());
        answer
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What a query sends to see what this command did.
    pub fn token(&self) -> String {
        self.header("consistency-token").to_owned()
    }

    /// The version that the command led to.
    #[track_caller]
    pub fn version(&self) -> u64 {
        self.json()["meta"]["version"].as_u64().unwrap_or_else(|| panic!("no version: {}", self.text()))
    }
}
