//! Parameters of the path and the query, refused with a problem when they are not what was asked for.

use axum::extract::{FromRequestParts, Query, RawPathParams, rejection::QueryRejection};
use http::request::Parts;
use serde::de::{DeserializeOwned, value::Error as ValueError};
use std::error::Error;
use uuid::Uuid;

use super::{json::field_problem, problem::Problem};

/// The parameters of a query. Let `T` deny unknown fields: a misspelt filter must not answer everything.
#[derive(Debug, Clone)]
pub struct ValidQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ValidQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::validation("", "nul_character", "a parameter contains the character U+0000"));
        }
        let query = Query::try_from_uri(&parts.uri).map_err(|rejection| explain(&rejection))?;
        Ok(Self(query.0))
    }
}

fn explain(rejection: &QueryRejection) -> Problem {
    let mut cause: Option<&(dyn Error + 'static)> = Some(rejection);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<serde_path_to_error::Error<ValueError>>() {
            return field_problem(error.path(), &error.inner().to_string());
        }
        cause = error.source();
    }
    Problem::validation("", "invalid", "the query is malformed")
}

/// The id in the path. One that is not a UUID is 400, not 404: it can never have named anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathId<T>(pub T);

impl<T: From<Uuid>, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [id] = ids(parts, state).await?;
        Ok(Self(T::from(id)))
    }
}

/// Two ids in the path, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathIds<A, B>(pub A, pub B);

impl<A: From<Uuid>, B: From<Uuid>, S: Send + Sync> FromRequestParts<S> for PathIds<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [first, second] = ids(parts, state).await?;
        Ok(Self(A::from(first), B::from(second)))
    }
}

async fn ids<const N: usize, S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<[Uuid; N], Problem> {
    let malformed = |_| Problem::validation("", "malformed", "the path is not UTF-8");
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(malformed)?;
    let ids: Vec<Uuid> = params.iter().map(|(name, text)| parse_id(name, text)).collect::<Result<_, _>>()?;
    ids.try_into().map_err(|_| Problem::internal(format!("the route has not {N} parameters")))
}

/// The hyphenated form only, so that one resource has one address.
fn parse_id(name: &str, text: &str) -> Result<Uuid, Problem> {
    let id = Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
    id.ok_or_else(|| Problem::validation(format!("/{name}"), "malformed", format!("{name} is not a UUID")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DisputeId, OrderId};
    use axum::{Router, body::Body, routing::get};
    use http::{Request, StatusCode};
    use serde::Deserialize;
    use tower::ServiceExt;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        limit: Option<u32>,
        status: Option<String>,
    }

    async fn query(query: &str) -> Result<Filter, (String, String)> {
        let request = Request::get(format!("/orders{query}")).body(Body::empty()).expect("a request");
        let answer = ValidQuery::from_request_parts(&mut request.into_parts().0, &()).await;
        answer.map(|query| query.0).map_err(|problem| {
            let error = &problem.details().errors[0];
            (error.pointer.clone(), error.code.to_string())
        })
    }

    #[tokio::test]
    async fn parameters_are_read_or_pointed_at() {
        assert_eq!(query("").await, Ok(Filter { limit: None, status: None }));
        assert_eq!(query("?limit=5&status=").await, Ok(Filter { limit: Some(5), status: Some(String::new()) }));
        let refused = |pointer: &str, code: &str| Err((pointer.to_owned(), code.to_owned()));
        assert_eq!(query("?limits=5").await, refused("/limits", "unknown_field"));
        assert_eq!(query("?limit=5&limit=6").await, refused("/limit", "duplicate_field"));
        assert_eq!(query("?limit=many").await, refused("/limit", "invalid"));
        assert_eq!(query("?limit=-1").await, refused("/limit", "invalid"));
        assert_eq!(query("?status=a%00b").await, refused("", "nul_character"));
    }

    async fn get_path(path: &str) -> (StatusCode, String) {
        let router: Router =
            Router::new().route("/orders/{id}", get(async |PathId::<OrderId>(id)| id.to_string())).route(
                "/disputes/{id}/offers/{offer_id}",
                get(async |PathIds::<DisputeId, Uuid>(a, b)| format!("{a} {b}")),
            );
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("infallible");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn ids_are_read_in_their_one_form() {
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        assert_eq!(get_path(&format!("/orders/{a}")).await, (StatusCode::OK, a.to_string()));
        assert_eq!(get_path(&format!("/disputes/{a}/offers/{b}")).await, (StatusCode::OK, format!("{a} {b}")));
        let (simple, braced) = (a.simple().to_string(), format!("%7B{a}%7D"));
        for wrong in ["7", "me", &simple, &braced, "%FF", "%00"] {
            let (status, body) = get_path(&format!("/orders/{wrong}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
            assert!(body.contains("VALIDATION_ERROR"), "{body}");
        }
    }
}
