//! `homefood openapi`: the document of both services, without a database.

use std::sync::Arc;

use anyhow::Result;
use shared::{
    runtime::{Health, Metrics},
    web,
};
use utoipa::openapi::{Contact, Info, License, OpenApi};

/// The document of everything that one port serves.
pub fn document() -> OpenApi {
    let metrics: Arc<Metrics> = Metrics::new("homefood", env!("CARGO_PKG_VERSION"));
    let mut document = command_service::http::document();
    document.merge(projection_service::http::openapi());
    document.merge(web::ops::routes::<()>(metrics, Health::new()).into_openapi());
    describe(document)
}

/// The same document with what it says about itself.
pub fn describe(mut document: OpenApi) -> OpenApi {
    let mut license = License::new("MIT");
    license.identifier = Some("MIT".to_owned());
    let mut info = Info::new("HomeFood", env!("CARGO_PKG_VERSION"));
    info.description = Some("A marketplace for home-cooked food: commands, queries and a live feed.".to_owned());
    info.license = Some(license);
    info.contact = None::<Contact>;
    document.info = info;
    web::openapi::describe_security(&mut document);
    document
}

pub fn run() -> Result<()> {
    println!("{}", document().to_pretty_json()?);
    Ok(())
}
