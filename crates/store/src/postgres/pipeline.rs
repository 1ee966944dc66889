//! Several requests on one connection without waiting in between.

use std::{
    future::poll_fn,
    pin::Pin,
    task::Poll::{Pending, Ready},
};

/// Runs futures whose requests must be sent in their order and are answered in their order, as on a connection to
/// PostgreSQL. Each sends its request when it is looked at for the first time, which happens to all of them at once
/// here and in order; afterwards only the first unanswered one is looked at.
pub(super) async fn in_order<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut answers: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    let mut has_begun = false;
    poll_fn(move |context| {
        for (future, answer) in waiting.iter_mut().zip(&mut answers) {
            if answer.is_some() {
                continue;
            }
            match future.as_mut().poll(context) {
                Ready(output) => *answer = Some(output),
                Pending if has_begun => return Pending,
                Pending => {}
            }
        }
        has_begun = true;
        if answers.iter().any(Option::is_none) { Pending } else { Ready(answers.drain(..).flatten().collect()) }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::in_order;

    #[tokio::test]
    async fn requests_leave_in_order_and_before_the_first_answer() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let request = |number: usize| {
            let log = log.clone();
            async move {
                log.borrow_mut().push(("sent", number));
                for _ in 0..number % 3 {
                    tokio::task::yield_now().await;
                }
                log.borrow_mut().push(("answered", number));
                number
            }
        };
        assert_eq!(in_order((1..100).map(request).collect()).await, (1..100).collect::<Vec<_>>());
        let sent: Vec<_> = log.borrow().iter().filter(|(what, _)| *what == "sent").map(|(_, number)| *number).collect();
        assert_eq!(sent, (1..100).collect::<Vec<_>>());
        let first_round = log.borrow().iter().take(99 + 33).filter(|(what, _)| *what == "sent").count();
        assert_eq!(first_round, 99, "all are sent before any is waited for");
    }

    #[tokio::test]
    async fn nothing_is_no_request() {
        assert_eq!(in_order(Vec::<std::future::Ready<()>>::new()).await, []);
    }
}
