//! `GET /confirmUser/`: the page behind the link in a verification mail (accounts.md §9.1). Following the link confirms
//! the sign-up, as ConfirmSignUp with the same code would.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use http::{Method, StatusCode, request::Parts};
use serde::Deserialize;
use service::{ApiError, Ctx, lookup, operations::sign_up::confirm_sign_up};
use wire::{DefaultEmailOptionType, ErrorKind};

use crate::{page, panics, state::Web};

/// The link's query. Its names are those of the service's links.
#[derive(Default, Deserialize)]
pub(crate) struct Link {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    user_name: String,
    #[serde(default)]
    confirmation_code: String,
}

#[derive(Template)]
#[template(path = "confirmation.html")]
struct Page {
    title: &'static str,
    text: &'static str,
}

/// `GET /confirmUser/?client_id=…&user_name=…&confirmation_code=…`. `HEAD` confirms nothing: mail scanners send it.
pub(crate) async fn page(State(web): State<Web>, parts: Parts) -> Response {
    let Ok(Query(link)) = Query::<Link>::try_from_uri(&parts.uri) else {
        return refused();
    };
    if parts.method == Method::HEAD {
        return page::render(StatusCode::OK, &Page { title: "Confirmation", text: "Open this link in a browser." });
    }
    let ctx = web.context(&parts);
    let outcome = panics::catch(confirm(&ctx, &link)).await.unwrap_or_else(|panic| Err(ApiError::internal(panic)));
    match outcome {
        Ok(()) => page::render(
            StatusCode::OK,
            &Page {
                title: "Registration confirmed",
                text: "Your registration has been confirmed. You can sign in now.",
            },
        ),
        Err(error) if error.kind.is_server_fault() => {
            tracing::error!(id = ctx.request_id, cause = error.cause.as_deref(), "a confirmation failed");
            let text = "Something went wrong on the server. Please open the link again in a moment.";
            page::render(StatusCode::INTERNAL_SERVER_ERROR, &Page { title: "Please try again", text })
        }
        // Decision: the user is confirmed, so the link has done its work; the service's page is not known. Triggers log why.
        Err(error) if is_of_a_function(error.kind) => {
            let text = "Your registration has been confirmed, but a step that follows it has failed. If you cannot sign in, \
                        please contact an administrator.";
            page::render(StatusCode::OK, &Page { title: "Registration confirmed", text })
        }
        // Why exactly is nobody's business: the link may have been guessed. Too many wrong guesses look no different,
        // because they tell that there is such a user.
        Err(_) => refused(),
    }
}

async fn confirm(ctx: &Ctx, link: &Link) -> Result<(), ApiError> {
    let (client, pool) = lookup::client_and_pool(ctx, &link.client_id).await?;
    // Where codes are sent, links do nothing: otherwise they would be a way around the client's secret.
    if pool.verification_template.default_email_option != Some(DefaultEmailOptionType::ConfirmWithLink) {
        return Err(ApiError::expired_code());
    }
    confirm_sign_up::confirm(ctx, &client, &pool, &link.user_name, &link.confirmation_code).await
}

/// Whether PostConfirmation has failed, the only function that a link calls.
const fn is_of_a_function(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UserLambdaValidation | ErrorKind::UnexpectedLambda | ErrorKind::InvalidLambdaResponse)
}

fn refused() -> Response {
    let text = "This link is not valid, was used already, or has expired. If you cannot sign in, ask for a new link.";
    page::render(StatusCode::BAD_REQUEST, &Page { title: "This link does not work", text })
}
