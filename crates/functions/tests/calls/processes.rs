//! Functions in processes.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use poolkeeper_functions::{ArnPattern, Definition, Functions, Way, process};
use serde_json::{Value, json};
use service::triggers::{Failure, Invocation, RunFunctions};
use tokio::time::{Instant, timeout};

use crate::support::{
    ARN, REQUEST_ID, call, event, functions, is_running, now, options, refusal, response, thrown, timed_functions,
    until, until_gone, with_environment, without_ids,
};

fn pid(response: &Value) -> u64 {
    response["pid"].as_u64().unwrap()
}

fn of(options: process::Options) -> Functions {
    functions(Way::Process(options))
}

fn plain() -> Functions {
    of(options(Path::new("/")))
}

#[tokio::test]
async fn a_function_gets_its_event_and_answers_it() {
    let functions = plain();
    assert!(functions.knows(ARN) && !functions.knows("arn:aws:lambda:eu-west-1:123456789012:function:other"));
    let began = now();
    let output = call(&functions, json!({"number": 7, "text": "größer"})).await.unwrap();
    let answer: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(answer["request"], json!({"number": 7, "text": "größer"}));
    assert_eq!(answer["userName"], "zoë");
    let headers = &answer["response"]["headers"];
    assert_eq!(headers["lambda-runtime-invoked-function-arn"], ARN);
    assert_eq!(headers["content-type"], "application/json");
    let id = headers["lambda-runtime-aws-request-id"].as_str().unwrap();
    assert_eq!(without_ids(id), "<id>");
    let trace = headers["lambda-runtime-trace-id"].as_str().unwrap();
    assert!(trace.starts_with("Root=1-") && trace.contains(";Parent=") && trace.ends_with(";Sampled=0"), "{trace}");
    let deadline: i64 = headers["lambda-runtime-deadline-ms"].as_str().unwrap().parse().unwrap();
    assert!((5_000..=35_000).contains(&(deadline - began.milliseconds())), "five seconds from the call on: {deadline}");

    let again = response(&functions, json!({})).await;
    assert_eq!(pid(&again), pid(&answer["response"]), "the process is used again");
    assert_ne!(again["headers"]["lambda-runtime-aws-request-id"], id, "each call has an id of its own");
    let missing =
        functions.run("arn:aws:lambda:x:1:function:no", event(&json!({})), Invocation::Event, REQUEST_ID).await;
    assert_eq!(missing, Err(Failure::not_found()));
    functions.stop().await;
    assert!(!is_running(pid(&again)));
    assert_eq!(refusal(&functions, json!({})).await, "ServiceException", "nothing is started after the end");
}

#[tokio::test]
async fn errors_say_what_the_function_said() {
    let functions = plain();
    assert_eq!(thrown(&functions, json!({"act": "throw"})).await, "No.");
    assert_eq!(thrown(&functions, json!({"act": "throw without a message"})).await, "unhandled");
    assert_eq!(call(&functions, json!({"act": "answer", "text": "garbage"})).await.unwrap(), "garbage");
    assert_eq!(call(&functions, json!({"act": "answer", "text": "null"})).await.unwrap(), "null");
    assert_eq!(call(&functions, json!({"act": "answer in latin-1"})).await.unwrap(), "");
    let process = pid(&response(&functions, json!({})).await);
    assert_eq!(
        thrown(&functions, json!({"act": "answer too much"})).await,
        "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    );
    assert_eq!(pid(&response(&functions, json!({})).await), process, "none of this ends the process");
    functions.stop().await;
}

#[tokio::test]
async fn events_that_are_too_long_are_not_sent() {
    let functions = plain();
    let of = |bytes: usize| event(&json!({"act": "answer", "text": "x".repeat(bytes)}));
    let too_long = Err(Failure::NotCalled("RequestTooLargeException".to_owned()));
    let megabytes = 1_024 * 1_024;
    for (bytes, invocation) in [(6 * megabytes, Invocation::RequestResponse), (megabytes, Invocation::Event)] {
        assert_eq!(functions.run(ARN, of(bytes), invocation, REQUEST_ID).await, too_long);
        assert!(functions.run(ARN, of(bytes - 1_000), invocation, REQUEST_ID).await.is_ok());
    }
    functions.stop().await;
}

#[tokio::test]
async fn the_runtime_api_keeps_to_its_rules() {
    let functions = plain();
    let said = response(&functions, json!({"act": "break the rules"})).await;
    let error = |status: u16, error_type: &str, message: &str| {
        json!([status, json!({"errorMessage": message, "errorType": error_type}).to_string()])
    };
    assert_eq!(
        said,
        json!({
            "next": error(403, "InvalidStateTransition", "The last invocation has not been answered"),
            "other response": error(400, "InvalidRequestID", "Invalid request ID"),
            "other error": error(400, "InvalidRequestID", "Invalid request ID"),
            "init error": error(403, "InvalidStateTransition", "The initialisation has ended"),
            "path": error(404, "NotFound", "There is nothing at this path"),
            "method": error(405, "MethodNotAllowed", "The method does not fit the path"),
            "ping": 200,
        })
    );
    functions.stop().await;
}

#[tokio::test]
async fn a_function_sees_its_own_environment_and_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let options = process::Options {
        inherit: vec!["CARGO_MANIFEST_DIR".to_owned(), "NO_SUCH_VARIABLE".to_owned()],
        ..with_environment(
            folder.path(),
            &[("TABLE", "users"), ("AWS_REGION", "eu-central-1"), ("AWS_LAMBDA_RUNTIME_API", "elsewhere:1")],
        )
    };
    assert!(!format!("{options:?}").contains("users"), "values may be secrets");
    let functions = of(options);
    let mut seen = response(&functions, json!({"act": "environment"})).await;
    let seen = seen.as_object_mut().unwrap();
    let api = seen.remove("AWS_LAMBDA_RUNTIME_API").unwrap();
    assert!(api.as_str().unwrap().starts_with("127.0.0.1:"), "{api}");
    let stream = seen.remove("AWS_LAMBDA_LOG_STREAM_NAME").unwrap();
    assert!(stream.as_str().unwrap().contains("/[$LATEST]"), "{stream}");
    for (name, ours) in ["PATH", "HOME", "LANG"].map(|name| (name, std::env::var(name).ok())) {
        assert_eq!(seen.remove(name), ours.map(Value::from), "{name}");
    }
    let folder = folder.path().to_str().unwrap();
    let expected = json!({
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_test",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_NAME": "tested",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/tested",
        "AWS_REGION": "eu-central-1",
        "CARGO_MANIFEST_DIR": env!("CARGO_MANIFEST_DIR"),
        "LAMBDA_RUNTIME_DIR": folder,
        "LAMBDA_TASK_ROOT": folder,
        "TABLE": "users",
        "TZ": ":UTC",
        "_HANDLER": "index.handler",
    });
    assert_eq!(Value::from(seen.clone()), expected);
    functions.stop().await;
}

#[tokio::test]
async fn a_crash_in_a_call_is_said_and_a_new_process_takes_the_next_call() {
    let functions = plain();
    let first = pid(&response(&functions, json!({})).await);
    for (act, message) in [
        (json!({"act": "exit", "number": 129}), "RequestId: <id> Error: Runtime exited with error: exit status 129"),
        (json!({"act": "exit", "number": 0}), "RequestId: <id> Error: Runtime exited without providing a reason"),
        (json!({"act": "abort"}), "RequestId: <id> Error: Runtime exited with error: signal: aborted"),
    ] {
        assert_eq!(without_ids(&thrown(&functions, act).await), message);
        let next = pid(&response(&functions, json!({})).await);
        assert!(next != first && !is_running(first));
    }
    functions.stop().await;
}

#[tokio::test]
async fn a_call_that_is_given_up_ends_its_process() {
    let functions = plain();
    let first = pid(&response(&functions, json!({})).await);
    let given_up = timeout(Duration::from_millis(300), call(&functions, json!({"act": "hang"}))).await;
    assert!(given_up.is_err());
    let second = pid(&response(&functions, json!({})).await);
    assert_ne!(second, first);
    until_gone(first).await;
    functions.stop().await;
}

#[tokio::test]
async fn a_call_ends_at_the_functions_own_limit() {
    let functions = timed_functions(Way::Process(options(Path::new("/"))), Duration::from_millis(250));
    let message = thrown(&functions, json!({"act": "late", "number": 60_000})).await;
    let (moment, rest) = message.split_once(' ').unwrap();
    assert!(moment.len() == 24 && moment.ends_with('Z'), "{message}");
    assert_eq!(without_ids(rest), "<id> Task timed out after 0.25 seconds");
    functions.stop().await;
}

#[tokio::test]
async fn a_late_answer_is_nobody_elses() {
    let functions = of(process::Options { concurrency: 2, ..options(Path::new("/")) });
    let late = call(&functions, json!({"act": "late", "number": 400, "text": "late"}));
    assert!(timeout(Duration::from_millis(200), late).await.is_err());
    for number in 0..20 {
        let output = call(&functions, json!({"number": number})).await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&output).unwrap()["request"], json!({"number": number}));
    }
    functions.stop().await;
}

#[tokio::test]
async fn a_process_that_stays_away_after_its_answer_is_replaced() {
    let functions = plain();
    let first = call(&functions, json!({"act": "answer and stay away"})).await;
    assert!(first.is_ok());
    let began = Instant::now();
    // Who comes next waits in vain; whoever comes once the process has had its time gets another one.
    let waiting = timeout(Duration::from_secs(6), call(&functions, json!({}))).await;
    assert!(waiting.is_err());
    assert!(call(&functions, json!({})).await.is_ok());
    assert!(began.elapsed() < Duration::from_secs(12));
    functions.stop().await;
}

#[tokio::test]
async fn a_function_that_cannot_begin_says_why_and_is_left_alone_for_a_while() {
    for (init, message) in [
        ("error", "Cannot find module 'x'"),
        ("error and stay", "Its.Type"),
        ("exit", "RequestId: <id> Error: Runtime exited with error: exit status 3"),
    ] {
        let functions = of(with_environment(Path::new("/"), &[("TEST_INIT", init)]));
        for _ in 0..2 {
            assert_eq!(without_ids(&thrown(&functions, json!({})).await), message, "{init}");
        }
        functions.stop().await;
    }
}

#[tokio::test]
async fn a_function_that_can_begin_again_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("there");
    let functions = of(with_environment(folder.path(), &[("TEST_INIT", file.to_str().unwrap())]));
    for _ in 0..5 {
        let message = without_ids(&thrown(&functions, json!({})).await);
        assert_eq!(message, "RequestId: <id> Error: Runtime exited with error: exit status 4");
    }
    fs::write(file, "").unwrap();
    let deadline = Instant::now() + Duration::from_secs(15);
    while call(&functions, json!({})).await.is_err() {
        assert!(Instant::now() < deadline, "the pauses are ten seconds at most");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    functions.stop().await;
}

#[tokio::test]
async fn a_program_that_is_missing_cannot_be_called() {
    let folder = tempfile::tempdir().unwrap();
    for options in [
        process::Options { command: vec!["/no/such/program".to_owned()], ..options(folder.path()) },
        process::Options { command: Vec::new(), ..options(folder.path()) },
        options(&folder.path().join("missing")),
    ] {
        let functions = of(options);
        assert_eq!(refusal(&functions, json!({})).await, "InvalidRuntimeException");
        functions.stop().await;
    }
}

#[tokio::test]
async fn as_many_calls_as_there_are_processes_go_on_at_a_time() {
    let functions = of(process::Options { concurrency: 3, ..options(Path::new("/")) });
    let calls = (0..12).map(|_| response(&functions, json!({"act": "late", "number": 50})));
    let answers = join_all(calls).await;
    let processes: BTreeSet<u64> = answers.iter().map(pid).collect();
    assert_eq!(processes.len(), 3);
    functions.stop().await;
    assert!(processes.iter().all(|process| !is_running(*process)));
}

#[tokio::test]
async fn calls_beyond_the_queue_are_turned_away() {
    let functions = of(process::Options { queue: 2, ..options(Path::new("/")) });
    response(&functions, json!({})).await;
    let calls = (0..5).map(|_| call(&functions, json!({"act": "late", "number": 300})));
    let outcomes = join_all(calls).await;
    let refused = Err(Failure::NotCalled("TooManyRequestsException".to_owned()));
    let count = outcomes.iter().filter(|outcome| **outcome == refused).count();
    assert!((2..=3).contains(&count), "two wait, one may be under way: {outcomes:?}");
    functions.stop().await;
}

#[tokio::test]
async fn processes_that_are_kept_ready_are_there_before_the_first_call() {
    let folder = tempfile::tempdir().unwrap();
    let functions = of(process::Options { warm: 2, concurrency: 4, ..options(folder.path()) });
    functions.start();
    let in_folder = || -> BTreeSet<u64> {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
        ids.filter(|id| fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|cwd| cwd == folder.path())).collect()
    };
    until("two are there", || in_folder().len() == 2).await;
    let before = in_folder();
    let crashed = thrown(&functions, json!({"act": "exit", "number": 1})).await;
    assert!(crashed.contains("exit status 1"), "{crashed}");
    until("one of them was replaced", || in_folder().len() == 2 && in_folder() != before).await;
    functions.stop().await;
    assert_eq!(in_folder(), BTreeSet::new());
}

#[tokio::test]
async fn processes_that_are_not_needed_are_ended() {
    let idle = Duration::from_millis(300);
    for warm in [0, 1] {
        let functions = of(process::Options { concurrency: 3, warm, idle, ..options(Path::new("/")) });
        let calls = (0..12).map(|_| response(&functions, json!({"act": "late", "number": 50})));
        let processes: BTreeSet<u64> = join_all(calls).await.iter().map(pid).collect();
        assert_eq!(processes.len(), 3);
        let running = || processes.iter().filter(|process| is_running(**process)).count();
        until(&format!("{warm} are left"), || running() == warm).await;
        // One that is kept ready has waited for longer than that, too.
        tokio::time::sleep(3 * idle).await;
        assert_eq!(running(), warm);
        let next = pid(&response(&functions, json!({})).await);
        assert_eq!(processes.contains(&next), warm == 1);
        functions.stop().await;
    }
}

#[tokio::test]
async fn calls_one_after_the_other_keep_one_process_busy() {
    let idle = Duration::from_millis(200);
    let functions = of(process::Options { concurrency: 2, idle, ..options(Path::new("/")) });
    let calls = (0..2).map(|_| response(&functions, json!({"act": "late", "number": 200})));
    let processes: BTreeSet<u64> = join_all(calls).await.iter().map(pid).collect();
    assert_eq!(processes.len(), 2);
    let deadline = Instant::now() + Duration::from_secs(20);
    while processes.iter().all(|process| is_running(*process)) {
        assert!(Instant::now() < deadline, "calls are shared out, so that none of the two is ever idle");
        response(&functions, json!({})).await;
        // Until the process has asked for more.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    functions.stop().await;
}

#[tokio::test]
async fn no_call_is_left_to_a_process_that_is_about_to_end() {
    let idle = Duration::from_millis(20);
    let functions = of(process::Options { concurrency: 4, warm: 1, idle, ..options(Path::new("/")) });
    for round in 0..40 {
        let calls = (0..1 + round % 4).map(|_| response(&functions, json!({"act": "late", "number": round % 3})));
        let answered = timeout(Duration::from_secs(10), join_all(calls)).await;
        assert!(answered.is_ok(), "a call waits in round {round}");
        tokio::time::sleep(Duration::from_millis(10 + round)).await;
    }
    functions.stop().await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_process_has_no_more_memory_than_it_may() {
    let functions = of(process::Options { memory_megabytes: Some(64), ..options(Path::new("/")) });
    let take = |megabytes: u64| json!({"act": "take megabytes", "number": megabytes});
    let first = response(&functions, take(16)).await;
    assert_eq!(first["taken"], 16);
    let message = without_ids(&thrown(&functions, take(128)).await);
    assert_eq!(message, "RequestId: <id> Error: Runtime exited with error: signal: aborted");
    let second = response(&functions, take(16)).await;
    assert_ne!(pid(&second), pid(&first));
    let seen = response(&functions, json!({"act": "environment"})).await;
    assert_eq!(seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "64");
    functions.stop().await;
    let functions = plain();
    assert_eq!(response(&functions, take(128)).await["taken"], 128, "where nothing is said there is no limit");
    functions.stop().await;
}

#[tokio::test]
async fn changed_files_start_the_function_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("index.js"), "1").unwrap();
    let functions = of(process::Options { reload: true, concurrency: 2, ..options(folder.path()) });
    let first = pid(&response(&functions, json!({})).await);
    assert_eq!(pid(&response(&functions, json!({})).await), first);
    fs::write(folder.path().join("index.js"), "12").unwrap();
    let second = pid(&response(&functions, json!({})).await);
    assert_ne!(second, first);
    until_gone(first).await;
    // A call under way is not disturbed, and its process ends after it.
    let late = async {
        let answer = response(&functions, json!({"act": "late", "number": 500})).await;
        pid(&answer)
    };
    let change = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        fs::write(folder.path().join("other.js"), "").unwrap();
        pid(&response(&functions, json!({})).await)
    };
    let (late, third) = tokio::join!(late, change);
    assert_eq!(late, second);
    assert_ne!(third, second);
    until_gone(second).await;
    functions.stop().await;
}

#[tokio::test]
async fn a_process_does_not_leave_its_children_behind() {
    let functions = plain();
    let said = response(&functions, json!({"act": "fork"})).await;
    let child = said["child"].as_u64().unwrap();
    assert!(is_running(child));
    assert!(thrown(&functions, json!({"act": "exit", "number": 1})).await.contains("exit status 1"));
    until_gone(child).await;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ids");
    let hanging = call(&functions, json!({"act": "fork and hang", "text": file.to_str().unwrap()}));
    let read = || fs::read_to_string(&file).unwrap_or_default();
    tokio::select! {
        outcome = hanging => panic!("{outcome:?}"),
        () = until("both have begun", || read().split(' ').count() == 2) => {}
    }
    for id in read().split(' ') {
        until_gone(id.parse().unwrap()).await;
    }

    let child = response(&functions, json!({"act": "fork"})).await["child"].as_u64().unwrap();
    functions.stop().await;
    until_gone(child).await;
}

#[tokio::test]
async fn a_function_may_print_as_much_as_it_likes() {
    let functions = plain();
    let process = pid(&response(&functions, json!({"act": "print", "number": 100_000})).await);
    let printing = timeout(Duration::from_millis(500), call(&functions, json!({"act": "print without end"}))).await;
    assert!(printing.is_err());
    until_gone(process).await;
    assert!(call(&functions, json!({})).await.is_ok());
    functions.stop().await;
}

#[tokio::test]
async fn the_first_definition_that_fits_counts() {
    let definition = |pattern: &str, name: &str| Definition {
        arn: ArnPattern::new(pattern),
        timeout: Duration::from_secs(30),
        way: Way::Process(with_environment(Path::new("/"), &[("NAME", name)])),
    };
    let functions = Functions::new(vec![definition("*:tested", "first"), definition("*", "second")], now).unwrap();
    assert_eq!(response(&functions, json!({"act": "environment"})).await["NAME"], "first");
    let output = functions.run("other", event(&json!({"act": "environment"})), Invocation::Event, REQUEST_ID).await;
    assert!(output.unwrap().contains("second"));
    functions.stop().await;
}

/// Waits for all at the same time.
async fn join_all<T>(calls: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    let mut answers: Vec<Option<T>> = calls.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (call, answer) in calls.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let std::task::Poll::Ready(found) = call.as_mut().poll(context)
            {
                *answer = Some(found);
            }
        }
        if answers.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}
