//! Jobs are shared out: each is done by one server, and taken over when that one stops, dies or is cut off.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use service::lease;
use testkit::Server;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{mail::MailServer, support::*};

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Begun,
    Ended,
}

/// Which server did what with which job, and when.
type Diary = Arc<Mutex<Vec<(&'static str, &'static str, Event, Instant)>>>;

/// Notes the end of a job, also when its task is aborted.
struct Entry(Diary, &'static str, &'static str);

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.lock().unwrap().push((self.1, self.2, Event::Ended, Instant::now()));
    }
}

/// Has a server contend for a job, which does nothing for as long as it may.
fn contend(
    server: &Server,
    who: &'static str,
    job: &'static str,
    diary: &Diary,
) -> (CancellationToken, JoinHandle<()>) {
    let (app, shutdown, diary) = (server.app.clone(), CancellationToken::new(), diary.clone());
    let stop = shutdown.clone();
    let task = tokio::spawn(async move {
        lease::hold(app, job, shutdown, |ours| {
            let diary = diary.clone();
            async move {
                diary.lock().unwrap().push((who, job, Event::Begun, Instant::now()));
                let _entry = Entry(diary, who, job);
                ours.cancelled().await;
            }
        })
        .await;
    });
    (stop, task)
}

/// When that happened, if it did.
fn moment(diary: &Diary, who: &str, job: &str, event: Event) -> Option<Instant> {
    let diary = diary.lock().unwrap();
    diary.iter().find(|entry| (entry.0, entry.1, entry.2) == (who, job, event)).map(|entry| entry.3)
}

/// In real time, all three at once: the rules of leases are about seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_taken_over_when_its_server_stops_dies_or_is_cut_off() {
    let Some(builder) = on_postgres(Server::builder()) else { return };
    let (next, diary) = (builder.start().await, Diary::default());
    let network = network(&next);
    let first = next.sibling().start().await;
    // As patient as servers usually are: longer than its lease may go unrenewed.
    let distant = sibling_through(&next, &network, Duration::from_secs(10)).start().await;
    let (stop, stopped) = contend(&first, "first", "stopped", &diary);
    let (_, dead) = contend(&first, "first", "dead", &diary);
    let (stop_distant, cut) = contend(&distant, "distant", "cut", &diary);
    let holders = [("first", "stopped"), ("first", "dead"), ("distant", "cut")];
    until("all jobs are done", async || {
        holders.iter().all(|(who, job)| moment(&diary, who, job, Event::Begun).is_some())
    })
    .await;

    let successors = ["stopped", "dead", "cut"].map(|job| contend(&next, "next", job, &diary));
    // It does not get them as long as they are done.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(["stopped", "dead", "cut"].iter().all(|job| moment(&diary, "next", job, Event::Begun).is_none()));

    let began = Instant::now();
    stop.cancel();
    dead.abort();
    network.cut();
    stopped.await.unwrap();
    for job in ["stopped", "dead", "cut"] {
        until("the next server does it", async || moment(&diary, "next", job, Event::Begun).is_some()).await;
    }
    let taken = |job: &str| moment(&diary, "next", job, Event::Begun).unwrap() - began;
    let ended = moment(&diary, "distant", "cut", Event::Ended).unwrap() - began;
    println!(
        "taken over after a stop in {:?}, after a death in {:?}; cut off: ended in {ended:?}, taken over in {:?}",
        taken("stopped"),
        taken("dead"),
        taken("cut"),
    );
    // A look every two seconds, and one more for slow machines.
    assert!(taken("stopped") < Duration::from_secs(4), "{:?}", taken("stopped"));
    // Ten seconds of standstill, the last sign of life up to a look before, and the look that comes after.
    for job in ["dead", "cut"] {
        assert!(taken(job) > Duration::from_secs(7), "{job}: {:?}", taken(job));
        assert!(taken(job) < Duration::from_secs(15), "{job}: {:?}", taken(job));
    }
    // It ends by itself, and that comes first.
    assert!(ended < Duration::from_secs(7), "{ended:?}");
    assert!(ended < taken("cut"), "{ended:?} {:?}", taken("cut"));

    // It is back, and waits like everybody else.
    network.mend();
    stop_distant.cancel();
    cut.await.unwrap();
    for (stop, task) in successors {
        stop.cancel();
        task.await.unwrap();
    }
    let begun = diary.lock().unwrap().iter().filter(|entry| entry.2 == Event::Begun).count();
    assert_eq!(begun, 6);
}

/// So many invitations to one user, from these servers in turn.
async fn invite(servers: &[&Server], pool: &str, count: usize) {
    let request = |action: Option<&str>| {
        json!({
            "UserPoolId": pool,
            "Username": "alice",
            "UserAttributes": listed(&[("email", "alice@example.com"), ("email_verified", "true")]),
            "DesiredDeliveryMediums": ["EMAIL"],
            "MessageAction": action,
        })
    };
    for number in 0..count {
        let action = (number > 0).then_some("RESEND");
        servers[number % servers.len()].call("AdminCreateUser", request(action)).await.ok();
    }
}

/// How many messages wait, and how many of them may be tried at the start of the test's time.
fn waiting(server: &Server) -> (String, String) {
    let start = server.app.clock.now().milliseconds();
    let count = |condition: &str| server.scratch().sql(&format!("SELECT count(*) FROM messages WHERE {condition}"));
    (count("state = 0").unwrap(), count(&format!("state = 0 AND due_at <= {start}")).unwrap())
}

fn unique(ids: &[String]) -> usize {
    ids.iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_is_handed_over_once_by_whichever_server() {
    let mails = MailServer::start().await;
    let Some(builder) = on_postgres(Server::builder().sender(mails.sender())) else { return };
    let mut a = builder.start().await;
    let mut b = a.sibling().sender(mails.sender()).start().await;
    let pool = a.pool(json!({})).await;
    // Half of them pile up, so that both find the same ones; half come while both are at it.
    invite(&[&a, &b], &pool, 100).await;
    a.send_messages();
    b.send_messages();
    let request = json!({"UserPoolId": pool, "Username": "alice", "MessageAction": "RESEND", "DesiredDeliveryMediums": ["EMAIL"]});
    for number in 0..100 {
        [&a, &b][number % 2].call("AdminCreateUser", request.clone()).await.ok();
    }
    until("none waits", async || waiting(&a).0 == "0").await;
    a.stop_jobs().await;
    b.stop_jobs().await;
    let taken = mails.taken();
    assert_eq!((taken.len(), unique(&taken)), (200, 200));
    let by = [&a, &b].map(|server| server.app.metrics.messages_sent.get());
    println!("handed over by each: {by:?}");
    assert_eq!(by.iter().sum::<u64>(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_in_the_hands_of_a_dead_server_is_sent_by_another() {
    let (silent, mails) = (MailServer::start_silent().await, MailServer::start().await);
    let Some(builder) = on_postgres(Server::builder().sender(silent.sender())) else { return };
    let mut a = builder.start().await;
    let mut b = a.sibling().sender(mails.sender()).start().await;
    let pool = a.pool(json!({})).await;
    invite(&[&a], &pool, 3).await;
    a.send_messages();
    until("all are in its hands", async || waiting(&a) == ("3".to_owned(), "0".to_owned())).await;
    a.kill_jobs();

    b.send_messages();
    // The lease of a message holds although its server is gone: one that is written now overtakes them.
    invite(&[&b], &b.pool(json!({})).await, 1).await;
    until("the new one is sent", async || mails.taken().len() == 1 && waiting(&b).0 == "3").await;
    b.advance(60);
    until("the others are sent", async || waiting(&b).0 == "0").await;
    b.stop_jobs().await;
    let taken = mails.taken();
    assert_eq!((taken.len(), unique(&taken)), (4, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_for_a_pool_are_made_by_whichever_server_keeps_the_stock() {
    let builder = Server::builder().settings(|settings| settings.key_stock = 2);
    let Some(builder) = on_postgres(builder) else { return };
    let a = builder.start().await;
    let mut b = a.sibling().start().await;
    a.scratch().sql("DELETE FROM signing_keys").unwrap();
    b.refill_stock();
    // It waits for keys that only the other one makes.
    let began = Instant::now();
    let (pool, client) = scene(&a).await;
    println!("a pool had its keys after {:?}", began.elapsed());
    let access = tokens(&b, &client, "alice", PASSWORD).await.access;
    get_user(&a, &access).await.ok();
    let jwks = b.get(&format!("/{pool}/.well-known/jwks.json")).await.ok();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
    b.stop_jobs().await;
    assert_eq!(a.app.store.lease("key stock").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pools_made_everywhere_at_once_have_keys_of_their_own() {
    let Some(servers) = servers::<2>().await else { return };
    // All that the stock has keys for.
    let outcomes = at_once((0..8).map(|number| {
        let server = servers[number % 2].clone();
        async move { server.call("CreateUserPool", json!({"PoolName": "test"})).await }
    }))
    .await;
    assert_eq!(tally(&outcomes), [("ok", 8)].into());
    println!("{} conflicts", conflicts(&servers));
    let kids =
        servers[0].scratch().sql("SELECT count(DISTINCT kid), count(DISTINCT pool_id) FROM signing_keys").unwrap();
    assert_eq!(kids, "16|8");
}
