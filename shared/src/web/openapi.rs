//! What both OpenAPI documents have in common.

use utoipa::openapi::{
    OpenApi,
    schema::ComponentsBuilder,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

/// The name of the security scheme: `security(("bearer" = []))`.
pub const BEARER: &str = "bearer";

/// Describes the bearer token.
pub fn describe_security(document: &mut OpenApi) {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A token signed with EdDSA or RS256; its roles decide what its bearer may do."))
        .build();
    let components = document.components.get_or_insert_with(|| ComponentsBuilder::new().build());
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::{Envelope, problem::ProblemDetails};
    use utoipa::{PartialSchema, ToSchema};

    #[test]
    fn absent_means_absent_and_never_null() {
        assert_eq!(ProblemDetails::name(), "Problem");
        for schema in [ProblemDetails::schema(), Envelope::<u32>::schema(), crate::web::Meta::schema()] {
            let json = serde_json::to_string(&schema).expect("serialises");
            assert!(!json.contains("null"), "{json}");
        }
        let problem = serde_json::to_value(ProblemDetails::schema()).expect("serialises");
        let required: Vec<&str> =
            problem["required"].as_array().into_iter().flatten().flat_map(|v| v.as_str()).collect();
        assert_eq!(required, ["type", "title", "status", "success", "error_code"]);
    }

    #[test]
    fn the_document_names_the_scheme() {
        let mut document = OpenApi::default();
        describe_security(&mut document);
        let json = serde_json::to_value(document).expect("serialises");
        assert_eq!(json["components"]["securitySchemes"][BEARER]["bearerFormat"], "JWT");
    }
}
