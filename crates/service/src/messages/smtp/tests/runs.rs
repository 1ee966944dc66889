//! Mails that are announced together with the content of the one before them.

use super::*;

/// Sends mails to these in one run, each announced with the one before it where the server takes that.
async fn send_all(sender: &SmtpSender, receivers: &[&str]) -> Vec<Result<(), Failure>> {
    let mails: Vec<Mail> = receivers.iter().map(|to| mail(sender, to)).collect();
    let mut run = sender.run();
    let mut outcomes = Vec::new();
    for (number, mail) in mails.iter().enumerate() {
        let next = mails.get(number + 1).filter(|_| run.announces());
        let announcement = next.and_then(|next| run.announcement(next));
        outcomes.push(run.send(mail, announcement).await);
    }
    outcomes
}

/// To whom the mails went that a server has taken.
fn taken(server: &Server) -> Vec<String> {
    let receiver = |mail: &String| mail.split_once("\nTo: ").unwrap().1.split('@').next().unwrap().to_owned();
    server.mails().iter().map(receiver).collect()
}

#[tokio::test]
async fn the_next_mail_is_announced_with_the_one_before_it_and_comes_once() {
    let server = Server::start(Rules { pipelining: true, ..Rules::default() }).await;
    let sender = server.sender();
    let [first, second, third] = ["a", "b", "c"].map(|to| mail(&sender, to));
    let mut run = sender.run();
    assert!(!run.announces(), "nothing is known of the server yet");
    run.send(&first, None).await.unwrap();
    assert!(run.announces());
    let announcement = run.announcement(&third);
    run.send(&second, announcement).await.unwrap();
    let announced = [&["EHLO", "EHLO"], &MAIL.repeat(3)[..]].concat();
    let commands = server.until_commands(|connections| connections.concat().len() == announced.len()).await;
    assert_eq!(commands, std::slice::from_ref(&announced));
    assert_eq!(taken(&server), ["a", "b"]);
    run.send(&third, None).await.unwrap();
    assert_eq!(taken(&server), ["a", "b", "c"]);
    // The connection is left to others.
    drop(run);
    send(&sender, "d").await.unwrap();
    assert_eq!(server.commands(), [[&announced[..], &MAIL].concat()]);
}

#[tokio::test]
async fn runs_change_connections_after_fifty_mails() {
    for pipelining in [false, true] {
        let server = Server::start(Rules { pipelining, ..Rules::default() }).await;
        assert!(send_all(&server.sender(), &["a"; 120]).await.iter().all(Result::is_ok));
        let mails: Vec<usize> =
            server.commands().iter().map(|commands| commands.iter().filter(|one| *one == "DATA").count()).collect();
        assert_eq!((server.mails().len(), mails), (120, vec![50, 50, 20]));
    }
}

#[tokio::test]
async fn what_becomes_of_one_mail_of_a_run_costs_the_others_nothing() {
    let refused = Failure { is_permanent: true, reason: "the mail server answered 550".to_owned() };
    let unread = Failure { is_permanent: true, reason: "the mail server answered 554".to_owned() };
    for wants_mail_for_nobody in [false, true] {
        let server = Server::start(Rules { pipelining: true, wants_mail_for_nobody, ..Rules::default() }).await;
        let receivers = ["a", "b", "refused", "c", "unread", "d", "unread", "refused", "refused", "e"];
        let outcomes = send_all(&server.sender(), &receivers).await;
        for (receiver, outcome) in receivers.into_iter().zip(outcomes) {
            let expected = match receiver {
                "refused" => Err(refused.clone()),
                "unread" => Err(unread.clone()),
                _ => Ok(()),
            };
            assert_eq!(outcome, expected, "{receiver}");
        }
        assert_eq!(
            (taken(&server), server.commands().len()),
            (["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(), 1)
        );
    }
}

#[tokio::test]
async fn a_connection_that_ends_within_a_run_takes_no_other_mail_with_it() {
    let unclear = passing("the connection to the mail server ended before it said whether it has the mail");
    let server = Server::start(Rules { pipelining: true, ..Rules::default() }).await;
    let outcomes = send_all(&server.sender(), &["a", "b", "unanswered", "c", "d"]).await;
    assert_eq!(outcomes, [Ok(()), Ok(()), Err(unclear), Ok(()), Ok(())]);
    assert_eq!(
        (taken(&server), server.commands().len()),
        (["a", "b", "unanswered", "c", "d"].map(str::to_owned).to_vec(), 2)
    );
    // Between two mails, when the next one has been announced already.
    let server = Server::start(Rules { pipelining: true, most_mails: 3, ..Rules::default() }).await;
    assert_eq!(send_all(&server.sender(), &["a"; 10]).await, vec![Ok(()); 10]);
    assert_eq!((server.mails().len(), server.commands().len()), (10, 4));
}

#[tokio::test]
async fn an_answer_that_does_not_come_costs_only_the_mail_that_it_is_about() {
    let server = Server::start(Rules { pipelining: true, ..Rules::default() }).await;
    let sender = server.impatient_sender();
    let late = passing("the mail server did not answer in time");
    assert_eq!(send_all(&sender, &["a", "b", "slow", "c", "d"]).await, [Ok(()), Ok(()), Err(late), Ok(()), Ok(())]);
    assert_eq!(
        (taken(&server), server.commands().len()),
        (["a", "b", "slow", "c", "d"].map(str::to_owned).to_vec(), 2)
    );
    // A server that is slow is not told of the next mail before it has answered.
    let patient = server.sender();
    let mut run = patient.run();
    run.send(&mail(&patient, "slow"), None).await.unwrap();
    assert!(!run.announces());
    run.send(&mail(&patient, "a"), None).await.unwrap();
    assert!(run.announces());
}

#[tokio::test]
async fn a_connection_that_waits_for_a_mail_is_left_to_nobody() {
    let server = Server::start(Rules { pipelining: true, ..Rules::default() }).await;
    let sender = server.sender();
    let [first, second, third] = ["a", "b", "c"].map(|to| mail(&sender, to));
    for is_dropped in [true, false] {
        let mut run = sender.run();
        run.send(&first, None).await.unwrap();
        let announcement = run.announcement(&third);
        run.send(&second, announcement).await.unwrap();
        if is_dropped {
            drop(run);
        } else {
            run.hang_up();
            run.send(&first, None).await.unwrap();
        }
    }
    server.until_ended(2).await;
    assert_eq!((taken(&server), server.commands().len()), (["a", "b", "a", "b", "a"].map(str::to_owned).to_vec(), 3));
}
