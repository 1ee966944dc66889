//! Tokens and tracked sessions, whose user or sign-in changes before they are handed out.

use super::*;

const REVOKED: &str = "NotAuthorizedException: Refresh Token has been revoked";
const REUSED: &str = "RefreshTokenReuseException: Refresh Token has been replaced and cannot be used again";

/// A house whose refresh tokens are rotated, with this grace period in seconds.
async fn rotating(server: Server, grace: i64) -> House {
    let client = json!({"RefreshTokenRotation": {"Feature": "ENABLED", "RetryGracePeriodSeconds": grace}});
    House::new(server, json!({}), "OPTIONAL", client).await
}

/// The request that asks for new tokens for those of a new sign-in.
async fn renewal(house: &House, username: &str) -> Value {
    house.user(username).await;
    let tokens = house.server.sign_in(&house.client, username, PASSWORD).await.ok();
    renewing(house, &tokens)
}

fn renewing(house: &House, tokens: &Value) -> Value {
    json!({"ClientId": house.client, "RefreshToken": tokens["AuthenticationResult"]["RefreshToken"]})
}

#[tokio::test]
async fn a_refresh_token_that_is_replaced() {
    both_engines(async |server| {
        let house = rotating(server, 0).await;
        let rows = [
            ("off", "AdminDisableUser", DISABLED),
            ("gone", "AdminDeleteUser", UNKNOWN),
            ("out", "AdminUserGlobalSignOut", REVOKED),
        ];
        let prepare = async |username: &str| renewal(&house, username).await;
        house.each_overtaken("GetTokensFromRefreshToken", rows, prepare).await;
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_in_two_requests_is_replaced_once() {
    both_engines(async |server| {
        let house = rotating(server, 0).await;
        let request = renewal(&house, "twice").await;
        let (late, early) = house
            .server
            .overtaken(
                0,
                house.server.call("GetTokensFromRefreshToken", request.clone()),
                house.twin.call("GetTokensFromRefreshToken", request.clone()),
            )
            .await;
        assert_eq!(said(&late), REUSED);
        // Nobody knows in whose hands it is: the sign-in is over, for who was first as well.
        let early = early.ok();
        let again = house.server.call("GetTokensFromRefreshToken", renewing(&house, &early)).await;
        assert_eq!(again.error(), REVOKED);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_in_two_requests_does_not_split_its_family() {
    both_engines(async |server| {
        let house = rotating(server, 60).await;
        let request = renewal(&house, "twice").await;
        let (late, early) = house
            .server
            .overtaken(
                0,
                house.server.call("GetTokensFromRefreshToken", request.clone()),
                house.twin.call("GetTokensFromRefreshToken", request.clone()),
            )
            .await;
        let (late, early) = (late.ok(), early.ok());
        // Both have the same number: the one is replaced with the other.
        house.server.advance(3_600);
        house.server.call("GetTokensFromRefreshToken", renewing(&house, &late)).await.ok();
        house.server.advance(3_600);
        let replaced = house.server.call("GetTokensFromRefreshToken", renewing(&house, &early)).await;
        assert_eq!(replaced.error(), REUSED);
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_tracked() {
    both_engines(async |server| {
        let house = House::usual(server).await;
        let request =
            json!({"UserPoolId": house.pool, "UserSessionTracking": "ENABLED", "TokenSession": {"MaxPerUser": 1}});
        house.server.call("SetUserPoolSessionConfiguration", request).await.ok();
        house.twin.app.forget_all();
        for (username, deed, expected) in [("off", "AdminDisableUser", DISABLED), ("gone", "AdminDeleteUser", UNKNOWN)]
        {
            house.user(username).await;
            let parameters = json!({"USERNAME": username, "PASSWORD": PASSWORD});
            let request =
                json!({"ClientId": house.client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters});
            // The first commit is that of the password.
            let answer = house.overtaken(1, "InitiateAuth", request, house.administer(deed, username)).await;
            assert_eq!(said(&answer), expected, "{deed}");
        }
    })
    .await;
}
