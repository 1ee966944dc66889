//! A whole server in process: requests go in as HTTP requests and come out as HTTP answers, without a socket.

use std::{
    fmt::Debug,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use cluster::Scratch;
use crypto::{
    seal::{KeyRing, MasterKey},
    sigv4::{SignedRequest, sign_for},
};
use domain::{ActionPattern, Entropy};
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service::{
    App, Clock, Settings,
    messages::{Outbox, Sender},
    quotas::Quotas,
    records::Records,
    settings::{Issuer, Limits, Signatures, SrpOff},
    tracking::Locations,
    triggers::Failure,
};
use store::{Address, Changes, Durability, Isolation, Location, PostgresOptions, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use wire::Timestamp;

use crate::{Answer, Documents, Function, Functions, ReadableKeys, SeededEntropy, gate::Gate, stock};

/// 2026-01-02T03:04:05Z.
const START: Timestamp = Timestamp(1_767_323_045_000);
/// Signing keys at hand: enough for eight pools.
const STOCK: usize = 16;
/// Seed of the first server's randomness. The master key is the first thing that is drawn from it.
const SEED: u64 = 1;
/// How long jobs may take to end when they are told to.
const JOBS_TIMEOUT: Duration = Duration::from_secs(30);

/// What a test wants different from the usual.
pub struct Builder {
    settings: Settings,
    location: Location,
    sender: Sender,
    records: Records,
    test_controls: bool,
    seed: u64,
    is_recorded: bool,
    shared: Option<Store>,
    home: Home,
}

/// The server under test.
pub struct Server {
    /// The service behind it.
    pub app: Arc<App>,
    /// What other servers publish.
    pub documents: Arc<Documents>,
    functions: Arc<Functions>,
    gate: Arc<Gate>,
    router: Router,
    location: Location,
    test_controls: bool,
    is_recorded: bool,
    jobs: Jobs,
    // This goes last.
    home: Home,
}

/// Where the data of one server, or of several, lives; gone with the last of them.
#[derive(Clone, Default)]
struct Home {
    folder: Option<Arc<tempfile::TempDir>>,
    scratch: Option<Arc<Scratch>>,
    siblings: Arc<AtomicU64>,
}

/// Background jobs; they die when this is dropped.
#[derive(Default)]
struct Jobs {
    shutdown: CancellationToken,
    running: JoinSet<()>,
}

/// The environment variable that says on which engine servers run whose test does not care: `memory` (the usual one),
/// `file`, `postgres` or `postgres-serializable`; the last two on the server that [`cluster::scratch::VARIABLE`] names.
const ENGINE: &str = "POOLKEEPER_TEST_ENGINE";
/// The engine with the strictest isolation.
const SERIALIZABLE: &str = "postgres-serializable";

/// Whether the tests run on one engine that the environment names.
pub(crate) fn is_one_engine_under_test() -> bool {
    std::env::var(ENGINE).is_ok_and(|engine| !matches!(engine.as_str(), "" | "memory"))
}

impl Builder {
    /// Changes settings.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Chooses who takes messages.
    #[must_use]
    pub fn sender(mut self, sender: Sender) -> Self {
        self.sender = sender;
        self
    }

    /// Chooses who is told of events and logs.
    #[must_use]
    pub fn records(mut self, records: Records) -> Self {
        self.records = records;
        self
    }

    /// Checks signatures and mounts no test controls, as `poolkeeper serve` does.
    #[must_use]
    pub fn production(mut self) -> Self {
        self.settings.signatures = Signatures::Required;
        self.test_controls = false;
        self
    }

    /// Notes nothing of what is answered as coverage, for those who send whatever comes and prove nothing by it.
    #[must_use]
    pub const fn unrecorded(mut self) -> Self {
        self.is_recorded = false;
        self
    }

    /// Keeps the data in a file.
    #[must_use]
    pub fn in_a_file(mut self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        self.location = Location::File(folder.path().join("poolkeeper.db"));
        self.home.folder = Some(Arc::new(folder));
        self
    }

    /// Keeps the data in a new database of PostgreSQL, which other servers can share ([`Server::sibling`]); nothing
    /// where the environment names no server. What the calls answer is not noted as coverage, since it cannot be seen
    /// everywhere.
    #[must_use]
    pub fn on_postgres(mut self) -> Option<Self> {
        self.is_recorded = false;
        let is_strict = std::env::var(ENGINE).as_deref() == Ok(SERIALIZABLE);
        self.in_a_database(if is_strict { Isolation::Serializable } else { Isolation::ReadCommitted })
    }

    /// Keeps the data in a new database; nothing where there is no server that makes one.
    fn in_a_database(mut self, isolation: Isolation) -> Option<Self> {
        let scratch = Scratch::for_a_test().expect("a database can be made")?;
        let address = Address::parse(&scratch.url()).expect("it has an URL");
        // Each test is a process of its own with few servers of its own.
        let options = PostgresOptions { isolation, max_connections: 4, ..PostgresOptions::new(address) };
        self.location = Location::Postgres(Box::new(options));
        self.home.scratch = Some(Arc::new(scratch));
        Some(self)
    }

    /// Changes how the database of PostgreSQL is used.
    #[must_use]
    pub fn database(mut self, change: impl FnOnce(&mut PostgresOptions)) -> Self {
        let Location::Postgres(options) = &mut self.location else { panic!("the data is not in PostgreSQL") };
        change(options);
        self
    }

    /// Keeps the data where [`ENGINE`] says.
    fn on_the_engine_under_test(self) -> Self {
        let isolation = match std::env::var(ENGINE).as_deref() {
            Err(_) | Ok("" | "memory") => return self,
            Ok("file") => return self.in_a_file(),
            Ok("postgres") => Isolation::ReadCommitted,
            Ok(SERIALIZABLE) => Isolation::Serializable,
            Ok(other) => panic!("{ENGINE}={other} is no engine"),
        };
        self.in_a_database(isolation).expect("a server is named")
    }

    /// Starts it.
    pub async fn start(self) -> Server {
        let this = if self.location == Location::Memory { self.on_the_engine_under_test() } else { self };
        this.start_there().await
    }

    async fn start_there(self) -> Server {
        let is_first = self.seed == SEED;
        let entropy = Arc::new(SeededEntropy::new(self.seed));
        let master =
            if is_first { MasterKey::generate(&*entropy) } else { MasterKey::generate(&SeededEntropy::new(SEED)) };
        let ring = KeyRing::new(vec![master]).expect("one key makes a ring");
        let options = store::Options {
            location: self.location.clone(),
            durability: Durability::Normal,
            ..store::Options::memory()
        };
        let store = match self.shared {
            Some(store) => store,
            None => Store::open(&options).await.expect("the store opens"),
        };
        let clock = Clock::new(|| START);
        clock.freeze(true);
        if is_first {
            let mut changes = Changes::new();
            for key in stock(&ring, &*entropy, STOCK, clock.now()) {
                changes.insert(key);
            }
            store.commit(changes).await.expect("a fresh store takes keys");
        }
        let options = web::Options { test_controls: self.test_controls, ..web::Options::default() };
        let shared: Arc<dyn Entropy> = entropy;
        let app = App::new(self.settings, store, ring, clock, shared, Outbox::new(self.sender));
        let (functions, gate) = (Arc::new(Functions::default()), Arc::new(Gate::default()));
        let documents = Arc::new(Documents::default());
        let app = Arc::new(
            app.with_runner(functions.clone())
                .with_code_keys(Arc::new(ReadableKeys))
                .with_documents(documents.clone())
                .with_records(self.records)
                .with_before_commit(Box::new({
                    let gate = gate.clone();
                    move || gate.clone().pass()
                })),
        );
        Server {
            router: web::router(app.clone(), options),
            app,
            documents,
            functions,
            gate,
            location: self.location,
            test_controls: self.test_controls,
            is_recorded: self.is_recorded,
            jobs: Jobs::default(),
            home: self.home,
        }
    }
}

impl Server {
    /// The usual server: everything in memory (or on the engine under test), any credentials taken, messages in the inbox.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            settings: Settings {
                base_url: "http://127.0.0.1:9229".to_owned(),
                auth_domain: None,
                issuer: Issuer::Server,
                account_id: "000000000000".to_owned(),
                default_region: "us-east-1".to_owned(),
                signatures: Signatures::Ignored,
                limits: Limits::default(),
                srp_off: SrpOff::Pools(Vec::new()),
                key_stock: STOCK,
                keep_sent_messages: true,
                quotas: Quotas::off(),
                beyond_filters: false,
                lift_tiers: false,
                locations: Locations::default(),
                stolen_passwords: Default::default(),
            },
            location: Location::Memory,
            sender: Sender::Inbox,
            records: Records::default(),
            test_controls: true,
            seed: SEED,
            is_recorded: true,
            shared: None,
            home: Home::default(),
        }
    }

    /// Another server on the same data with the same settings and the same master key. Its memory, its randomness and
    /// its clock, which stands at the usual start, are its own; messages go to the inbox unless that is changed.
    #[must_use]
    pub fn sibling(&self) -> Builder {
        assert!(self.app.store.is_shared(), "only PostgreSQL is shared between servers");
        self.another()
    }

    /// Another server on the very same open store, whatever the engine, at the same moment of the clock: what the
    /// process keeps is its own, so that neither waits for the other's turn with a user. Pools and clients are not to be
    /// changed through both, since on SQLite nobody tells the other one.
    pub async fn twin(&self) -> Self {
        let shared = Some(self.app.store.clone());
        let twin = Builder { shared, ..self.another() }.start_there().await;
        twin.app.clock.set(self.app.clock.now());
        twin
    }

    /// Lets `second` change something between a look and a commit of `first`, a request to this server: `first` is held
    /// at its commit after `before` others until `second`, at whichever server, has ended. Answers what came of both.
    pub async fn overtaken<A: Debug, B>(
        &self,
        before: usize,
        first: impl Future<Output = A>,
        second: impl Future<Output = B>,
    ) -> (A, B) {
        self.gate.overtaken(before, first, second).await
    }

    fn another(&self) -> Builder {
        let seed = SEED + 1 + self.home.siblings.fetch_add(1, Ordering::Relaxed);
        Builder {
            settings: self.app.settings.clone(),
            location: self.location.clone(),
            sender: Sender::Inbox,
            records: Records::default(),
            test_controls: self.test_controls,
            seed,
            is_recorded: self.is_recorded,
            shared: None,
            home: self.home.clone(),
        }
    }

    /// The database that this server shares with its siblings.
    #[must_use]
    pub fn scratch(&self) -> &Scratch {
        self.home.scratch.as_deref().expect("the data is in PostgreSQL")
    }

    /// The file that the data is in, where it is in one.
    #[must_use]
    pub fn file_of_data(&self) -> Option<&Path> {
        match &self.location {
            Location::File(path) => Some(path),
            _ => None,
        }
    }

    /// Follows what other servers change, as a running server does all the time.
    pub fn follow(&mut self) {
        self.jobs.running.spawn(service::memory::follow(self.app.clone(), self.jobs.shutdown.clone()));
    }

    /// Hands messages over in the background.
    pub fn send_messages(&mut self) {
        self.jobs.running.spawn(service::messages::run(self.app.clone(), self.jobs.shutdown.clone()));
    }

    /// Hands events and logs over in the background.
    pub fn deliver_records(&mut self) {
        self.jobs.running.spawn(service::records::run(self.app.clone(), self.jobs.shutdown.clone()));
    }

    /// Takes part in keeping the stock of signing keys full.
    pub fn refill_stock(&mut self) {
        self.jobs.running.spawn(service::tokens::refill(self.app.clone(), self.jobs.shutdown.clone()));
    }

    /// Takes part in working on import jobs.
    pub fn import_users(&mut self) {
        self.jobs.running.spawn(service::import::run(self.app.clone(), self.jobs.shutdown.clone()));
    }

    /// Ends the background jobs in good order.
    pub async fn stop_jobs(&mut self) {
        self.jobs.shutdown.cancel();
        let ended = async { while self.jobs.running.join_next().await.is_some() {} };
        tokio::time::timeout(JOBS_TIMEOUT, ended).await.expect("the jobs end when they are told to");
        self.jobs = Jobs::default();
    }

    /// Ends the background jobs as the end of the process would: in the middle of whatever they do.
    pub fn kill_jobs(&mut self) {
        self.jobs = Jobs::default();
    }

    /// [`Server::builder`] as it is.
    pub async fn memory() -> Self {
        Self::builder().start().await
    }

    /// The same in a file.
    pub async fn file() -> Self {
        Self::builder().in_a_file().start().await
    }

    /// Any request.
    pub async fn request(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router answers");
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let bytes = response.into_body().collect().await.expect("the body ends").to_bytes();
        let body = match bytes.as_ref() {
            [] => Value::Null,
            text => serde_json::from_slice(text).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(text))),
        };
        Answer { status, headers, body }
    }

    /// An API call. A success must be what the model says that the operation answers.
    pub async fn call(&self, operation: &str, body: Value) -> Answer {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/")
            .header("host", "127.0.0.1:9229")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{operation}"))
            .body(Body::from(body.to_string()))
            .expect("a request");
        let answer = self.request(request).await;
        if self.is_recorded {
            crate::coverage::record(operation, &answer);
        }
        let output = wire::Operation::parse(operation).map(wire::Operation::output);
        if let (200, Some(None)) = (answer.status, output) {
            assert_eq!(answer.body, Value::Null, "{operation} has no output");
        }
        if let (200, Some(Some(shape))) = (answer.status, output) {
            // Types and required members only: the service itself breaks its model's lengths (a standard attribute's
            // name is longer than attribute names may be).
            if let Err(rejection) = wire::check(shape, &answer.body) {
                let is_bad = rejection.kind != wire::ErrorKind::InvalidParameter
                    || rejection.message.contains("must not be null");
                assert!(!is_bad, "{operation} answered {}: {}", answer.body, rejection.message);
            }
        }
        answer
    }

    /// An API call, signed with the id and the secret of an access key.
    pub async fn signed_call(&self, (id, secret): &(String, String), operation: &str, body: Value) -> Answer {
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        let answer = self.signed_request("cognito-idp", (id, secret), &target, &body.to_string()).await;
        if self.is_recorded {
            crate::coverage::record(operation, &answer);
        }
        answer
    }

    /// `POST /`, signed for a service with the id and the secret of an access key.
    pub async fn signed_request(&self, service: &str, (id, secret): (&str, &str), target: &str, body: &str) -> Answer {
        let headers =
            [("host", "127.0.0.1:9229"), ("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let request = SignedRequest { method: "POST", path: "/", query: "", headers: &headers, body: body.as_bytes() };
        let now = self.app.clock.now().seconds();
        let added = sign_for(service, &request, id, secret, None, "us-east-1", now).expect("a request can be signed");
        let mut request = Request::builder().method(Method::POST).uri("/");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in added {
            request = request.header(name, value);
        }
        self.request(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    /// A GET request.
    pub async fn get(&self, path: &str) -> Answer {
        let request =
            Request::builder().uri(path).header("host", "127.0.0.1:9229").body(Body::empty()).expect("a request");
        self.request(request).await
    }

    /// Gives the server a function that pools can name as a trigger by this ARN: from an event to what the function
    /// returns, as text.
    pub fn function(&self, arn: &str, function: impl Fn(Value) -> Result<String, Failure> + Send + Sync + 'static) {
        self.slow_function(arn, Arc::new(move |event| Box::pin(std::future::ready(function(event)))));
    }

    /// The same with a function that takes its time.
    pub fn slow_function(&self, arn: &str, function: Function) {
        self.functions.insert(arn, function);
    }

    /// The id and the secret of a new access key for everything, such as `poolkeeper keys create` makes.
    pub async fn access_key(&self) -> (String, String) {
        self.keep_access_key(None).await
    }

    /// The same for these actions only.
    pub async fn limited_access_key(&self, only: &[&str]) -> (String, String) {
        let only = only.iter().map(|text| ActionPattern::parse(text).expect("an action")).collect();
        self.keep_access_key(Some(only)).await
    }

    async fn keep_access_key(&self, only: Option<Vec<ActionPattern>>) -> (String, String) {
        let app = &self.app;
        let made = service::access_keys::make(&app.ring, &*app.entropy, "test", only, app.clock.now());
        let key = (made.row.id.clone(), made.secret.reveal().clone());
        let mut changes = Changes::new();
        changes.insert(made.row);
        app.store.commit(changes).await.expect("an access key is kept");
        key
    }

    /// Moves the clock.
    pub fn advance(&self, seconds: i64) {
        self.app.clock.advance(seconds * 1_000);
    }

    /// A new pool's id. `members` are added to the request, or replace those in it.
    pub async fn pool(&self, members: Value) -> String {
        let request = merged(json!({"PoolName": "test"}), members);
        text(&self.call("CreateUserPool", request).await.ok(), "/UserPool/Id")
    }

    /// A new client, whole. It may use the password, administrator, SRP and refresh flows.
    pub async fn client(&self, pool: &str, members: Value) -> Value {
        let flows = json!([
            "ALLOW_USER_PASSWORD_AUTH",
            "ALLOW_ADMIN_USER_PASSWORD_AUTH",
            "ALLOW_USER_SRP_AUTH",
            "ALLOW_REFRESH_TOKEN_AUTH"
        ]);
        let request = merged(json!({"UserPoolId": pool, "ClientName": "test", "ExplicitAuthFlows": flows}), members);
        let answer = self.call("CreateUserPoolClient", request).await.ok();
        answer.get("UserPoolClient").cloned().expect("a client")
    }

    /// The id of a new client.
    pub async fn client_id(&self, pool: &str, members: Value) -> String {
        text(&self.client(pool, members).await, "/ClientId")
    }

    /// A confirmed user with a permanent password; `email` and `phone_number` among the attributes are verified
    /// unless the attributes say otherwise. Answers the sub.
    pub async fn confirmed_user(&self, pool: &str, username: &str, password: &str, attributes: Value) -> String {
        let mut attributes = attributes.as_object().cloned().expect("attributes are an object of texts");
        for name in ["email", "phone_number"] {
            let verified = format!("{name}_verified");
            if attributes.contains_key(name) && !attributes.contains_key(&verified) {
                attributes.insert(verified, Value::from("true"));
            }
        }
        let attributes: Vec<Value> =
            attributes.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
        let created = self
            .call(
                "AdminCreateUser",
                json!({"UserPoolId": pool, "Username": username, "UserAttributes": attributes, "MessageAction": "SUPPRESS"}),
            )
            .await
            .ok();
        self.call(
            "AdminSetUserPassword",
            json!({"UserPoolId": pool, "Username": username, "Password": password, "Permanent": true}),
        )
        .await
        .ok();
        let found = created.pointer("/User/Attributes").and_then(Value::as_array).into_iter().flatten();
        let sub =
            found.filter(|attribute| attribute["Name"] == "sub").find_map(|attribute| attribute["Value"].as_str());
        sub.expect("a created user has a sub").to_owned()
    }

    /// A sign-in by USER_PASSWORD_AUTH.
    pub async fn sign_in(&self, client: &str, username: &str, password: &str) -> Answer {
        let parameters = json!({"USERNAME": username, "PASSWORD": password});
        let request = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client, "AuthParameters": parameters});
        self.call("InitiateAuth", request).await
    }

    /// Messages to a user, newest first.
    pub async fn messages(&self, pool: &str, username: &str) -> Vec<Value> {
        let encoded: String = username.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.get(&format!("/_poolkeeper/messages?user_pool_id={pool}&username={encoded}")).await.ok();
        answer["messages"].as_array().cloned().expect("a list of messages")
    }

    /// The code in the newest message to a user.
    pub async fn last_code(&self, pool: &str, username: &str) -> String {
        let messages = self.messages(pool, username).await;
        let newest = messages.first().expect("a message has been sent");
        newest["code"].as_str().expect("a message has a code").to_owned()
    }
}

fn merged(mut request: Value, members: Value) -> Value {
    let (Some(object), Value::Object(members)) = (request.as_object_mut(), members) else {
        panic!("requests and their members are objects")
    };
    object.extend(members);
    request
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).expect("a text where one is due").to_owned()
}
