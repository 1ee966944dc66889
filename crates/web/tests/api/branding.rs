//! Styles of managed login and the look of the classic pages (oauth-federation.md §12).

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";
/// The first bytes of a PNG picture, of a JPEG picture and of an icon, and two SVG pictures, of which one runs a script.
const PNG: &str = "iVBORw0KGgo=";
const JPEG: &str = "/9j/";
const ICO: &str = "AAABAA==";
const SVG: &str = "PHN2Zy8+";
const SCRIPT: &str = "PHN2Zz48c2NyaXB0Lz48L3N2Zz4=";

fn with(mut request: Value, members: &Value) -> Value {
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

async fn create(server: &Server, pool: &str, client: &str, members: &Value) -> Answer {
    server.call("CreateManagedLoginBranding", with(json!({"UserPoolId": pool, "ClientId": client}), members)).await
}

async fn update(server: &Server, pool: &str, id: &str, members: &Value) -> Answer {
    let request = with(json!({"UserPoolId": pool, "ManagedLoginBrandingId": id}), members);
    server.call("UpdateManagedLoginBranding", request).await
}

fn id(style: &Value) -> &str {
    style["ManagedLoginBranding"]["ManagedLoginBrandingId"].as_str().unwrap()
}

fn asset(category: &str, extension: &str, bytes: &str) -> Value {
    json!({"Category": category, "ColorMode": "LIGHT", "Extension": extension, "Bytes": bytes})
}

fn radius(radius: i64) -> Value {
    json!({"componentClasses": {"buttons": {"borderRadius": radius}}})
}

#[tokio::test]
async fn a_style_is_made_shown_changed_and_deleted() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let members = json!({"Settings": radius(2), "Assets": [asset("FORM_LOGO", "PNG", PNG)]});
        let made = create(&server, &pool, &client, &members).await.ok();
        let style_id = id(&made);
        assert_eq!(
            made,
            json!({"ManagedLoginBranding": {
                "ManagedLoginBrandingId": style_id, "UserPoolId": pool, "UseCognitoProvidedValues": false,
                "Settings": radius(2), "Assets": [asset("FORM_LOGO", "PNG", PNG)],
                "CreationDate": 1767323045.0, "LastModifiedDate": 1767323045.0
            }})
        );
        let by_id = json!({"UserPoolId": pool, "ManagedLoginBrandingId": style_id});
        let by_client = json!({"UserPoolId": pool, "ClientId": client});
        assert_eq!(server.call("DescribeManagedLoginBranding", by_id.clone()).await.ok(), made);
        assert_eq!(server.call("DescribeManagedLoginBrandingByClient", by_client.clone()).await.ok(), made);

        // Merged with what it leaves to the default style.
        let merged = json!({"ReturnMergedResources": true});
        let whole = server.call("DescribeManagedLoginBranding", with(by_id.clone(), &merged)).await.ok();
        let settings = &whole["ManagedLoginBranding"]["Settings"];
        assert_eq!(settings["componentClasses"]["buttons"]["borderRadius"], 2);
        assert_eq!(settings["componentClasses"]["focusState"]["lightMode"]["borderColor"], "0972d3ff");
        assert_eq!(settings["categories"]["global"]["colorSchemeMode"], "LIGHT");
        let by_client_merged = with(by_client.clone(), &merged);
        assert_eq!(server.call("DescribeManagedLoginBrandingByClient", by_client_merged).await.ok(), whole);

        // An update changes what it names: a member, and the picture in a place.
        server.advance(1);
        let dark = json!({"categories": {"global": {"colorSchemeMode": "DARK"}}});
        let members =
            json!({"Settings": dark, "Assets": [asset("FORM_LOGO", "JPEG", JPEG), asset("FAVICON_ICO", "ICO", ICO)]});
        let updated = update(&server, &pool, style_id, &members).await.ok();
        assert_eq!(
            updated,
            json!({"ManagedLoginBranding": {
                "ManagedLoginBrandingId": style_id, "UserPoolId": pool, "UseCognitoProvidedValues": false,
                "Settings": with(radius(2), &dark), "Assets": members["Assets"],
                "CreationDate": 1767323045.0, "LastModifiedDate": 1767323046.0
            }})
        );
        // Back to the default style.
        let reset = update(&server, &pool, style_id, &json!({"UseCognitoProvidedValues": true})).await.ok();
        assert_eq!(
            reset,
            json!({"ManagedLoginBranding": {
                "ManagedLoginBrandingId": style_id, "UserPoolId": pool, "UseCognitoProvidedValues": true,
                "CreationDate": 1767323045.0, "LastModifiedDate": 1767323046.0
            }})
        );
        assert_eq!(update(&server, &pool, style_id, &json!({})).await.ok(), reset);
        let again = update(&server, &pool, style_id, &json!({"Settings": radius(3)})).await.ok();
        assert_eq!(again["ManagedLoginBranding"]["UseCognitoProvidedValues"], false);

        let deleted = server.call("DeleteManagedLoginBranding", by_id.clone()).await;
        assert_eq!((deleted.status, deleted.body), (200, Value::Null));
        for operation in ["DescribeManagedLoginBranding", "UpdateManagedLoginBranding", "DeleteManagedLoginBranding"] {
            assert_eq!(
                server.call(operation, by_id.clone()).await.error(),
                format!("ResourceNotFoundException: Managed login branding {style_id} does not exist."),
                "{operation}"
            );
        }
        assert_eq!(
            server.call("DescribeManagedLoginBrandingByClient", by_client).await.error(),
            "ResourceNotFoundException: The client has no managed login branding."
        );
        create(&server, &pool, &client, &json!({"UseCognitoProvidedValues": true})).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_client_has_one_style_that_goes_with_it() {
    both_engines(async |server| {
        let (pool, other) = (server.pool(json!({})).await, server.pool(json!({})).await);
        let client = server.client_id(&pool, json!({})).await;
        let default = json!({"UseCognitoProvidedValues": true});
        let made = create(&server, &pool, &client, &default).await.ok();
        assert_eq!(
            create(&server, &pool, &client, &default).await.error(),
            "ManagedLoginBrandingExistsException: Managed login branding already exists for this client."
        );
        let no_client = format!("ResourceNotFoundException: User pool client {client} does not exist.");
        assert_eq!(create(&server, &other, &client, &default).await.error(), no_client);
        let by_client = json!({"UserPoolId": other, "ClientId": client});
        assert_eq!(server.call("DescribeManagedLoginBrandingByClient", by_client).await.error(), no_client);
        for operation in ["DescribeManagedLoginBranding", "UpdateManagedLoginBranding", "DeleteManagedLoginBranding"] {
            for (pool, id) in [(&other, id(&made)), (&pool, UNKNOWN)] {
                assert_eq!(
                    server.call(operation, json!({"UserPoolId": pool, "ManagedLoginBrandingId": id})).await.error(),
                    format!("ResourceNotFoundException: Managed login branding {id} does not exist."),
                    "{operation}"
                );
            }
        }
        for operation in [
            "CreateManagedLoginBranding",
            "DescribeManagedLoginBranding",
            "DescribeManagedLoginBrandingByClient",
            "UpdateManagedLoginBranding",
            "DeleteManagedLoginBranding",
            "SetUICustomization",
            "GetUICustomization",
        ] {
            let request =
                json!({"UserPoolId": "us-east-1_nowhere00", "ClientId": client, "ManagedLoginBrandingId": UNKNOWN});
            assert_eq!(
                server.call(operation, request).await.error(),
                "ResourceNotFoundException: User pool us-east-1_nowhere00 does not exist.",
                "{operation}"
            );
        }
        server.call("DeleteUserPoolClient", json!({"UserPoolId": pool, "ClientId": client})).await;
        let by_id = json!({"UserPoolId": pool, "ManagedLoginBrandingId": id(&made)});
        assert_eq!(
            server.call("DescribeManagedLoginBranding", by_id).await.error(),
            format!("ResourceNotFoundException: Managed login branding {} does not exist.", id(&made))
        );
    })
    .await;
}

#[tokio::test]
async fn what_no_page_could_show_is_refused() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let styled = server.client_id(&pool, json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let made = create(&server, &pool, &styled, &json!({"UseCognitoProvidedValues": true})).await.ok();
        let both = "Settings and Assets cannot be given when UseCognitoProvidedValues is true.";
        let svg = "Asset FORM_LOGO: the SVG file must not hold scripts, event handlers, foreign objects or references to other files.";
        for (members, error) in [
            (json!({"UseCognitoProvidedValues": true, "Settings": {}}), both),
            (json!({"UseCognitoProvidedValues": true, "Assets": []}), both),
            (json!({"Settings": 7}), "Settings must be an object."),
            (json!({"Settings": {"x": 1}}), "Settings.x is not a member of Settings."),
            (
                json!({"Settings": {"componentClasses": {"buttons": {"borderRadius": "2"}}}}),
                "Settings.componentClasses.buttons.borderRadius must be a number.",
            ),
            (
                json!({"Settings": {"components": {"pageBackground": {"lightMode": {"color": "red"}}}}}),
                "Settings.components.pageBackground.lightMode.color must be a colour of eight hexadecimal digits, such as 0972d3ff.",
            ),
            (
                json!({"Assets": [asset("FAVICON_SVG", "PNG", PNG)]}),
                "Asset FAVICON_SVG: Extension must be one of SVG.",
            ),
            (
                json!({"Assets": [asset("PAGE_BACKGROUND", "WEBP", PNG)]}),
                "Asset PAGE_BACKGROUND: Extension must be one of PNG, SVG, JPEG.",
            ),
            (json!({"Assets": [asset("FORM_LOGO", "PNG", "")]}), "Asset FORM_LOGO: Bytes are missing."),
            (json!({"Assets": [asset("FORM_LOGO", "PNG", JPEG)]}), "Asset FORM_LOGO: the file is not of the type PNG."),
            (json!({"Assets": [asset("FORM_LOGO", "SVG", SCRIPT)]}), svg),
        ] {
            let error = format!("InvalidParameterException: {error}");
            assert_eq!(create(&server, &pool, &client, &members).await.error(), error, "{members}");
            assert_eq!(update(&server, &pool, id(&made), &members).await.error(), error, "{members}");
        }
        for (members, place) in [
            (json!({"Assets": [asset("NONSENSE", "PNG", PNG)]}), "'assets.1.member.category'"),
            (json!({"Assets": vec![asset("FORM_LOGO", "PNG", PNG); 41]}), "'assets'"),
        ] {
            let error = create(&server, &pool, &client, &members).await.error();
            assert!(error.contains(&format!("at {place} failed to satisfy constraint")), "{error}");
        }
        create(&server, &pool, &client, &json!({"Assets": [asset("FORM_LOGO", "SVG", SVG)]})).await.ok();

        // The model does not demand what names a style.
        for (request, member) in [
            (json!({"ManagedLoginBrandingId": UNKNOWN}), "userPoolId"),
            (json!({"UserPoolId": pool}), "managedLoginBrandingId"),
        ] {
            assert_eq!(
                server.call("UpdateManagedLoginBranding", request).await.error(),
                format!(
                    "InvalidParameterException: 1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
                )
            );
        }
    })
    .await;
}

#[tokio::test]
async fn pictures_pile_up_to_a_limit() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        // 600,000 bytes of base64 that begin as a PNG picture does.
        let large = format!("iVBORw0KGgoA{}", "AAAA".repeat(150_000));
        let made = create(&server, &pool, &client, &json!({"Assets": [asset("FORM_LOGO", "PNG", &large)]})).await.ok();
        let second = json!({"Assets": [asset("PAGE_BACKGROUND", "PNG", &large)]});
        assert_eq!(
            update(&server, &pool, id(&made), &second).await.error(),
            "InvalidParameterException: Settings and Assets of a style cannot be larger than 1000000 bytes together."
        );
        update(&server, &pool, id(&made), &json!({"Assets": [asset("FORM_LOGO", "PNG", &large)]})).await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pool_has_twenty_styles() {
    both_engines(async |server| {
        let server = Arc::new(server);
        let pool = server.pool(json!({})).await;
        let mut creating = tokio::task::JoinSet::new();
        for number in 0..23 {
            let client = server.client_id(&pool, json!({})).await;
            let (server, pool) = (server.clone(), pool.clone());
            let default = json!({"UseCognitoProvidedValues": true});
            if number < 18 {
                create(&server, &pool, &client, &default).await.ok();
            } else {
                creating.spawn(async move { create(&server, &pool, &client, &default).await });
            }
        }
        let answers = creating.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 2);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(
                refused.error(),
                "LimitExceededException: The maximum number of managed login branding styles in this user pool has been reached: 20."
            );
        }
    })
    .await;
}

async fn set(server: &Server, pool: &str, members: &Value) -> Answer {
    server.call("SetUICustomization", with(json!({"UserPoolId": pool}), members)).await
}

async fn get(server: &Server, pool: &str, client: &str) -> Value {
    let answer = server.call("GetUICustomization", json!({"UserPoolId": pool, "ClientId": client})).await.ok();
    answer["UICustomization"].clone()
}

#[tokio::test]
async fn the_look_of_a_client_hides_that_of_all() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let css = ".logo-customizable { max-width: 60%; }";
        assert_eq!(
            set(&server, &pool, &json!({"CSS": css})).await.error(),
            "InvalidParameterException: There has to be an existing domain associated with this user pool"
        );
        server.call("CreateUserPoolDomain", json!({"UserPoolId": pool, "Domain": "looks"})).await.ok();
        assert_eq!(get(&server, &pool, &client).await, json!({}));
        assert_eq!(
            server.call("GetUICustomization", json!({"UserPoolId": pool})).await.ok(),
            json!({"UICustomization": {}})
        );

        let picture = |of: &str| format!("http://127.0.0.1:9229/_domain/looks/{of}/assets/images/image.jpg");
        let all = json!({
            "UserPoolId": pool, "ClientId": "ALL", "CSS": css, "CSSVersion": "20260102030405",
            "ImageUrl": picture("ALL/20260102030405"),
            "LastModifiedDate": 1767323045.0, "CreationDate": 1767323045.0
        });
        assert_eq!(
            set(&server, &pool, &json!({"CSS": css, "ImageFile": PNG})).await.ok(),
            json!({"UICustomization": all})
        );
        assert_eq!(get(&server, &pool, &client).await, all);

        // Rules and picture are set together, for a client in place of those of all.
        server.advance(1);
        let own = json!({
            "UserPoolId": pool, "ClientId": client, "CSSVersion": "20260102030406",
            "ImageUrl": picture(&format!("{client}/20260102030406")),
            "LastModifiedDate": 1767323046.0, "CreationDate": 1767323046.0
        });
        let request = json!({"ClientId": client, "ImageFile": JPEG});
        assert_eq!(set(&server, &pool, &request).await.ok(), json!({"UICustomization": own}));
        assert_eq!(get(&server, &pool, &client).await, own);
        assert_eq!(get(&server, &pool, "ALL").await, all);
        server.advance(1);
        let again = set(&server, &pool, &json!({"ClientId": "ALL", "CSS": ""})).await.ok();
        assert_eq!(
            again["UICustomization"],
            json!({
                "UserPoolId": pool, "ClientId": "ALL", "CSS": "", "CSSVersion": "20260102030407",
                "LastModifiedDate": 1767323047.0, "CreationDate": 1767323045.0
            })
        );

        let other = server.pool(json!({})).await;
        let no_client = format!("ResourceNotFoundException: User pool client {client} does not exist.");
        let request = json!({"UserPoolId": other, "ClientId": client});
        for operation in ["SetUICustomization", "GetUICustomization"] {
            assert_eq!(server.call(operation, request.clone()).await.error(), no_client, "{operation}");
        }
    })
    .await;
}

#[tokio::test]
async fn rules_and_pictures_have_bounds() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        server.call("CreateUserPoolDomain", json!({"UserPoolId": pool, "Domain": "looks"})).await.ok();
        for (members, error) in [
            (
                json!({"CSS": "body { color: red }"}),
                "CSS has rules for body, which is not among the classes that can be customized.",
            ),
            (json!({"CSS": "@import 'x';"}), "CSS must not contain @"),
            (json!({"CSS": ".logo-customizable {"}), "CSS is not a list of rules."),
            (json!({"CSS": "/* no end"}), "CSS has a comment without an end."),
            (json!({"ImageFile": "R0lGODlh"}), "ImageFile must be a PNG or JPEG picture."),
            (json!({"ImageFile": ""}), "ImageFile must be a PNG or JPEG picture."),
            (json!({"CSS": " ".repeat(130_000), "ImageFile": "/9j/".repeat(2_100)}), "request parameters too large"),
        ] {
            assert_eq!(set(&server, &pool, &members).await.error(), format!("InvalidParameterException: {error}"));
        }
        let error = set(&server, &pool, &json!({"CSS": " ".repeat(131_073)})).await.error();
        assert!(error.contains("at 'cSS' failed to satisfy constraint"), "{error}");
        let error = set(&server, &pool, &json!({"ImageFile": "/9j/".repeat(43_691)})).await.error();
        assert!(error.contains("at 'imageFile' failed to satisfy constraint"), "{error}");
        assert_eq!(get(&server, &pool, "ALL").await, json!({}));
    })
    .await;
}
